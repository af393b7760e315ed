// The scheduler's contract with no thought of speed: plain lists, walked from end to end for every
// question. What the real one is held against. Each lane that may send holds a ticket; the lowest
// ticket has the turn.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "core/scheduler.h"

namespace outrider::core {

class Reference {
 public:
  explicit Reference(SchedulerLimits limits) : limits_(limits) {}

  void set_lane(EndpointKey key, LaneLimits limits) {
    Lane& lane = lanes_[key];
    lane.removed = false;
    lane.maximum = std::max(1U, limits.max_in_flight);
    lane.limit = std::min(lane.limit, lane.maximum);
    if (lane.rate != limits.rate_per_second) lane.sent.clear();
    lane.rate = limits.rate_per_second;
    refresh(lane);
  }
  void remove_lane(EndpointKey key) {
    Lane* lane = find(key);
    if (lane == nullptr) return;
    forget(*lane);
    lane->active = false;
    lane->removed = true;
    refresh(*lane);
    if (lane->claims.empty()) lanes_.erase(key);
  }
  void set_active(EndpointKey key, bool active, Instant now) {
    now_ = std::max(now_, now);
    Lane* lane = find(key);
    if (lane == nullptr || lane->active == active) return;
    lane->active = active;
    forget(*lane);
    refresh(*lane);
  }
  void refill(EndpointKey key, const std::vector<DueItem>& rows, bool complete) {
    Lane* lane = find(key);
    if (lane == nullptr) return;
    lane->queued = false;
    const bool doubted = std::exchange(lane->doubted, false);
    const auto added = std::exchange(lane->added, {});
    const auto settled = std::exchange(lane->settled, {});
    lane->asked = false;
    if (!lane->active) return;
    lane->waiting.clear();
    lane->all = complete;
    lane->prefix = true;
    bool skipped = false;
    for (const DueItem& r : rows) {
      if (lane->claims.contains(r.delivery)) {
        if (lane->claims[r.delivery].next_at_ms != r.next_at_ms)
          lane->claims[r.delivery].offered_again = true;
      } else if (std::any_of(settled.begin(), settled.end(), [&](const auto& s) {
                   return s.first == r.delivery && (!s.second || *s.second == r.next_at_ms);
                 })) {
        skipped = true;
      } else {
        keep(*lane, r);
      }
    }
    for (const DueItem& r : added) take_in(*lane, r);
    if (doubted || skipped) lane->all = lane->prefix = false;
    refresh(*lane);
  }
  void add(EndpointKey key, const DueItem& r) {
    Lane* lane = find(key);
    if (lane == nullptr || !lane->active) return;
    if (lane->claims.contains(r.delivery)) {
      lane->claims[r.delivery].offered_again = true;
    } else {
      if (lane->asked && lane->added.size() == limits_.window) lane->doubted = true;
      if (lane->asked && lane->added.size() < limits_.window) lane->added.push_back(r);
      take_in(*lane, r);
    }
    refresh(*lane);
  }
  void mark_incomplete(EndpointKey key) {
    Lane* lane = find(key);
    if (lane == nullptr || !lane->active) return;
    doubt(*lane);
    refresh(*lane);
  }
  void drop(EndpointKey key, DeliveryKey delivery) {
    Lane* lane = find(key);
    if (lane == nullptr || !lane->active) return;
    std::optional<std::int64_t> known;
    for (auto r = lane->waiting.begin(); r != lane->waiting.end(); ++r) {
      if (r->delivery != delivery) continue;
      known = r->next_at_ms;
      lane->waiting.erase(r);
      break;
    }
    std::erase_if(lane->added, [&](const DueItem& r) { return r.delivery == delivery; });
    if (lane->asked) lane->settled.emplace_back(delivery, known);
    refresh(*lane);
  }
  std::vector<EndpointKey> take_refills(std::size_t max) {
    std::vector<EndpointKey> named;
    while (named.size() < max && !refills_.empty()) {
      Lane* lane = find(refills_.front());
      const EndpointKey key = refills_.front();
      refills_.pop_front();
      if (lane == nullptr || !lane->queued) continue;
      lane->queued = false;
      lane->asked = true;
      named.push_back(key);
    }
    return named;
  }
  [[nodiscard]] std::size_t rows_wanted(EndpointKey key) {
    const Lane* lane = find(key);
    return lane == nullptr ? 0 : limits_.window + lane->claims.size();
  }
  std::vector<Claim> take_ready(Instant now, std::size_t max) {
    now_ = std::max(now_, now);
    std::vector<std::pair<Instant, EndpointKey>> waking;
    for (auto& [key, lane] : lanes_) {
      const auto at = sendable_at(lane);
      if (at && *at <= now_ && !lane.ticket) waking.emplace_back(*at, key);
    }
    std::sort(waking.begin(), waking.end());
    for (const auto& [at, key] : waking) lanes_[key].ticket = ++last_ticket_;

    std::vector<Claim> claims;
    while (claims.size() < max && may_claim()) {
      const auto turn = next_turn();
      if (!turn) break;
      Lane& lane = lanes_[*turn];
      const DueItem r = lane.waiting.front();
      lane.waiting.pop_front();
      lane.ticket.reset();
      if (lane.claims.contains(r.delivery)) {
        lane.claims[r.delivery].offered_again = true;
      } else {
        lane.claims[r.delivery] = {.next_at_ms = r.next_at_ms};
        std::erase_if(lane.added, [&](const DueItem& a) { return a.delivery == r.delivery; });
        lane.sent.push_back(now_);
        claims.push_back({*turn, r});
      }
      refresh(lane);
    }
    return claims;
  }
  void answered(EndpointKey key, DeliveryKey delivery, SlotResult result) {
    Lane& lane = lanes_.at(key);
    lane.claims.at(delivery).answered = true;
    const bool was_proven = lane.proven;
    if (result == SlotResult::kSuccess) {
      lane.proven = true;
      lane.limit = std::min(lane.maximum, lane.limit + 1);
    } else if (result == SlotResult::kFailure) {
      lane.proven = false;
      lane.limit = 1;
    }
    if (lane.proven != was_proven) lane.ticket.reset();  // into the other line, at its end
    refresh(lane);
  }
  void release(EndpointKey key, DeliveryKey delivery, SlotResult result) {
    Lane& lane = lanes_.at(key);
    const Claimed claim = lane.claims.at(delivery);
    if (!claim.answered) answered(key, delivery, result);
    if (lane.asked) lane.settled.emplace_back(delivery, claim.next_at_ms);
    if (claim.offered_again || result == SlotResult::kNeutral) doubt(lane);
    lane.claims.erase(delivery);
    refresh(lane);
    if (lane.removed && lane.claims.empty()) lanes_.erase(key);
  }
  [[nodiscard]] std::optional<Instant> next_wake(Instant now) {
    if (!may_claim()) return std::nullopt;
    if (next_turn()) return now;
    std::optional<Instant> first;
    for (auto& [key, lane] : lanes_) {
      const auto at = sendable_at(lane);
      if (!at || lane.ticket || (!lane.proven && !unproven_may_send())) continue;
      if (!first || *at < *first) first = *at;
    }
    return first ? std::optional(std::max(*first, now)) : std::nullopt;
  }
  [[nodiscard]] std::uint32_t open() const {
    std::uint32_t sum = 0;
    for (const auto& [key, lane] : lanes_) sum += open_of(lane);
    return sum;
  }
  [[nodiscard]] std::uint32_t open(EndpointKey key) const {
    return lanes_.contains(key) ? open_of(lanes_.at(key)) : 0;
  }
  [[nodiscard]] std::size_t lanes() const {
    return static_cast<std::size_t>(std::count_if(
        lanes_.begin(), lanes_.end(), [](const auto& entry) { return !entry.second.removed; }));
  }
  [[nodiscard]] bool active(EndpointKey key) {
    const Lane* lane = find(key);
    return lane != nullptr && lane->active;
  }

