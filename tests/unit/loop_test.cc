// The loop's promises: order of timers, wake-ups from other threads, signals, watched files, and
// that nothing is left behind.
#include "net/loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "loop_fixture.h"

namespace outrider::net {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using testing::kLongest;
using testing::RunLimit;
using testing::TempDir;

TEST(LoopTimers, fire_in_order_of_time_and_then_of_start) {
  Loop loop;
  const RunLimit limit(loop);
  std::vector<int> fired;
  loop.start(milliseconds(30), [&] {
    fired.push_back(4);
    loop.stop();
  });
  loop.start(milliseconds(0), [&] { fired.push_back(1); });
  loop.start(milliseconds(-5), [&] { fired.push_back(2); });
  loop.start(milliseconds(10), [&] { fired.push_back(3); });
  EXPECT_THAT(fired, ElementsAre());
  loop.run();
  EXPECT_THAT(fired, ElementsAre(1, 2, 3, 4));
}

TEST(LoopTimers, a_cancelled_timer_never_fires_even_when_cancelled_by_its_neighbour) {
  Loop loop;
  const RunLimit limit(loop);
  bool fired = false;
  Loop::Id neighbour = 0;
  loop.start(milliseconds(0), [&] { loop.cancel(neighbour); });
  neighbour = loop.start(milliseconds(0), [&] { fired = true; });
  loop.start(milliseconds(5), [&] { loop.stop(); });
  loop.cancel(0);
  loop.cancel(999'999);
  loop.run();
  EXPECT_FALSE(fired);
}

TEST(LoopTurns, what_is_asked_for_after_a_turn_follows_all_that_was_ready_in_it) {
  Loop loop;
  const RunLimit limit(loop);
  std::vector<int> order;
  const auto first = loop.make_waker([&] {
    order.push_back(1);
    loop.after_turn([&] {
      order.push_back(3);
      loop.stop();
    });
  });
  const auto second = loop.make_waker([&] { order.push_back(2); });
  first->wake();
  second->wake();
  loop.run();
  EXPECT_EQ(order.size(), 3U);
  EXPECT_EQ(order.back(), 3);
}

TEST(LoopTurns, the_loop_does_not_wait_before_what_a_timer_asked_for_and_asks_again) {
  Loop loop;
  const RunLimit limit(loop);
  int turns = 0;
  const core::Instant begun = loop.now();
  loop.start(milliseconds(0), [&] {
    loop.after_turn([&] {
      ++turns;
      loop.after_turn([&] {
        ++turns;
        loop.stop();
      });
    });
  });
  loop.start(kLongest / 2, [&] { loop.stop(); });
  loop.run();
  EXPECT_EQ(turns, 2);
  EXPECT_LT(loop.now() - begun, kLongest / 2);
}

TEST(LoopTimers, one_started_by_a_timer_waits_for_the_next_turn) {
  Loop loop;
  const RunLimit limit(loop);
  std::vector<int> fired;
  loop.start(milliseconds(0), [&] {
    fired.push_back(1);
    loop.start(milliseconds(0), [&] {
      fired.push_back(3);
      loop.stop();
    });
  });
  loop.start(milliseconds(0), [&] { fired.push_back(2); });
  loop.run();
  EXPECT_THAT(fired, ElementsAre(1, 2, 3));
}

TEST(LoopTimers, a_chain_of_zero_timers_does_not_starve_other_threads) {
  Loop loop;
  const RunLimit limit(loop);
  std::function<void()> again = [&] { loop.start(milliseconds(0), again); };
  loop.start(milliseconds(0), again);
  auto waker = loop.make_waker([&] { loop.stop(); });
  std::thread other([&] { waker->wake(); });
  loop.run();
  other.join();
}

TEST(LoopTimers, never_fire_early) {
  Loop loop;
  const RunLimit limit(loop);
  const auto begun = std::chrono::steady_clock::now();
  const core::Instant begun_turn = loop.now();
  loop.start(milliseconds(50), [&] { loop.stop(); });
  loop.run();
  EXPECT_GE(std::chrono::steady_clock::now() - begun, milliseconds(50));
  EXPECT_GE(loop.now() - begun_turn, milliseconds(49));
}

TEST(LoopClock, both_clocks_stand_still_within_a_turn) {
  Loop loop;
  const RunLimit limit(loop);
  loop.start(milliseconds(0), [&] {
    const auto now = loop.now();
    const auto wall = loop.wall();
    const auto until = std::chrono::steady_clock::now() + milliseconds(5);
    while (std::chrono::steady_clock::now() < until) {
    }
    EXPECT_EQ(loop.now(), now);
    EXPECT_EQ(loop.wall(), wall);
    loop.stop();
  });
  loop.run();
  const auto system =
      std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  EXPECT_LT(std::chrono::abs(core::wall_from_ms(system.count()) - loop.wall()), kLongest);
}

TEST(LoopWaker, wakes_from_many_threads_arrive) {
  Loop loop;
  const RunLimit limit(loop);
  std::atomic<int> given{0};
  int seen = 0;
  auto waker = loop.make_waker([&] {
    seen = given.load();
    if (seen == 400) loop.stop();
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) {
        ++given;
        waker->wake();
      }
    });
  }
  loop.run();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(seen, 400);
}

