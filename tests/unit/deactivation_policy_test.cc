// When an endpoint is switched off: the providers' sentence, counted to the letter in virtual time.
#include "core/deactivation_policy.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace outrider::core {
namespace {

using std::chrono::seconds;
using Reason = DeactivationReason;
constexpr WallTime kStart = wall_from_ms(1'700'000'000'000);

const DeactivationRule kRule;  // five in a row, ten in 900 s
DeactivationRule window_only() {
  DeactivationRule rule;
  rule.consecutive = 0;
  return rule;
}

// One endpoint's life: 'F' a failure, 'S' a success, one a second.
Reason play(const DeactivationRule& rule, std::string_view outcomes, Health& health,
            WallTime from = kStart) {
  Reason last = Reason::kNone;
  for (const char outcome : outcomes) {
    if (outcome == 'S') {
      record_success(health);
      last = Reason::kNone;
    } else {
      last = record_failure(rule, from, health);
    }
    from += seconds(1);
  }
  return last;
}

TEST(DeactivationPolicy, deactivates_after_five_consecutive_failures) {
  Health health;
  EXPECT_EQ(play(kRule, "FFFF", health), Reason::kNone);
  EXPECT_EQ(health.consecutive, 4U);
  EXPECT_EQ(play(kRule, "F", health), Reason::kConsecutive);
}

TEST(DeactivationPolicy, the_streak_is_the_endpoints_not_the_events) {
  // Three events, whose attempts fail in turn: first A's, B's, C's, then A's retry, then B's.
  // Nothing of an event is asked for.
  Health health;
  const std::vector<std::string> attempts{"A1", "B1", "C1", "A2", "B2"};
  Reason reason = Reason::kNone;
  WallTime now = kStart;
  for (const auto& attempt : attempts) {
    EXPECT_EQ(reason, Reason::kNone) << attempt;
    reason = record_failure(kRule, now, health);
    now += seconds(10);
  }
  EXPECT_EQ(reason, Reason::kConsecutive);
}

TEST(DeactivationPolicy, failures_days_apart_are_still_in_a_row) {
  Health health;
  WallTime now = kStart;
  for (int i = 0; i < 4; ++i, now += seconds(100'000)) {
    EXPECT_EQ(record_failure(kRule, now, health), Reason::kNone);
  }
  EXPECT_EQ(record_failure(kRule, now, health), Reason::kConsecutive);
}

TEST(DeactivationPolicy, a_success_ends_the_streak) {
  Health health;
  EXPECT_EQ(play(kRule, "FFFFSFFFF", health), Reason::kNone);
  EXPECT_EQ(health.consecutive, 4U);
  EXPECT_EQ(play(kRule, "F", health, kStart + seconds(5000)), Reason::kConsecutive);
}

TEST(DeactivationPolicy, ten_failures_within_the_window_deactivate_although_successes_lie_between) {
  Health health;
  EXPECT_EQ(play(kRule, "FFFSFFFSFFFS", health), Reason::kNone);  // nine
  EXPECT_EQ(play(kRule, "F", health, kStart + seconds(20)), Reason::kWindow);
}

TEST(DeactivationPolicy, the_window_reaches_900_seconds_back_and_not_a_millisecond_more) {
  struct Case {
    Duration last;
    Reason reason;
  };
  const std::vector<Case> cases{
      {Duration(899'999), Reason::kWindow},
      {Duration(900'000), Reason::kWindow},
      {Duration(900'001), Reason::kNone},
      {Duration(901'000), Reason::kNone},
  };
  for (const auto& c : cases) {
    Health health;
    for (int i = 0; i < 9; ++i) {
      EXPECT_EQ(record_failure(window_only(), kStart + seconds(i * 100), health), Reason::kNone);
    }
    EXPECT_EQ(record_failure(window_only(), kStart + c.last, health), c.reason) << c.last.count();
  }
}

TEST(DeactivationPolicy, the_window_slides) {
  // One failure each 101 s: any ten of them span 909 s, however many there are.
  Health health;
  WallTime now = kStart;
  for (int i = 0; i < 100; ++i, now += seconds(101)) {
    EXPECT_EQ(record_failure(window_only(), now, health), Reason::kNone) << i;
  }
  EXPECT_EQ(health.failures.size(), 10U);
  // One more at once: the last ten now span 808 s.
  EXPECT_EQ(record_failure(window_only(), now - seconds(101), health), Reason::kWindow);
}

TEST(DeactivationPolicy, nine_within_the_window_do_not_deactivate) {
  Health health;
  for (int i = 0; i < 9; ++i) {
    EXPECT_EQ(record_failure(window_only(), kStart, health), Reason::kNone) << i;
  }
  EXPECT_EQ(record_failure(window_only(), kStart, health), Reason::kWindow);
}

TEST(DeactivationPolicy, a_success_does_not_clear_the_window) {
  Health health;
  play(window_only(), "FFFFFFFFF", health);
  const auto remembered = health.failures;
  record_success(health);
  EXPECT_EQ(health.failures, remembered);
  EXPECT_EQ(health.consecutive, 0U);
}

TEST(DeactivationPolicy, the_streak_is_named_when_both_rules_hold) {
  Health health;
  play(kRule, "FFSFFS", health);
  EXPECT_EQ(play(kRule, "FFFFF", health, kStart + seconds(10)), Reason::kConsecutive);
  Health both;
  play(kRule, "FFFFSF", both);  // five remembered
  EXPECT_EQ(play(kRule, "FFFF", both, kStart + seconds(9)), Reason::kConsecutive);  // nine
  Health tenth;
  play(kRule, "FFFFSFS", tenth);
  EXPECT_EQ(play(kRule, "FFFF", tenth, kStart + seconds(9)), Reason::kNone);       // nine
  EXPECT_EQ(play(kRule, "F", tenth, kStart + seconds(20)), Reason::kConsecutive);  // ten, five
}

TEST(DeactivationPolicy, only_the_last_failures_are_remembered_oldest_first) {
  Health health;
  for (int i = 0; i < 25; ++i) {
    (void)record_failure(window_only(), kStart + seconds(1000 * i), health);
  }
  ASSERT_EQ(health.failures.size(), 10U);
  EXPECT_EQ(health.failures.front(), kStart + seconds(15'000));
  EXPECT_EQ(health.failures.back(), kStart + seconds(24'000));
}

TEST(DeactivationPolicy, a_health_stored_under_a_longer_rule_is_cut_to_the_present_one) {
  Health health;
  for (int i = 0; i < 40; ++i) health.failures.push_back(kStart + seconds(i));
  (void)record_failure(window_only(), kStart + seconds(50), health);
  EXPECT_EQ(health.failures.size(), 10U);
  EXPECT_EQ(health.failures.front(), kStart + seconds(31));
}

TEST(DeactivationPolicy, a_small_step_back_of_the_clock_keeps_the_memory_in_order) {
  Health health;
  (void)record_failure(window_only(), kStart, health);
  (void)record_failure(window_only(), kStart - Duration(700), health);
  EXPECT_EQ(health.failures, (std::vector<WallTime>{kStart, kStart}));
}

TEST(DeactivationPolicy, a_rule_that_is_switched_off_never_deactivates) {
  DeactivationRule never;
  never.consecutive = 0;
  never.window_count = 0;
  Health health;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(record_failure(never, kStart, health), Reason::kNone);
  }
  EXPECT_TRUE(health.failures.empty());

  DeactivationRule streak_only;
  streak_only.window_count = 0;
  Health streak;
  EXPECT_EQ(play(streak_only, "FFFFSFFFFSFFFF", streak), Reason::kNone);
  EXPECT_EQ(play(streak_only, "F", streak), Reason::kConsecutive);
}

TEST(DeactivationPolicy, a_rule_of_one_deactivates_at_once) {
  DeactivationRule strict;
  strict.consecutive = 1;
  Health health;
  EXPECT_EQ(record_failure(strict, kStart, health), Reason::kConsecutive);
  strict.consecutive = 0;
  strict.window_count = 1;
  Health other;
  EXPECT_EQ(record_failure(strict, kStart, other), Reason::kWindow);
}

TEST(DeactivationPolicy, reasons_are_words_with_the_rules_own_numbers) {
  DeactivationRule rule;
  EXPECT_EQ(describe(Reason::kNone, rule), "");
  EXPECT_EQ(describe(Reason::kConsecutive, rule), "5 failures in a row");
  EXPECT_EQ(describe(Reason::kWindow, rule), "10 failures within 900 s");
  rule.window = Duration(1500);
  EXPECT_EQ(describe(Reason::kWindow, rule), "10 failures within 1500 ms");
  EXPECT_EQ(describe(Reason::kGone, rule), "the receiver says that it is gone for good");
}

}  // namespace
}  // namespace outrider::core
