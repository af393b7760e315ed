// A disk that fails at the worst moments. What is asserted is the contract of apply(): an error
// says what became of the batch, and what it says is true, now and after reopening.
#include <sqlite3.h>

#include <gmock/gmock.h>

#include "fault_vfs.h"
#include "sqlite_files.h"
#include "storage/commit_queue.h"
#include "storage/sqlite/sqlite_outbox.h"

namespace outrider::storage {
namespace {

using ::testing::HasSubstr;

class SqliteFaultTest : public ::testing::Test {
 protected:
  void SetUp() override {
    FaultVfs::install();
    FaultVfs::clear();
    open();
  }
  void TearDown() override { FaultVfs::clear(); }

  void open() {
    outbox_.reset();
    auto opened = open_sqlite_outbox({.path = directory_.file("x.db"), .create = true});
    ASSERT_TRUE(opened.has_value()) << opened.error().to_string();
    outbox_ = std::move(*opened);
  }
  [[nodiscard]] std::size_t events() {
    const auto found = outbox_->events({.limit = 1000});
    return found ? found->size() : 4711;
  }
  Result<std::vector<Outcome>> publish(int count = 1) {
    const std::vector<Mutation> batch(static_cast<std::size_t>(count), sample_event());
    return outbox_->apply(batch);
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Outbox> outbox_;
};

TEST_F(SqliteFaultTest, a_failed_sync_at_commit_is_an_unknown_outcome_and_poisons_everything) {
  ASSERT_TRUE(publish());
  FaultVfs::set({.call = FaultVfs::Call::kSync, .file_suffix = "-wal", .code = SQLITE_IOERR_FSYNC});

  const auto failed = publish(3);

  ASSERT_FALSE(failed);
  EXPECT_EQ(FaultVfs::hits(), 1);
  EXPECT_EQ(failed.error().code, ErrorCode::kUnknownOutcome);
  EXPECT_NE(failed.error().hint, "");
  EXPECT_EQ(publish().error().code, ErrorCode::kUnknownOutcome)
      << "the disk works again: no matter";
  EXPECT_EQ(outbox_->events({}).error().code, ErrorCode::kUnknownOutcome);
  EXPECT_EQ(outbox_->foreign_changes().error().code, ErrorCode::kUnknownOutcome);
  EXPECT_EQ(outbox_->id_key().error().code, ErrorCode::kUnknownOutcome);

  open();
  EXPECT_THAT(events(), ::testing::AnyOf(1U, 4U)) << "all of the batch or nothing";
  ASSERT_TRUE(publish());
}

TEST_F(SqliteFaultTest, the_commit_queue_stops_at_an_unknown_outcome) {
  CommitQueue queue(*outbox_, {});
  std::vector<ErrorCode> answers;
  const auto done = [&answers](const Outcome& outcome) {
    answers.push_back(outcome ? ErrorCode::kInternal : outcome.error().code);
  };
  ASSERT_TRUE(queue.submit(sample_event(), done));
  FaultVfs::set({.call = FaultVfs::Call::kSync, .file_suffix = "-wal", .code = SQLITE_IOERR_FSYNC});
  queue.commit_once();
  EXPECT_EQ(answers, std::vector{ErrorCode::kUnknownOutcome});
  EXPECT_EQ(queue.submit(sample_event(), done).error().code, ErrorCode::kStopped);
}

// Every write of a commit in turn, the last frame included.
TEST_F(SqliteFaultTest, a_full_disk_at_any_write_commits_nothing_and_heals) {
  AddEndpoint endpoint;
  endpoint.spec = {
      .account = "acme", .provider = "shop", .url = "https://x.example/", .secret = "s"};
  const Mutation added = endpoint;
  ASSERT_TRUE(outbox_->apply({&added, 1}));
  ASSERT_TRUE(publish());
  const std::size_t before = events();
  int after = 0;
  for (;; ++after) {
    ASSERT_LT(after, 10'000);
    FaultVfs::set({.call = FaultVfs::Call::kWrite,
                   .file_suffix = "-wal",
                   .code = SQLITE_FULL,
                   .after = after,
                   .once = false});
    const auto result = publish();
    FaultVfs::clear();
    if (result) break;  // it needs no more writes than this
    EXPECT_EQ(result.error().code, ErrorCode::kIo) << after;
    EXPECT_THAT(result.error().hint, HasSubstr("full")) << after;
    EXPECT_EQ(events(), before) << after;
    ASSERT_TRUE(outbox_->id_key()) << "not poisoned";
  }
  EXPECT_GT(after, 5);
  EXPECT_EQ(events(), before + 1);
  open();
  EXPECT_EQ(events(), before + 1) << "nothing of the failed ones comes back";
}

// More than the page cache holds, so that pages reach the log long before the commit.
TEST_F(SqliteFaultTest, a_failed_write_before_the_commit_is_rolled_back_and_not_unknown) {
  ASSERT_TRUE(publish());
  Enqueue big = sample_event();
  big.body.assign(std::size_t{200} * 1024, 'x');
  const std::vector<Mutation> batch(400, big);
  FaultVfs::set({.call = FaultVfs::Call::kWrite,
                 .file_suffix = "-wal",
                 .code = SQLITE_IOERR_WRITE,
                 .after = 10});
  const auto failed = outbox_->apply(batch);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kIo);
  EXPECT_EQ(events(), 1U);
  ASSERT_TRUE(publish());
  open();
  EXPECT_EQ(events(), 2U);
}

TEST_F(SqliteFaultTest, a_checkpoint_that_fails_does_not_fail_the_commit) {
  Enqueue big = sample_event();
  big.body.assign(std::size_t{200} * 1024, 'x');
  const std::vector<Mutation> batch(250, big);  // past wal_autocheckpoint
  FaultVfs::set(
      {.call = FaultVfs::Call::kWrite, .file_suffix = "x.db", .code = SQLITE_FULL, .once = false});
  const auto applied = outbox_->apply(batch);
  EXPECT_TRUE(applied) << applied.error().to_string();
  EXPECT_GT(FaultVfs::hits(), 0);
  FaultVfs::clear();
  open();
  EXPECT_EQ(events(), 250U);
}

TEST_F(SqliteFaultTest, a_creation_that_fails_leaves_nothing_behind) {
  int after = 0;
  for (;; ++after) {
    ASSERT_LT(after, 10'000);
    const TemporaryDirectory fresh;
    FaultVfs::set(
        {.call = FaultVfs::Call::kWrite, .file_suffix = "", .code = SQLITE_FULL, .after = after});
    const auto opened = open_sqlite_outbox({.path = fresh.file("new.db"), .create = true});
    const bool struck = FaultVfs::hits() > 0;
    FaultVfs::clear();
    if (!struck) break;
    if (!opened) {
      EXPECT_EQ(opened.error().code, ErrorCode::kIo) << after;
      EXPECT_EQ(fresh.names(), std::vector<std::string>()) << after;
    }
  }
  EXPECT_GT(after, 10);
}

}  // namespace
}  // namespace outrider::storage
