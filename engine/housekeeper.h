// What an engine does once, however many loops send: it follows what other connections commit,
// takes in what came by plain SQL, reads endpoints and hands them to the dispatcher that serves
// them, and keeps the database within its retention.
//
// One thread, that of the first loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/provider.h"
#include "core/time.h"
#include "dispatchers.h"
#include "intake.h"
#include "metrics.h"
#include "storage_link.h"

namespace outrider {

struct HousekeeperOptions {
  std::uint32_t retain_payload_days = 30;
  std::uint32_t retain_attempt_days = 400;
  core::Duration maintain_every{60'000};
  // What plain SQL brought in is gone from the write-ahead log this long after its pickup.
  core::Duration plain_in_log{5'500};
  core::Duration storage_retry{250};  // between two tries to read an endpoint
};

class Housekeeper {
 public:
  struct Parts {
    core::Clock& clock;
    core::Timers& timers;
    StorageLink& storage;  // of the first loop
    const core::ProviderSet& providers;
    const Intake& intake;
    Metrics& metrics;
    Dispatchers& dispatchers;
    std::function<void(Error)> failed;   // the engine cannot go on
    std::function<void()> noticed = {};  // there may be new notices
  };
  Housekeeper(Parts parts, HousekeeperOptions options);
  ~Housekeeper();
  Housekeeper(const Housekeeper&) = delete;
  Housekeeper& operator=(const Housekeeper&) = delete;

  // Reads the endpoints and begins. `ready` once the dispatchers were told of them, or once
  // `failed` was told why not.
  void start(std::function<void()> ready);
  void stop();

  // Something outside may have committed to the database: look.
  void on_foreign_commit();
  // Its stored state may be another than its dispatcher knows, or nobody knows it yet.
  void load_endpoint(storage::EndpointRow row);
  // There is something to tidy up, beside what time brings.
  void maintain();

  // Of a provider that is told of notices.
  [[nodiscard]] bool has_listeners(const std::string& provider) const {
    return listeners_.contains(provider);
  }

 private:
  void put_endpoint(storage::EndpointRecord record);
  void forget_endpoint(storage::EndpointRow row);
  void follow(const storage::ForeignChanges& changes);
  void look_at(std::vector<storage::DeliveryRow> deliveries);
  void noticed() const;
  void pick_up_inbox();
  void take_in(const std::vector<storage::InboxRow>& rows);
  void taken_in(bool all);
  void picked_up(const storage::Applied& applied, Metrics::Provider series);
  void refused_at_commit(std::int64_t inbox_row, Metrics::Provider series, const Error& error);
  void maintain_within(core::Duration after);  // unless that is sooner already

  Parts parts_;
  HousekeeperOptions options_;
  // By provider: its endpoints, where it is told of notices.
  std::map<std::string, std::set<storage::EndpointRow>> listeners_;
  core::Timers::Id maintain_timer_ = 0;
  std::optional<core::Instant> maintain_at_;  // when it fires
  bool stopped_ = false;                      // or never begun
  bool follow_running_ = false;
  bool follow_again_ = false;
  bool inbox_running_ = false;
};

}  // namespace outrider
