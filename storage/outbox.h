// The outbox: where events are safe. One interface for every database; the contract below is
// checked against each by the suite in tests/conformance. What goes in is in mutations.h, what is
// read in engine_records.h, operator_records.h and audit_records.h.
//
// Writing is mutations, as values. apply() runs a batch of them in one transaction with one durable
// commit; each gets its own outcome (a refused one leaves no trace and does not disturb the
// others). Nothing is acknowledged before apply() has returned. An error of apply() itself says
// what happened to the whole batch: kBusy, kIo: nothing of it was committed; kUnknownOutcome: it
// may or may not have been, the Outbox is poisoned and every later call answers the same; reopen.
//
// Reading is bounded: every list has a limit. Reads see the last commit.
//
// Threads: one thread at a time. Inside ids are row ids; times are UTC milliseconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "outrider/result.h"
#include "outrider/types.h"
#include "storage/audit_records.h"
#include "storage/engine_records.h"
#include "storage/mutations.h"
#include "storage/operator_records.h"
#include "storage/rows.h"

namespace outrider::storage {

class Outbox {
 public:
  virtual ~Outbox() = default;

  // One transaction, one durable commit, an outcome for each mutation in order. An empty batch is
  // nothing.
  [[nodiscard]] virtual Result<std::vector<Outcome>> apply(std::span<const Mutation> batch) = 0;

  // The engine's reads.
  [[nodiscard]] virtual Result<std::vector<EndpointRecord>> endpoints(
      std::int64_t now) = 0;  // not removed
  [[nodiscard]] virtual Result<std::optional<EndpointRecord>> endpoint(EndpointRow row,
                                                                       std::int64_t now) = 0;
  [[nodiscard]] virtual Result<AccountHealth> account_health(const std::string& provider,
                                                             const std::string& account) = 0;
  // The endpoint's earliest rows by (next_at, delivery), whatever their time. Those whose
  // cancellation is under way are left out.
  [[nodiscard]] virtual Result<std::vector<DueRow>> due(EndpointRow endpoint,
                                                        std::size_t limit) = 0;
  // Unknown ones are left out. Sorted by delivery.
  [[nodiscard]] virtual Result<std::vector<DeliveryJob>> jobs(
      std::vector<DeliveryRow> deliveries) = 0;
  [[nodiscard]] virtual Result<std::vector<InboxRow>> inbox(std::size_t limit) = 0;
  [[nodiscard]] virtual Result<ForeignChanges> foreign_changes() = 0;

  // The operators' reads.
  [[nodiscard]] virtual Result<std::vector<EventRecord>> events(
      const EventQuery& query) = 0;  // newest first, no bodies
  [[nodiscard]] virtual Result<std::optional<EventRecord>> event(EventRow row) = 0;
  [[nodiscard]] virtual Result<std::optional<DeliveryRecord>> delivery(DeliveryRow row) = 0;
  [[nodiscard]] virtual Result<std::vector<DeliveryRecord>> deliveries(EventRow event) = 0;
  [[nodiscard]] virtual Result<std::vector<AttemptRecord>> attempts(DeliveryRow delivery) = 0;
  [[nodiscard]] virtual Result<ReplayPage> replayable(const ReplayQuery& query) = 0;
  [[nodiscard]] virtual Result<QueueCounts> queue(std::int64_t now) = 0;
  [[nodiscard]] virtual Result<std::vector<EndpointCounts>> queue_by_endpoint(std::int64_t now) = 0;
  // Costs a seek for each five minutes of the time, and a walk over what waits.
  [[nodiscard]] virtual Result<EndpointCensus> endpoint_census(EndpointRow endpoint,
                                                               std::int64_t since,
                                                               std::int64_t until,
                                                               std::int64_t now) = 0;
  [[nodiscard]] virtual Result<std::vector<RejectedRecord>> rejected(std::uint32_t limit) = 0;

  [[nodiscard]] virtual Result<NoticeRows> notices(const NoticeQuery& query) = 0;
  // Where ForwardNotices stands for this provider; what its oldest endpoint must not hear is passed
  // over.
  [[nodiscard]] virtual Result<NoticeRow> notices_forwarded(const std::string& provider) = 0;

  [[nodiscard]] virtual Result<KeyStatus> key_status() = 0;
  [[nodiscard]] virtual Result<std::vector<TokenView>> tokens() = 0;

  [[nodiscard]] virtual Result<std::vector<AuditRecord>> audit(
      const AuditQuery& query) = 0;  // newest first
  // Every attempt and audit row against the chain, in one snapshot and bounded memory. `expected`:
  // a head of earlier must still be part of it. Errors: kKey.
  [[nodiscard]] virtual Result<ChainReport> verify_chain(
      const std::optional<ChainPoint>& expected) = 0;

  // The database's own key for public ids (random, made at creation).
  [[nodiscard]] virtual Result<std::string> id_key() = 0;
};

}  // namespace outrider::storage
