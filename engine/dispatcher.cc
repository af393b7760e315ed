// Sending: from due rows to requests on the wire. See dispatcher.h for the whole path.
#include "dispatcher.h"

#include <algorithm>
#include <span>

#include "core/ascii.h"
#include "core/assert.h"
#include "crypto/mac.h"

namespace outrider {
namespace {

constexpr std::size_t kRefillsAtOnce = 64;
// Longest time between a row becoming due on disk and a timer set for it: a bound for wall-clock
// surprises.
constexpr core::Duration kLongestSleep{100'000'000};

}  // namespace

Dispatcher::Dispatcher(Parts parts, DispatcherOptions options)
    : parts_(std::move(parts)), options_(std::move(options)), scheduler_(options_.scheduler) {}

Dispatcher::~Dispatcher() {
  parts_.timers.cancel(wake_timer_);
  parts_.timers.cancel(maintain_timer_);
}

void Dispatcher::start(std::function<void()> ready) {
  const std::int64_t now = core::to_ms(parts_.clock.wall());
  parts_.storage.read<std::vector<storage::EndpointRecord>>(
      [now](storage::Outbox& outbox) { return outbox.endpoints(now); },
      [this, ready = std::move(ready)](Result<std::vector<storage::EndpointRecord>> records) {
        if (!records) {
          failed_ = true;
          parts_.failed(records.error());
          ready();
          return;
        }
        for (storage::EndpointRecord& record : *records) put_endpoint(std::move(record));
        on_foreign_commit();
        maintain();
        ready();
        pump();
      });
}

void Dispatcher::stop(std::function<void()> done) {
  stopping_ = true;
  stopped_ = std::move(done);
  parts_.timers.cancel(wake_timer_);
  parts_.timers.cancel(maintain_timer_);
  wake_timer_ = maintain_timer_ = 0;
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
  request_jobs();
  request_refills();
  arm_timer();
}

void Dispatcher::on_enqueued(const storage::Enqueued& enqueued) {
  add_due(enqueued.due, parts_.clock.wall());
  pump();
}

void Dispatcher::add_due(const std::vector<storage::DueRow>& rows,
                         std::optional<core::WallTime> committed_at) {
  for (const storage::DueRow& row : rows) {
    if (endpoints_.contains(row.endpoint)) {
      core::DueItem item = to_item(row);
      item.committed_at = committed_at;
      scheduler_.add(row.endpoint, item);
    } else {
      load_endpoint(row.endpoint);  // added by another process a moment ago
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
          if (!rows) {
            scheduler_.refill(row, {}, false);  // asked again at the next pump
            return;
          }
          std::vector<core::DueItem> items;
          items.reserve(rows->size());
          for (const storage::DueRow& due : *rows) items.push_back(to_item(due));
          scheduler_.refill(row, items, rows->size() < limit);
          pump();
        });
  }
}

