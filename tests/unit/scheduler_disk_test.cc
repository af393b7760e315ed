// What the scheduler asks of the disk, what it believes of the answers, and that neither an old
// answer nor an operator's change makes it forget a row or send one twice.
#include <optional>

#include "scheduler_fixture.h"

namespace outrider::core {
namespace {

TEST_F(SchedulerTest, an_active_lane_asks_once_until_it_is_answered) {
  scheduler.set_lane(1, {});
  scheduler.set_lane(2, {});
  scheduler.set_active(2, true, at(0));
  scheduler.set_active(1, true, at(0));
  EXPECT_THAT(scheduler.take_refills(1), ElementsAre(2));
  EXPECT_THAT(scheduler.take_refills(5), ElementsAre(1));
  EXPECT_THAT(scheduler.take_refills(5), IsEmpty());
  scheduler.mark_incomplete(1);
  scheduler.set_active(1, true, at(0));  // it is
  EXPECT_THAT(scheduler.take_refills(5), IsEmpty());
  scheduler.refill(1, {}, false);  // nothing yet, but there is more
  EXPECT_THAT(scheduler.take_refills(5), ElementsAre(1));
}

TEST_F(SchedulerTest, a_lane_that_holds_everything_asks_for_nothing) {
  lane(1, rows(1, 2));
  take(0);
  scheduler.release(1, 1, SlotResult::kSuccess);
  take(0);
  scheduler.release(1, 2, SlotResult::kSuccess);
  EXPECT_THAT(scheduler.take_refills(kMany), IsEmpty());
}

TEST_F(SchedulerTest, a_lane_asks_again_when_a_quarter_of_its_window_is_left) {
  proven_lane(1, 20);
  scheduler.refill(1, rows(1, 16), false);
  EXPECT_THAT(scheduler.take_refills(kMany), IsEmpty());
  EXPECT_EQ(take(0, 11).size(), 11U);
  EXPECT_THAT(scheduler.take_refills(kMany), IsEmpty());  // five are left
  EXPECT_EQ(take(0, 1).size(), 1U);
  EXPECT_EQ(scheduler.rows_wanted(1), 16U + 12U);
  EXPECT_THAT(scheduler.take_refills(kMany), ElementsAre(1));
  EXPECT_EQ(scheduler.rows_wanted(2), 0U);
}

TEST_F(SchedulerTest, a_refill_replaces_what_waits_and_skips_what_is_claimed) {
  proven_lane(1, 3, {row(1), row(2), row(3), row(4)});
  EXPECT_EQ(take(0).size(), 3U);  // 1, 2 and 3 are under way
  scheduler.refill(1, std::vector{row(1), row(2), row(3), row(5), row(6)}, true);
  scheduler.release(1, 1, SlotResult::kSuccess);
  scheduler.release(1, 2, SlotResult::kSuccess);
  EXPECT_THAT(take(0), ElementsAre(std::pair{1, 5}, std::pair{1, 6}));
}

TEST_F(SchedulerTest, a_lane_holds_no_more_than_its_window) {
  proven_lane(1, 30, {}, {.max_in_flight = 100});
  scheduler.refill(1, rows(1, 40), true);
  EXPECT_EQ(take(0).size(), 16U);
  EXPECT_THAT(scheduler.take_refills(kMany), ElementsAre(1));  // it was told of more than it kept
}

TEST_F(SchedulerTest, an_unknown_or_inactive_lane_ignores_offers) {
  scheduler.refill(9, rows(1, 2), true);
  scheduler.add(9, row(1));
  scheduler.drop(9, 1);
  scheduler.mark_incomplete(9);
  scheduler.remove_lane(9);
  scheduler.set_active(9, true, at(0));
  EXPECT_FALSE(scheduler.active(9));
  scheduler.set_lane(1, {});
  scheduler.add(1, row(1));
  scheduler.set_active(1, true, at(0));
  EXPECT_THAT(take(0), IsEmpty());
  EXPECT_EQ(scheduler.lanes(), 1U);
}

TEST_F(SchedulerTest, a_row_is_added_where_everything_before_it_is_held) {
  lane(1, {row(5, 50)});
  scheduler.add(1, row(6, 60));
  scheduler.add(1, row(4, 40));
  scheduler.add(1, row(5, 50));  // known
  EXPECT_THAT(take(100), ElementsAre(std::pair{1, 4}));
  scheduler.release(1, 4, SlotResult::kSuccess);
  EXPECT_THAT(take(100), ElementsAre(std::pair{1, 5}, std::pair{1, 6}));
}

TEST_F(SchedulerTest, a_row_behind_what_an_incomplete_lane_holds_stays_on_disk) {
  proven_lane(1, 9);
  scheduler.refill(1, rows(10, 16, 10), false);
  scheduler.add(1, row(99, 20));  // there may be others before it
  scheduler.add(1, row(5, 5));    // there are none before this one; the last row makes room
  const auto taken = take(100);
  ASSERT_EQ(taken.size(), 9U);
  EXPECT_EQ(taken[0], (std::pair<EndpointKey, DeliveryKey>{1, 5}));
  for (DeliveryKey key = 10; key <= 17; ++key) scheduler.release(1, key, SlotResult::kSuccess);
  const auto rest = take(100);
  EXPECT_EQ(rest.back(), (std::pair<EndpointKey, DeliveryKey>{1, 24}));  // 25 made room
  EXPECT_THAT(scheduler.take_refills(kMany), ElementsAre(1));
}

TEST_F(SchedulerTest, adding_to_an_empty_incomplete_lane_keeps_nothing) {
  scheduler.set_lane(1, {});
  scheduler.set_active(1, true, at(0));
  scheduler.add(1, row(1));
  EXPECT_THAT(take(0), IsEmpty());
  EXPECT_THAT(scheduler.take_refills(kMany), ElementsAre(1));
}

TEST_F(SchedulerTest, a_dropped_row_is_not_sent_and_a_claimed_one_runs_to_its_end) {
  lane(1, rows(1, 3));
  EXPECT_THAT(take(0), ElementsAre(std::pair{1, 1}));
  scheduler.drop(1, 1);
  scheduler.drop(1, 2);
  scheduler.drop(1, 77);
  EXPECT_EQ(scheduler.open(1), 1U);
  scheduler.release(1, 1, SlotResult::kSuccess);
  EXPECT_THAT(take(0), ElementsAre(std::pair{1, 3}));
}

TEST_F(SchedulerTest, foreign_rows_are_asked_for_at_once_when_the_window_waits_for_later) {
  proven_lane(1, 2, rows(1, 16, 10'000'000));  // a window full of late retries
  EXPECT_THAT(scheduler.take_refills(kMany), IsEmpty());
  scheduler.mark_incomplete(1);
  EXPECT_THAT(scheduler.take_refills(kMany), ElementsAre(1));
}

TEST_F(SchedulerTest, foreign_rows_are_read_in_their_turn_when_the_window_is_due_already) {
  proven_lane(1, 20, rows(1, 16));
  take(0, 1);
  scheduler.mark_incomplete(1);
  EXPECT_THAT(scheduler.take_refills(kMany), IsEmpty());
  take(0, 11);
  EXPECT_THAT(scheduler.take_refills(kMany), ElementsAre(1));
}

// ---- what happens while rows are being read

class WhileRowsAreRead : public SchedulerTest {
 protected:
  // Three slots; rows 1-3 under way, and the lane has asked for more.
  void SetUp() override {
    proven_lane(1, 3);
    scheduler.refill(1, rows(1, 3), false);
    EXPECT_EQ(take(0).size(), 3U);
    EXPECT_THAT(scheduler.take_refills(kMany), ElementsAre(1));
  }
};

TEST_F(WhileRowsAreRead, a_row_released_since_does_not_come_back) {
  scheduler.release(1, 1, SlotResult::kSuccess);
  scheduler.refill(1, rows(1, 4), true);  // read before the outcome was written
  EXPECT_THAT(take(0), ElementsAre(std::pair{1, 4}));
  EXPECT_THAT(scheduler.take_refills(kMany), ElementsAre(1));  // to be sure, it reads again
}

TEST_F(WhileRowsAreRead, the_retry_of_a_row_released_since_is_kept) {
  scheduler.release(1, 1, SlotResult::kSuccess);
  scheduler.add(1, row(1, 10));
  scheduler.refill(1, rows(2, 2), true);  // read before the retry was written
  EXPECT_THAT(take(10), ElementsAre(std::pair{1, 1}));
  EXPECT_THAT(scheduler.take_refills(kMany), IsEmpty());
}

TEST_F(WhileRowsAreRead, a_row_added_since_is_neither_lost_nor_doubled) {
  scheduler.add(1, row(7, 7));
  scheduler.add(1, row(8, 8));
  scheduler.refill(1, std::vector{row(1), row(2), row(3), row(7, 7)}, true);
  for (DeliveryKey key = 1; key <= 3; ++key) scheduler.release(1, key, SlotResult::kSuccess);
  EXPECT_THAT(take(100), ElementsAre(std::pair{1, 7}, std::pair{1, 8}));
}

TEST_F(WhileRowsAreRead, a_row_dropped_since_does_not_come_back) {
  scheduler.add(1, row(9, 9));
  scheduler.drop(1, 9);
  scheduler.drop(1, 10);
  scheduler.refill(1, std::vector{row(9, 9), row(10, 10), row(11, 11)}, true);
  scheduler.release(1, 1, SlotResult::kSuccess);
  EXPECT_THAT(take(100), ElementsAre(std::pair{1, 11}));
  EXPECT_THAT(scheduler.take_refills(kMany), ElementsAre(1));
}

TEST_F(WhileRowsAreRead, a_doubt_raised_since_makes_it_ask_again) {
  scheduler.mark_incomplete(1);
  scheduler.refill(1, rows(4, 1), true);
  EXPECT_THAT(scheduler.take_refills(kMany), ElementsAre(1));
  scheduler.refill(1, rows(4, 1), true);
  EXPECT_THAT(scheduler.take_refills(kMany), IsEmpty());
}

TEST_F(WhileRowsAreRead, a_pause_since_makes_the_answer_doubtful) {
  scheduler.set_active(1, false, at(0));
  scheduler.set_active(1, true, at(0));
  EXPECT_THAT(scheduler.take_refills(kMany), IsEmpty());  // the answer is still to come
  scheduler.refill(1, rows(4, 1), true);
  EXPECT_THAT(scheduler.take_refills(kMany), ElementsAre(1));
}

TEST_F(WhileRowsAreRead, an_answer_during_the_pause_is_thrown_away) {
  scheduler.set_active(1, false, at(0));
  scheduler.refill(1, rows(4, 1), true);
  EXPECT_THAT(take(0), IsEmpty());
  scheduler.set_active(1, true, at(0));
  EXPECT_THAT(scheduler.take_refills(kMany), ElementsAre(1));
}

TEST_F(SchedulerTest, another_row_of_a_delivery_under_way_is_never_sent_beside_it) {
  proven_lane(1, 3, {row(1)});
  EXPECT_EQ(take(0).size(), 1U);
  scheduler.add(1, row(1, 5));  // an operator made it due anew
  EXPECT_THAT(take(100), IsEmpty());
  scheduler.refill(1, std::vector{row(1, 5)}, true);
  EXPECT_THAT(take(100), IsEmpty());
  scheduler.release(1, 1, SlotResult::kSuccess);
  EXPECT_THAT(scheduler.take_refills(kMany), ElementsAre(1));  // the disk knows what is left of it
}

TEST_F(SchedulerTest, two_rows_of_one_delivery_in_the_window_are_not_sent_together) {
  proven_lane(1, 3, {row(1, 0), row(1, 5), row(2, 6)});
  EXPECT_THAT(take(100), ElementsAre(std::pair{1, 1}, std::pair{1, 2}));
}

TEST_F(SchedulerTest, a_claim_that_was_given_up_is_read_again) {
  lane(1, rows(1, 1));
  EXPECT_EQ(take(0).size(), 1U);
  scheduler.release(1, 1, SlotResult::kNeutral);
  EXPECT_THAT(scheduler.take_refills(kMany), ElementsAre(1));
  scheduler.refill(1, rows(1, 1), true);
  EXPECT_EQ(take(0).size(), 1U);
}

}  // namespace
}  // namespace outrider::core
