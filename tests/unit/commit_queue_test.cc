// The commit queue over an outbox made of a script: batches, per-mutation answers, bounds, and the
// poisoned state.
#include "storage/commit_queue.h"

#include <gmock/gmock.h>

#include <deque>
#include <string>

#include "fake_outbox.h"

namespace outrider::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CommitQueueTest : public ::testing::Test {
 protected:
  // Submits a mutation that is known by `number`; its answer lands in answers_.
  Result<void> submit(CommitQueue& queue, std::int64_t number,
                      CommitQueue::Place place = CommitQueue::Place::kNormal) {
    auto submitted = queue.submit(
        RejectInboxRow{.row = number},
        [this, number](const Outcome& outcome) { answers_.emplace_back(number, outcome); }, place);
    if (!submitted) return tl::unexpected(std::move(submitted.error()));
    sooner_ = *submitted;
    return {};
  }
  [[nodiscard]] std::vector<std::int64_t> answered(ErrorCode code) const {
    std::vector<std::int64_t> numbers;
    for (const auto& [number, outcome] : answers_) {
      if (!outcome && outcome.error().code == code) numbers.push_back(number);
    }
    return numbers;
  }
  [[nodiscard]] std::vector<std::int64_t> committed() const {
    std::vector<std::int64_t> numbers;
    for (const auto& [number, outcome] : answers_) {
      if (outcome) numbers.push_back(std::get<Changed>(*outcome).id);
    }
    return numbers;
  }

  FakeOutbox outbox_;
  bool sooner_ = false;  // what the last submission said
  std::vector<std::pair<std::int64_t, Outcome>> answers_;
};

TEST_F(CommitQueueTest, what_gathered_is_committed_in_one_batch_and_answered_in_order) {
  CommitQueue queue(outbox_, {});
  for (std::int64_t i = 1; i <= 3; ++i) ASSERT_TRUE(submit(queue, i));
  EXPECT_FALSE(queue.empty());
  EXPECT_THAT(answers_, IsEmpty()) << "nothing is answered before its commit";
  EXPECT_EQ(queue.commit_once(), 3U);
  EXPECT_THAT(committed(), ElementsAre(1, 2, 3));
  EXPECT_THAT(outbox_.batches(), ElementsAre(3U));
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.commit_once(), 0U);
  EXPECT_THAT(outbox_.batches(), ElementsAre(3U)) << "an empty batch does not reach the disk";
}

