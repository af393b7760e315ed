// The dispatcher: joins what is due (core::Scheduler), what is stored (storage) and what goes out
// (net::HttpSender).
//
// One event through it:  a commit reports due rows -> scheduler -> take_ready -> jobs read from
// storage -> staged -> signed request -> HttpSender -> verdict, retry and deactivation decided,
// slot freed -> one AttemptFinished mutation -> durable -> claim released.
//
// Three of these go on at once: the next jobs are read while requests are on the wire, and outcomes
// become durable meanwhile. So neither the disk nor the network waits for the other; each is
// bounded (core::SchedulerLimits).
//
// What must hold:
// - No send starts for an endpoint that is not active: decided here at completion, read again with
// each job, looked at once more when its turn has come.
// - Each claim ends in exactly one of: released without a trace, DeliveryEnded, AttemptFinished;
// and is known to the scheduler until then.
// - A result whose commit failed cleanly (disk full, busy) is kept and submitted again; it is never
// dropped.
// - Health is counted in the order in which attempts complete.
//
// There may be several, each with a loop and endpoints of its own (dispatchers.h). One thread, that
// loop's. Time comes from Clock, so a test can run days in milliseconds.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/provider.h"
#include "core/read_ahead.h"
#include "core/scheduler.h"
#include "core/send_window.h"
#include "core/signature.h"
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
    std::function<double()> roll;  // [0, 1), for jitter
    // Its stored state is wanted, by put_endpoint() or forget_endpoint().
    std::function<void(storage::EndpointRow)> load_endpoint;
    std::function<void(Error)> failed;    // the engine cannot go on
    std::function<void()> maintain = {};  // what a deactivation leaves is to be tidied up
    std::function<void()> noticed = {};   // there may be new notices
    // Calls back once the loop has looked, without waiting, for what is ready, and handled it.
    // Unset: as much is sent at once as the limits allow.
    std::function<void(std::function<void()>)> after_poll = {};
    // Calls back once the loop has handled what it has found ready. Answers that came together are
    // then followed by requests that go out together: a receiver is woken for the first of them
    // only. Unset: each answer is followed at once.
    std::function<void(std::function<void()>)> after_turn = {};
  };
  Dispatcher(Parts parts, DispatcherOptions options);
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // No new sends. `done` once nothing is in flight and every result is durable.
  void stop(std::function<void()> done);

  // What is on the disk: of a new endpoint, or of one that has changed.
  void put_endpoint(storage::EndpointRecord record);
  void forget_endpoint(storage::EndpointRow row);
  // Rows that have just become due. `committed_at`: of their event, where it was committed just
  // now.
  void add_due(const std::vector<storage::DueRow>& rows,
               std::optional<core::WallTime> committed_at = {});
  // There may be rows due that nobody told of.
  void more_on_disk(storage::EndpointRow endpoint);
  // An operator retried or cancelled it: what waits in memory may be out of date, the disk is
  // right.
  void moved(storage::EndpointRow endpoint, storage::DeliveryRow delivery);
  // After any of these, and after StorageLink::drain(): claims, refills, timers.
  void pump();

  // Requests on the wire.
  [[nodiscard]] std::uint32_t in_flight() const { return parts_.sender.in_flight(); }

 private:
  struct Breaker {
    core::Health health;
    std::uint64_t epoch = 0;
  };
  struct LiveSigner {
    std::optional<std::int64_t> expires_at;
    Result<core::Signer> signer;
  };
  struct Endpoint {
    storage::EndpointRecord record;     // its secrets wiped
    std::vector<LiveSigner> signers{};  // of its secrets, newest first
    const core::Provider* provider =
        nullptr;  // null: its definition is not loaded; it is not served
    // Where requests go, and with which headers; or why that is not known.
    Result<std::shared_ptr<const net::HttpDestination>> destination =
        fail(ErrorCode::kInternal, "not parsed");
    bool signs_id = false;                        // the signature's headers bring the webhook-id
    std::shared_ptr<const TlsIdentity> identity;  // shared with requests in flight
    Metrics::Provider series = 0;
    Breaker breaker;
    bool sends = false;  // active, and served
    bool switching_off =
        false;             // deactivated here, not durable yet: nothing read meanwhile revives it
    bool removed = false;  // kept for what is still in flight
  };
  // A claimed delivery, from its job to its durable result. Used again and again, so that what
  // waits for an answer refers to it by its address.
  struct Flight {
    core::Claim claim{};
    storage::DeliveryJob job{};
    std::int64_t started_at = 0;
    core::WallTime committed_at{};  // of the event: see outrider_first_byte_latency_seconds
    bool sent = false;              // it was given to the sender
    std::size_t staged_bytes = 0;
    // Kept until it is durable: a commit that failed cleanly is tried again with it.
    storage::Mutation result{};
    core::SlotResult slot = core::SlotResult::kNeutral;
  };
  using AccountKey = std::pair<std::string, std::string>;  // provider, account

  // Endpoints (dispatcher_endpoints.cc).
  void load_account(const AccountKey& key);
  Breaker& breaker_of(Endpoint& endpoint);
  void set_sending(Endpoint& endpoint, bool sends);
  void noticed() const;

  // Sending (dispatcher.cc).
  void request_refills();
  void request_jobs();
  void read_again(const std::vector<core::Claim>& claims);
  Flight& new_flight(const core::Claim& claim);
  void end_flight(Flight& flight);
  void abandon(Flight& flight);  // its row stays on disk
  void stage(Flight& flight);
  void unstage(storage::DeliveryRow delivery);
  void launch_staged();
  void launch_more_when_idle();
  void pump_after_turn();
  void launch(Flight& flight);
  void unreadable(Flight& flight);
  void arm_timer();
  core::DueItem to_item(const storage::DueRow& row) const;
  void release(const core::Claim& claim, core::SlotResult result);
  void check_stopped();

  // Requests (dispatcher_request.cc).
  void prepare_signers(Endpoint& endpoint) const;
  void prepare_destination(Endpoint& endpoint) const;
  Result<std::vector<HeaderField>> sign(const Endpoint& endpoint, const storage::DeliveryJob& job,
                                        const std::string& id, std::int64_t now) const;
  // Takes the body out of the job: it travels with the request.
  Result<net::HttpRequest> build(const Endpoint& endpoint, storage::DeliveryJob& job,
                                 std::int64_t now) const;

  // Results (dispatcher_result.cc).
  void finished(Flight& flight, net::HttpOutcome outcome);
  void end_without_attempt(Flight& flight, core::DeliveryStep step, std::string reason);
  void record(Flight& flight);
  void answered(Flight& flight, const storage::Outcome& outcome);
  void recorded(const storage::Finished& finished, Flight& flight);
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
  std::deque<Flight> flights_;         // all there ever were at once
  std::vector<Flight*> free_flights_;  // of them
  std::deque<Flight*> staged_;         // read, and waiting for their turn
  core::ReadAhead ahead_;
  core::SendWindow window_;
  std::uint64_t answers_ = 0;  // of requests, so far
  bool reading_jobs_ =
      false;  // one read at a time: what becomes ready meanwhile goes with the next
  bool launching_ = false;
  bool polling_ = false;  // after_poll was asked for
  bool turning_ = false;  // after_turn was
  // Ordered maps: what follows from walking them must not depend on addresses.
  std::map<storage::EndpointRow, Endpoint> endpoints_;
  std::map<AccountKey, Breaker> accounts_;
  HeldIdentities identities_;
  core::Timers::Id wake_timer_ = 0;
  std::optional<core::Instant> wake_at_;
  std::uint32_t pending_results_ = 0;  // submitted or waiting to be submitted again
  bool stopping_ = false;
  bool failed_ = false;
  std::function<void()> stopped_;
};

}  // namespace outrider
