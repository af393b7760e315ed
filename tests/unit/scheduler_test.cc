// The scheduler's promises one by one, in virtual time: who is handed out, when, in what order.
#include <algorithm>
#include <cstdint>
#include <optional>

#include "scheduler_fixture.h"

namespace outrider::core {
namespace {

// ---- one lane

TEST_F(SchedulerTest, a_new_lane_is_inactive_and_silent) {
  scheduler.set_lane(1, {});
  EXPECT_FALSE(scheduler.active(1));
  EXPECT_THAT(scheduler.take_refills(kMany), IsEmpty());
  scheduler.refill(1, rows(1, 3), true);
  EXPECT_THAT(take(1000), IsEmpty());
  EXPECT_EQ(scheduler.lanes(), 1U);
  EXPECT_FALSE(scheduler.active(2));
}

TEST_F(SchedulerTest, rows_leave_in_disk_order_one_at_a_time_until_the_endpoint_has_answered) {
  lane(1, {row(9, 0), row(3, 5), row(4, 5), row(1, 7)});
  EXPECT_THAT(take(10), ElementsAre(std::pair{1, 9}));
  EXPECT_THAT(take(10), IsEmpty());
  scheduler.release(1, 9, SlotResult::kSuccess);
  EXPECT_THAT(take(10), ElementsAre(std::pair{1, 3}, std::pair{1, 4}));
  scheduler.release(1, 3, SlotResult::kSuccess);
  EXPECT_THAT(take(10), ElementsAre(std::pair{1, 1}));
  EXPECT_EQ(scheduler.open(), 2U);
  EXPECT_EQ(scheduler.open(1), 2U);
}

TEST_F(SchedulerTest, a_claim_carries_the_row_as_it_was_offered) {
  const DueItem offered{.delivery = 7, .next_at_ms = 1'700'000'000'123, .attempt = 3, .due = at(5)};
  lane(1, {offered});
  const auto claims = scheduler.take_ready(at(5), 1);
  ASSERT_EQ(claims.size(), 1U);
  EXPECT_EQ(claims[0].endpoint, 1);
  EXPECT_EQ(claims[0].item.delivery, 7);
  EXPECT_EQ(claims[0].item.next_at_ms, 1'700'000'000'123);
  EXPECT_EQ(claims[0].item.attempt, 3U);
}

TEST_F(SchedulerTest, nothing_leaves_before_it_is_due) {
  lane(1, {row(1, 1000)});
  EXPECT_THAT(take(999), IsEmpty());
  EXPECT_EQ(scheduler.next_wake(at(999)), at(1000));
  EXPECT_THAT(take(1000), ElementsAre(std::pair{1, 1}));
}

TEST_F(SchedulerTest, the_concurrency_window_grows_with_success_and_drops_to_one_on_failure) {
  lane(1, rows(1, 16), {.max_in_flight = 3});
  EXPECT_EQ(take(0).size(), 1U);
  scheduler.release(1, 1, SlotResult::kSuccess);
  EXPECT_EQ(take(0).size(), 2U);
  scheduler.release(1, 2, SlotResult::kSuccess);
  EXPECT_EQ(take(0).size(), 2U);  // three in flight, its maximum
  scheduler.release(1, 3, SlotResult::kSuccess);
  EXPECT_EQ(take(0).size(), 1U);
  EXPECT_EQ(scheduler.open(1), 3U);
  scheduler.release(1, 4, SlotResult::kFailure);
  EXPECT_THAT(take(0), IsEmpty());  // two are under way, one is allowed
  scheduler.release(1, 5, SlotResult::kFailure);
  EXPECT_THAT(take(0), IsEmpty());
  scheduler.release(1, 6, SlotResult::kFailure);
  EXPECT_EQ(take(0).size(), 1U);
}

TEST_F(SchedulerTest, an_answer_frees_the_slot_before_it_is_on_record) {
  lane(1, rows(1, 5), {.max_in_flight = 1});
  EXPECT_THAT(take(0), ElementsAre(std::pair{1, 1}));
  scheduler.answered(1, 1, SlotResult::kSuccess);
  EXPECT_EQ(scheduler.open(1), 0U);
  EXPECT_THAT(take(0), ElementsAre(std::pair{1, 2}));
  // Its row is still on disk, and is still recognised there.
  scheduler.mark_incomplete(1);
  scheduler.refill(1, std::vector{row(1), row(2), row(3)}, true);
  scheduler.answered(1, 2, SlotResult::kSuccess);
  scheduler.release(1, 1, SlotResult::kSuccess);
  EXPECT_THAT(take(0), ElementsAre(std::pair{1, 3}));
}

TEST(Scheduler, claims_as_much_ahead_as_it_may_and_stops_while_too_much_is_not_on_record) {
  Scheduler scheduler({.max_in_flight = 2, .window = 16, .ahead = 1, .max_unrecorded = 2});
  for (const EndpointKey key : {1, 2, 3, 4, 5}) {
    scheduler.set_lane(key, {});
    scheduler.set_active(key, true, at(0));
    (void)scheduler.take_refills(kMany);
    scheduler.refill(key, std::vector{row(key)}, true);
    ASSERT_EQ(scheduler.take_ready(at(0), kMany).size(), 1U) << key;
    scheduler.release(key, key, SlotResult::kSuccess);  // proven: no share is kept from it
  }
  for (const EndpointKey key : {1, 2, 3, 4, 5}) scheduler.add(key, row(10 + key));
  ASSERT_EQ(scheduler.take_ready(at(0), kMany).size(), 3U);
  EXPECT_FALSE(scheduler.next_wake(at(0)).has_value());
  scheduler.answered(1, 11, SlotResult::kSuccess);
  ASSERT_EQ(scheduler.take_ready(at(0), kMany).size(), 1U);
  scheduler.answered(2, 12, SlotResult::kSuccess);
  EXPECT_THAT(scheduler.take_ready(at(0), kMany), IsEmpty()) << "two are not on record";
  EXPECT_FALSE(scheduler.next_wake(at(0)).has_value());
  scheduler.release(1, 11, SlotResult::kSuccess);
  EXPECT_EQ(scheduler.take_ready(at(0), kMany).size(), 1U);
}

TEST_F(SchedulerTest, a_neutral_outcome_frees_the_slot_and_teaches_nothing) {
  lane(1, rows(1, 3));
  EXPECT_EQ(take(0).size(), 1U);
  scheduler.release(1, 1, SlotResult::kNeutral);
  EXPECT_EQ(take(0).size(), 1U);
}

TEST_F(SchedulerTest, limits_may_change_while_it_runs) {
  proven_lane(1, 4, rows(1, 16), {.max_in_flight = 4});
  scheduler.set_lane(1, {.max_in_flight = 2});
  EXPECT_TRUE(scheduler.active(1));
  EXPECT_EQ(take(0).size(), 2U);
  scheduler.set_lane(1, {.max_in_flight = 8});
  EXPECT_THAT(take(0), IsEmpty());  // room again, but it is earned
  scheduler.release(1, 1, SlotResult::kSuccess);
  EXPECT_EQ(take(0).size(), 2U);
}

TEST_F(SchedulerTest, no_more_than_asked_for_are_handed_out) {
  proven_lane(1, 8, rows(1, 16));
  EXPECT_EQ(take(0, 3).size(), 3U);
  EXPECT_EQ(scheduler.next_wake(at(0)), at(0));  // there is more at once
  EXPECT_THAT(take(0, 0), IsEmpty());
  EXPECT_EQ(take(0, 100).size(), 5U);
}

// ---- several lanes

TEST_F(SchedulerTest, lanes_take_turns_one_delivery_a_turn) {
  proven_lane(1, 3);
  proven_lane(2, 3);
  proven_lane(3, 2);
  scheduler.refill(1, rows(11, 9), true);
  scheduler.refill(2, rows(21, 9), true);
  scheduler.refill(3, rows(31, 9), true);
  EXPECT_THAT(take(0),
              ElementsAre(std::pair{1, 11}, std::pair{2, 21}, std::pair{3, 31}, std::pair{1, 12},
                          std::pair{2, 22}, std::pair{3, 32}, std::pair{1, 13}, std::pair{2, 23}));
}

TEST_F(SchedulerTest, a_turn_that_was_cut_short_goes_on_where_it_stopped) {
  for (const EndpointKey key : {1, 2, 3}) proven_lane(key, 3);
  for (const EndpointKey key : {1, 2, 3}) scheduler.refill(key, rows(key * 10, 9), true);
  EXPECT_THAT(take(0, 2), ElementsAre(std::pair{1, 10}, std::pair{2, 20}));
  EXPECT_THAT(take(0, 2), ElementsAre(std::pair{3, 30}, std::pair{1, 11}));
}

TEST_F(SchedulerTest, a_release_or_a_refill_does_not_cost_a_lane_its_turn) {
  for (const EndpointKey key : {1, 2}) proven_lane(key, 4);
  for (const EndpointKey key : {1, 2}) scheduler.refill(key, rows(key * 10, 9), true);
  EXPECT_THAT(take(0, 1), ElementsAre(std::pair{1, 10}));
  scheduler.release(1, 10, SlotResult::kSuccess);
  scheduler.refill(2, rows(20, 9), true);
  EXPECT_THAT(take(0, 2), ElementsAre(std::pair{2, 20}, std::pair{1, 11}));
}

TEST_F(SchedulerTest, lanes_that_wake_together_take_turns_by_when_they_were_due) {
  for (const EndpointKey key : {1, 2, 3}) proven_lane(key, 4);
  scheduler.refill(1, std::vector{row(10, 300)}, true);
  scheduler.refill(2, std::vector{row(20, 100)}, true);
  scheduler.refill(3, std::vector{row(30, 200)}, true);
  EXPECT_THAT(take(1000), ElementsAre(std::pair{2, 20}, std::pair{3, 30}, std::pair{1, 10}));
}

TEST_F(SchedulerTest, all_lanes_together_stay_below_the_limit) {
  for (EndpointKey key = 1; key <= 50; ++key) proven_lane(key, 4);
  for (EndpointKey key = 1; key <= 50; ++key) scheduler.refill(key, rows(key * 100, 16), true);
  EXPECT_EQ(take(0).size(), 100U);
  EXPECT_EQ(scheduler.open(), 100U);
  EXPECT_EQ(scheduler.next_wake(at(0)), std::nullopt);  // only a release can help
  scheduler.release(1, 100, SlotResult::kSuccess);
  EXPECT_EQ(scheduler.next_wake(at(0)), at(0));
  EXPECT_EQ(take(0).size(), 1U);
}

TEST_F(SchedulerTest, unproven_endpoints_share_half_of_the_slots) {
  for (EndpointKey key = 301; key <= 310; ++key) proven_lane(key, 8);
  for (EndpointKey key = 1; key <= 200; ++key) lane(key, rows(key * 100, 16));
  EXPECT_EQ(take(0).size(), 50U);  // each new, none has answered
  EXPECT_EQ(scheduler.next_wake(at(0)), std::nullopt);
  for (EndpointKey key = 301; key <= 310; ++key) scheduler.refill(key, rows(key * 100, 16), true);
  EXPECT_EQ(take(0).size(), 50U);  // the proven ones have the other half
  EXPECT_EQ(scheduler.open(), 100U);
}

TEST_F(SchedulerTest, an_endpoint_that_proves_itself_leaves_its_place_to_another_unproven_one) {
  for (EndpointKey key = 1; key <= 60; ++key) lane(key, rows(key * 100, 16));
  EXPECT_EQ(take(0).size(), 50U);
  scheduler.release(1, 100, SlotResult::kSuccess);
  // Two for the first, which is proven now, and one for the first that was waiting for a place.
  EXPECT_THAT(take(0), testing::UnorderedElementsAre(std::pair{1, 101}, std::pair{1, 102},
                                                     std::pair{51, 5100}));
  scheduler.release(2, 200, SlotResult::kFailure);
  EXPECT_THAT(take(0), ElementsAre(std::pair{52, 5200}));
}

TEST_F(SchedulerTest, what_a_failing_endpoint_still_has_in_flight_counts_among_the_unproven) {
  proven_lane(1, 30, rows(1, 16), {.max_in_flight = 40});
  scheduler.refill(1, rows(1, 16), true);
  EXPECT_EQ(take(0).size(), 16U);
  scheduler.refill(1, rows(1, 32), true);  // the first sixteen are under way
  EXPECT_EQ(take(0).size(), 14U);
  for (EndpointKey key = 2; key <= 60; ++key) lane(key, rows(key * 100, 2));
  scheduler.release(1, 1, SlotResult::kFailure);  // 29 unproven under way
  EXPECT_EQ(take(0).size(), 21U);
}

TEST_F(SchedulerTest, one_slot_is_still_one_slot_for_the_unproven) {
  Scheduler tiny({.max_in_flight = 1, .window = 4});
  tiny.set_lane(1, {});
  tiny.set_active(1, true, at(0));
  tiny.refill(1, rows(1, 2), true);
  EXPECT_EQ(tiny.take_ready(at(0), 5).size(), 1U);
}

// ---- rates

TEST_F(SchedulerTest, a_rate_allows_a_seconds_worth_at_once_and_then_its_beat) {
  proven_lane(1, 16, {}, {.max_in_flight = 32, .rate_per_second = 0});
  scheduler.set_lane(1, {.max_in_flight = 32, .rate_per_second = 5});
  scheduler.refill(1, rows(1, 16), true);
  EXPECT_EQ(take(10'000).size(), 5U);
  EXPECT_EQ(scheduler.next_wake(at(10'000)), at(10'200));
  EXPECT_THAT(take(10'199), IsEmpty());
  EXPECT_EQ(take(10'200).size(), 1U);
  EXPECT_EQ(take(10'650).size(), 2U);
  EXPECT_EQ(scheduler.next_wake(at(10'650)), at(10'800));
  EXPECT_EQ(take(12'000).size(), 5U);  // never more than a second's worth
}

TEST_F(SchedulerTest, a_rate_below_one_a_second_sends_one_and_waits) {
  lane(1, rows(1, 3), {.max_in_flight = 4, .rate_per_second = 0.25});
  EXPECT_EQ(take(0).size(), 1U);
  scheduler.release(1, 1, SlotResult::kSuccess);
  EXPECT_EQ(scheduler.next_wake(at(0)), at(4000));
  EXPECT_THAT(take(3999), IsEmpty());
  EXPECT_EQ(take(4000).size(), 1U);
}

TEST_F(SchedulerTest, a_rate_holds_over_the_long_run_and_next_wake_names_each_beat) {
  for (const double rate : {0.3, 1.0, 3.0, 7.0, 60.0, 333.0}) {
    Scheduler one({.max_in_flight = 1000, .window = 4096});
    one.set_lane(1, {.max_in_flight = 1000, .rate_per_second = rate});
    one.set_active(1, true, at(0));
    one.refill(1, rows(1, 4000), true);
    std::size_t sent = 0;
    Instant now = at(50);
    while (now < at(10'050)) {
      const auto claims = one.take_ready(now, kMany);
      ASSERT_FALSE(claims.empty()) << "woken for nothing at rate " << rate;
      sent += claims.size();
      for (const auto& claim : claims) one.release(1, claim.item.delivery, SlotResult::kSuccess);
      const auto next = one.next_wake(now);
      ASSERT_TRUE(next);
      // While a window of one is the limit, a release makes it ready at once.
      now = *next;
    }
    const double burst = std::max(1.0, rate);
    EXPECT_LE(static_cast<double>(sent), rate * 10 + burst) << rate;
    EXPECT_GE(static_cast<double>(sent), rate * 10 - 1) << rate;
  }
}

TEST_F(SchedulerTest, a_lane_without_tokens_does_not_hold_up_the_others) {
  proven_lane(1, 8, {}, {.max_in_flight = 8, .rate_per_second = 0});
  proven_lane(2, 8);
  scheduler.set_lane(1, {.max_in_flight = 8, .rate_per_second = 1});
  scheduler.refill(1, rows(11, 9), true);
  scheduler.refill(2, rows(21, 3), true);
  EXPECT_THAT(take(0),
              ElementsAre(std::pair{1, 11}, std::pair{2, 21}, std::pair{2, 22}, std::pair{2, 23}));
}

// ---- when to wake

TEST_F(SchedulerTest, next_wake_is_the_earliest_of_all_lanes) {
  EXPECT_EQ(scheduler.next_wake(at(0)), std::nullopt);
  proven_lane(1, 2, {row(1, 500)});
  proven_lane(2, 2, {row(1, 300)});
  lane(3, {row(1, 400)});
  EXPECT_EQ(scheduler.next_wake(at(0)), at(300));
  EXPECT_EQ(scheduler.next_wake(at(350)), at(350));
  scheduler.drop(2, 1);
  EXPECT_EQ(scheduler.next_wake(at(0)), at(400));
  scheduler.set_active(3, false, at(0));
  EXPECT_EQ(scheduler.next_wake(at(0)), at(500));
  scheduler.remove_lane(1);
  EXPECT_EQ(scheduler.next_wake(at(0)), std::nullopt);
}

TEST_F(SchedulerTest, next_wake_leaves_out_the_unproven_while_their_half_is_taken) {
  for (EndpointKey key = 1; key <= 50; ++key) lane(key, rows(key * 100, 2));
  lane(60, {row(6000, 500)});
  EXPECT_EQ(take(0).size(), 50U);
  EXPECT_EQ(scheduler.next_wake(at(0)), std::nullopt);
  proven_lane(70, 1);
  scheduler.release(1, 100, SlotResult::kFailure);
  EXPECT_EQ(scheduler.next_wake(at(0)), at(0));  // the lane itself, it may try again
  EXPECT_EQ(take(0).size(), 1U);
  EXPECT_EQ(scheduler.next_wake(at(0)), std::nullopt);
}

// ---- coming and going

TEST_F(SchedulerTest, an_inactive_lane_drops_its_window_and_asks_again_when_it_is_back) {
  proven_lane(1, 3, rows(1, 9));
  EXPECT_EQ(take(0).size(), 3U);
  scheduler.set_active(1, false, at(0));
  EXPECT_FALSE(scheduler.active(1));
  scheduler.release(1, 1, SlotResult::kSuccess);
  EXPECT_THAT(take(1000), IsEmpty());
  EXPECT_EQ(scheduler.next_wake(at(1000)), std::nullopt);
  EXPECT_THAT(scheduler.take_refills(kMany), IsEmpty());
  scheduler.set_active(1, true, at(1000));
  EXPECT_THAT(take(1000), IsEmpty());
  EXPECT_THAT(scheduler.take_refills(kMany), ElementsAre(1));
  scheduler.refill(1, rows(1, 9), true);
  // 2 and 3 are still under way; what it had earned it keeps.
  EXPECT_THAT(take(1000), ElementsAre(std::pair{1, 1}, std::pair{1, 4}));
}

TEST_F(SchedulerTest, a_removed_lane_frees_its_slots_when_they_are_released) {
  proven_lane(1, 3, rows(1, 9));
  EXPECT_EQ(take(0).size(), 3U);
  scheduler.remove_lane(1);
  EXPECT_EQ(scheduler.lanes(), 0U);
  EXPECT_FALSE(scheduler.active(1));
  EXPECT_EQ(scheduler.open(), 3U);
  EXPECT_EQ(scheduler.rows_wanted(1), 0U);
  scheduler.refill(1, rows(1, 9), true);
  EXPECT_THAT(take(0), IsEmpty());
  for (const DeliveryKey key : {1, 2, 3}) scheduler.release(1, key, SlotResult::kFailure);
  EXPECT_EQ(scheduler.open(), 0U);
}

TEST_F(SchedulerTest, a_lane_set_anew_before_its_claims_are_released_does_not_claim_them_twice) {
  proven_lane(1, 3, rows(1, 9));
  EXPECT_EQ(take(0).size(), 3U);
  scheduler.remove_lane(1);
  scheduler.set_lane(1, {.max_in_flight = 32});
  EXPECT_FALSE(scheduler.active(1));
  EXPECT_EQ(scheduler.lanes(), 1U);
  scheduler.set_active(1, true, at(0));
  EXPECT_THAT(scheduler.take_refills(kMany), ElementsAre(1));
  scheduler.refill(1, rows(1, 9), true);
  scheduler.release(1, 1, SlotResult::kSuccess);
  EXPECT_THAT(take(0), ElementsAre(std::pair{1, 4}, std::pair{1, 5}));
}

TEST_F(SchedulerTest, a_lane_removed_while_it_waits_for_rows_is_not_named) {
  scheduler.set_lane(1, {});
  scheduler.set_active(1, true, at(0));
  scheduler.remove_lane(1);
  EXPECT_THAT(scheduler.take_refills(kMany), IsEmpty());
  scheduler.set_lane(1, {});
  scheduler.set_active(1, true, at(0));
  EXPECT_THAT(scheduler.take_refills(kMany), ElementsAre(1));
}

TEST(SchedulerDeathTest, releasing_what_is_not_claimed_is_a_bug) {
  Scheduler scheduler({.max_in_flight = 4, .window = 4});
  EXPECT_DEATH(scheduler.release(1, 1, SlotResult::kSuccess), "bug");
  scheduler.set_lane(1, {});
  EXPECT_DEATH(scheduler.release(1, 1, SlotResult::kSuccess), "bug");
}

}  // namespace
}  // namespace outrider::core
