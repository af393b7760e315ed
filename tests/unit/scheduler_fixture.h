// A scheduler in virtual time and short words for its tests.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/scheduler.h"

namespace outrider::core {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr Instant at(std::int64_t ms) { return Instant(Duration(ms)); }
constexpr std::size_t kMany = 100'000;

// A row that is due at `ms`, which is also what is stored.
inline DueItem row(DeliveryKey delivery, std::int64_t ms = 0) { return {delivery, ms, 1, at(ms)}; }

inline std::vector<DueItem> rows(DeliveryKey first, int count, std::int64_t ms = 0) {
  std::vector<DueItem> result;
  for (int i = 0; i < count; ++i) result.push_back(row(first + i, ms));
  return result;
}

using Pairs = std::vector<std::pair<EndpointKey, DeliveryKey>>;

class SchedulerTest : public testing::Test {
 protected:
  static constexpr SchedulerLimits kLimits{.max_in_flight = 100, .window = 16};

  Pairs take(std::int64_t ms, std::size_t max = kMany) {
    Pairs taken;
    for (const Claim& claim : scheduler.take_ready(at(ms), max)) {
      taken.emplace_back(claim.endpoint, claim.item.delivery);
    }
    return taken;
  }
  // An active lane that holds these rows and knows that there are no others.
  void lane(EndpointKey key, const std::vector<DueItem>& with = {}, LaneLimits limits = {}) {
    scheduler.set_lane(key, limits);
    scheduler.set_active(key, true, at(0));
    (void)scheduler.take_refills(kMany);
    scheduler.refill(key, with, true);
  }
  // The same, and it has answered well often enough to have `slots` of them.
  void proven_lane(EndpointKey key, std::uint32_t slots, const std::vector<DueItem>& with = {},
                   LaneLimits limits = {}) {
    lane(key, {row(1)}, limits);
    for (std::uint32_t i = 1; i < slots; ++i) {
      scheduler.refill(key, std::vector{row(1)}, true);
      ASSERT_THAT(take(0), ElementsAre(std::pair{key, 1}));
      scheduler.release(key, 1, SlotResult::kSuccess);
    }
    scheduler.refill(key, with, true);
  }

  Scheduler scheduler{kLimits};
};

}  // namespace outrider::core
