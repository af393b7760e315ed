// The storage thread: commits without waiting for more, reads between commits, and ends with
// everything answered. Meant to be run under the thread sanitizer too.
#include "storage/storage_thread.h"

#include <gmock/gmock.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "fake_outbox.h"

namespace outrider::storage {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

// Counts up under a lock; wait_for() blocks until it has come that far.
class Milestone {
 public:
  void reach() {
    const std::lock_guard lock(mutex_);
    ++count_;
    changed_.notify_all();
  }
  bool wait_for(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), [&] { return count_ >= count; });
  }
  int count() {
    const std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

struct Watched : FakeOutbox {
  explicit Watched(std::thread::id* closed_on) : closed_on_(closed_on) {}
  ~Watched() override {
    if (closed_on_ != nullptr) *closed_on_ = std::this_thread::get_id();
  }
  std::thread::id* closed_on_;
};

TEST(StorageThreadTest, patient_changes_wait_until_there_are_enough_or_somebody_is_in_a_hurry) {
  StorageThread storage(std::make_unique<FakeOutbox>(),
                        {.enough = 3, .patience = std::chrono::hours(1)});
  Milestone answered;
  const auto submit = [&](CommitQueue::Place place) {
    ASSERT_TRUE(
        storage.submit(RejectInboxRow{.row = 1}, [&](const Outcome&) { answered.reach(); }, place));
  };
  submit(CommitQueue::Place::kPatient);
  submit(CommitQueue::Place::kPatient);
  Milestone read;
  ASSERT_TRUE(storage.read([&](Outbox&) { read.reach(); }));
  ASSERT_TRUE(read.wait_for(1));
  EXPECT_EQ(answered.count(), 0);  // a read is no hurry
  submit(CommitQueue::Place::kPatient);
  EXPECT_TRUE(answered.wait_for(3));
  submit(CommitQueue::Place::kPatient);
  submit(CommitQueue::Place::kNormal);
  EXPECT_TRUE(answered.wait_for(5));
  submit(CommitQueue::Place::kPatient);
  storage.stop();  // nothing is left behind
  EXPECT_EQ(answered.count(), 6);
}

TEST(StorageThreadTest, patience_ends) {
  StorageThread storage(std::make_unique<FakeOutbox>(),
                        {.enough = 1000, .patience = std::chrono::milliseconds(1)});
  Milestone answered;
  ASSERT_TRUE(storage.submit(
      RejectInboxRow{.row = 1}, [&](const Outcome&) { answered.reach(); },
      CommitQueue::Place::kPatient));
  EXPECT_TRUE(answered.wait_for(1));
}

TEST(StorageThreadTest, answers_come_from_the_storage_thread_after_the_commit) {
  StorageThread storage(std::make_unique<FakeOutbox>(), {});
  Milestone answered;
  std::atomic<bool> elsewhere = false;
  const auto caller = std::this_thread::get_id();
  ASSERT_TRUE(storage.submit(RejectInboxRow{.row = 1}, [&](const Outcome& outcome) {
    elsewhere = outcome.has_value() && std::this_thread::get_id() != caller;
    answered.reach();
  }));
  ASSERT_TRUE(answered.wait_for(1));
  EXPECT_TRUE(elsewhere);
}

TEST(StorageThreadTest, the_next_batch_gathers_while_one_commits) {
  auto outbox = std::make_unique<FakeOutbox>();
  FakeOutbox* fake = outbox.get();
  Milestone began, go;
  outbox->on_apply([&](std::size_t) {
    began.reach();
    go.wait_for(1);
  });
  StorageThread storage(std::move(outbox), {});
  Milestone answered;
  const auto submit = [&](std::int64_t row) {
    ASSERT_TRUE(storage.submit(RejectInboxRow{.row = row}, [&](auto&&) { answered.reach(); }));
  };
  submit(1);
  ASSERT_TRUE(began.wait_for(1));
  for (std::int64_t row = 2; row <= 6; ++row) submit(row);
  go.reach();
  ASSERT_TRUE(answered.wait_for(6));
  ASSERT_TRUE(storage.read([&](Outbox&) {
    EXPECT_THAT(fake->batches(), ElementsAre(1U, 5U));
    answered.reach();
  }));
  ASSERT_TRUE(answered.wait_for(7));
}

TEST(StorageThreadTest, reads_run_between_commits_and_see_them) {
  StorageThread storage(std::make_unique<FakeOutbox>(), {});
  Milestone answered;
  std::size_t commits = 0;
  ASSERT_TRUE(storage.submit(RejectInboxRow{.row = 1}, [&](auto&&) { answered.reach(); }));
  ASSERT_TRUE(storage.read([&](Outbox& outbox) {
    commits = static_cast<FakeOutbox&>(outbox).batches().size();
    answered.reach();
  }));
  ASSERT_TRUE(answered.wait_for(2));
  EXPECT_EQ(commits, 1U);
}

TEST(StorageThreadTest, reads_are_bounded) {
  auto outbox = std::make_unique<FakeOutbox>();
  Milestone began, go;
  outbox->on_apply([&](std::size_t) {
    began.reach();
    go.wait_for(1);
  });
  StorageThread storage(std::move(outbox), {.capacity = 2, .reserved = 1, .batch = 1});
  ASSERT_TRUE(storage.submit(RejectInboxRow{.row = 1}, [](auto&&) {}));
  ASSERT_TRUE(began.wait_for(1));
  EXPECT_TRUE(storage.read([](Outbox&) {}));
  EXPECT_TRUE(storage.read([](Outbox&) {}));
  EXPECT_EQ(storage.read([](Outbox&) {}).error().code, ErrorCode::kOverloaded);
  go.reach();
}

TEST(StorageThreadTest, stop_finishes_everything_closes_the_outbox_there_and_refuses_the_rest) {
  std::thread::id closed_on;
  StorageThread storage(std::make_unique<Watched>(&closed_on),
                        {.capacity = 4096, .reserved = 1, .batch = 7});
  Milestone answered;
  std::thread::id ran_on;
  for (std::int64_t row = 1; row <= 500; ++row) {
    ASSERT_TRUE(storage.submit(RejectInboxRow{.row = row}, [&](auto&&) { answered.reach(); }));
    ASSERT_TRUE(storage.read([&](Outbox&) {
      ran_on = std::this_thread::get_id();
      answered.reach();
    }));
  }
  storage.stop();
  EXPECT_EQ(answered.count(), 1000);
  EXPECT_EQ(closed_on, ran_on);
  EXPECT_NE(closed_on, std::thread::id());
  storage.stop();
  EXPECT_EQ(storage.submit(RejectInboxRow{}, [](auto&&) {}).error().code, ErrorCode::kStopped);
  EXPECT_EQ(storage.read([](Outbox&) {}).error().code, ErrorCode::kStopped);
}

TEST(StorageThreadTest, many_threads_submit_and_each_is_answered_once) {
  constexpr int kThreads = 4, kEach = 500;
  StorageThread storage(std::make_unique<FakeOutbox>(), {});
  std::vector<std::atomic<int>> answers(kThreads * kEach);
  {
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; i < kEach; ++i) {
          const int number = thread * kEach + i;
          while (!storage.submit(RejectInboxRow{.row = number},
                                 [&answers, number](auto&&) { ++answers[number]; })) {
            std::this_thread::yield();
          }
          if (i % 50 == 0) static_cast<void>(storage.read([](Outbox&) {}));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  storage.stop();
  std::vector<int> counts(answers.begin(), answers.end());
  EXPECT_THAT(counts, Each(1));
}

TEST(StorageThreadTest, stop_from_several_threads_at_once_while_others_submit) {
  StorageThread storage(std::make_unique<FakeOutbox>(), {});
  std::atomic<int> submitted = 0, answered = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 200; ++n) {
        if (storage.submit(RejectInboxRow{.row = n}, [&](auto&&) { ++answered; })) ++submitted;
      }
    });
  }
  for (int i = 0; i < 2; ++i) threads.emplace_back([&] { storage.stop(); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, submitted);
}

