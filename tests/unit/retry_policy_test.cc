// The waits between attempts, to the millisecond.
#include "core/retry_policy.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace outrider::core {
namespace {

using std::chrono::seconds;
constexpr WallTime kNow = wall_from_ms(1'700'000'000'123);
constexpr double kMostRoll = 0.999999999999;

std::optional<Duration> wait_after(const RetryPolicy& policy, std::uint32_t attempt,
                                   std::optional<Duration> retry_after = {}, double roll = 0) {
  const auto at = next_attempt_at(policy, attempt, retry_after, kNow, roll);
  if (!at) return std::nullopt;
  return *at - kNow;
}

TEST(RetryPolicy, the_default_waits_10_100_1000_10000_100000_seconds_and_ends_after_six_attempts) {
  const RetryPolicy policy;
  const std::vector<seconds> waits{seconds(10), seconds(100), seconds(1000), seconds(10'000),
                                   seconds(100'000)};
  for (std::uint32_t attempt = 1; attempt <= 5; ++attempt) {
    EXPECT_EQ(wait_after(policy, attempt), Duration(waits[attempt - 1])) << attempt;
    // Without jitter the roll changes nothing.
    EXPECT_EQ(wait_after(policy, attempt, {}, kMostRoll), Duration(waits[attempt - 1])) << attempt;
  }
  EXPECT_EQ(wait_after(policy, 6), std::nullopt);
  EXPECT_EQ(wait_after(policy, 7), std::nullopt);
  EXPECT_EQ(wait_after(policy, std::numeric_limits<std::uint32_t>::max()), std::nullopt);
  EXPECT_EQ(policy.longest_delay(), Duration(seconds(100'000)));
}

TEST(RetryPolicy, the_last_delay_repeats) {
  RetryPolicy policy;
  policy.delays = {seconds(1), seconds(5)};
  policy.max_attempts = 5;
  EXPECT_EQ(wait_after(policy, 1), Duration(seconds(1)));
  EXPECT_EQ(wait_after(policy, 2), Duration(seconds(5)));
  EXPECT_EQ(wait_after(policy, 3), Duration(seconds(5)));
  EXPECT_EQ(wait_after(policy, 4), Duration(seconds(5)));
  EXPECT_EQ(wait_after(policy, 5), std::nullopt);
}

TEST(RetryPolicy, one_attempt_is_one_attempt) {
  RetryPolicy policy;
  policy.max_attempts = 1;
  EXPECT_EQ(wait_after(policy, 1), std::nullopt);
}

TEST(RetryPolicy, without_delays_the_next_attempt_is_due_at_once) {
  RetryPolicy policy;
  policy.delays = {};
  EXPECT_EQ(wait_after(policy, 1), Duration{0});
  EXPECT_EQ(policy.longest_delay(), Duration{0});
}

TEST(RetryPolicy, jitter_only_lengthens_and_stays_within_its_share) {
  RetryPolicy policy;
  policy.jitter = 0.25;
  for (std::uint32_t attempt = 1; attempt <= 5; ++attempt) {
    const Duration base = policy.delays[attempt - 1];
    EXPECT_EQ(wait_after(policy, attempt, {}, 0.0), base);
    EXPECT_EQ(wait_after(policy, attempt, {}, 0.5), base + base / 8);
    Duration last = base;
    for (double roll = 0; roll < 1; roll += 0.01) {
      const Duration wait = *wait_after(policy, attempt, {}, roll);
      EXPECT_GE(wait, last);
      EXPECT_LE(wait, base + base / 4);
      EXPECT_LE(wait, policy.longest_delay());
      last = wait;
    }
  }
  EXPECT_EQ(policy.longest_delay(), Duration(seconds(125'000)));
}

TEST(RetryPolicy, retry_after_counts_only_where_it_is_honoured) {
  RetryPolicy policy;
  EXPECT_EQ(wait_after(policy, 1, Duration(seconds(60))), Duration(seconds(10)));
  policy.honour_retry_after = true;
  struct Case {
    Duration asked;
    Duration waits;
  };
  const std::vector<Case> cases{
      {seconds(60), seconds(60)},                 // longer than ours: at least what was asked
      {seconds(3), seconds(10)},                  // shorter: ours
      {seconds(0), seconds(10)},                  //
      {seconds(-30), seconds(10)},                // a date in the past
      {seconds(100'000), seconds(100'000)},       // as long as our longest
      {seconds(1'000'000'000), seconds(100'000)}  // absurd: our longest
  };
  for (const auto& c : cases) {
    EXPECT_EQ(wait_after(policy, 1, c.asked), c.waits) << c.asked.count();
  }
  EXPECT_EQ(wait_after(policy, 1, Duration::max()), Duration(seconds(100'000)));
  EXPECT_EQ(wait_after(policy, 1, Duration::min()), Duration(seconds(10)));
  EXPECT_EQ(wait_after(policy, 1, std::nullopt), Duration(seconds(10)));
  EXPECT_EQ(wait_after(policy, 6, Duration(seconds(60))), std::nullopt);  // it buys no attempt
}

TEST(RetryPolicy, a_roll_outside_its_range_does_not_leave_the_bounds) {
  RetryPolicy policy;
  policy.jitter = 1;
  EXPECT_EQ(wait_after(policy, 1, {}, -5.0), Duration(seconds(10)));
  EXPECT_EQ(wait_after(policy, 1, {}, 7.0), Duration(seconds(20)));
}

TEST(RetryPolicyDeathTest, attempts_are_numbered_from_one) {
  EXPECT_DEATH((void)next_attempt_at(RetryPolicy{}, 0, {}, kNow, 0), "attempt >= 1");
}

}  // namespace
}  // namespace outrider::core
