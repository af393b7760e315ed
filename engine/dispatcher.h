// The dispatcher: joins what is due (core::Scheduler), what is stored (storage) and what goes out
// (net::HttpSender).
//
// One event through it:  a commit reports due rows -> scheduler -> take_ready -> jobs read from
// storage -> signed request
// -> HttpSender -> verdict, retry and deactivation decided -> one AttemptFinished mutation ->
// durable -> slot freed.
//
// What must hold:
// - No send starts for an endpoint that is not active: decided here at completion, read again with
// each job.
// - Each claim ends in exactly one of: released without a trace, DeliveryEnded, AttemptFinished;
// and holds its slot until then.
// - A result whose commit failed cleanly (disk full, busy) is kept and submitted again; it is never
// dropped.
// - Health is counted in the order in which attempts complete.
//
// One thread, the loop's. Time comes from Clock, so a test can run days in milliseconds.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/provider.h"
#include "core/scheduler.h"
#include "core/target.h"
#include "core/time.h"
#include "crypto/public_id.h"
#include "dispatcher_identities.h"
#include "intake.h"
#include "log.h"
#include "metrics.h"
#include "net/http_sender.h"
#include "storage_link.h"

namespace outrider {

struct DispatcherOptions {
  core::SchedulerLimits scheduler;
  core::UrlRules urls;
  std::uint32_t retain_payload_days = 30;
  std::uint32_t retain_attempt_days = 400;
  core::Duration maintain_every{60'000};
  // What plain SQL brought in is gone from the write-ahead log this long after its pickup.
  core::Duration plain_in_log{5'500};
  core::Duration storage_retry{250};  // between two tries to record a result
};

class Dispatcher {
 public:
  struct Parts {
    core::Clock& clock;
    core::Timers& timers;
    net::HttpSender& sender;
    StorageLink& storage;
    const core::ProviderSet& providers;
    const Intake& intake;
    const Log& log;
    Metrics& metrics;
    std::function<double()> roll;        // [0, 1), for jitter
    std::function<void(Error)> failed;   // the engine cannot go on
    std::function<void()> noticed = {};  // there may be new notices
  };
  Dispatcher(Parts parts, DispatcherOptions options);
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // Reads the endpoints and begins. `ready` once they are known, or once `failed` was told why not.
  void start(std::function<void()> ready);
  // No new sends. `done` once nothing is in flight and every result is durable.
  void stop(std::function<void()> done);

  // Own commits made rows due.
  void on_enqueued(const storage::Enqueued& enqueued);
  // Something outside may have committed to the database: look.
  void on_foreign_commit();
  // After the loop has handled its events: claims, refills, timers.
  void pump();

  [[nodiscard]] std::uint32_t in_flight() const noexcept { return scheduler_.in_flight(); }

  // Of a provider that is told of notices.
  [[nodiscard]] bool has_listeners(const std::string& provider) const {
    return listeners_.contains(provider);
  }

 private:
  struct Breaker {
    core::Health health;
    std::uint64_t epoch = 0;
  };
  struct Endpoint {
    storage::EndpointRecord record;
    const core::Provider* provider =
        nullptr;  // null: its definition is not loaded; it is not served
    Result<core::Target> target = fail(ErrorCode::kInternal, "not parsed");
    std::shared_ptr<const TlsIdentity> identity;  // shared with requests in flight
    Metrics::Provider series = 0;
    Breaker breaker;
    bool sends = false;  // active, and served
    bool switching_off =
        false;             // deactivated here, not durable yet: nothing read meanwhile revives it
    bool removed = false;  // kept for what is still in flight
  };
  // A claimed delivery, from its job to its durable result.
  struct Flight {
    core::Claim claim;
    storage::DeliveryJob job;
    std::int64_t started_at = 0;
    core::WallTime committed_at{};  // of the event: see outrider_first_byte_latency_seconds
    bool sent = false;              // it was given to the sender
  };
  using AccountKey = std::pair<std::string, std::string>;  // provider, account

  // Endpoints (dispatcher_endpoints.cc).
  void load_endpoint(storage::EndpointRow row);
  void put_endpoint(storage::EndpointRecord record);
  void forget_endpoint(storage::EndpointRow row);
  void load_account(const AccountKey& key);
  void follow(const storage::ForeignChanges& changes);
  void look_at(std::vector<storage::DeliveryRow> deliveries);
  Breaker& breaker_of(Endpoint& endpoint);
  void set_sending(Endpoint& endpoint, bool sends);
  void noticed() const;
  void pick_up_inbox();
  void picked_up(const storage::Applied& applied, Metrics::Provider series);
  void refused_at_commit(std::int64_t inbox_row, Metrics::Provider series, const Error& error);
  void maintain();
  void maintain_within(core::Duration after);  // unless that is sooner already

  // Sending (dispatcher.cc).
  void request_refills();
  void request_jobs();
  void read_again(const std::vector<core::Claim>& claims);
  void unreadable(const core::Claim& claim, const storage::DeliveryJob& job);
  void launch(const core::Claim& claim, storage::DeliveryJob job);
  // Takes the body out of the job: it travels with the request.
  Result<net::HttpRequest> build(const Endpoint& endpoint, storage::DeliveryJob& job) const;
  void arm_timer();
  core::DueItem to_item(const storage::DueRow& row) const;
  // `committed_at`: of their event, where it was committed just now.
  void add_due(const std::vector<storage::DueRow>& rows,
               std::optional<core::WallTime> committed_at = {});
  void release(const core::Claim& claim, core::SlotResult result);
  void check_stopped();

  // Results (dispatcher_result.cc).
  void finished(const Flight& flight, net::HttpOutcome outcome);
  void end_without_attempt(const core::Claim& claim, core::DeliveryStep step, std::string reason);
  void record(storage::Mutation mutation, core::Claim claim, core::SlotResult result);
  void recorded(const storage::Finished& finished, const core::Claim& claim,
                core::SlotResult result);
  void settle_switch_off(const core::Claim& claim, const storage::Deactivation& deactivation);
  // The endpoints a deactivation in this scope concerns.
  std::vector<storage::EndpointRow> in_scope(storage::EndpointRow row,
                                             core::DeactivationScope scope) const;
  void count_health(Endpoint& endpoint, const core::Verdict& verdict,
                    storage::AttemptFinished& mutation);
  void switch_off(Endpoint& endpoint, const storage::Deactivation& deactivation);
  void count_attempt(const Flight& flight, const storage::AttemptFinished& mutation,
                     std::optional<core::Duration> left_after);
  void count_ending(const storage::Mutation& mutation, const storage::Finished& finished,
                    const core::Claim& claim);
  void log_attempt(const Flight& flight, const storage::AttemptFinished& mutation) const;

  Parts parts_;
  DispatcherOptions options_;
  core::Scheduler scheduler_;
  // Ordered maps: what follows from walking them must not depend on addresses.
  std::map<storage::EndpointRow, Endpoint> endpoints_;
  std::map<AccountKey, Breaker> accounts_;
  HeldIdentities identities_;
  // By provider: its endpoints, where it is told of notices.
  std::map<std::string, std::set<storage::EndpointRow>> listeners_;
  core::Timers::Id wake_timer_ = 0;
  core::Timers::Id maintain_timer_ = 0;
  std::optional<core::Instant> maintain_at_;  // when it fires
  std::optional<core::Instant> wake_at_;
  std::uint32_t pending_results_ = 0;  // submitted or waiting to be submitted again
  bool stopping_ = false;
  bool follow_running_ = false;
  bool follow_again_ = false;
  bool inbox_running_ = false;
  bool failed_ = false;
  std::function<void()> stopped_;
};

}  // namespace outrider
