// From a stored time to a timer. The wall clock can be set; the wait that follows from it is
// bounded, whatever it says.
#include "core/time.h"

#include <algorithm>
#include <cstdint>

namespace outrider::core {

Instant due_instant(WallTime stored, WallTime wall_now, Instant now, Duration longest) {
  if (stored <= wall_now || longest <= Duration{0}) return now;
  // Unsigned: a time written by hand may be so far off that the signed difference overflows.
  const std::uint64_t wait =
      static_cast<std::uint64_t>(to_ms(stored)) - static_cast<std::uint64_t>(to_ms(wall_now));
  const auto limit = static_cast<std::uint64_t>(longest.count());
  return now + Duration(static_cast<std::int64_t>(std::min(wait, limit)));
}

}  // namespace outrider::core
