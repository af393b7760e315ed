// Time as values. Two clocks that must never be mixed up get two types: Instant (monotonic, for
// timers and limits) and WallTime (UTC, for what is stored and shown). The core never asks what
// time it is; it is told.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

namespace outrider::core {

using Duration = std::chrono::milliseconds;

struct MonotonicClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicClock, Duration>;
};
struct UtcClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<UtcClock, Duration>;
};
using Instant = MonotonicClock::time_point;
using WallTime = UtcClock::time_point;

[[nodiscard]] constexpr WallTime wall_from_ms(std::int64_t ms) { return WallTime(Duration(ms)); }
[[nodiscard]] constexpr std::int64_t to_ms(WallTime at) { return at.time_since_epoch().count(); }

// Seam: where now comes from. Sampled once per loop turn and passed down.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Instant now() const = 0;
  [[nodiscard]] virtual WallTime wall() const = 0;
};

// Seam: one-shot timers on the loop. A callback runs on the loop's thread, never inside start() or
// cancel().
class Timers {
 public:
  using Id = std::uint64_t;  // 0 is never a timer
  virtual ~Timers() = default;
  virtual Id start(Duration after, std::function<void()> callback) = 0;
  virtual void cancel(Id id) = 0;  // unknown or fired: ignored
};

// When a stored time comes on the monotonic clock: never in the past, never later than `longest`
// from now.
[[nodiscard]] Instant due_instant(WallTime stored, WallTime wall_now, Instant now,
                                  Duration longest);

}  // namespace outrider::core
