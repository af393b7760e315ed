#include "tests/conformance/json_text_corpus.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <vector>

namespace outrider::core {
namespace {

template <class T, std::size_t N>
const T& one_of(Dice& dice, const std::array<T, N>& choices) {
  return choices[dice.roll(N)];
}

template <class Number>
std::string printed(const char* format, int precision, Number value) {
  std::string text(static_cast<std::size_t>(std::snprintf(nullptr, 0, format, precision, value)),
                   '\0');
  std::snprintf(text.data(), text.size() + 1, format, precision, value);
  return text;
}

double dice_double(Dice& dice) {
  double value = 0;
  do {
    std::uint64_t bits = dice.next();
    switch (dice.roll(6)) {
      case 0:
        bits &= 0x800FFFFFFFFFFFFF;
        break;  // below the normal range
      case 1:
        bits &= 0xFFF0000000000000 | (0xFULL << dice.roll(49));
        break;  // few bits set
      case 2:
        bits |= 0x000FFFFFFFFFFFFF;
        break;  // just below a power of 2
      case 3:
        bits = (bits & 0x800FFFFFFFFFFFFF) | ((1000 + dice.roll(100)) << 52);
        break;
      default:
        break;
    }
    value = std::bit_cast<double>(bits);
  } while (!std::isfinite(value));
  return value;
}

std::string shortest(double value) {
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return {buffer, end};
}

std::string dice_digits(Dice& dice, std::size_t count) {
  std::string digits;
  for (std::size_t i = 0; i < count; ++i) digits += static_cast<char>('0' + dice.roll(10));
  return digits;
}

std::string dice_whole(Dice& dice, std::size_t most_digits) {
  if (dice.one_in(4)) return "0";
  std::string digits = dice_digits(dice, 1 + dice.roll(most_digits));
  if (digits.front() == '0') digits.front() = static_cast<char>('1' + dice.roll(9));
  return digits;
}

std::string spelled_at_random(Dice& dice) {
  std::string token = dice.one_in(2) ? "-" : "";
  token += dice_whole(dice, dice.one_in(10) ? 400 : 20);
  if (!dice.one_in(3)) token += "." + dice_digits(dice, 1 + dice.roll(dice.one_in(10) ? 900 : 20));
  if (!dice.one_in(3)) {
    token += one_of(dice, std::array{"e", "E", "e+", "E+", "e-", "E-"});
    if (dice.one_in(8)) token += "000";
    token += std::to_string(dice.roll(dice.one_in(20) ? 100'000'000 : dice.one_in(3) ? 350 : 25));
    if (dice.one_in(200)) token += "99999999999999999999";
  }
  return token;
}

// Exactly between two neighbouring doubles (a long double holds it), or a hair to either side.
std::string halfway(Dice& dice) {
  const double low = std::abs(dice_double(dice));
  const double high = std::nextafter(low, HUGE_VAL);
  if (!std::isfinite(high)) return "1.7976931348623158079e308";
  const long double middle = (static_cast<long double>(low) + high) / 2;
  std::string token = printed("%.*Le", 1100, middle);
  const std::size_t e = token.find('e');
  std::size_t last = token.find_last_not_of('0', e - 1);
  if (token[last] == '.') ++last;
  std::string mantissa = token.substr(0, last + 1);
  const std::string exponent = token.substr(e);
  switch (dice.roll(4)) {
    case 0:
      return mantissa.append(dice.roll(30), '0').append("1").append(exponent);
    case 1:
      if (mantissa.back() == '0') break;
      --mantissa.back();
      return mantissa.append(1 + dice.roll(30), '9').append(exponent);
    default:
      break;
  }
  return mantissa + exponent;
}

std::string near_an_edge(Dice& dice) {
  static constexpr std::array kEdges{"0",
                                     "-0",
                                     "-0.0",
                                     "0e400",
                                     "0.0e-400",
                                     "1e400",
                                     "-1e400",
                                     "1e-400",
                                     "5e-324",
                                     "4.9e-324",
                                     "2.4703282292062327e-324",
                                     "2.4703282292062328e-324",
                                     "3e-324",
                                     "2e-324",
                                     "4.9406564584124654e-324",
                                     "2.2250738585072014e-308",
                                     "2.2250738585072011e-308",
                                     "2.2250738585072012e-308",
                                     "1.7976931348623157e308",
                                     "1.7976931348623158e308",
                                     "1.7976931348623159e308",
                                     "1e21",
                                     "1e20",
                                     "999999999999999999999",
                                     "999999999999999868928.0",
                                     "999999999999999934463.9",
                                     "999999999999999934464.0",
                                     "1e-6",
                                     "1e-7",
                                     "9.5e-7",
                                     "0.000001",
                                     "0.0000001",
                                     "0.30000000000000004",
                                     "0.1",
                                     "0.2",
                                     "9007199254740991",
                                     "9007199254740992",
                                     "9007199254740993",
                                     "9007199254740993.0",
                                     "9007199254740994",
                                     "-9007199254740992",
                                     "-9007199254740993",
                                     "18446744073709551615",
                                     "18446744073709551616",
                                     "9223372036854775807",
                                     "-9223372036854775808",
                                     "4294967295",
                                     "2147483648",
                                     "1E23",
                                     "1e22",
                                     "8.41e21",
                                     "2.0919495182368195e19",
                                     "9.5367431640625e-7",
                                     "1.0E+0",
                                     "123456789012345678901234567890e-10"};
  if (dice.one_in(2)) return one_of(dice, kEdges);
  if (dice.one_in(2)) {
    const auto power = static_cast<int>(dice.roll(2098)) - 1074;
    double value = std::ldexp(1.0, power);
    for (std::size_t steps = dice.roll(4); steps > 0; --steps) {
      value = std::nextafter(value, dice.one_in(2) ? 0 : HUGE_VAL);
    }
    return std::isfinite(value) ? printed("%.*g", 17, value) : "1e308";
  }
  const auto power = std::to_string(static_cast<int>(dice.roll(640)) - 330);
  return one_of(dice, std::array{"1e", "9.999999999999999e", "1.0000000000000002e", "5e"}) + power;
}

void append_utf8(char32_t c, std::string& out) {
  const auto put = [&](char32_t byte) {
    out += static_cast<char>(static_cast<unsigned char>(byte));
  };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6));
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

void append_escape(Dice& dice, unsigned unit, std::string& out) {
  std::string escape = printed(dice.one_in(2) ? "\\u%0*x" : "\\u%0*X", 4, unit);
  out += escape;
}

char32_t dice_character(Dice& dice) {
  static constexpr std::array<char32_t, 20> kEdges{
      '"',  '\\', '/',   '\b',  '\f',   '\n',   '\r',   '\t',   0x00,    0x1F,
      0x7F, 0x80, 0x7FF, 0x800, 0x2028, 0x2029, 0xFEFF, 0xFFFF, 0x10000, 0x10FFFF};
  char32_t c = 0;
  switch (dice.roll(8)) {
    case 0:
      return one_of(dice, kEdges);
    case 1:
      return static_cast<char32_t>(dice.roll(0x20));
    case 2:
      c = static_cast<char32_t>(dice.roll(0x800));
      break;
    case 3:
      c = static_cast<char32_t>(dice.roll(0x10000));
      break;
    case 4:
      c = static_cast<char32_t>(0x10000 + dice.roll(0x100000));
      break;
    default:
      return static_cast<char32_t>(0x20 + dice.roll(0x5F));
  }
  return c >= 0xD800 && c <= 0xDFFF ? U'\u00E9' : c;
}

void append_character(Dice& dice, char32_t c, std::string& out) {
  static constexpr std::string_view kShort = "\"\\/\b\f\n\r\t";
  static constexpr std::string_view kShortEscapes = "\"\\/bfnrt";
  const std::size_t at = c < 0x80 ? kShort.find(static_cast<char>(c)) : std::string_view::npos;
  const bool must_escape = c < 0x20 || c == '"' || c == '\\';
  if (at != std::string_view::npos && dice.one_in(2)) {
    out.append("\\").append(1, kShortEscapes[at]);
  } else if (!must_escape && !dice.one_in(4)) {
    append_utf8(c, out);
  } else if (c < 0x10000) {
    append_escape(dice, c, out);
  } else {
    append_escape(dice, 0xD800 + ((c - 0x10000) >> 10), out);
    append_escape(dice, 0xDC00 + ((c - 0x10000) & 0x3FF), out);
  }
}

std::string dice_key(Dice& dice) {
  static constexpr std::array kOdd{"\"0\"",          "\"7\"",           "\"4294967294\"",
                                   "\"\\u0031\"",    "\"__proto__\"",   "\"\\u005f_proto__\"",
                                   "\"4294967295\"", "\"01\"",          "\"-1\"",
                                   "\"1e3\"",        "\"constructor\"", "\"toJSON\"",
                                   "\"\"",           "\"length\"",      "\"4294967296\""};
  if (dice.one_in(150)) return one_of(dice, kOdd);
  if (dice.one_in(3)) return dice_string(dice);
  std::string key = "\"k";
  for (std::size_t i = 1 + dice.roll(4); i > 0; --i) key += static_cast<char>('a' + dice.roll(26));
  return key + "\"";
}

std::string blanks(Dice& dice) {
  std::string text;
  while (dice.one_in(4)) text += one_of(dice, std::array{' ', '\n', '\r', '\t'});
  return text;
}

std::string dice_value(Dice& dice, int levels) {
  const std::size_t kind = dice.roll(levels > 0 ? 9 : 5);
  if (kind < 2) return dice_number(dice);
  if (kind < 4) return dice_string(dice);
  if (kind == 4) return one_of(dice, std::array{"true", "false", "null"});
  const bool is_array = kind < 7;
  std::string text = is_array ? "[" : "{";
  const std::size_t count = dice.roll(7);
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) text += "," + blanks(dice);
    if (!is_array) text += blanks(dice) + dice_key(dice) + blanks(dice) + ":";
    text += blanks(dice) + dice_value(dice, levels - 1) + blanks(dice);
  }
  return text + blanks(dice) + (is_array ? "]" : "}");
}

}  // namespace

