// Times and durations as people write and read them. Inside, both are milliseconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "outrider/result.h"

namespace outrider::cli {

// UTC milliseconds since 1970, now.
[[nodiscard]] std::int64_t wall_now_ms();

[[nodiscard]] std::string rfc3339(std::int64_t utc_ms);    // "2024-05-01T09:30:00Z"
[[nodiscard]] std::string duration_text(std::int64_t ms);  // "850 ms", "9 s", "2 h 5 min"
[[nodiscard]] std::string ago(std::int64_t utc_ms,
                              std::int64_t now_ms);  // "5 min ago", "in 9 s", "now"
// Both: "5 min ago (2024-05-01T09:30:00Z)"; nothing: "-".
[[nodiscard]] std::string when(std::optional<std::int64_t> utc_ms, std::int64_t now_ms);

// "500ms", "30s", "15m", "24h", "7d", "1h30m". Errors: kInvalidArgument.
[[nodiscard]] Result<std::int64_t> parse_duration(std::string_view text);
// RFC 3339 ("2024-05-01T09:30:00Z", "2024-05-01T11:30:00.5+02:00"), or "+30m" from now. Errors:
// kInvalidArgument.
[[nodiscard]] Result<std::int64_t> parse_instant(std::string_view text, std::int64_t now_ms);

}  // namespace outrider::cli