TEST(LoopWaker, may_be_dropped_by_its_own_callback) {
  Loop loop;
  const RunLimit limit(loop);
  std::unique_ptr<Loop::Waker> waker;
  int calls = 0;
  waker = loop.make_waker([&] {
    ++calls;
    waker.reset();
    loop.start(milliseconds(5), [&] { loop.stop(); });
  });
  waker->wake();
  loop.run();
  EXPECT_EQ(calls, 1);
}

TEST(LoopSignal, is_heard_until_the_watch_is_gone) {
  Loop loop;
  const RunLimit limit(loop);
  int heard = 0;
  auto watch = loop.on_signal(SIGUSR2, [&] {
    ++heard;
    loop.stop();
  });
  ASSERT_TRUE(watch.has_value());
  kill(getpid(), SIGUSR2);
  loop.run();
  EXPECT_EQ(heard, 1);
  watch->reset();

  bool other_heard = false;
  auto other = loop.on_signal(SIGUSR2, [&] {
    other_heard = true;
    loop.stop();
  });
  kill(getpid(), SIGUSR2);
  loop.run();
  EXPECT_TRUE(other_heard);
  EXPECT_EQ(heard, 1);
}

TEST(LoopSignal, refuses_one_that_cannot_be_caught) {
  Loop loop;
  auto watch = loop.on_signal(SIGKILL, [] {});
  ASSERT_FALSE(watch.has_value());
  EXPECT_EQ(watch.error().code, ErrorCode::kInternal);
}

TEST(LoopSignal, a_broken_pipe_does_not_kill_while_the_loop_runs) {
  Loop loop;
  const RunLimit limit(loop);
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  close(pipe_ends[0]);
  ssize_t written = 0;
  loop.start(milliseconds(0), [&] {
    written = write(pipe_ends[1], "x", 1);
    loop.stop();
  });
  loop.run();
  EXPECT_EQ(written, -1);
  close(pipe_ends[1]);
  sigset_t left;
  sigpending(&left);
  EXPECT_EQ(sigismember(&left, SIGPIPE), 0);
}

TEST(LoopFile, hears_of_writes_by_others_and_of_a_replacement) {
  const TempDir dir;
  const std::string path = dir.file("wal");
  std::ofstream(path) << "one";
  Loop loop;
  const RunLimit limit(loop);
  int heard = 0;
  auto watch = loop.on_file_change(path, [&] {
    ++heard;
    loop.stop();
  });
  ASSERT_TRUE(watch.has_value());
  std::ofstream(path, std::ios::app) << "two";
  loop.run();
  EXPECT_GE(heard, 1);

  std::ofstream(dir.file("new")) << "three";
  std::filesystem::rename(dir.file("new"), path);
  loop.run();
  // Whatever the replacement still had to say is through when a write to the new file is heard.
  loop.start(milliseconds(20), [&] { loop.stop(); });
  loop.run();
  const int before = heard;
  std::ofstream(path, std::ios::app) << "four";
  loop.run();
  EXPECT_GT(heard, before);
}

TEST(LoopFile, a_missing_file_is_an_error_that_names_it) {
  Loop loop;
  auto watch = loop.on_file_change("/nonexistent/file", [] {});
  ASSERT_FALSE(watch.has_value());
  EXPECT_EQ(watch.error().code, ErrorCode::kIo);
  EXPECT_EQ(watch.error().where, "/nonexistent/file");
}

TEST(Loop, ends_with_timers_pending) {
  Loop loop;
  loop.start(milliseconds(1'000'000), [] { FAIL(); });
  auto waker = loop.make_waker([] { FAIL(); });
  waker.reset();
}

TEST(Loop, a_stop_before_run_ends_it_at_once) {
  Loop loop;
  loop.stop();
  loop.run();
}

}  // namespace
}  // namespace outrider::net
