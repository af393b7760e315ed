// Time as values: the schedule's clock and the way from a stored time to a timer.
//
// The schedule's clock is a wall clock that is steered like NTP steers one: small differences are
// adopted, large ones are worked off at a tenth of the time that passes. Steering is in whole
// milliseconds, and a loop may turn several times in one: the tenths that do not make a millisecond
// yet are carried over, or a busy engine would never catch up.
#include "core/time.h"

#include <algorithm>
#include <cstdint>

namespace outrider::core {
namespace {

constexpr Duration kAdoptedAtOnce{1000};
constexpr std::int64_t kSlewDivisor = 10;

}  // namespace

WallTime ScheduleClock::observe(Instant now, WallTime wall) {
  const Duration elapsed = std::max(Duration{0}, now - last_now_);
  last_now_ = std::max(last_now_, now);
  schedule_ += elapsed;

  const Duration difference = wall - schedule_;
  if (difference <= kAdoptedAtOnce && difference >= -kAdoptedAtOnce) {
    schedule_ = wall;
    slew_tenths_ = 0;
    return schedule_;
  }
  slew_tenths_ += elapsed.count();
  const Duration slew{slew_tenths_ / kSlewDivisor};
  slew_tenths_ %= kSlewDivisor;
  // Never past the real clock: a long gap between two turns may earn more than there is to work
  // off.
  schedule_ += std::clamp(difference, -slew, slew);
  return schedule_;
}

Instant due_instant(WallTime stored, WallTime schedule_now, Instant now, Duration longest) {
  if (stored <= schedule_now || longest <= Duration{0}) return now;
  // Unsigned: a time written by hand may be so far off that the signed difference overflows.
  const std::uint64_t wait =
      static_cast<std::uint64_t>(to_ms(stored)) - static_cast<std::uint64_t>(to_ms(schedule_now));
  const auto limit = static_cast<std::uint64_t>(longest.count());
  return now + Duration(static_cast<std::int64_t>(std::min(wait, limit)));
}

}  // namespace outrider::core
