// Turns, slots and wake-ups over the lanes.
//
// A lane is in line only while it could send if a slot were free: active, with a row in its window,
// below its concurrency limit. Then it is in the ring if that row is due and its rate allows it,
// else in the heap until both hold. Everything else (an empty window, a full limit, an inactive
// endpoint) is left by an event, and every event ends in place(), which puts the lane where it
// belongs. So a thousand lanes that cannot send cost take_ready() nothing.
//
// Proven and unproven lanes stand in two lines with common tickets: who holds the lower ticket has
// the turn, unless it is unproven and the unproven half of the slots is taken. With one line,
// take_ready() would have to step over the blocked lanes each time.
#include "core/scheduler.h"

#include <algorithm>
#include <array>
#include <deque>
#include <unordered_map>
#include <utility>

#include "core/assert.h"
#include "core/lane.h"
#include "core/turn_queue.h"

namespace outrider::core {

class Scheduler::Impl {
 public:
  explicit Impl(SchedulerLimits limits)
      : limits_(limits), unproven_slots_(std::max(1U, limits.max_in_flight / 2)) {
    OUTRIDER_ASSERT(limits.max_in_flight >= 1 && limits.window >= 1 && limits.max_unrecorded >= 1);
  }

  void set_lane(EndpointKey endpoint, LaneLimits limits);
  void remove_lane(EndpointKey endpoint);
  void set_active(EndpointKey endpoint, bool active, Instant now);

  // Null when unknown or removed.
  [[nodiscard]] Lane* find(EndpointKey endpoint);
  [[nodiscard]] const Lane* find(EndpointKey endpoint) const {
    return const_cast<Impl*>(this)->find(endpoint);
  }
  // The lane was changed: its place in line and its need of a refill follow.
  void changed(Lane& lane) {
    place(lane);
    queue_refill(lane);
  }

  [[nodiscard]] std::vector<EndpointKey> take_refills(std::size_t max);
  [[nodiscard]] std::vector<Claim> take_ready(Instant now, std::size_t max);
  void answered(EndpointKey endpoint, DeliveryKey delivery, SlotResult result);
  void release(EndpointKey endpoint, DeliveryKey delivery, SlotResult result);
  [[nodiscard]] std::optional<Instant> next_wake(Instant now) const;

  [[nodiscard]] std::size_t window() const { return limits_.window; }
  [[nodiscard]] std::uint32_t open() const { return open_; }
  [[nodiscard]] std::uint32_t open(EndpointKey endpoint) const;
  [[nodiscard]] std::size_t lanes() const { return lanes_.size() - removed_lanes_; }

 private:
  [[nodiscard]] TurnQueue& queue_of(const Lane& lane) {
    return lane.concurrency.proven() ? proven_ : unproven_;
  }
  [[nodiscard]] bool unproven_may_send() const { return unproven_open_ < unproven_slots_; }
  [[nodiscard]] bool may_claim() const {
    return open_ < limits_.max_in_flight + limits_.ahead && unrecorded_ < limits_.max_unrecorded;
  }
  [[nodiscard]] Lane* next_turn() const;
  void place(Lane& lane);
  void queue_refill(Lane& lane);
  void wake_lanes();
  void count(const Lane& lane, int slots);

