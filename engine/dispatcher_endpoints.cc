// What the dispatcher knows of endpoints, and what it is told of their work.
#include "dispatcher.h"

namespace outrider {

void Dispatcher::forget_endpoint(storage::EndpointRow row) {
  scheduler_.remove_lane(row);
  const auto found = endpoints_.find(row);
  if (found == endpoints_.end()) return;
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

void Dispatcher::more_on_disk(storage::EndpointRow endpoint) {
  if (endpoints_.contains(endpoint)) {
    scheduler_.mark_incomplete(endpoint);
  } else {
    parts_.load_endpoint(endpoint);
  }
}

void Dispatcher::moved(storage::EndpointRow endpoint, storage::DeliveryRow delivery) {
  scheduler_.drop(endpoint, delivery);
  unstage(delivery);
  scheduler_.mark_incomplete(endpoint);
}

void Dispatcher::noticed() const {
  if (parts_.noticed) parts_.noticed();
}

}  // namespace outrider
