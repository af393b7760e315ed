// Numbers as ECMAScript reads and writes them: read to the nearest double (ties to even), written
// with the fewest digits that read back as the same double, laid out by Number::toString
// (ECMA-262, 6.1.6.1.20). The standard library's from_chars and to_chars are exact and know no
// locale; the layout is ours.
#include <charconv>
#include <cmath>
#include <limits>

#include "core/assert.h"
#include "core/json_text_reader.h"

namespace outrider::core {
namespace {

constexpr JsonRefusal kLosesDigits{"integer beyond 2^53 loses digits in JavaScript",
                                   "send it as a string"};
constexpr JsonRefusal kOverflows{"number overflows to infinity in JavaScript",
                                 "send it as a string"};
constexpr std::string_view kTwoTo53 = "9007199254740992";

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::size_t digits_end(std::string_view text, std::size_t at) {
  while (at < text.size() && is_digit(text[at])) ++at;
  return at;
}

// JSON has no leading zeros, so length decides before digits do.
bool beyond_two_to_53(std::string_view digits) {
  if (digits.size() != kTwoTo53.size()) return digits.size() > kTwoTo53.size();
  return digits > kTwoTo53;
}

// Is the number, whose value a double cannot hold, too large (not too small)? Its decimal exponent
// decides; it is far from zero on either side, so that saturating a written exponent of any length
// does no harm.
bool is_huge(std::string_view token) {
  constexpr std::int64_t kFar = 1'000'000'000'000;
  const std::size_t mantissa_end = std::min(token.find_first_of("eE"), token.size());
  const std::string_view mantissa = token.substr(0, mantissa_end);
  const auto point = static_cast<std::int64_t>(std::min(mantissa.find('.'), mantissa.size()));
  const auto lead = static_cast<std::int64_t>(mantissa.find_first_of("123456789"));
  std::int64_t exponent = 0;
  bool negative = false;
  for (const char c : token.substr(mantissa_end)) {
    if (c == '-') negative = true;
    if (is_digit(c) && exponent < kFar) exponent = exponent * 10 + (c - '0');
  }
  return point - lead + (negative ? -exponent : exponent) > 0;
}

// `digits` stand for 0.d1d2d3… × 10^point.
std::string laid_out(std::string_view digits, int point) {
  const int count = static_cast<int>(digits.size());
  std::string out;
  if (point >= count && point <= 21) {
    out.append(digits).append(static_cast<std::size_t>(point - count), '0');
  } else if (point > 0 && point <= 21) {
    const auto whole = static_cast<std::size_t>(point);
    out.append(digits.substr(0, whole)).append(".").append(digits.substr(whole));
  } else if (point > -6 && point <= 0) {
    out.append("0.").append(static_cast<std::size_t>(-point), '0').append(digits);
  } else {
    out.append(digits.substr(0, 1));
    if (count > 1) out.append(".").append(digits.substr(1));
    out.append(point > 0 ? "e+" : "e-").append(std::to_string(std::abs(point - 1)));
  }
  return out;
}

}  // namespace

std::string_view number_token(std::string_view text, std::size_t begin) noexcept {
  std::size_t at = begin;
  if (at < text.size() && text[at] == '-') ++at;
  const std::size_t whole = at;
  at = digits_end(text, at);
  if (at == whole) return {};
  if (text[whole] == '0') at = whole + 1;  // of "01" the number is "0"
  if (at < text.size() && text[at] == '.') {
    const std::size_t fraction = at + 1;
    at = digits_end(text, fraction);
    if (at == fraction) return {};
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    const std::size_t exponent = at;
    at = digits_end(text, exponent);
    if (at == exponent) return {};
  }
  return text.substr(begin, at - begin);
}

std::string ecmascript_number(double value) {
  OUTRIDER_ASSERT(std::isfinite(value));
  if (value == 0) return "0";  // also -0
  char buffer[32];
  const auto [end, failure] =
      std::to_chars(buffer, buffer + sizeof buffer, std::abs(value), std::chars_format::scientific);
  OUTRIDER_ASSERT(failure == std::errc{});
  // d[.ddd]e±xx
  const std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  const std::size_t e = text.find('e');
  OUTRIDER_ASSERT(e != std::string_view::npos);
  std::string digits(text.substr(0, 1));
  if (e > 1) digits += text.substr(2, e - 2);
  int exponent = 0;
  const std::size_t sign = text[e + 1] == '+' ? 1 : 0;  // from_chars takes no plus
  std::from_chars(text.data() + e + 1 + sign, text.data() + text.size(), exponent);
  const std::string out = laid_out(digits, exponent + 1);
  return value < 0 ? "-" + out : out;
}

JsonRefusal append_ecmascript_number(std::string_view token, std::string& out) {
  if (token.find_first_of(".eE") == std::string_view::npos) {
    const std::string_view digits = token.substr(token.front() == '-' ? 1 : 0);
    if (beyond_two_to_53(digits)) return kLosesDigits;
    out += token == "-0" ? digits : token;
    return {};
  }
  double value = 0;
  const auto [end, failure] = std::from_chars(token.data(), token.data() + token.size(), value);
  if (failure == std::errc::result_out_of_range) {
    if (is_huge(token)) return kOverflows;
    value = 0;
  } else {
    OUTRIDER_ASSERT(failure == std::errc{} && end == token.data() + token.size());
    if (std::isinf(value)) return kOverflows;
  }
  out += ecmascript_number(value);
  return {};
}

}  // namespace outrider::core
