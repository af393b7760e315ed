// The loop's timers against an ordered map, whatever is called.
#include "net/timer_heap.h"

#include <gtest/gtest.h>

#include <map>
#include <utility>
#include <vector>

namespace outrider::net {
namespace {

TEST(TimerHeap, takes_what_is_due_in_the_order_of_time_and_start) {
  TimerHeap heap;
  std::vector<int> fired;
  const auto add = [&](std::uint64_t due, int name) {
    return heap.add(due, [&fired, name] { fired.push_back(name); });
  };
  add(20, 3);
  add(10, 1);
  const TimerHeap::Id gone = add(10, 9);
  add(10, 2);
  heap.remove(gone);
  heap.remove(gone);
  EXPECT_FALSE(heap.take(9, heap.added()).has_value());
  while (const auto callback = heap.take(20, heap.added())) (*callback)();
  EXPECT_EQ(fired, (std::vector{1, 2, 3}));
  EXPECT_TRUE(heap.empty());
}

TEST(TimerHeap, an_id_names_nothing_once_its_timer_has_gone) {
  TimerHeap heap;
  const TimerHeap::Id first = heap.add(1, [] {});
  ASSERT_TRUE(heap.take(1, heap.added()).has_value());
  const TimerHeap::Id second = heap.add(1, [] {});  // in the same place
  EXPECT_NE(first, second);
  heap.remove(first);
  EXPECT_FALSE(heap.empty());
  heap.remove(0);
  heap.remove(second + 5);
  EXPECT_FALSE(heap.empty());
}

TEST(TimerHeap, leaves_what_was_added_too_late_for_this_turn) {
  TimerHeap heap;
  heap.add(5, [] {});
  const std::uint64_t among = heap.added();
  heap.add(5, [] {});
  EXPECT_TRUE(heap.take(5, among).has_value());
  EXPECT_FALSE(heap.take(5, among).has_value());
  EXPECT_TRUE(heap.take(5, heap.added()).has_value());
}

TEST(TimerHeap, does_as_an_ordered_map_does) {
  TimerHeap heap;
  std::map<std::pair<std::uint64_t, std::uint64_t>, TimerHeap::Id> reference;
  std::uint64_t state = 42, fired = 0, now = 0;
  const auto roll = [&state](std::uint64_t sides) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return (state >> 33) % sides;
  };
  for (int step = 0; step < 50'000; ++step) {
    const std::uint64_t what = roll(8);
    if (what < 4) {
      const std::uint64_t due = now + roll(500);
      const std::uint64_t number = heap.added() + 1;
      const auto id = heap.add(due, [&fired, number] { fired = number; });
      reference.emplace(std::pair(due, number), id);
    } else if (what < 6 && !reference.empty()) {
      const auto gone =
          std::next(reference.begin(), static_cast<std::ptrdiff_t>(roll(reference.size())));
      heap.remove(gone->second);
      reference.erase(gone);
    } else if (what == 6) {
      now += roll(20);
    }
    while (const auto callback = heap.take(now, heap.added())) {
      (*callback)();
      ASSERT_FALSE(reference.empty());
      ASSERT_EQ(fired, reference.begin()->first.second);
      ASSERT_LE(reference.begin()->first.first, now);
      reference.erase(reference.begin());
    }
    ASSERT_EQ(heap.empty(), reference.empty());
    if (!heap.empty()) {
      ASSERT_EQ(heap.first_due(), reference.begin()->first.first);
      ASSERT_GT(heap.first_due(), now);
    }
  }
}

}  // namespace
}  // namespace outrider::net
