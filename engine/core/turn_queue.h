// Lanes in line: a ring of those that may send now, and a heap of those that may send later, by
// when. Both are threaded through the lanes themselves, so that moving a lane allocates nothing:
// O(1) in the ring, O(log n) in the heap. Part of the scheduler; used by scheduler.cc alone.
#pragma once

#include <vector>

#include "core/lane.h"

namespace outrider::core {

class TurnQueue {
 public:
  // The lane whose turn it is; null: none. Turns are tickets, so that two queues can share one
  // order.
  [[nodiscard]] Lane* next_turn() const { return head_; }
  // The lane that wakes first, by (wake, key); null: none.
  [[nodiscard]] Lane* next_wake() const { return heap_.empty() ? nullptr : heap_.front(); }

  // The lane is nowhere.
  void append(Lane& lane, std::uint64_t ticket);  // behind all others in the ring
  void sleep(Lane& lane, Instant until);
  // The lane is in this queue or nowhere.
  void remove(Lane& lane);

 private:
  void unlink(Lane& lane);
  void put(std::size_t index, Lane& lane);
  void sift_up(std::size_t index);
  void sift_down(std::size_t index);

  Lane* head_ = nullptr;
  Lane* tail_ = nullptr;
  std::vector<Lane*> heap_;
};

}  // namespace outrider::core
