#include "log.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "core/json_text.h"

namespace outrider {
namespace {

constexpr std::array<std::string_view, 17> kFieldNames{
    "endpoint", "event_id", "delivery", "provider",    "attempt", "status",
    "error",    "detail",   "reason",   "duration_ms", "next_at", "count",
    "pid",      "net",      "version",  "file",        "trace_id"};

// Whatever finds its way into a text: what follows the path of a URL stays out. It often carries a
// token.
std::string without_queries(std::string_view text) {
  constexpr std::string_view kEnds = " \t\r\n\"'<>()";
  std::string kept;
  while (true) {
    const std::size_t scheme = text.find("://");
    if (scheme == std::string_view::npos) return kept.append(text);
    const std::size_t end = std::min(text.find_first_of(kEnds, scheme), text.size());
    const std::size_t query = std::min(text.find_first_of("?#", scheme), end);
    kept.append(text.substr(0, query));
    text.remove_prefix(end);
  }
}

}  // namespace

std::string rfc3339(core::WallTime at) {
  const std::chrono::sys_time<std::chrono::milliseconds> time(at.time_since_epoch());
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()),
                static_cast<int>(clock.subseconds().count()));
  return text.data();
}

void Log::line(core::WallTime at, std::string_view event,
               std::initializer_list<LogValue> values) const {
  if (!sink_) return;
  std::string text = "{\"time\":\"" + rfc3339(at) + "\",\"event\":\"";
  text.append(event).append("\"");
  for (const LogValue& value : values) {
    const auto* words = std::get_if<std::string_view>(&value.value);
    if (words != nullptr && words->empty()) continue;
    text.append(",\"").append(kFieldNames.at(static_cast<std::size_t>(value.field))).append("\":");
    if (const auto* number = std::get_if<std::int64_t>(&value.value)) {
      text += std::to_string(*number);
    } else {
      text += core::ecmascript_string(without_queries(*words));
    }
  }
  text += '}';
  sink_(text);
}

}  // namespace outrider