std::uint64_t Dice::next() {
  std::uint64_t z = (state_ += 0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

std::string dice_number(Dice& dice) {
  switch (dice.roll(12)) {
    case 0:
      return spelled_at_random(dice);
    case 1:
      return halfway(dice);
    case 2:
    case 3:
      return near_an_edge(dice);
    case 4:
      return shortest(dice_double(dice));
    case 5:
      return printed("%.*e", static_cast<int>(dice.roll(40)), dice_double(dice));
    case 6: {  // the exact value, all of its digits
      const double value = dice_double(dice);
      return printed(std::abs(value) < 1e40 && dice.one_in(4) ? "%.*f" : "%.*e", 1080, value);
    }
    case 7:
      return dice_whole(dice, 18);
    case 8:
      return dice_whole(dice, 7) + "." + dice_digits(dice, 2);  // money
    default:
      return printed("%.*g", 17, dice_double(dice));
  }
}

std::string dice_string(Dice& dice) {
  std::string text = "\"";
  for (std::size_t i = dice.roll(dice.one_in(20) ? 200 : 12); i > 0; --i) {
    append_character(dice, dice_character(dice), text);
  }
  if (dice.one_in(400)) append_escape(dice, static_cast<unsigned>(0xD800 + dice.roll(0x800)), text);
  return text + "\"";
}

std::string dice_document(Dice& dice) {
  std::string text = dice_value(dice, 1 + static_cast<int>(dice.roll(5)));
  if (dice.one_in(100)) {
    for (std::size_t levels = 50 + dice.roll(20); levels > 0; --levels) {
      text = dice.one_in(2) ? "[" + text + "]" : "{\"k\":" + text + "}";
    }
  }
  return blanks(dice) + text + blanks(dice);
}

std::string dice_damage(Dice& dice, std::string text) {
  static constexpr std::string_view kBytes = "\"\\{}[]:,-+.0123456789eEutrfnalsx /\n\x01\x7F";
  for (std::size_t i = 1 + dice.roll(3); i > 0; --i) {
    const std::size_t at = dice.roll(text.size() + 1);
    const char byte =
        dice.one_in(5) ? static_cast<char>(dice.roll(256)) : kBytes[dice.roll(kBytes.size())];
    switch (dice.roll(4)) {
      case 0:
        text.insert(at, 1, byte);
        break;
      case 1:
        if (at < text.size()) text[at] = byte;
        break;
      case 2:
        text.erase(std::min(at, text.size()), 1 + dice.roll(2));
        break;
      default:
        text.insert(at, text.substr(dice.roll(text.size() + 1), 1 + dice.roll(6)));
        break;
    }
  }
  return text;
}

}  // namespace outrider::core
