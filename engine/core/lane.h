// One endpoint's lane: the window of its earliest waiting rows, what of it is claimed, what it
// knows of the disk, and where it stands in the scheduler's queues. Part of the scheduler; used by
// scheduler.cc alone.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/concurrency_window.h"
#include "core/rate_limit.h"
#include "core/scheduler.h"

namespace outrider::core {

// Waiting rows in disk order. A vector whose front is an index: taking from the front moves
// nothing, most insertions are at the back, and after the first fill nothing is allocated.
class DueWindow {
 public:
  [[nodiscard]] bool empty() const { return front_ == rows_.size(); }
  [[nodiscard]] std::size_t size() const { return rows_.size() - front_; }
  [[nodiscard]] const DueItem& front() const { return rows_[front_]; }
  [[nodiscard]] const DueItem& back() const { return rows_.back(); }
  void pop_front();
  void pop_back();
  void clear();
  // False: that very row is there already.
  bool insert(const DueItem& row);
  // The row of this delivery, taken out.
  std::optional<DueItem> remove(DeliveryKey delivery);

 private:
  std::vector<DueItem> rows_;
  std::size_t front_ = 0;
};

[[nodiscard]] bool comes_before(const DueItem& a, const DueItem& b);  // the order on disk

// What a lane knows of its endpoint's rows on disk.
enum class Knowledge : std::uint8_t {
  kNothing,  // there may be rows anywhere, also before those in the window
  kPrefix,   // everything up to the window's last row
  kAll,
};

enum class RefillState : std::uint8_t {
  kNone,
  kQueued,  // waits to be named by take_refills()
  kAsked,   // named; the rows are being read
};

enum class Place : std::uint8_t { kNowhere, kRing, kHeap };

struct Lane {
  struct Claimed {
    DeliveryKey delivery = 0;
    std::int64_t next_at_ms = 0;
    bool offered_again = false;  // another row of this delivery was offered meanwhile
    bool answered = false;       // its outcome is known, and not yet durable
  };
  struct Settled {
    DeliveryKey delivery = 0;
    std::optional<std::int64_t> next_at_ms;  // nothing: any row of the delivery
  };

  Lane(EndpointKey endpoint, LaneLimits limits)
      : key(endpoint), concurrency(limits.max_in_flight), rate(limits.rate_per_second) {}

  // ---- window
  void refill(std::span<const DueItem> rows, bool complete, std::size_t window);
  void add(const DueItem& row, std::size_t window);
  void drop(DeliveryKey delivery);
  void ignore_refill();  // the answer came when the lane was no longer active
  void forget_window();  // nothing waits, nothing is known
  void doubt();          // there may be rows the lane does not know

  // ---- claims
  [[nodiscard]] Claimed* find_claim(DeliveryKey delivery);
  DueItem claim_front();
  // Both assert that it was claimed; an answer comes once, before the settling.
  void answer(DeliveryKey delivery, SlotResult result);
  void settle(DeliveryKey delivery, SlotResult result);

  [[nodiscard]] bool can_send() const {
    return active && !waiting.empty() && open < concurrency.limit();
  }
  [[nodiscard]] Instant sendable_at() const {
    return std::max(waiting.front().due, rate.allowed_at());
  }
  // Whether it should be read again, at `now`.
  [[nodiscard]] bool wants_refill(std::size_t window, Instant now) const;

  EndpointKey key;
  bool active = false;
  bool removed = false;  // gone, but for its claims
  ConcurrencyWindow concurrency;
  RateLimit rate;
  DueWindow waiting;
  std::vector<Claimed> claims;  // by delivery
  std::uint32_t open = 0;       // of them not answered
  Knowledge knowledge = Knowledge::kNothing;
  RefillState refill_state = RefillState::kNone;

  // While rows are being read (kAsked): what happened since, so that an older reading does not undo
  // it.
  bool doubted = false;
  std::vector<DueItem> added;  // and still waits
  std::vector<Settled> settled;

  // Place in the scheduler's queues; kept by TurnQueue.
  Place place = Place::kNowhere;
  Instant wake{};
  std::uint64_t ticket = 0;
  Lane* previous = nullptr;
  Lane* next = nullptr;
  std::size_t heap_index = 0;

 private:
  void forget_reading();
  void take_in(const DueItem& row, std::size_t window);
  void keep(const DueItem& row, std::size_t window);
  [[nodiscard]] std::vector<Claimed>::iterator claim_place(DeliveryKey delivery);
  [[nodiscard]] bool is_settled(const DueItem& row) const;
};

}  // namespace outrider::core
