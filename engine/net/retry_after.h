// The Retry-After header (RFC 9110, 10.2.3).
#pragma once

#include <optional>
#include <string_view>

#include "core/time.h"

namespace outrider::net {

// Seconds, or an HTTP date taken relative to `now`. What a receiver says is taken at its word, also
// when it is negative or absurdly long (at most 10^10 seconds either way); the retry policy judges.
// Nothing: it says nothing one can read.
[[nodiscard]] std::optional<core::Duration> parse_retry_after(std::string_view value,
                                                              core::WallTime now);

}  // namespace outrider::net
