#include "dispatchers.h"

#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

namespace outrider {

std::size_t Dispatchers::member_of(storage::EndpointRow endpoint) const {
  if (members_.size() == 1) return 0;
  const std::shared_lock lock(mutex_);
  const auto found = by_account_.find(endpoint);
  return found != by_account_.end() ? found->second
                                    : static_cast<std::size_t>(endpoint) % members_.size();
}

// No two accounts of one name need to be told apart by their provider here: they only share a loop.
void Dispatchers::serve_by_account(const storage::EndpointRecord& record) {
  const std::size_t hash = std::hash<std::string_view>()(record.spec.account);
  const std::unique_lock lock(mutex_);
  by_account_.insert_or_assign(record.row, hash % members_.size());
}

// The first one's at once: this is its thread.
template <class Call>
void Dispatchers::tell(storage::EndpointRow endpoint, Call call) const {
  const std::size_t index = member_of(endpoint);
  const Member& member = members_[index];
  if (index == 0) {
    call(*member.dispatcher);
  } else {
    member.link->post([dispatcher = member.dispatcher, call]() mutable { call(*dispatcher); });
  }
}

void Dispatchers::due(std::vector<storage::DueRow> rows, core::WallTime committed_at) const {
  const auto post = [committed_at](const Member& to, std::vector<storage::DueRow> part) {
    if (part.empty()) return;
    to.link->post([dispatcher = to.dispatcher, committed_at, part = std::move(part)] {
      dispatcher->add_due(part, committed_at);
    });
  };
  if (members_.size() == 1) {
    post(members_.front(), std::move(rows));
    return;
  }
  std::vector<std::vector<storage::DueRow>> parts(members_.size());
  for (const storage::DueRow& row : rows) parts[member_of(row.endpoint)].push_back(row);
  for (std::size_t i = 0; i < parts.size(); ++i) post(members_[i], std::move(parts[i]));
}

void Dispatchers::put(storage::EndpointRecord record, const core::Provider* provider) {
  if (provider != nullptr && provider->deactivate.scope == core::DeactivationScope::kAccount) {
    serve_by_account(record);
  }
  // Shared, because what is posted must be copyable; there is one owner at a time.
  const auto shared = std::make_shared<storage::EndpointRecord>(std::move(record));
  tell(shared->row, [shared](Dispatcher& to) { to.put_endpoint(std::move(*shared)); });
}

void Dispatchers::forget(storage::EndpointRow endpoint) const {
  tell(endpoint, [endpoint](Dispatcher& to) { to.forget_endpoint(endpoint); });
}

void Dispatchers::more_on_disk(storage::EndpointRow endpoint) const {
  tell(endpoint, [endpoint](Dispatcher& to) { to.more_on_disk(endpoint); });
}

void Dispatchers::moved(storage::EndpointRow endpoint, storage::DeliveryRow delivery) const {
  tell(endpoint, [endpoint, delivery](Dispatcher& to) { to.moved(endpoint, delivery); });
}

}  // namespace outrider
