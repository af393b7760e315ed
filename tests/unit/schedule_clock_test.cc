// The clock the schedule runs on, against a wall clock that drifts, steps and stands.
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "core/time.h"

namespace outrider::core {
namespace {

constexpr Instant kNow{Duration(5'000'000)};
constexpr WallTime kWall = wall_from_ms(1'700'000'000'000);

// Both clocks of a machine; `turn` passes time and lets the schedule see it.
struct Machine {
  Instant now = kNow;
  WallTime wall = kWall;
  ScheduleClock clock{kNow, kWall};

  WallTime turn(Duration elapsed) {
    now += elapsed;
    wall += elapsed;
    return clock.observe(now, wall);
  }
  [[nodiscard]] Duration behind() const { return wall - clock.wall(); }
};

TEST(ScheduleClock, shows_the_wall_clock_while_that_behaves) {
  Machine machine;
  EXPECT_EQ(machine.clock.wall(), kWall);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(machine.turn(Duration(7)), machine.wall);
  }
}

TEST(ScheduleClock, drift_is_followed_without_a_lag) {
  Machine machine;
  for (int i = 0; i < 10'000; ++i) {
    machine.wall += Duration(1);  // a tenth too fast: 10 s in the end
    EXPECT_EQ(machine.turn(Duration(10)), machine.wall);
  }
}

TEST(ScheduleClock, a_difference_of_a_second_is_adopted_and_one_more_millisecond_is_not) {
  for (const int sign : {1, -1}) {
    Machine small;
    small.wall += sign * Duration(1000);
    EXPECT_EQ(small.turn(Duration(0)), small.wall);
    Machine large;
    large.wall += sign * Duration(1001);
    EXPECT_EQ(large.turn(Duration(0)), kWall);
  }
}

TEST(ScheduleClock, a_step_forward_is_worked_off_at_a_tenth_of_the_time_that_passes) {
  Machine machine;
  machine.wall += std::chrono::hours(1);
  EXPECT_EQ(machine.turn(Duration(0)), kWall);  // no storm of retries
  EXPECT_EQ(machine.turn(Duration(1000)), kWall + Duration(1100));
  EXPECT_EQ(machine.turn(Duration(10'000)), kWall + Duration(12'100));
  // Ten hours later it is done, and follows again.
  machine.turn(std::chrono::hours(10));
  EXPECT_EQ(machine.turn(Duration(1)), machine.wall);
  EXPECT_EQ(machine.turn(Duration(1)), machine.wall);
}

TEST(ScheduleClock, a_step_back_slows_it_down_and_never_stops_it) {
  Machine machine;
  machine.wall -= std::chrono::hours(1);
  EXPECT_EQ(machine.turn(Duration(0)), kWall);
  WallTime last = machine.clock.wall();
  for (int i = 0; i < 1000; ++i) {
    const WallTime shown = machine.turn(Duration(1000));
    EXPECT_EQ(shown - last, Duration(900));
    last = shown;
  }
  machine.turn(std::chrono::hours(10));
  EXPECT_EQ(machine.turn(Duration(1)), machine.wall);
}

TEST(ScheduleClock, the_rate_does_not_depend_on_how_often_it_looks) {
  for (const std::int64_t turn_ms : {1, 3, 7, 10, 250, 60'000}) {
    Machine machine;
    machine.wall += std::chrono::hours(2);
    std::int64_t passed = 0;
    while (passed < 420'000) {
      machine.turn(Duration(turn_ms));
      passed += turn_ms;
    }
    EXPECT_EQ(machine.clock.wall(), kWall + Duration(passed + passed / 10)) << turn_ms;
  }
}

TEST(ScheduleClock, a_long_gap_does_not_carry_it_past_the_wall_clock) {
  for (const int sign : {1, -1}) {
    Machine machine;
    machine.wall += sign * std::chrono::minutes(1);
    EXPECT_EQ(machine.turn(std::chrono::hours(1000)), machine.wall) << sign;
  }
}

TEST(ScheduleClock, a_second_step_while_the_first_is_worked_off_is_met_in_its_turn) {
  Machine machine;
  machine.wall += std::chrono::hours(1);
  machine.turn(Duration(10'000));
  machine.wall -= std::chrono::hours(1);  // somebody set it right again
  EXPECT_EQ(machine.behind(), Duration(-1000));
  EXPECT_EQ(machine.turn(Duration(0)), machine.wall);
}

TEST(ScheduleClock, a_monotonic_clock_that_seems_to_go_back_passes_no_time) {
  Machine machine;
  EXPECT_EQ(machine.clock.observe(kNow - Duration(500), kWall), kWall);
  EXPECT_EQ(machine.clock.observe(kNow, kWall), kWall);
  EXPECT_EQ(machine.clock.observe(kNow + Duration(5), kWall + Duration(5)), kWall + Duration(5));
}

TEST(ScheduleClock, never_goes_back_by_more_than_a_second_nor_stands_still) {
  // A wall clock that jumps about at random, seen at random moments.
  std::uint64_t state = 42;
  const auto roll = [&](std::uint64_t bound) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<std::int64_t>((state >> 33) % bound);
  };
  Machine machine;
  for (int i = 0; i < 20'000; ++i) {
    if (roll(20) == 0) machine.wall += Duration(roll(20'000'000) - 10'000'000);
    const Duration elapsed(roll(5000));
    const WallTime before = machine.clock.wall();
    const WallTime after = machine.turn(elapsed);
    const bool adopted = after == machine.wall;
    ASSERT_GE(after - before, adopted ? elapsed - Duration(1000) - elapsed / 10 - Duration(1)
                                      : elapsed - elapsed / 10 - Duration(1));
    ASSERT_LE(after - before, elapsed + Duration(1000) + elapsed / 10 + Duration(1));
  }
}

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