void Dispatcher::request_jobs() {
  auto claims = scheduler_.take_ready(parts_.clock.now(), options_.scheduler.max_in_flight);
  if (claims.empty()) return;
  std::vector<storage::DeliveryRow> rows;
  rows.reserve(claims.size());
  for (const core::Claim& claim : claims) rows.push_back(claim.item.delivery);
  std::sort(rows.begin(), rows.end());
  parts_.storage.read<std::vector<storage::DeliveryJob>>(
      [rows = std::move(rows)](storage::Outbox& outbox) { return outbox.jobs(rows); },
      [this, claims = std::move(claims)](Result<std::vector<storage::DeliveryJob>> jobs) {
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
            launch(claim, std::move(*job));
          }
        }
        pump();
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

void Dispatcher::launch(const core::Claim& claim, storage::DeliveryJob job) {
  const auto found = endpoints_.find(claim.endpoint);
  if (stopping_ || failed_ || found == endpoints_.end() || !found->second.sends ||
      job.state != DeliveryState::kPending) {
    release(claim, core::SlotResult::kNeutral);
    return;
  }
  Endpoint& endpoint = found->second;
  if (job.endpoint_state != EndpointState::kActive) {  // an operator was faster than the change log
    set_sending(endpoint, false);
    release(claim, core::SlotResult::kNeutral);
    load_endpoint(claim.endpoint);
    return;
  }
  if (!job.unreadable.empty()) {
    unreadable(claim, job);
    return;
  }
  const std::int64_t now = core::to_ms(parts_.clock.wall());
  const bool spared = job.expiry_spares_first && claim.item.attempt == 1;
  if (job.expires_at && *job.expires_at <= now && !spared) {
    end_without_attempt(claim, core::DeliveryStep::kExpire,
                        "expired at " + rfc3339(core::wall_from_ms(*job.expires_at)));
    return;
  }
  const core::WallTime committed_at =
      claim.item.committed_at.value_or(core::wall_from_ms(job.created_at));
  Flight flight{
      .claim = claim, .job = std::move(job), .started_at = now, .committed_at = committed_at};
  auto request = build(endpoint, flight.job);
  if (!request) {
    const bool blocked = !endpoint.target.has_value();
    finished(flight, {.error = blocked ? ErrorClass::kBlocked : ErrorClass::kAborted,
                      .detail = "not sent: " + request.error().to_string()});
    return;
  }
  flight.sent = true;
  parts_.sender.send(std::move(*request), [this, flight](net::HttpOutcome outcome) {
    finished(flight, std::move(outcome));
  });
}

// A row that nobody can open any more must not stand in the way of the rest; one that can be opened
// once the key file is back waits for that.
void Dispatcher::unreadable(const core::Claim& claim, const storage::DeliveryJob& job) {
  const std::string id = parts_.intake.ids().text(crypto::IdKind::kDelivery, job.delivery);
  parts_.log.line(parts_.clock.wall(), "payload_unreadable",
                  {{LogField::kDelivery, id}, {LogField::kReason, job.unreadable}});
  if (!job.unreadable_for_now) {
    end_without_attempt(claim, core::DeliveryStep::kCancel,
                        "the payload cannot be read: " + job.unreadable);
    return;
  }
  release(claim, core::SlotResult::kNeutral);
  read_again({claim});
}

Result<net::HttpRequest> Dispatcher::build(const Endpoint& endpoint,
                                           storage::DeliveryJob& job) const {
  if (!endpoint.target) return tl::unexpected(endpoint.target.error());
  const core::Provider& provider = *endpoint.provider;
  const std::int64_t now = core::to_ms(parts_.clock.wall());

  std::vector<std::string> secrets;
  for (const Secret& secret : endpoint.record.secrets) {
    if (!secret.expires_at || *secret.expires_at > now) secrets.push_back(secret.text);
  }
  if (secrets.empty()) {
    return fail(ErrorCode::kInvalidArgument, "the endpoint has no live signing secret", {},
                "see: outrider endpoint rotate-secret");
  }
  const std::string id = parts_.intake.ids().text(crypto::IdKind::kEvent, job.event);
  auto headers = core::sign(provider.signature,
                            {.body = job.body,
                             .id = id,
                             .timestamp_s = now / 1000,
                             .type = job.type,
                             .url = endpoint.target->url,
                             .headers = endpoint.record.spec.headers},
                            secrets, crypto::digest);
  for (std::string& secret : secrets) crypto::wipe(secret);
  if (!headers) return tl::unexpected(std::move(headers.error()));

  net::HttpRequest request;
  request.target = *endpoint.target;
  request.body = std::move(job.body);
  request.timeout = provider.timeout;
  request.identity = endpoint.identity;
  request.headers = std::move(*headers);
  const bool has_id =
      std::any_of(request.headers.begin(), request.headers.end(), [](const HeaderField& header) {
        return core::equal_ignoring_case(header.name, "webhook-id");
      });
  if (!has_id) request.headers.push_back({"webhook-id", id});
  request.headers.push_back({"Content-Type", provider.content_type});
  for (const HeaderField& header : provider.headers) request.headers.push_back(header);
  for (const HeaderField& header : endpoint.record.spec.headers) {
    if (!core::is_trace_header(header.name)) request.headers.push_back(header);
  }
  if (!job.trace.parent.empty()) request.headers.push_back({"traceparent", job.trace.parent});
  if (!job.trace.state.empty()) request.headers.push_back({"tracestate", job.trace.state});
  return request;
}

void Dispatcher::arm_timer() {
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