// A new thread in general gets the id of one that ended.
TEST(StorageThreadTest, threads_begun_after_the_stop_may_stop_it_too) {
  StorageThread storage(std::make_unique<FakeOutbox>(), {});
  storage.stop();
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back([&] { storage.stop(); });
  for (std::thread& thread : threads) thread.join();
}

TEST(StorageThreadTest, a_poisoned_outbox_is_reported_and_answers_on) {
  auto outbox = std::make_unique<FakeOutbox>();
  outbox->fail_next(ErrorCode::kUnknownOutcome);
  StorageThread storage(std::move(outbox), {});
  Milestone answered;
  std::atomic<ErrorCode> code = ErrorCode::kInternal;
  ASSERT_TRUE(storage.submit(RejectInboxRow{.row = 1}, [&](const Outcome& outcome) {
    code = outcome.error().code;
    answered.reach();
  }));
  ASSERT_TRUE(answered.wait_for(1));
  EXPECT_EQ(code, ErrorCode::kUnknownOutcome);
  EXPECT_EQ(storage.poisoned()->code, ErrorCode::kUnknownOutcome);
  EXPECT_EQ(storage.submit(RejectInboxRow{}, [](auto&&) {}).error().code, ErrorCode::kStopped);
}

}  // namespace
}  // namespace outrider::storage
