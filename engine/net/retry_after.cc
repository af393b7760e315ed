// Seconds are read strictly, dates with libcurl's own parser, which knows the three forms HTTP
// dates come in.
#include "net/retry_after.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <string>

namespace outrider::net {
namespace {

constexpr std::int64_t kMaxSeconds = 10'000'000'000;
constexpr std::size_t kMaxDateBytes = 64;

[[nodiscard]] std::string_view trimmed(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

[[nodiscard]] std::optional<std::int64_t> whole_seconds(std::string_view text) {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  std::int64_t seconds = kMaxSeconds;
  if (std::from_chars(digits.data(), digits.data() + digits.size(), seconds).ec != std::errc()) {
    seconds = kMaxSeconds;  // more digits than fit
  }
  seconds = std::min(seconds, kMaxSeconds);
  return text.size() == digits.size() ? seconds : -seconds;
}

}  // namespace

std::optional<core::Duration> parse_retry_after(std::string_view value, core::WallTime now) {
  const std::string_view text = trimmed(value);
  if (const auto seconds = whole_seconds(text)) return core::Duration(*seconds * 1000);
  // A date has a time of day; libcurl would also read "12" as one of this month's days.
  if (text.size() > kMaxDateBytes || text.find(':') == std::string_view::npos) return std::nullopt;
  const time_t at = curl_getdate(std::string(text).c_str(), nullptr);
  if (at == -1) return std::nullopt;
  const auto ahead = core::wall_from_ms(static_cast<std::int64_t>(at) * 1000) - now;
  return std::clamp(ahead, core::Duration(-kMaxSeconds * 1000), core::Duration(kMaxSeconds * 1000));
}

}  // namespace outrider::net
