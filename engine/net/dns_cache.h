// What the resolver remembers: answers and failures by name, until they expire. Bounded; the least
// recently used entry gives way.
#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/target.h"
#include "core/time.h"
#include "outrider/result.h"

namespace outrider::net {

class DnsCache {
 public:
  using Answer = Result<std::vector<core::Address>>;
  explicit DnsCache(std::size_t entries) : entries_(entries) {}

  // Null: unknown or expired. Valid until the next put().
  [[nodiscard]] const Answer* find(const std::string& host, core::Instant now) {
    const auto found = index_.find(host);
    if (found == index_.end()) return nullptr;
    if (found->second->expires <= now) {
      forget(found);
      return nullptr;
    }
    order_.splice(order_.begin(), order_, found->second);
    return &found->second->answer;
  }

  void put(const std::string& host, Answer answer, core::Instant expires) {
    if (const auto found = index_.find(host); found != index_.end()) forget(found);
    if (entries_ == 0) return;
    if (order_.size() == entries_) {
      index_.erase(order_.back().host);
      order_.pop_back();
    }
    order_.push_front({host, std::move(answer), expires});
    index_.emplace(order_.front().host, order_.begin());
  }

 private:
  struct Entry {
    std::string host;
    Answer answer;
    core::Instant expires;
  };
  using Index = std::unordered_map<std::string_view, std::list<Entry>::iterator>;

  void forget(Index::iterator found) {
    const auto entry = found->second;  // outlives its key in the index
    index_.erase(found);
    order_.erase(entry);
  }

  std::size_t entries_;
  std::list<Entry> order_;  // most recently used first
  Index index_;             // keys: Entry::host
};

}  // namespace outrider::net
