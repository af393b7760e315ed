// What to send next.
//
// One lane per endpoint holds a bounded window of that endpoint's earliest due work; the rest stays
// on disk, so ten million waiting deliveries cost no memory. The disk is the truth: a lane is
// filled by reading the endpoint's earliest rows and offering them, as often as one likes; what is
// known or claimed is recognised and skipped. A lane that does not hold everything says so, and
// asks for more when it runs low.
//
// Ordering keys are not seen here: storage makes only the head of each (endpoint, key) queue due,
// so order survives a crash without any memory of it.
//
// A claim is open from take_ready() to answered(): being read, waiting for its turn on the wire, or
// on it. Then its outcome is being made durable, until release(). Only open claims count against
// the concurrency of an endpoint and against the slots; how many outcomes may be on their way to
// the disk is bounded on its own, so that a disk that is slow or full stops the sending.
//
// Fairness: lanes with ready work take turns, one delivery a turn. Each lane has its concurrency
// window and its rate. Endpoints that are not proven (new, or failed last) share at most half of
// all slots, so that any number of hanging endpoints cannot starve the healthy ones.
//
// Deterministic: the same calls give the same answers. No clock, no I/O. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/time.h"

namespace outrider::core {

using EndpointKey = std::int64_t;  // row id
using DeliveryKey = std::int64_t;  // row id

struct DueItem {
  DeliveryKey delivery = 0;
  std::int64_t next_at_ms = 0;                // as stored: part of the row's identity on disk
  std::uint32_t attempt = 1;                  // the number the next attempt will have
  Instant due{};                              // when to send
  std::optional<WallTime> committed_at = {};  // of the event, where it was seen; never stored
};

struct Claim {
  EndpointKey endpoint = 0;
  DueItem item;
};

struct SchedulerLimits {
  std::uint32_t max_in_flight = 256;  // requests on the wire, over all endpoints: see `ahead`
  std::uint32_t window = 256;         // items a lane holds at most
  // Open claims beyond max_in_flight, so that the next requests lie ready while these are on the
  // wire. Whoever sends keeps them back until there is room.
  std::uint32_t ahead = 0;
  std::uint32_t max_unrecorded = 256;  // claims answered and not released
};

struct LaneLimits {
  std::uint32_t max_in_flight = 32;
  double rate_per_second =
      0;  // 0: unlimited; otherwise a token bucket of one second's worth (at least 1)
};

enum class SlotResult : std::uint8_t {
  kSuccess,  // grows the lane's concurrency window
  kFailure,  // drops it to 1
  kNeutral,  // nothing was learnt of the endpoint (expired, cancelled, test event)
};

class Scheduler {
 public:
  explicit Scheduler(SchedulerLimits limits);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Adds the lane or changes its limits. A new lane is inactive and empty, and believes there is
  // more on disk.
  void set_lane(EndpointKey endpoint, LaneLimits limits);
  void remove_lane(EndpointKey endpoint);  // claims in flight may still be released
  // An inactive lane hands out nothing and drops its window; activating it makes it ask for a
  // refill.
  void set_active(EndpointKey endpoint, bool active, Instant now);
  [[nodiscard]] bool active(EndpointKey endpoint) const;

  // Offers an endpoint's earliest rows, ordered by (next_at_ms, delivery). `complete`: there are no
  // others on disk. Replaces the lane's unclaimed window; rows that are claimed are skipped.
  // Unknown or inactive lane: ignored.
  void refill(EndpointKey endpoint, std::span<const DueItem> rows, bool complete);
  // One row that has just become durable (own publish, retry). Kept only if the lane holds
  // everything before it; otherwise the lane remembers that there is more on disk.
  void add(EndpointKey endpoint, const DueItem& row);
  // There may be rows on disk the lane does not know.
  void mark_incomplete(EndpointKey endpoint);
  // The delivery was ended or moved by somebody else; if it waits in the window it is dropped.
  void drop(EndpointKey endpoint, DeliveryKey delivery);

  // Lanes that are active, run low and believe there is more on disk; each is named once until
  // refill() is called for it, so every lane named must be answered, whatever became of it
  // meanwhile. What happens to the lane between the naming and the answer is remembered: rows read
  // before a release or an add() do not undo it. At most `max`. How many rows to read for a lane:
  // rows_wanted().
  [[nodiscard]] std::vector<EndpointKey> take_refills(std::size_t max);
  [[nodiscard]] std::size_t rows_wanted(EndpointKey endpoint) const;  // window + claimed

  // Claims what may be sent now, fairly, at most `max`. Each claim holds a slot until answered().
  [[nodiscard]] std::vector<Claim> take_ready(Instant now, std::size_t max);
  // The attempt is over and its outcome known: frees the slot, and the endpoint's window follows.
  void answered(EndpointKey endpoint, DeliveryKey delivery, SlotResult result);
  // The outcome is durable (or the claim is given up, its row left on disk: kNeutral). Says
  // answered() first where nobody did.
  void release(EndpointKey endpoint, DeliveryKey delivery, SlotResult result);

  // The earliest moment at which take_ready() could give something that it does not give now;
  // nothing: only an event (refill, release, activation) can.
  [[nodiscard]] std::optional<Instant> next_wake(Instant now) const;

  [[nodiscard]] std::uint32_t open() const noexcept;  // claims
  [[nodiscard]] std::uint32_t open(EndpointKey endpoint) const;
  [[nodiscard]] std::size_t lanes() const noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrider::core
