// The dispatchers of an engine, one for each loop, and which of them serves an endpoint.
//
// By the endpoint; where a provider switches off whole accounts, by the account: its health is then
// counted in one place, in the order in which its attempts complete, and one thread stops all of
// its sends. So no dispatcher needs to know of another.
//
// What is said here to a dispatcher reaches it on its own loop. What is said of an endpoint before
// its dispatcher has it is not lost: the dispatcher asks for it, and finds the rest on the disk.
#pragma once

#include <cstddef>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "core/provider.h"
#include "core/time.h"
#include "dispatcher.h"
#include "storage_link.h"

namespace outrider {

class Dispatchers {
 public:
  // Before anything else. The first one's loop is that of everything else in the engine.
  void add(Dispatcher& dispatcher, StorageLink& link) { members_.push_back({&dispatcher, &link}); }

  // Any thread: rows that have just become durable, and when.
  void due(std::vector<storage::DueRow> rows, core::WallTime committed_at) const;

  // The first loop's thread from here on. `provider`: the endpoint's; null where it is not loaded.
  void put(storage::EndpointRecord record, const core::Provider* provider);
  void forget(storage::EndpointRow endpoint) const;
  void more_on_disk(storage::EndpointRow endpoint) const;
  void moved(storage::EndpointRow endpoint, storage::DeliveryRow delivery) const;

 private:
  struct Member {
    Dispatcher* dispatcher;
    StorageLink* link;
  };

  [[nodiscard]] std::size_t member_of(storage::EndpointRow endpoint) const;
  void serve_by_account(const storage::EndpointRecord& record);
  template <class Call>
  void tell(storage::EndpointRow endpoint, Call call) const;

  std::vector<Member> members_;
  mutable std::shared_mutex mutex_;
  std::unordered_map<storage::EndpointRow, std::size_t> by_account_;  // the others: by their row
};

}  // namespace outrider
