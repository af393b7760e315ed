// The scheduler against a reference that is too simple to be wrong: plain lists, walked from end to
// end for every question. Both are given the same random calls and must give the same answers,
// always.
#include <algorithm>
#include <cmath>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "scheduler_fixture.h"

namespace outrider::core {
namespace {

// The contract, with no thought of speed. Each lane that may send holds a ticket; the lowest ticket
// has the turn.
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
        if (lane->claims[r.delivery].first != r.next_at_ms) lane->claims[r.delivery].second = true;
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
      lane->claims[r.delivery].second = true;
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
    while (claims.size() < max && in_flight() < limits_.max_in_flight) {
      const auto turn = next_turn();
      if (!turn) break;
      Lane& lane = lanes_[*turn];
      const DueItem r = lane.waiting.front();
      lane.waiting.pop_front();
      lane.ticket.reset();
      if (lane.claims.contains(r.delivery)) {
        lane.claims[r.delivery].second = true;
      } else {
        lane.claims[r.delivery] = {r.next_at_ms, false};
        std::erase_if(lane.added, [&](const DueItem& a) { return a.delivery == r.delivery; });
        lane.sent.push_back(now_);
        claims.push_back({*turn, r});
      }
      refresh(lane);
    }
    return claims;
  }
  void release(EndpointKey key, DeliveryKey delivery, SlotResult result) {
    Lane& lane = lanes_.at(key);
    const auto [next_at_ms, offered_again] = lane.claims.at(delivery);
    if (lane.asked) lane.settled.emplace_back(delivery, next_at_ms);
    if (offered_again || result == SlotResult::kNeutral) doubt(lane);
    lane.claims.erase(delivery);
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
    if (lane.removed && lane.claims.empty()) lanes_.erase(key);
  }
  [[nodiscard]] std::optional<Instant> next_wake(Instant now) {
    if (in_flight() >= limits_.max_in_flight) return std::nullopt;
    if (next_turn()) return now;
    std::optional<Instant> first;
    for (auto& [key, lane] : lanes_) {
      const auto at = sendable_at(lane);
      if (!at || lane.ticket || (!lane.proven && !unproven_may_send())) continue;
      if (!first || *at < *first) first = *at;
    }
    return first ? std::optional(std::max(*first, now)) : std::nullopt;
  }
  [[nodiscard]] std::uint32_t in_flight() const {
    std::size_t sum = 0;
    for (const auto& [key, lane] : lanes_) sum += lane.claims.size();
    return static_cast<std::uint32_t>(sum);
  }
  [[nodiscard]] std::uint32_t in_flight(EndpointKey key) const {
    return lanes_.contains(key) ? static_cast<std::uint32_t>(lanes_.at(key).claims.size()) : 0;
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
  struct Lane {
    bool active = false, removed = false, proven = false;
    std::uint32_t maximum = 1, limit = 1;
    double rate = 0;
    std::vector<Instant> sent;  // since the rate was set
    std::list<DueItem> waiting;
    std::map<DeliveryKey, std::pair<std::int64_t, bool>> claims;
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
    if (!lane.active || lane.waiting.empty() || lane.claims.size() >= lane.limit) return {};
    return std::max(lane.waiting.front().due, allowed_at(lane));
  }
  [[nodiscard]] bool unproven_may_send() const {
    std::size_t sum = 0;
    for (const auto& [key, lane] : lanes_) sum += lane.proven ? 0 : lane.claims.size();
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

// Makes the calls on both and compares every answer.
class Play {
 public:
  Play(std::uint64_t seed, SchedulerLimits limits)
      : state_(seed), limits_(limits), real_(limits), reference_(limits) {}

  void run(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      step();
      compare();
    }
    EXPECT_GT(claimed_, static_cast<std::size_t>(steps / 20)) << "the play did not play";
  }

 private:
  std::int64_t roll(std::int64_t bound) {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<std::int64_t>((state_ >> 33) % static_cast<std::uint64_t>(bound));
  }
  EndpointKey any_lane() { return roll(8); }
  DueItem any_row() { return row(roll(60), now_ + roll(40) * 25 - 500); }

  void step() {
    switch (roll(12)) {
      case 0: {
        const LaneLimits limits{static_cast<std::uint32_t>(roll(6)), rate()};
        const EndpointKey key = any_lane();
        real_.set_lane(key, limits);
        reference_.set_lane(key, limits);
        break;
      }
      case 1: {
        const EndpointKey key = any_lane();
        const bool active = roll(4) != 0;
        real_.set_active(key, active, at(now_));
        reference_.set_active(key, active, at(now_));
        break;
      }
      case 2: {
        if (roll(10) != 0) break;
        const EndpointKey key = any_lane();
        real_.remove_lane(key);
        reference_.remove_lane(key);
        break;
      }
      case 3:
        refill(any_lane());
        break;
      case 4:
      case 5: {
        const EndpointKey key = any_lane();
        const DueItem r = any_row();
        real_.add(key, r);
        reference_.add(key, r);
        break;
      }
      case 6: {
        const EndpointKey key = any_lane();
        if (roll(3) == 0) {
          real_.mark_incomplete(key);
          reference_.mark_incomplete(key);
        } else {
          const DeliveryKey delivery = roll(60);
          real_.drop(key, delivery);
          reference_.drop(key, delivery);
        }
        break;
      }
      case 7: {
        const auto max = static_cast<std::size_t>(roll(4));
        const auto named = real_.take_refills(max);
        ASSERT_EQ(named, reference_.take_refills(max));
        asked_.insert(asked_.end(), named.begin(), named.end());
        if (!asked_.empty()) {
          refill(asked_.front());
          asked_.erase(asked_.begin());
        }
        break;
      }
      case 8:
      case 9:
        take();
        break;
      default:
        release();
        break;
    }
    now_ += roll(3) == 0 ? roll(60) : 0;
  }

  double rate() {
    constexpr std::array kRates{0.0, 0.0, 0.5, 3.0, 20.0};
    return kRates[static_cast<std::size_t>(roll(kRates.size()))];
  }

  void refill(EndpointKey key) {
    std::vector<DueItem> offered;
    for (auto n = roll(14); n > 0; --n) offered.push_back(any_row());
    std::sort(offered.begin(), offered.end(), [](const DueItem& a, const DueItem& b) {
      return std::pair(a.next_at_ms, a.delivery) < std::pair(b.next_at_ms, b.delivery);
    });
    const bool complete = roll(2) == 0;
    real_.refill(key, offered, complete);
    reference_.refill(key, offered, complete);
  }

  void take() {
    const auto max = static_cast<std::size_t>(roll(6));
    const auto claims = real_.take_ready(at(now_), max);
    const auto expected = reference_.take_ready(at(now_), max);
    ASSERT_EQ(claims.size(), expected.size());
    for (std::size_t i = 0; i < claims.size(); ++i) {
      ASSERT_EQ(claims[i].endpoint, expected[i].endpoint);
      ASSERT_EQ(claims[i].item.delivery, expected[i].item.delivery);
      ASSERT_EQ(claims[i].item.next_at_ms, expected[i].item.next_at_ms);
      in_flight_.emplace_back(claims[i].endpoint, claims[i].item.delivery);
    }
    claimed_ += claims.size();
  }

  void release() {
    if (in_flight_.empty()) return;
    const auto index = roll(static_cast<std::int64_t>(in_flight_.size()));
    const auto [key, delivery] = in_flight_[static_cast<std::size_t>(index)];
    in_flight_.erase(in_flight_.begin() + index);
    constexpr std::array kResults{SlotResult::kSuccess, SlotResult::kSuccess, SlotResult::kSuccess,
                                  SlotResult::kFailure, SlotResult::kNeutral};
    const SlotResult result = kResults[static_cast<std::size_t>(roll(kResults.size()))];
    real_.release(key, delivery, result);
    reference_.release(key, delivery, result);
  }

  void compare() {
    ASSERT_EQ(real_.in_flight(), reference_.in_flight());
    ASSERT_LE(real_.in_flight(), limits_.max_in_flight);
    ASSERT_EQ(real_.lanes(), reference_.lanes());
    for (EndpointKey key = 0; key < 8; ++key) {
      ASSERT_EQ(real_.active(key), reference_.active(key)) << key;
      ASSERT_EQ(real_.in_flight(key), reference_.in_flight(key)) << key;
      ASSERT_EQ(real_.rows_wanted(key), reference_.rows_wanted(key)) << key;
    }
    ASSERT_EQ(real_.next_wake(at(now_)), reference_.next_wake(at(now_)));
  }

  std::uint64_t state_;
  SchedulerLimits limits_;
  Scheduler real_;
  Reference reference_;
  std::int64_t now_ = 1'000'000;
  Pairs in_flight_;
  std::vector<EndpointKey> asked_;
  std::size_t claimed_ = 0;
};

TEST(SchedulerModel, answers_as_the_reference_does_whatever_is_called) {
  for (std::uint64_t seed = 1; seed <= 60 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const SchedulerLimits limits{.max_in_flight = static_cast<std::uint32_t>(1 + seed % 12),
                                 .window = static_cast<std::uint32_t>(1 + seed % 9)};
    Play(seed, limits).run(5000);
  }
}

}  // namespace
}  // namespace outrider::core