  const SchedulerLimits limits_;
  const std::uint32_t unproven_slots_;
  std::unordered_map<EndpointKey, Lane> lanes_;  // looked up, never walked
  std::size_t removed_lanes_ = 0;                // of them kept only for their claims
  TurnQueue proven_;
  TurnQueue unproven_;
  std::deque<EndpointKey> refills_;
  std::uint64_t last_ticket_ = 0;
  std::uint32_t open_ = 0;        // claims
  std::uint32_t unrecorded_ = 0;  // claims that are answered
  std::uint32_t unproven_open_ = 0;
  Instant now_ = Instant::min();  // the latest moment anybody told
};

Lane* Scheduler::Impl::find(EndpointKey endpoint) {
  const auto found = lanes_.find(endpoint);
  return found == lanes_.end() || found->second.removed ? nullptr : &found->second;
}

void Scheduler::Impl::set_lane(EndpointKey endpoint, LaneLimits limits) {
  Lane& lane = lanes_.try_emplace(endpoint, endpoint, limits).first->second;
  if (lane.removed) {
    lane.removed = false;
    --removed_lanes_;
  }
  lane.concurrency.set_maximum(limits.max_in_flight);
  if (!lane.rate.is_for(limits.rate_per_second)) lane.rate = RateLimit(limits.rate_per_second);
  changed(lane);
}

void Scheduler::Impl::remove_lane(EndpointKey endpoint) {
  Lane* lane = find(endpoint);
  if (lane == nullptr) return;
  lane->active = false;
  lane->forget_window();
  place(*lane);
  if (lane->claims.empty()) {
    lanes_.erase(endpoint);
  } else {
    lane->removed = true;
    ++removed_lanes_;
  }
}

void Scheduler::Impl::set_active(EndpointKey endpoint, bool active, Instant now) {
  now_ = std::max(now_, now);
  Lane* lane = find(endpoint);
  if (lane == nullptr || lane->active == active) return;
  lane->active = active;
  lane->forget_window();
  changed(*lane);
}

void Scheduler::Impl::place(Lane& lane) {
  TurnQueue& queue = queue_of(lane);
  if (!lane.can_send()) return queue.remove(lane);
  const Instant at = lane.sendable_at();
  if (at <= now_) {
    if (lane.place == Place::kRing) return;  // it keeps its turn
    queue.remove(lane);
    queue.append(lane, ++last_ticket_);
  } else {
    if (lane.place == Place::kHeap && lane.wake == at) return;
    queue.remove(lane);
    queue.sleep(lane, at);
  }
}

void Scheduler::Impl::queue_refill(Lane& lane) {
  if (!lane.wants_refill(limits_.window, now_)) return;
  lane.refill_state = RefillState::kQueued;
  refills_.push_back(lane.key);
}

std::vector<EndpointKey> Scheduler::Impl::take_refills(std::size_t max) {
  std::vector<EndpointKey> named;
  while (named.size() < max && !refills_.empty()) {
    const EndpointKey endpoint = refills_.front();
    refills_.pop_front();
    Lane* lane = find(endpoint);
    // It may have been removed, deactivated or filled since it was queued.
    if (lane == nullptr || lane->refill_state != RefillState::kQueued) continue;
    lane->refill_state = RefillState::kAsked;
    named.push_back(endpoint);
  }
  return named;
}

// All lanes whose time has come take their turns in the order in which it came.
void Scheduler::Impl::wake_lanes() {
  while (true) {
    Lane* first = nullptr;
    for (const TurnQueue* queue : {&proven_, &unproven_}) {
      Lane* lane = queue->next_wake();
      if (lane == nullptr || lane->wake > now_) continue;
      if (first == nullptr || std::pair(lane->wake, lane->key) < std::pair(first->wake, first->key))
        first = lane;
    }
    if (first == nullptr) return;
    place(*first);
  }
}

Lane* Scheduler::Impl::next_turn() const {
  Lane* proven = proven_.next_turn();
  Lane* unproven = unproven_may_send() ? unproven_.next_turn() : nullptr;
  if (proven == nullptr || unproven == nullptr) return proven != nullptr ? proven : unproven;
  return proven->ticket < unproven->ticket ? proven : unproven;
}

std::vector<Claim> Scheduler::Impl::take_ready(Instant now, std::size_t max) {
  now_ = std::max(now_, now);
  wake_lanes();
  std::vector<Claim> claims;
  while (claims.size() < max && may_claim()) {
    Lane* lane = next_turn();
    if (lane == nullptr) break;
    queue_of(*lane).remove(*lane);
    const DueItem& row = lane->waiting.front();
    if (Lane::Claimed* claim = lane->find_claim(row.delivery)) {
      // Another row of a delivery that is under way: it moved on disk while both were known here.
      claim->offered_again = true;
      lane->waiting.pop_front();
    } else {
      claims.push_back({lane->key, lane->claim_front()});
      lane->rate.take(now_);
      count(*lane, 1);
      ++open_;
    }
    changed(*lane);
  }
  return claims;
}

void Scheduler::Impl::answered(EndpointKey endpoint, DeliveryKey delivery, SlotResult result) {
  const auto found = lanes_.find(endpoint);
  OUTRIDER_ASSERT(found != lanes_.end());
  Lane& lane = found->second;
  // The outcome may prove the lane or undo it: its claims then count elsewhere, and it stands in
  // the other line.
  TurnQueue& line = queue_of(lane);
  count(lane, -static_cast<int>(lane.open));
  lane.answer(delivery, result);
  count(lane, static_cast<int>(lane.open));
  --open_;
  ++unrecorded_;
  if (&line != &queue_of(lane)) line.remove(lane);
  if (!lane.removed) changed(lane);
}

void Scheduler::Impl::release(EndpointKey endpoint, DeliveryKey delivery, SlotResult result) {
  const auto found = lanes_.find(endpoint);
  OUTRIDER_ASSERT(found != lanes_.end());
  Lane& lane = found->second;
  const Lane::Claimed* claim = lane.find_claim(delivery);
  OUTRIDER_ASSERT(claim != nullptr);
  if (!claim->answered) answered(endpoint, delivery, result);
  lane.settle(delivery, result);
  --unrecorded_;
  if (!lane.removed) return changed(lane);
  if (!lane.claims.empty()) return;
  lanes_.erase(found);
  --removed_lanes_;
}

void Scheduler::Impl::count(const Lane& lane, int slots) {
  if (!lane.concurrency.proven()) unproven_open_ += static_cast<std::uint32_t>(slots);
}

std::optional<Instant> Scheduler::Impl::next_wake(Instant now) const {
  if (!may_claim()) return std::nullopt;
  if (next_turn() != nullptr) return now;
  std::optional<Instant> first;
  const auto consider = [&](const TurnQueue& queue) {
    const Lane* lane = queue.next_wake();
    if (lane != nullptr && (!first || lane->wake < *first)) first = lane->wake;
  };
  consider(proven_);
  if (unproven_may_send()) consider(unproven_);
  if (first) first = std::max(*first, now);
  return first;
}

std::uint32_t Scheduler::Impl::open(EndpointKey endpoint) const {
  const auto found = lanes_.find(endpoint);
  return found == lanes_.end() ? 0 : found->second.open;
}

// ---- the interface

Scheduler::Scheduler(SchedulerLimits limits) : impl_(std::make_unique<Impl>(limits)) {}
Scheduler::~Scheduler() = default;

void Scheduler::set_lane(EndpointKey endpoint, LaneLimits limits) {
  impl_->set_lane(endpoint, limits);
}
void Scheduler::remove_lane(EndpointKey endpoint) { impl_->remove_lane(endpoint); }
void Scheduler::set_active(EndpointKey endpoint, bool active, Instant now) {
  impl_->set_active(endpoint, active, now);
}
bool Scheduler::active(EndpointKey endpoint) const {
  const Lane* lane = std::as_const(*impl_).find(endpoint);
  return lane != nullptr && lane->active;
}

void Scheduler::refill(EndpointKey endpoint, std::span<const DueItem> rows, bool complete) {
  Lane* lane = impl_->find(endpoint);
  if (lane == nullptr) return;
  if (!lane->active) return lane->ignore_refill();
  lane->refill(rows, complete, impl_->window());
  impl_->changed(*lane);
}

void Scheduler::add(EndpointKey endpoint, const DueItem& row) {
  Lane* lane = impl_->find(endpoint);
  if (lane == nullptr || !lane->active) return;
  lane->add(row, impl_->window());
  impl_->changed(*lane);
}

void Scheduler::mark_incomplete(EndpointKey endpoint) {
  Lane* lane = impl_->find(endpoint);
  if (lane == nullptr || !lane->active) return;
  lane->doubt();
  impl_->changed(*lane);
}

void Scheduler::drop(EndpointKey endpoint, DeliveryKey delivery) {
  Lane* lane = impl_->find(endpoint);
  if (lane == nullptr || !lane->active) return;
  lane->drop(delivery);
  impl_->changed(*lane);
}

std::vector<EndpointKey> Scheduler::take_refills(std::size_t max) {
  return impl_->take_refills(max);
}
std::size_t Scheduler::rows_wanted(EndpointKey endpoint) const {
  const Lane* lane = std::as_const(*impl_).find(endpoint);
  return lane == nullptr ? 0 : impl_->window() + lane->claims.size();
}
std::vector<Claim> Scheduler::take_ready(Instant now, std::size_t max) {
  return impl_->take_ready(now, max);
}
void Scheduler::answered(EndpointKey endpoint, DeliveryKey delivery, SlotResult result) {
  impl_->answered(endpoint, delivery, result);
}
void Scheduler::release(EndpointKey endpoint, DeliveryKey delivery, SlotResult result) {
  impl_->release(endpoint, delivery, result);
}
std::optional<Instant> Scheduler::next_wake(Instant now) const { return impl_->next_wake(now); }
std::uint32_t Scheduler::open() const noexcept { return impl_->open(); }
std::uint32_t Scheduler::open(EndpointKey endpoint) const { return impl_->open(endpoint); }
std::size_t Scheduler::lanes() const noexcept { return impl_->lanes(); }

}  // namespace outrider::core
