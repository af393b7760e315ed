// Stored records as the public values: row ids become public ids, payloads are masked by their
// provider.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/provider.h"
#include "crypto/public_id.h"
#include "outrider/database.h"
#include "outrider/result.h"
#include "outrider/types.h"
#include "storage/outbox.h"
#include "wake.h"

namespace outrider {

class DatabaseViews {
 public:
  // All three must outlive it.
  DatabaseViews(storage::Outbox& outbox, const crypto::PublicIds& ids,
                const core::ProviderSet& providers)
      : outbox_(outbox), ids_(ids), providers_(providers) {}

  [[nodiscard]] EndpointView endpoint(const storage::EndpointRecord& record) const;
  [[nodiscard]] Result<std::vector<EventView>> events(const EventFilter& filter);
  // An event by its id, or by one of its deliveries', of which it then is about that one.
  struct FoundEvent {
    storage::EventRecord record;
    std::optional<storage::DeliveryRow> delivery;
    std::string id;  // as it was asked for
  };
  // `account`, where it is not empty: whose it must be. Errors: kNotFound.
  [[nodiscard]] Result<FoundEvent> find(const std::string& id, const std::string& account);
  // Whether its payload can be shown. Errors: kKey, kRefused.
  [[nodiscard]] Result<void> revealable(const FoundEvent& found);
  [[nodiscard]] Result<EventView> event(FoundEvent found, bool reveal);
  [[nodiscard]] Result<QueueView> queue(std::int64_t now, bool with_endpoints,
                                        std::optional<EngineStatus> engine);

  // `health`: the breaker that counts for it.
  [[nodiscard]] Result<EndpointStats> endpoint_stats(const storage::EndpointRecord& record,
                                                     const core::Health& health, std::int64_t since,
                                                     std::int64_t until, std::int64_t now);

  [[nodiscard]] Result<std::vector<AuditEntry>> audit(const AuditFilter& filter);
  [[nodiscard]] Result<ChainView> chain(const std::string& expected);

  [[nodiscard]] Result<NoticePage> notices(const NoticeFilter& filter);

  struct Object {
    std::optional<storage::EventRow> event;
    std::optional<storage::DeliveryRow> delivery;
  };
  // What an id given by an operator names. Errors: kNotFound.
  [[nodiscard]] Result<Object> event_or_delivery(const std::string& id) const;

 private:
  [[nodiscard]] EventView event_view(const storage::EventRecord& record) const;
  [[nodiscard]] Result<DeliveryView> delivery_view(const storage::DeliveryRecord& record,
                                                   const core::Provider* provider, bool reveal);

  storage::Outbox& outbox_;
  const crypto::PublicIds& ids_;
  const core::ProviderSet& providers_;
};

}  // namespace outrider
