// Writes by ECMAScript's rules: array-index names first and in order, of a repeated name the last
// value in the first place, numbers by Number::toString, short escapes, lower-case \u00xx.
#include <array>
#include <charconv>
#include <cstdlib>
#include <map>
#include <utility>

#include "receiver_json.h"

namespace outrider::receiver {
namespace {

// Is a number that no double holds too large, rather than too small? By the place of its first
// digit that is not zero.
bool is_too_large(std::string_view token) {
  if (token.starts_with('-')) token.remove_prefix(1);
  const std::size_t e = token.find_first_of("eE");
  std::string_view exponent = e == std::string_view::npos ? "0" : token.substr(e + 1);
  const bool negative = exponent.starts_with('-');
  if (negative || exponent.starts_with('+')) exponent.remove_prefix(1);
  exponent.remove_prefix(std::min(exponent.find_first_not_of('0'), exponent.size()));
  if (exponent.size() > 9) return !negative;
  long long power = 0;
  std::from_chars(exponent.data(), exponent.data() + exponent.size(), power);
  if (negative) power = -power;
  const std::string_view digits = token.substr(0, e);
  const auto point = static_cast<long long>(std::min(digits.find('.'), digits.size()));
  const auto first =
      static_cast<long long>(std::min(digits.find_first_of("123456789"), digits.size()));
  return power + point - first > 0;
}

std::string number_text(std::string_view token) {
  double value = 0;
  const auto read = std::from_chars(token.data(), token.data() + token.size(), value);
  if (read.ec == std::errc::result_out_of_range) return is_too_large(token) ? "null" : "0";
  if (value == 0) return "0";  // -0 too
  std::array<char, 64> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::abs(value),
                                 std::chars_format::scientific);
  const std::string_view shortest(buffer.data(), static_cast<std::size_t>(end.ptr - buffer.data()));
  const std::size_t e = shortest.find('e');
  std::string digits(1, shortest[0]);
  if (e > 2) digits.append(shortest.substr(2, e - 2));
  std::string_view written = shortest.substr(e + 1);
  if (written.starts_with('+')) written.remove_prefix(1);
  int exponent = 0;  // of the first digit
  std::from_chars(written.begin(), written.end(), exponent);
  const int count = static_cast<int>(digits.size());
  std::string out = value < 0 ? "-" : "";
  if (exponent >= 21 || exponent < -6) {
    out += digits[0];
    if (count > 1) out.append(".").append(digits, 1);
    return out + (exponent < 0 ? "e-" : "e+") + std::to_string(std::abs(exponent));
  }
  if (exponent < 0)
    return out + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  if (count <= exponent + 1) {
    return out + digits + std::string(static_cast<std::size_t>(exponent + 1 - count), '0');
  }
  return out + digits.insert(static_cast<std::size_t>(exponent) + 1, ".");
}

void append_string(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  constexpr std::string_view kEscaped = "\"\\\b\f\n\r\t";
  constexpr std::string_view kLetters = "\"\\bfnrt";
  out += '"';
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const std::size_t which = kEscaped.find(text[i]);
    unsigned unit = 0;
    if (which != std::string_view::npos) {
      out += '\\';
      out += kLetters[which];
      continue;
    }
    if (byte == 0xed && static_cast<unsigned char>(text[i + 1]) >= 0xa0) {  // a lone surrogate
      unit = 0xd000U | ((static_cast<unsigned char>(text[i + 1]) & 0x3fU) << 6) |
             (static_cast<unsigned char>(text[i + 2]) & 0x3fU);
      i += 2;
    } else if (byte < 0x20) {
      unit = byte;
    } else {
      out += text[i];
      continue;
    }
    out += "\\u";
    for (const int shift : {12, 8, 4, 0}) out += kHex[(unit >> shift) & 0xfU];
  }
  out += '"';
}

void append_value(std::string& out, const JsonValue& value);

void append_object(std::string& out, const JsonValue& value) {
  std::map<std::uint64_t, const JsonValue*> indexed;
  std::vector<std::pair<std::string_view, const JsonValue*>> named;
  std::map<std::string_view, std::size_t> places;
  for (const auto& [name, member] : value.members) {
    if (const std::optional<std::uint64_t> index = array_index(name)) {
      indexed[*index] = &member;
      continue;
    }
    const auto [place, is_new] = places.try_emplace(name, named.size());
    if (is_new) named.emplace_back(name, &member);
    named[place->second].second = &member;
  }
  char separator = '{';
  const auto append_member = [&](std::string_view name, const JsonValue& member) {
    out += std::exchange(separator, ',');
    append_string(out, name);
    out += ':';
    append_value(out, member);
  };
  for (const auto& [index, member] : indexed) append_member(std::to_string(index), *member);
  for (const auto& [name, member] : named) append_member(name, *member);
  out += separator == '{' ? "{}" : "}";
}

void append_value(std::string& out, const JsonValue& value) {
  switch (value.kind) {
    case JsonValue::Kind::kNull:
      out += "null";
      return;
    case JsonValue::Kind::kFalse:
      out += "false";
      return;
    case JsonValue::Kind::kTrue:
      out += "true";
      return;
    case JsonValue::Kind::kNumber:
      out += number_text(value.text);
      return;
    case JsonValue::Kind::kString:
      return append_string(out, value.text);
    case JsonValue::Kind::kArray:
      out += '[';
      for (const JsonValue& item : value.items) {
        if (&item != value.items.data()) out += ',';
        append_value(out, item);
      }
      out += ']';
      return;
    case JsonValue::Kind::kObject:
      return append_object(out, value);
  }
}

}  // namespace

std::string stringify(const JsonValue& value) {
  std::string out;
  append_value(out, value);
  return out;
}

std::optional<std::string> scalar_text(const JsonValue& value) {
  switch (value.kind) {
    case JsonValue::Kind::kString:
      return value.text;
    case JsonValue::Kind::kNumber:
      return number_text(value.text);
    case JsonValue::Kind::kTrue:
      return "true";
    case JsonValue::Kind::kFalse:
      return "false";
    default:
      return std::nullopt;
  }
}

}  // namespace outrider::receiver
