#include "net/timer_heap.h"

#include <utility>

#include "core/assert.h"

namespace outrider::net {

TimerHeap::Id TimerHeap::add(std::uint64_t due_ms, Callback callback) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(places_.size()));
    places_.emplace_back();
  }
  const std::uint32_t index = free_.back();
  free_.pop_back();
  Place& place = places_[index];
  place.due_ms = due_ms;
  place.number = ++added_;
  ++place.uses;
  place.callback = std::move(callback);
  heap_.push_back(index);
  place.at = static_cast<std::uint32_t>(heap_.size() - 1);
  rise(place.at);
  return Id{places_[index].uses} << 32 | index;
}

void TimerHeap::remove(Id id) {
  const auto index = static_cast<std::uint32_t>(id);
  if (index >= places_.size() || places_[index].uses != id >> 32) return;
  if (!places_[index].callback) return;  // it has fired, and its place is free
  (void)take_out(index);
}

std::uint64_t TimerHeap::first_due() const {
  OUTRIDER_ASSERT(!heap_.empty());
  return places_[heap_.front()].due_ms;
}

std::optional<TimerHeap::Callback> TimerHeap::take(std::uint64_t now, std::uint64_t among) {
  if (heap_.empty()) return std::nullopt;
  const Place& first = places_[heap_.front()];
  if (first.due_ms > now || first.number > among) return std::nullopt;
  return take_out(heap_.front());
}

TimerHeap::Callback TimerHeap::take_out(std::uint32_t place) {
  const std::uint32_t at = places_[place].at;
  const std::uint32_t last = heap_.back();
  heap_.pop_back();
  if (last != place) {
    put(at, last);
    rise(at);
    sink(places_[last].at);
  }
  free_.push_back(place);
  return std::exchange(places_[place].callback, nullptr);
}

bool TimerHeap::before(std::uint32_t a, std::uint32_t b) const {
  return std::pair(places_[a].due_ms, places_[a].number) <
         std::pair(places_[b].due_ms, places_[b].number);
}

void TimerHeap::put(std::uint32_t at, std::uint32_t place) {
  heap_[at] = place;
  places_[place].at = at;
}

void TimerHeap::rise(std::uint32_t at) {
  const std::uint32_t place = heap_[at];
  while (at > 0) {
    const std::uint32_t parent = (at - 1) / 2;
    if (!before(place, heap_[parent])) break;
    put(at, heap_[parent]);
    at = parent;
  }
  put(at, place);
}

void TimerHeap::sink(std::uint32_t at) {
  const std::uint32_t place = heap_[at];
  for (;;) {
    std::uint32_t child = 2 * at + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && before(heap_[child + 1], heap_[child])) ++child;
    if (!before(heap_[child], place)) break;
    put(at, heap_[child]);
    at = child;
  }
  put(at, place);
}

}  // namespace outrider::net
