// Points in time as payloads write them: RFC 3339, and what JavaScript's Date writes, which is the
// same but for a date alone. Strict: a time without an offset means different things to different
// readers, so it is none.
#include <chrono>

#include "core/provider.h"

namespace outrider::core {
namespace {

constexpr std::int64_t kMsPerMinute = 60'000;
constexpr std::int64_t kMsPerDay = 86'400'000;

// Takes fixed-width fields off the front of a text; once something is wrong it stays wrong.
class FieldScanner {
 public:
  explicit FieldScanner(std::string_view text) : rest_(text) {}

  int number(std::size_t digits, int max) {
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      const char c = rest_.empty() ? ' ' : rest_.front();
      if (c < '0' || c > '9') return wrong();
      value = value * 10 + (c - '0');
      rest_.remove_prefix(1);
    }
    return value <= max ? value : wrong();
  }
  bool accept(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!accept(c)) wrong();
  }
  // Digits after the point: thousandths, the rest cut off. At least one.
  int thousandths() {
    int value = 0;
    std::size_t digits = 0;
    for (; !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9'; ++digits) {
      if (digits < 3) value = value * 10 + (rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    if (digits == 0) return wrong();
    for (; digits < 3; ++digits) value *= 10;
    return value;
  }
  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] bool done() const { return good_ && rest_.empty(); }

 private:
  int wrong() {
    good_ = false;
    rest_ = {};
    return 0;
  }
  std::string_view rest_;
  bool good_ = true;
};

// "Z" or "+hh:mm": what to take off local time, in ms.
std::int64_t read_offset(FieldScanner& scanner) {
  if (scanner.accept('Z') || scanner.accept('z')) return 0;
  const bool west = scanner.accept('-');
  if (!west) scanner.expect('+');
  const int hours = scanner.number(2, 23);
  scanner.expect(':');
  const int minutes = scanner.number(2, 59);
  const std::int64_t offset = (hours * 60 + minutes) * kMsPerMinute;
  return west ? -offset : offset;
}

}  // namespace

std::optional<std::int64_t> parse_time(std::string_view text) {
  if (text.size() > 64) return std::nullopt;
  FieldScanner scanner(text);
  const int year = scanner.number(4, 9999);
  scanner.expect('-');
  const int month = scanner.number(2, 12);
  scanner.expect('-');
  const int day = scanner.number(2, 31);
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!scanner.good() || !date.ok()) return std::nullopt;
  const std::int64_t midnight = std::chrono::sys_days(date).time_since_epoch().count() * kMsPerDay;
  if (scanner.done()) return midnight + kMsPerDay - 1;

  if (!scanner.accept('T')) scanner.expect('t');
  const int hour = scanner.number(2, 23);
  scanner.expect(':');
  const int minute = scanner.number(2, 59);
  int second = 0;
  int millisecond = 0;
  if (scanner.accept(':')) {
    second = scanner.number(2, 60);  // 60: a leap second, which is the next minute's first here
    if (scanner.accept('.')) millisecond = scanner.thousandths();
  }
  const std::int64_t offset = read_offset(scanner);
  if (!scanner.done() || (second == 60 && minute != 59)) return std::nullopt;
  return midnight + (hour * 60 + minute) * kMsPerMinute + second * 1000 + millisecond - offset;
}

}  // namespace outrider::core
