// An intrusive list and an indexed binary heap.
#include "core/turn_queue.h"

#include <utility>

#include "core/assert.h"

namespace outrider::core {
namespace {

// Total, so that the order of equal times does not depend on history.
bool wakes_before(const Lane& a, const Lane& b) {
  if (a.wake != b.wake) return a.wake < b.wake;
  return a.key < b.key;
}

}  // namespace

void TurnQueue::append(Lane& lane, std::uint64_t ticket) {
  OUTRIDER_ASSERT(lane.place == Place::kNowhere);
  lane.place = Place::kRing;
  lane.ticket = ticket;
  lane.previous = tail_;
  lane.next = nullptr;
  (tail_ ? tail_->next : head_) = &lane;
  tail_ = &lane;
}

void TurnQueue::sleep(Lane& lane, Instant until) {
  OUTRIDER_ASSERT(lane.place == Place::kNowhere);
  lane.place = Place::kHeap;
  lane.wake = until;
  heap_.push_back(&lane);
  lane.heap_index = heap_.size() - 1;
  sift_up(lane.heap_index);
}

void TurnQueue::remove(Lane& lane) {
  if (lane.place == Place::kRing) unlink(lane);
  if (lane.place == Place::kHeap) {
    const std::size_t index = lane.heap_index;
    OUTRIDER_ASSERT(heap_[index] == &lane);
    Lane& last = *heap_.back();
    heap_.pop_back();
    if (&last != &lane) {
      put(index, last);
      sift_up(index);
      sift_down(last.heap_index);
    }
  }
  lane.place = Place::kNowhere;
}

void TurnQueue::unlink(Lane& lane) {
  (lane.previous ? lane.previous->next : head_) = lane.next;
  (lane.next ? lane.next->previous : tail_) = lane.previous;
  lane.previous = lane.next = nullptr;
}

void TurnQueue::put(std::size_t index, Lane& lane) {
  heap_[index] = &lane;
  lane.heap_index = index;
}

void TurnQueue::sift_up(std::size_t index) {
  while (index > 0) {
    const std::size_t parent = (index - 1) / 2;
    if (!wakes_before(*heap_[index], *heap_[parent])) return;
    Lane& risen = *heap_[index];
    put(index, *heap_[parent]);
    put(parent, risen);
    index = parent;
  }
}

void TurnQueue::sift_down(std::size_t index) {
  while (true) {
    std::size_t first = 2 * index + 1;
    if (first >= heap_.size()) return;
    if (first + 1 < heap_.size() && wakes_before(*heap_[first + 1], *heap_[first])) ++first;
    if (!wakes_before(*heap_[first], *heap_[index])) return;
    Lane& sunk = *heap_[index];
    put(index, *heap_[first]);
    put(first, sunk);
    index = first;
  }
}

}  // namespace outrider::core
