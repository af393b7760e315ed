// The scheduler against a reference that is too simple to be wrong. Both are given the same random
// calls and must give the same answers, always.
#include <algorithm>
#include <array>
#include <string>

#include "scheduler_fixture.h"
#include "scheduler_reference.h"

namespace outrider::core {
namespace {

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

  // Answered and released, together or one after the other.
  void release() {
    if (roll(3) == 0) return answer();
    Pairs& from = roll(2) == 0 && !answered_.empty() ? answered_ : in_flight_;
    if (from.empty()) return;
    const auto [key, delivery] = take_one(from);
    const SlotResult result = any_result();
    real_.release(key, delivery, result);
    reference_.release(key, delivery, result);
  }

  void answer() {
    if (in_flight_.empty()) return;
    const auto claim = take_one(in_flight_);
    const SlotResult result = any_result();
    real_.answered(claim.first, claim.second, result);
    reference_.answered(claim.first, claim.second, result);
    answered_.push_back(claim);
  }

  Pairs::value_type take_one(Pairs& from) {
    const auto index = roll(static_cast<std::int64_t>(from.size()));
    const auto one = from[static_cast<std::size_t>(index)];
    from.erase(from.begin() + index);
    return one;
  }

  SlotResult any_result() {
    constexpr std::array kResults{SlotResult::kSuccess, SlotResult::kSuccess, SlotResult::kSuccess,
                                  SlotResult::kFailure, SlotResult::kNeutral};
    return kResults[static_cast<std::size_t>(roll(kResults.size()))];
  }

  void compare() {
    ASSERT_EQ(real_.open(), reference_.open());
    ASSERT_LE(real_.open(), limits_.max_in_flight + limits_.ahead);
    ASSERT_EQ(real_.lanes(), reference_.lanes());
    for (EndpointKey key = 0; key < 8; ++key) {
      ASSERT_EQ(real_.active(key), reference_.active(key)) << key;
      ASSERT_EQ(real_.open(key), reference_.open(key)) << key;
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
  Pairs answered_;
  std::vector<EndpointKey> asked_;
  std::size_t claimed_ = 0;
};

TEST(SchedulerModel, answers_as_the_reference_does_whatever_is_called) {
  for (std::uint64_t seed = 1; seed <= 60 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const SchedulerLimits limits{.max_in_flight = static_cast<std::uint32_t>(1 + seed % 12),
                                 .window = static_cast<std::uint32_t>(1 + seed % 9),
                                 .ahead = static_cast<std::uint32_t>(seed % 5),
                                 .max_unrecorded = static_cast<std::uint32_t>(1 + seed % 7)};
    Play(seed, limits).run(5000);
  }
}

}  // namespace
}  // namespace outrider::core