 private:
  struct Claimed {
    std::int64_t next_at_ms = 0;
    bool offered_again = false, answered = false;
  };
  struct Lane {
    bool active = false, removed = false, proven = false;
    std::uint32_t maximum = 1, limit = 1;
    double rate = 0;
    std::vector<Instant> sent;  // since the rate was set
    std::list<DueItem> waiting;
    std::map<DeliveryKey, Claimed> claims;
    bool all = false, prefix = false;
    bool queued = false, asked = false, doubted = false;
    std::vector<DueItem> added;
    std::vector<std::pair<DeliveryKey, std::optional<std::int64_t>>> settled;
    std::optional<std::uint64_t> ticket;
  };

  Lane* find(EndpointKey key) {
    const auto found = lanes_.find(key);
    return found == lanes_.end() || found->second.removed ? nullptr : &found->second;
  }
  static bool less(const DueItem& a, const DueItem& b) {
    return std::pair(a.next_at_ms, a.delivery) < std::pair(b.next_at_ms, b.delivery);
  }
  void keep(Lane& lane, const DueItem& r) {
    for (const DueItem& other : lane.waiting) {
      if (!less(r, other) && !less(other, r)) return;
    }
    lane.waiting.push_back(r);
    lane.waiting.sort(less);
    if (lane.waiting.size() > limits_.window) {
      lane.waiting.pop_back();
      lane.all = false;
    }
  }
  void take_in(Lane& lane, const DueItem& r) {
    if (lane.all || (lane.prefix && !lane.waiting.empty() && less(r, lane.waiting.back()))) {
      keep(lane, r);
    }
  }
  static void doubt(Lane& lane) {
    lane.all = lane.prefix = false;
    if (lane.asked) lane.doubted = true;
  }
  static void forget(Lane& lane) {
    lane.waiting.clear();
    lane.added.clear();
    lane.settled.clear();
    lane.all = lane.prefix = false;
    lane.queued = false;
    lane.doubted = lane.asked;
  }
  // A bucket that is played through from its beginning: tokens as of each send.
  [[nodiscard]] static Instant allowed_at(const Lane& lane) {
    if (!(lane.rate > 0) || lane.sent.empty()) return Instant::min();
    const auto interval = static_cast<std::int64_t>(1e9 / lane.rate);
    const std::int64_t burst = std::max<std::int64_t>(0, 1'000'000'000 - interval);
    std::int64_t full_at = 0;
    for (const Instant at : lane.sent) {
      full_at = std::max(full_at, at.time_since_epoch().count() * 1'000'000) + interval;
    }
    return Instant(
        Duration(static_cast<std::int64_t>(std::ceil(static_cast<double>(full_at - burst) / 1e6))));
  }
  [[nodiscard]] static std::optional<Instant> sendable_at(const Lane& lane) {
    if (!lane.active || lane.waiting.empty() || open_of(lane) >= lane.limit) return {};
    return std::max(lane.waiting.front().due, allowed_at(lane));
  }
  [[nodiscard]] static std::uint32_t open_of(const Lane& lane) {
    return static_cast<std::uint32_t>(
        std::count_if(lane.claims.begin(), lane.claims.end(),
                      [](const auto& it) { return !it.second.answered; }));
  }
  [[nodiscard]] bool may_claim() const {
    std::size_t all = 0;
    for (const auto& [key, lane] : lanes_) all += lane.claims.size();
    return open() < limits_.max_in_flight + limits_.ahead && all - open() < limits_.max_unrecorded;
  }
  [[nodiscard]] bool unproven_may_send() const {
    std::size_t sum = 0;
    for (const auto& [key, lane] : lanes_) sum += lane.proven ? 0 : open_of(lane);
    return sum < std::max(1U, limits_.max_in_flight / 2);
  }
  [[nodiscard]] std::optional<EndpointKey> next_turn() const {
    std::optional<EndpointKey> turn;
    for (const auto& [key, lane] : lanes_) {
      if (!lane.ticket || (!lane.proven && !unproven_may_send())) continue;
      if (!turn || *lane.ticket < *lanes_.at(*turn).ticket) turn = key;
    }
    return turn;
  }
  void refresh(Lane& lane) {
    const auto at = sendable_at(lane);
    if (!at || *at > now_) {
      lane.ticket.reset();
    } else if (!lane.ticket) {
      lane.ticket = ++last_ticket_;
    }
    const bool low = lane.waiting.size() <= limits_.window / 4;
    const bool late = !lane.prefix && !lane.waiting.empty() && lane.waiting.back().due > now_;
    if (lane.active && !lane.queued && !lane.asked && !lane.all && (low || late)) {
      lane.queued = true;
      for (const auto& [key, other] : lanes_) {
        if (&other == &lane) refills_.push_back(key);
      }
    }
  }

  SchedulerLimits limits_;
  std::map<EndpointKey, Lane> lanes_;
  std::list<EndpointKey> refills_;
  std::uint64_t last_ticket_ = 0;
  Instant now_ = Instant::min();
};

}  // namespace outrider::core
