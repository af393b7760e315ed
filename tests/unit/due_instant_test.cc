// A wait that follows from a stored time, whatever the wall clock says.
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "core/time.h"

namespace outrider::core {
namespace {

constexpr Instant kNow{Duration(5'000'000)};
constexpr WallTime kWall = wall_from_ms(1'700'000'000'000);

TEST(DueInstant, is_never_past_and_never_later_than_the_longest_wait) {
  struct Case {
    Duration from_now;
    Duration waits;
  };
  const Duration longest = std::chrono::seconds(100'000);
  const std::vector<Case> cases{
      {Duration(0), Duration(0)},
      {Duration(1), Duration(1)},
      {Duration(-1), Duration(0)},
      {std::chrono::hours(-9000), Duration(0)},
      {std::chrono::seconds(10), std::chrono::seconds(10)},
      {longest, longest},
      {longest + Duration(1), longest},
      {std::chrono::hours(90'000), longest},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(due_instant(kWall + c.from_now, kWall, kNow, longest), kNow + c.waits)
        << c.from_now.count();
  }
}

TEST(DueInstant, survives_times_that_no_clock_shows) {
  const WallTime least = wall_from_ms(std::numeric_limits<std::int64_t>::min());
  const WallTime most = wall_from_ms(std::numeric_limits<std::int64_t>::max());
  const Duration longest = std::chrono::seconds(100);
  EXPECT_EQ(due_instant(most, least, kNow, longest), kNow + longest);
  EXPECT_EQ(due_instant(least, most, kNow, longest), kNow);
  EXPECT_EQ(due_instant(most, kWall, kNow, longest), kNow + longest);
  EXPECT_EQ(due_instant(kWall + Duration(5), kWall, kNow, Duration(-1)), kNow);
}

}  // namespace
}  // namespace outrider::core
