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

// The wall clock the schedule runs on: follows the real one through drift, and walks over a step
// instead of jumping. A difference up to 1 s is adopted at once; a larger one is worked off at a
// tenth of the time that passes. So a step forward makes no storm of early retries, and a step back
// no silence.
class ScheduleClock {
 public:
  ScheduleClock(Instant now, WallTime wall) : last_now_(now), schedule_(wall) {}
  // Called once per loop turn with both clocks' readings; returns the schedule's time, which never
  // goes back by more than a second and never stands still.
  WallTime observe(Instant now, WallTime wall);
  [[nodiscard]] WallTime wall() const { return schedule_; }

 private:
  Instant last_now_;
  WallTime schedule_;
  std::int64_t slew_tenths_ = 0;  // tenths of a millisecond earned and not yet used
};

// When a stored time comes on the monotonic clock: never in the past, never later than `longest`
// from now.
[[nodiscard]] Instant due_instant(WallTime stored, WallTime schedule_now, Instant now,
                                  Duration longest);

}  // namespace outrider::core
