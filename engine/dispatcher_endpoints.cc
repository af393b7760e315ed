// What the dispatcher knows of endpoints, and how it hears of changes: its own commits by message,
// those of other connections by asking the outbox what is new. Rows that came by plain SQL are
// checked here and accepted or rejected.
#include <algorithm>

#include "dispatcher.h"

namespace outrider {
namespace {

constexpr std::size_t kInboxPage = 256;
constexpr core::Duration kNextMaintenanceStep{20};

}  // namespace

void Dispatcher::load_endpoint(storage::EndpointRow row) {
  const std::int64_t now = core::to_ms(parts_.clock.wall());
  parts_.storage.read<std::optional<storage::EndpointRecord>>(
      [row, now](storage::Outbox& outbox) { return outbox.endpoint(row, now); },
      [this, row](Result<std::optional<storage::EndpointRecord>> record) {
        if (!record) {
          parts_.timers.start(options_.storage_retry, [this, row] { load_endpoint(row); });
          return;
        }
        if (!record->has_value() || (*record)->removed) {
          forget_endpoint(row);
        } else {
          put_endpoint(std::move(**record));
        }
      });
}

void Dispatcher::forget_endpoint(storage::EndpointRow row) {
  scheduler_.remove_lane(row);
  const auto found = endpoints_.find(row);
  if (found == endpoints_.end()) return;
  const auto listeners = listeners_.find(found->second.record.spec.provider);
  if (listeners != listeners_.end()) {
    listeners->second.erase(row);
    if (listeners->second.empty()) listeners_.erase(listeners);
  }
  found->second.removed = true;
  found->second.sends = false;
  found->second.identity.reset();  // and with it its connections
  found->second.signers.clear();
}

std::vector<storage::EndpointRow> Dispatcher::in_scope(storage::EndpointRow row,
                                                       core::DeactivationScope scope) const {
  if (scope == core::DeactivationScope::kEndpoint) return {row};
  const EndpointSpec& spec = endpoints_.at(row).record.spec;
  std::vector<storage::EndpointRow> rows;
  for (const auto& [other, endpoint] : endpoints_) {
    if (!endpoint.removed && endpoint.record.spec.provider == spec.provider &&
        endpoint.record.spec.account == spec.account) {
      rows.push_back(other);
    }
  }
  return rows;
}

void Dispatcher::put_endpoint(storage::EndpointRecord record) {
  const storage::EndpointRow row = record.row;
  Endpoint& endpoint = endpoints_[row];
  // The stored breaker lags behind ours by what is in flight; it wins only where an activation came
  // between.
  if (endpoint.provider == nullptr || record.epoch != endpoint.breaker.epoch) {
    endpoint.breaker = {.health = record.health, .epoch = record.epoch};
  }
  endpoint.record = std::move(record);
  endpoint.provider = parts_.providers.find(endpoint.record.spec.provider);
  prepare_signers(endpoint);
  endpoint.series = parts_.metrics.provider(endpoint.record.spec.provider);
  if (endpoint.provider != nullptr && endpoint.provider->notices) {
    listeners_[endpoint.provider->name].insert(row);
  }
  endpoint.identity = identities_.hold(endpoint.record.spec.tls);
  prepare_destination(endpoint);
  scheduler_.set_lane(row, {.max_in_flight = endpoint.record.spec.max_in_flight,
                            .rate_per_second = endpoint.record.spec.rate_per_second});
  const bool active = endpoint.record.state == EndpointState::kActive;
  if (endpoint.provider == nullptr) {
    const std::string id = parts_.intake.ids().text(crypto::IdKind::kEndpoint, row);
    parts_.log.line(parts_.clock.wall(), "endpoint_not_served",
                    {{LogField::kEndpoint, id},
                     {LogField::kProvider, endpoint.record.spec.provider},
                     {LogField::kReason, "its provider definition is not loaded"}});
  } else if (endpoint.provider->deactivate.scope == core::DeactivationScope::kAccount) {
    load_account({endpoint.record.spec.provider, endpoint.record.spec.account});
  }
  const bool readable = endpoint.record.unreadable.empty();
  if (!readable) {
    const std::string id = parts_.intake.ids().text(crypto::IdKind::kEndpoint, row);
    parts_.log.line(parts_.clock.wall(), "endpoint_not_served",
                    {{LogField::kEndpoint, id}, {LogField::kReason, endpoint.record.unreadable}});
  }
  set_sending(endpoint, active && endpoint.provider != nullptr && readable);
}

void Dispatcher::load_account(const AccountKey& key) {
  parts_.storage.read<storage::AccountHealth>(
      [key](storage::Outbox& outbox) { return outbox.account_health(key.first, key.second); },
      [this, key](Result<storage::AccountHealth> stored) {
        if (!stored) return;
        const auto [found, added] = accounts_.try_emplace(key);
        if (added || found->second.epoch != stored->epoch) {
          found->second = {.health = std::move(stored->health), .epoch = stored->epoch};
        }
      });
}

Dispatcher::Breaker& Dispatcher::breaker_of(Endpoint& endpoint) {
  if (endpoint.provider->deactivate.scope == core::DeactivationScope::kEndpoint) {
    return endpoint.breaker;
  }
  return accounts_[{endpoint.record.spec.provider, endpoint.record.spec.account}];
}

void Dispatcher::set_sending(Endpoint& endpoint, bool sends) {
  sends = sends && !endpoint.switching_off;
  endpoint.sends = sends;
  scheduler_.set_active(endpoint.record.row, sends, parts_.clock.now());
}

void Dispatcher::on_foreign_commit() {
  if (stopping_ || failed_) return;
  if (follow_running_) {  // one look at a time; what comes meanwhile needs one more
    follow_again_ = true;
    return;
  }
  follow_running_ = true;
  parts_.storage.read<storage::ForeignChanges>(
      [](storage::Outbox& outbox) { return outbox.foreign_changes(); },
      [this](Result<storage::ForeignChanges> changes) {
        follow_running_ = false;
        if (changes) follow(*changes);
        if (follow_again_) {
          follow_again_ = false;
          on_foreign_commit();
        }
      });
}

void Dispatcher::noticed() const {
  if (parts_.noticed) parts_.noticed();
}

void Dispatcher::follow(const storage::ForeignChanges& changes) {
  if (!changes.endpoints.empty()) noticed();  // activated, perhaps
  for (const storage::EndpointRow row : changes.endpoints) load_endpoint(row);
  for (const storage::EndpointRow row : changes.work) {
    if (endpoints_.contains(row)) {
      scheduler_.mark_incomplete(row);
    } else {
      load_endpoint(row);
    }
  }
  if (!changes.deliveries.empty()) look_at(changes.deliveries);
  if (changes.inbox) pick_up_inbox();
}

// An operator retried or cancelled these: what waits in memory may be out of date, the disk is
// right.
void Dispatcher::look_at(std::vector<storage::DeliveryRow> deliveries) {
  std::sort(deliveries.begin(), deliveries.end());
  parts_.storage.read<std::vector<storage::DeliveryJob>>(
      [deliveries = std::move(deliveries)](storage::Outbox& outbox) {
        return outbox.jobs(deliveries);
      },
      [this](Result<std::vector<storage::DeliveryJob>> jobs) {
        if (!jobs) return;
        for (const storage::DeliveryJob& job : *jobs) {
          scheduler_.drop(job.endpoint, job.delivery);
          unstage(job.delivery);
          scheduler_.mark_incomplete(job.endpoint);
        }
      });
}

void Dispatcher::pick_up_inbox() {
  if (inbox_running_ || stopping_ || failed_) return;
  inbox_running_ = true;
  parts_.storage.read<std::vector<storage::InboxRow>>(
      [](storage::Outbox& outbox) { return outbox.inbox(kInboxPage); },
      [this](Result<std::vector<storage::InboxRow>> rows) {
        inbox_running_ = false;
        if (!rows || rows->empty() || stopping_) return;
        // The page's last answer asks for the next page: all of them are durable then, in order.
        const auto left = std::make_shared<std::size_t>(rows->size());
        inbox_running_ = true;
        const std::int64_t now = core::to_ms(parts_.clock.wall());
        for (const storage::InboxRow& row : *rows) {
          parts_.storage.submit(
              parts_.intake.check(row, now),
              [this, left, id = row.row,
               series = parts_.metrics.provider(row.provider)](storage::Outcome outcome) {
                if (outcome) {
                  picked_up(*outcome, series);
                } else {
                  refused_at_commit(id, series, outcome.error());
                }
                if (--*left != 0) return;
                inbox_running_ = false;
                maintain_within(options_.plain_in_log);
                pick_up_inbox();
              });
        }
      });
}

void Dispatcher::picked_up(const storage::Applied& applied, Metrics::Provider series) {
  const auto* enqueued = std::get_if<storage::Enqueued>(&applied);
  if (enqueued == nullptr) {
    parts_.metrics.event(series, EventFate::kRejected);
    noticed();
    return;
  }
  parts_.metrics.event(series, enqueued->duplicate ? EventFate::kDuplicate : EventFate::kAccepted);
  add_due(enqueued->due, parts_.clock.wall());
}

// The transaction said no (a conflicting key, no endpoint): that is an answer to the row. Anything
// else is no answer, and the row waits for the next look.
void Dispatcher::refused_at_commit(std::int64_t inbox_row, Metrics::Provider series,
                                   const Error& error) {
  if (!is_refusal(error.code)) return;
  parts_.storage.submit(
      storage::RejectInboxRow{
          .row = inbox_row, .reason = error.to_string(), .now = core::to_ms(parts_.clock.wall())},
      [this, series](const storage::Outcome& outcome) {
        noticed();
        if (outcome) parts_.metrics.event(series, EventFate::kRejected);
      });
}

void Dispatcher::maintain() {
  if (stopping_ || failed_) return;
  constexpr std::int64_t kDayMs = 86'400'000;
  const std::int64_t now = core::to_ms(parts_.clock.wall());
  const auto before = [&](std::uint32_t days) { return days == 0 ? 0 : now - days * kDayMs; };
  parts_.storage.submit(storage::Maintain{.payloads_before = before(options_.retain_payload_days),
                                          .attempts_before = before(options_.retain_attempt_days),
                                          .now = now},
                        [this](storage::Outcome outcome) {
                          if (stopping_) return;
                          const auto* changed =
                              outcome ? std::get_if<storage::Changed>(&*outcome) : nullptr;
                          const bool more = changed != nullptr && changed->count > 0;
                          maintain_at_.reset();
                          maintain_within(more ? kNextMaintenanceStep : options_.maintain_every);
                        });
}

void Dispatcher::maintain_within(core::Duration after) {
  const core::Instant at = parts_.clock.now() + after;
  if (stopping_ || (maintain_at_ && *maintain_at_ <= at)) return;
  parts_.timers.cancel(maintain_timer_);
  maintain_at_ = at;
  maintain_timer_ = parts_.timers.start(after, [this] {
    maintain_timer_ = 0;
    maintain_at_.reset();
    maintain();
  });
}

}  // namespace outrider
