// Sending: from due rows to requests on the wire. See dispatcher.h for the whole path.
#include "dispatcher.h"

#include <algorithm>
#include <span>

#include "core/assert.h"

namespace outrider {
namespace {

constexpr std::size_t kRefillsAtOnce = 64;
// Read while others are on the wire.
constexpr std::uint32_t kMostAhead = 512;
// Longest time between a row becoming due on disk and a timer set for it: a bound for wall-clock
// surprises.
constexpr core::Duration kLongestSleep{100'000'000};

core::SchedulerLimits with_work_ahead(core::SchedulerLimits limits) {
  limits.ahead = std::min(4 * limits.max_in_flight, kMostAhead);
  limits.max_unrecorded = 4 * limits.max_in_flight;
  return limits;
}

}  // namespace

Dispatcher::Dispatcher(Parts parts, DispatcherOptions options)
    : parts_(std::move(parts)),
      options_(std::move(options)),
      scheduler_(with_work_ahead(options_.scheduler)),
      window_(options_.scheduler.max_in_flight) {}

Dispatcher::~Dispatcher() { parts_.timers.cancel(wake_timer_); }

void Dispatcher::stop(std::function<void()> done) {
  stopping_ = true;
  stopped_ = std::move(done);
  parts_.timers.cancel(wake_timer_);
  wake_timer_ = 0;
  check_stopped();
}

void Dispatcher::check_stopped() {
  if (!stopping_ || !stopped_) return;
  if (parts_.sender.in_flight() != 0 || pending_results_ != 0) return;
  auto done = std::move(stopped_);
  stopped_ = nullptr;
  done();
}

void Dispatcher::pump() {
  if (stopping_ || failed_) return;
  launch_staged();
  request_jobs();
  request_refills();
  arm_timer();
}

void Dispatcher::pump_after_turn() {
  if (turning_) return;
  if (!parts_.after_turn) {
    pump();
    return;
  }
  turning_ = true;
  parts_.after_turn([this] {
    turning_ = false;
    pump();
  });
}

void Dispatcher::add_due(const std::vector<storage::DueRow>& rows,
                         std::optional<core::WallTime> committed_at) {
  for (const storage::DueRow& row : rows) {
    if (endpoints_.contains(row.endpoint)) {
      core::DueItem item = to_item(row);
      item.committed_at = committed_at;
      scheduler_.add(row.endpoint, item);
    } else {
      parts_.load_endpoint(row.endpoint);  // added by another process a moment ago
    }
  }
}

// Stored times are of the wall clock, and that one can be set. A first attempt is due whatever the
// clock says now; a retry never waits longer than its policy's longest delay. What waits in memory
// already runs on the monotonic clock.
core::DueItem Dispatcher::to_item(const storage::DueRow& row) const {
  core::Duration longest = kLongestSleep;
  if (const auto found = endpoints_.find(row.endpoint);
      found != endpoints_.end() && found->second.provider != nullptr) {
    longest = found->second.provider->retry.longest_delay();
  }
  return {.delivery = row.delivery,
          .next_at_ms = row.next_at,
          .attempt = row.attempt,
          .due = row.attempt == 1
                     ? parts_.clock.now()
                     : core::due_instant(core::wall_from_ms(row.next_at), parts_.clock.wall(),
                                         parts_.clock.now(), longest)};
}

void Dispatcher::request_refills() {
  for (const storage::EndpointRow row : scheduler_.take_refills(kRefillsAtOnce)) {
    const std::size_t limit = scheduler_.rows_wanted(row);
    parts_.storage.read<std::vector<storage::DueRow>>(
        [row, limit](storage::Outbox& outbox) { return outbox.due(row, limit); },
        [this, row, limit](Result<std::vector<storage::DueRow>> rows) {
          if (!rows) {  // asked again a little later
            parts_.timers.start(options_.storage_retry, [this, row] {
              scheduler_.refill(row, {}, false);
              pump();
            });
            return;
          }
          std::vector<core::DueItem> items;
          items.reserve(rows->size());
          for (const storage::DueRow& due : *rows) items.push_back(to_item(due));
          scheduler_.refill(row, items, rows->size() < limit);
        });
  }
}

void Dispatcher::request_jobs() {
  if (reading_jobs_) return;
  auto claims = scheduler_.take_ready(parts_.clock.now(), ahead_.room());
  if (claims.empty()) return;
  reading_jobs_ = true;
  std::vector<storage::DeliveryRow> rows;
  rows.reserve(claims.size());
  for (const core::Claim& claim : claims) rows.push_back(claim.item.delivery);
  std::sort(rows.begin(), rows.end());
  parts_.storage.read<std::vector<storage::DeliveryJob>>(
      [rows = std::move(rows)](storage::Outbox& outbox) { return outbox.jobs(rows); },
      [this, claims = std::move(claims)](Result<std::vector<storage::DeliveryJob>> jobs) {
        reading_jobs_ = false;
        if (!jobs) {
          for (const core::Claim& claim : claims) release(claim, core::SlotResult::kNeutral);
          read_again(claims);
          return;
        }
        for (const core::Claim& claim : claims) {
          const auto job = std::lower_bound(
              jobs->begin(), jobs->end(), claim.item.delivery,
              [](const storage::DeliveryJob& a, storage::DeliveryRow b) { return a.delivery < b; });
          if (job == jobs->end() || job->delivery != claim.item.delivery) {
            release(claim, core::SlotResult::kNeutral);
          } else {
            Flight& flight = new_flight(claim);
            flight.job = std::move(*job);
            stage(flight);
          }
        }
      });
}

// The disk did not answer: what was claimed is still on it, and is looked for again a little later.
void Dispatcher::read_again(const std::vector<core::Claim>& claims) {
  parts_.timers.start(options_.storage_retry, [this, claims] {
    for (const core::Claim& claim : claims) scheduler_.mark_incomplete(claim.endpoint);
    pump();
  });
}

void Dispatcher::release(const core::Claim& claim, core::SlotResult result) {
  scheduler_.release(claim.endpoint, claim.item.delivery, result);
}

Dispatcher::Flight& Dispatcher::new_flight(const core::Claim& claim) {
  if (free_flights_.empty()) free_flights_.push_back(&flights_.emplace_back());
  Flight& flight = *free_flights_.back();
  free_flights_.pop_back();
  flight.claim = claim;
  return flight;
}

void Dispatcher::end_flight(Flight& flight) {
  flight = Flight();
  free_flights_.push_back(&flight);
}

void Dispatcher::abandon(Flight& flight) {
  release(flight.claim, core::SlotResult::kNeutral);
  end_flight(flight);
}

void Dispatcher::stage(Flight& flight) {
  flight.staged_bytes = flight.job.body.size();
  ahead_.came(flight.staged_bytes);
  staged_.push_back(&flight);
}

// What was read of it is out of date.
void Dispatcher::unstage(storage::DeliveryRow delivery) {
  const auto found = std::ranges::find(
      staged_, delivery, [](const Flight* flight) { return flight->claim.item.delivery; });
  if (found == staged_.end()) return;
  Flight& flight = **found;
  staged_.erase(found);
  ahead_.left(flight.staged_bytes);
  abandon(flight);
}

// As many as the window wants on the wire, in the order in which they were claimed.
void Dispatcher::launch_staged() {
  if (launching_) return;  // an outcome that needed no request
  launching_ = true;
  const std::uint32_t limit = parts_.after_poll ? window_.limit() : window_.maximum();
  while (!staged_.empty() && parts_.sender.in_flight() < limit) {
    Flight& flight = *staged_.front();
    staged_.pop_front();
    ahead_.left(flight.staged_bytes);
    launch(flight);
  }
  launching_ = false;
  launch_more_when_idle();
}

void Dispatcher::launch_more_when_idle() {
  if (polling_ || staged_.empty() || !parts_.after_poll ||
      parts_.sender.in_flight() >= window_.maximum()) {
    return;
  }
  polling_ = true;
  parts_.after_poll([this, before = answers_] {
    polling_ = false;
    if (stopping_ || failed_) return;
    if (answers_ == before) {
      window_.was_idle();
    } else {
      window_.was_busy();
    }
    launch_staged();
  });
}

void Dispatcher::launch(Flight& flight) {
  const core::Claim& claim = flight.claim;
  const auto found = endpoints_.find(claim.endpoint);
  if (stopping_ || failed_ || found == endpoints_.end() || !found->second.sends ||
      flight.job.state != DeliveryState::kPending) {
    abandon(flight);
    return;
  }
  Endpoint& endpoint = found->second;
  if (flight.job.endpoint_state != EndpointState::kActive) {
    // An operator was faster than the change log.
    set_sending(endpoint, false);
    parts_.load_endpoint(claim.endpoint);
    abandon(flight);
    return;
  }
  if (!flight.job.unreadable.empty()) {
    unreadable(flight);
    return;
  }
  const std::int64_t now = core::to_ms(parts_.clock.wall());
  const storage::DeliveryJob& job = flight.job;
  const bool spared = job.expiry_spares_first && claim.item.attempt == 1;
  if (job.expires_at && *job.expires_at <= now && !spared) {
    end_without_attempt(flight, core::DeliveryStep::kExpire,
                        "expired at " + rfc3339(core::wall_from_ms(*job.expires_at)));
    return;
  }
  flight.started_at = now;
  flight.committed_at = claim.item.committed_at.value_or(core::wall_from_ms(job.created_at));
  auto request = build(endpoint, flight.job, now);
  if (!request) {
    const bool blocked = !endpoint.destination.has_value();
    finished(flight, {.error = blocked ? ErrorClass::kBlocked : ErrorClass::kAborted,
                      .detail = "not sent: " + request.error().to_string()});
    return;
  }
  flight.sent = true;
  parts_.sender.send(std::move(*request), [this, sent = &flight](net::HttpOutcome outcome) {
    ++answers_;
    finished(*sent, std::move(outcome));
  });
}

// A row that nobody can open any more must not stand in the way of the rest; one that can be opened
// once the key file is back waits for that.
void Dispatcher::unreadable(Flight& flight) {
  const storage::DeliveryJob& job = flight.job;
  const std::string id = parts_.intake.ids().text(crypto::IdKind::kDelivery, job.delivery);
  parts_.log.line(parts_.clock.wall(), "payload_unreadable",
                  {{LogField::kDelivery, id}, {LogField::kReason, job.unreadable}});
  if (!job.unreadable_for_now) {
    end_without_attempt(flight, core::DeliveryStep::kCancel,
                        "the payload cannot be read: " + job.unreadable);
    return;
  }
  const core::Claim claim = flight.claim;
  abandon(flight);
  read_again({claim});
}

void Dispatcher::arm_timer() {
  // Their answer comes first, or there is room first: then everything is looked at again.
  if (reading_jobs_ || ahead_.room() == 0) return;
  const auto wake = scheduler_.next_wake(parts_.clock.now());
  if (wake == wake_at_) return;
  parts_.timers.cancel(wake_timer_);
  wake_timer_ = 0;
  wake_at_ = wake;
  if (!wake) return;
  const auto after = std::max(core::Duration(0), *wake - parts_.clock.now());
  wake_timer_ = parts_.timers.start(after, [this] {
    wake_timer_ = 0;
    wake_at_.reset();
    pump();
  });
}

}  // namespace outrider
