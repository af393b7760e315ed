// The calendar is the C++ library's; the grammar is RFC 3339's, read strictly: two digits are two
// digits.
#include "time_text.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <limits>

namespace outrider::cli {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::milliseconds;
using std::chrono::sys_days;
using std::chrono::sys_time;

struct Unit {
  std::string_view written;
  std::string_view shown;
  std::int64_t ms;
};
// Largest first.
constexpr std::array kUnits{Unit{"d", "d", 86'400'000}, Unit{"h", "h", 3'600'000},
                            Unit{"m", "min", 60'000}, Unit{"s", "s", 1000}, Unit{"ms", "ms", 1}};
constexpr std::int64_t kLongestMs = 36'500 * std::int64_t{86'400'000};  // a hundred years

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Reads fields of a fixed width; once something does not fit, nothing fits any more.
class Fields {
 public:
  explicit Fields(std::string_view text) : rest_(text) {}

  int number(std::size_t digits) {
    if (!ok_ || rest_.size() < digits) return fault();
    int value = 0;
    for (const char c : rest_.substr(0, digits)) {
      if (!is_digit(c)) return fault();
      value = value * 10 + (c - '0');
    }
    rest_.remove_prefix(digits);
    return value;
  }
  // One of `choices`; which.
  char one_of(std::string_view choices) {
    if (!ok_ || rest_.empty() || choices.find(rest_.front()) == std::string_view::npos) {
      fault();
      return 0;
    }
    const char found = rest_.front();
    rest_.remove_prefix(1);
    return found;
  }
  // ".25" and the like, to the millisecond.
  std::int64_t fraction_ms() {
    if (!ok_ || rest_.empty() || rest_.front() != '.') return 0;
    rest_.remove_prefix(1);
    std::int64_t ms = 0, worth = 100;
    std::size_t digits = 0;
    for (; !rest_.empty() && is_digit(rest_.front()); ++digits, worth /= 10) {
      ms += (rest_.front() - '0') * worth;
      rest_.remove_prefix(1);
    }
    if (digits == 0) fault();
    return ms;
  }
  [[nodiscard]] bool ends_well() const { return ok_ && rest_.empty(); }

 private:
  int fault() {
    ok_ = false;
    return 0;
  }
  std::string_view rest_;
  bool ok_ = true;
};

std::optional<std::int64_t> parse_rfc3339(std::string_view text) {
  Fields fields(text);
  const int year = fields.number(4);
  fields.one_of("-");
  const auto month = static_cast<unsigned>(fields.number(2));
  fields.one_of("-");
  const auto day = static_cast<unsigned>(fields.number(2));
  fields.one_of("Tt ");
  const int hour = fields.number(2);
  fields.one_of(":");
  const int minute = fields.number(2);
  fields.one_of(":");
  const int second = fields.number(2);
  const std::int64_t fraction = fields.fraction_ms();
  const char zone = fields.one_of("Zz+-");
  int offset_min = 0;
  if (zone == '+' || zone == '-') {
    const int hours = fields.number(2);
    fields.one_of(":");
    const int minutes = fields.number(2);
    if (hours > 23 || minutes > 59) return std::nullopt;
    offset_min = (zone == '+' ? 1 : -1) * (hours * 60 + minutes);
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                         std::chrono::day(day)};
  if (!fields.ends_well() || !date.ok() || hour > 23 || minute > 59 || second > 60) {
    return std::nullopt;
  }
  const std::int64_t days_ms = sys_days(date).time_since_epoch().count() * kUnits[0].ms;
  return days_ms + ((hour * 60 + minute - offset_min) * 60 + second) * std::int64_t{1000} +
         fraction;
}

}  // namespace

std::int64_t wall_now_ms() {
  return floor<milliseconds>(std::chrono::system_clock::now()).time_since_epoch().count();
}

std::string rfc3339(std::int64_t utc_ms) {
  // Beyond the years that four digits hold there is nothing to show but the number.
  constexpr std::int64_t kYear0 = -62'167'219'200'000, kYear10000 = 253'402'300'800'000;
  if (utc_ms < kYear0 || utc_ms >= kYear10000) return std::to_string(utc_ms) + " ms";
  const sys_time<milliseconds> at{milliseconds(utc_ms)};
  const auto day = floor<days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(at - day);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()));
  return text.data();
}

std::string duration_text(std::int64_t ms) {
  if (ms < 0)
    return "-" + duration_text(ms == std::numeric_limits<std::int64_t>::min()
                                   ? std::numeric_limits<std::int64_t>::max()
                                   : -ms);
  // The largest unit that fits, and the next one down where it is not seconds' fractions.
  for (std::size_t i = 0; i < kUnits.size(); ++i) {
    const Unit& unit = kUnits[i];
    if (ms < unit.ms && unit.ms != 1) continue;
    std::string text = std::to_string(ms / unit.ms) + " " + std::string(unit.shown);
    if (unit.ms <= 1000) return text;
    const Unit& smaller = kUnits[i + 1];
    const std::int64_t rest = ms % unit.ms / smaller.ms;
    if (rest != 0) text += " " + std::to_string(rest) + " " + std::string(smaller.shown);
    return text;
  }
  return "0 ms";
}

std::string ago(std::int64_t utc_ms, std::int64_t now_ms) {
  const std::int64_t past = now_ms - utc_ms;
  if (past > -1000 && past < 1000) return "now";
  return past > 0 ? duration_text(past) + " ago" : "in " + duration_text(-past);
}

std::string when(std::optional<std::int64_t> utc_ms, std::int64_t now_ms) {
  if (!utc_ms) return "-";
  return ago(*utc_ms, now_ms) + " (" + rfc3339(*utc_ms) + ")";
}

Result<std::int64_t> parse_duration(std::string_view text) {
  const auto wrong = [&] {
    return fail(ErrorCode::kInvalidArgument, "not a duration", {},
                "write 500ms, 30s, 15m, 24h, 7d or 1h30m");
  };
  if (text.empty()) return wrong();
  std::int64_t total = 0;
  while (!text.empty()) {
    std::int64_t number = 0;
    std::size_t digits = 0;
    for (; digits < text.size() && is_digit(text[digits]); ++digits) {
      number = number * 10 + (text[digits] - '0');
      if (number > kLongestMs) return wrong();
    }
    text.remove_prefix(digits);
    std::size_t letters = 0;
    while (letters < text.size() && !is_digit(text[letters])) ++letters;
    const Unit* unit = nullptr;
    for (const Unit& candidate : kUnits) {
      if (candidate.written == text.substr(0, letters)) unit = &candidate;
    }
    if (digits == 0 || unit == nullptr || number > (kLongestMs - total) / unit->ms) return wrong();
    total += number * unit->ms;
    text.remove_prefix(letters);
  }
  return total;
}

Result<std::int64_t> parse_instant(std::string_view text, std::int64_t now_ms) {
  if (!text.empty() && text.front() == '+') {
    const auto wait = parse_duration(text.substr(1));
    if (!wait) return tl::unexpected(wait.error());
    return now_ms + *wait;
  }
  if (const auto at = parse_rfc3339(text)) return *at;
  return fail(ErrorCode::kInvalidArgument, "not a time", {},
              "write 2024-05-01T09:30:00Z, or +30m for half an hour from now");
}

}  // namespace outrider::cli