TEST_F(CommitQueueTest, a_batch_has_a_limit) {
  CommitQueue queue(outbox_, {.capacity = 10, .reserved = 1, .batch = 4});
  for (std::int64_t i = 1; i <= 9; ++i) ASSERT_TRUE(submit(queue, i));
  EXPECT_EQ(queue.commit_once(), 4U);
  EXPECT_EQ(queue.commit_once(), 4U);
  EXPECT_EQ(queue.commit_once(), 1U);
  EXPECT_THAT(committed(), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST_F(CommitQueueTest, a_refused_mutation_does_not_disturb_its_neighbours) {
  CommitQueue queue(outbox_, {});
  outbox_.refuse(2);
  for (std::int64_t i = 1; i <= 3; ++i) ASSERT_TRUE(submit(queue, i));
  queue.commit_once();
  EXPECT_THAT(committed(), ElementsAre(1, 3));
  EXPECT_THAT(answered(ErrorCode::kConflict), ElementsAre(2));
}

TEST_F(CommitQueueTest, a_full_queue_refuses_and_keeps_places_for_results) {
  CommitQueue queue(outbox_, {.capacity = 5, .reserved = 2, .batch = 10});
  for (std::int64_t i = 1; i <= 3; ++i) ASSERT_TRUE(submit(queue, i));
  const auto refused = submit(queue, 4);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kOverloaded);
  EXPECT_NE(refused.error().hint, "");
  ASSERT_TRUE(submit(queue, 5, CommitQueue::Place::kReserved));
  ASSERT_TRUE(submit(queue, 6, CommitQueue::Place::kReserved));
  EXPECT_EQ(submit(queue, 7, CommitQueue::Place::kReserved).error().code, ErrorCode::kOverloaded);
  queue.commit_once();
  EXPECT_THAT(committed(), ElementsAre(1, 2, 3, 5, 6)) << "the refused were never answered twice";
  EXPECT_TRUE(submit(queue, 8)) << "room again";
}

TEST_F(CommitQueueTest, a_batch_that_was_not_committed_is_answered_whole_and_the_next_one_tried) {
  CommitQueue queue(outbox_, {});
  for (const ErrorCode code : {ErrorCode::kBusy, ErrorCode::kIo}) {
    answers_.clear();
    outbox_.fail_next(code);
    ASSERT_TRUE(submit(queue, 1));
    ASSERT_TRUE(submit(queue, 2));
    queue.commit_once();
    EXPECT_THAT(answered(code), ElementsAre(1, 2));
    EXPECT_FALSE(queue.poisoned().has_value());
    ASSERT_TRUE(submit(queue, 3));
    queue.commit_once();
    EXPECT_THAT(committed(), ElementsAre(3));
  }
}

TEST_F(CommitQueueTest, one_the_database_cannot_take_does_not_sink_the_others) {
  CommitQueue queue(outbox_, {});
  outbox_.break_on(2);
  for (std::int64_t i = 1; i <= 3; ++i) ASSERT_TRUE(submit(queue, i));
  EXPECT_EQ(queue.commit_once(), 3U);
  EXPECT_THAT(committed(), ElementsAre(1, 3));
  EXPECT_THAT(answered(ErrorCode::kInternal), ElementsAre(2));
}

TEST_F(CommitQueueTest, an_account_whose_key_does_not_open_does_not_sink_the_others) {
  for (const ErrorCode code : {ErrorCode::kKey, ErrorCode::kCorrupt}) {
    CommitQueue queue(outbox_, {});
    outbox_.fail_next(code);  // the batch
    outbox_.fail_next(code);  // the first of it, alone
    for (std::int64_t i = 1; i <= 3; ++i) ASSERT_TRUE(submit(queue, i));
    EXPECT_EQ(queue.commit_once(), 3U);
    EXPECT_THAT(answered(code), ElementsAre(1));
  }
}

TEST_F(CommitQueueTest, an_unknown_outcome_poisons_the_queue) {
  CommitQueue queue(outbox_, {.capacity = 10, .reserved = 1, .batch = 2});
  outbox_.fail_next(ErrorCode::kUnknownOutcome);
  for (std::int64_t i = 1; i <= 3; ++i) ASSERT_TRUE(submit(queue, i));

  EXPECT_EQ(queue.commit_once(), 2U);
  EXPECT_THAT(answered(ErrorCode::kUnknownOutcome), ElementsAre(1, 2));
  ASSERT_TRUE(queue.poisoned().has_value());
  EXPECT_EQ(queue.poisoned()->code, ErrorCode::kUnknownOutcome);
  EXPECT_EQ(submit(queue, 4).error().code, ErrorCode::kStopped);
  EXPECT_EQ(submit(queue, 5, CommitQueue::Place::kReserved).error().code, ErrorCode::kStopped);

  EXPECT_EQ(queue.commit_once(), 1U);
  EXPECT_THAT(answered(ErrorCode::kStopped), ElementsAre(3)) << "it was never tried";
  EXPECT_THAT(outbox_.batches(), ElementsAre(2U)) << "nothing is committed any more";
  EXPECT_TRUE(queue.empty());
}

TEST_F(CommitQueueTest, a_poison_found_while_trying_one_by_one_spares_the_rest) {
  CommitQueue queue(outbox_, {});
  outbox_.fail_next(ErrorCode::kInternal);
  outbox_.fail_next(ErrorCode::kUnknownOutcome);
  for (std::int64_t i = 1; i <= 3; ++i) ASSERT_TRUE(submit(queue, i));
  queue.commit_once();
  EXPECT_THAT(answered(ErrorCode::kUnknownOutcome), ElementsAre(1));
  EXPECT_THAT(answered(ErrorCode::kStopped), ElementsAre(2, 3));
}

TEST_F(CommitQueueTest, a_closed_queue_commits_what_it_has_and_takes_nothing_more) {
  CommitQueue queue(outbox_, {});
  ASSERT_TRUE(submit(queue, 1));
  queue.close();
  EXPECT_EQ(submit(queue, 2).error().code, ErrorCode::kStopped);
  EXPECT_EQ(queue.commit_once(), 1U);
  EXPECT_THAT(committed(), ElementsAre(1));
}

TEST_F(CommitQueueTest, a_submission_says_whether_it_is_due_sooner) {
  CommitQueue queue(outbox_, {.enough = 3, .patience = std::chrono::hours(1)});
  const auto is_sooner = [&](CommitQueue::Place place) {
    EXPECT_TRUE(submit(queue, 1, place));
    return sooner_;
  };
  EXPECT_TRUE(is_sooner(CommitQueue::Place::kPatient)) << "it was not due at all";
  EXPECT_FALSE(is_sooner(CommitQueue::Place::kPatient));
  EXPECT_TRUE(is_sooner(CommitQueue::Place::kPatient)) << "they are enough";
  queue.commit_once();
  EXPECT_TRUE(is_sooner(CommitQueue::Place::kPatient));
  EXPECT_TRUE(is_sooner(CommitQueue::Place::kReserved)) << "somebody is in a hurry";
  EXPECT_FALSE(is_sooner(CommitQueue::Place::kNormal));
}

TEST_F(CommitQueueTest, what_comes_during_a_commit_is_in_the_next_ones_in_order) {
  CommitQueue queue(outbox_, {.batch = 2});
  ASSERT_TRUE(queue.submit(RejectInboxRow{.row = 1}, [&](const Outcome&) {
    for (std::int64_t i = 2; i <= 6; ++i) ASSERT_TRUE(submit(queue, i));
  }));
  std::vector<std::size_t> sizes;
  while (const std::size_t size = queue.commit_once()) sizes.push_back(size);
  EXPECT_THAT(sizes, ElementsAre(1U, 2U, 2U, 1U));
  EXPECT_THAT(committed(), ElementsAre(2, 3, 4, 5, 6));
}

TEST_F(CommitQueueTest, an_answer_may_submit_again) {
  CommitQueue queue(outbox_, {});
  ASSERT_TRUE(queue.submit(RejectInboxRow{.row = 1},
                           [&](const Outcome&) { ASSERT_TRUE(submit(queue, 2)); }));
  EXPECT_EQ(queue.commit_once(), 1U);
  EXPECT_EQ(queue.commit_once(), 1U);
  EXPECT_THAT(committed(), ElementsAre(2));
}

}  // namespace
}  // namespace outrider::storage
