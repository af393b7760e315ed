// What a terminal would obey is shown by its number; the rest is shown as it is.
#include "terminal_text.h"

#include <algorithm>
#include <iterator>

namespace outrider::cli {
namespace {

struct Range {
  char32_t first, last;
};

// Sorted, disjoint.
constexpr Range kCombining[] = {
    {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x064b, 0x065f}, {0x0e31, 0x0e3a},
    {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x20d0, 0x20ff}, {0xfe20, 0xfe2f},
};
constexpr Range kWide[] = {
    {0x1100, 0x115e},   {0x2e80, 0x303e},   {0x3041, 0x33ff},   {0x3400, 0x4dbf},
    {0x4e00, 0x9fff},   {0xa000, 0xa4cf},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},
    {0xfe30, 0xfe4f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},   {0x1f300, 0x1f64f},
    {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
};

template <std::size_t N>
bool contains(const Range (&ranges)[N], char32_t value) {
  const auto* range = std::partition_point(std::begin(ranges), std::end(ranges),
                                           [&](const Range& r) { return r.last < value; });
  return range != std::end(ranges) && range->first <= value;
}

std::string hex(char32_t value, int digits) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) {
    text += kDigits[(value >> shift) & 0xf];
  }
  return text;
}

std::string escaped(char32_t value) {
  switch (value) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      break;
  }
  if (value < 0x80) return "\\x" + hex(value, 2);
  if (value <= 0xffff) return "\\u" + hex(value, 4);
  return "\\U" + hex(value, 8);
}

}  // namespace

std::string printable(std::string_view text, Lines lines) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const CodePoint next = read_code_point(text);
    if (!next.valid) {
      result += "\\x" + hex(next.value, 2);
    } else if (lines == Lines::kMany && next.value == '\n') {
      result += '\n';
    } else if (lines == Lines::kMany && next.value == '\t') {
      result += "    ";
    } else if (is_unprintable(next.value)) {
      result += escaped(next.value);
    } else {
      result += text.substr(0, next.bytes);
    }
    text.remove_prefix(next.bytes);
  }
  return result;
}

std::size_t columns(std::string_view text) {
  std::size_t total = 0;
  while (!text.empty()) {
    const CodePoint next = read_code_point(text);
    if (!contains(kCombining, next.value)) total += contains(kWide, next.value) ? 2 : 1;
    text.remove_prefix(next.bytes);
  }
  return total;
}

}  // namespace outrider::cli
