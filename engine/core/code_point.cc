// Decoding is strict (no overlong forms, no surrogates), so that what is refused here cannot be
// read otherwise by a terminal.
#include "core/code_point.h"

#include <algorithm>
#include <iterator>

namespace outrider::core {
namespace {

struct Range {
  char32_t first, last;
};

// Sorted, disjoint.
constexpr Range kUnprintable[] = {
    {0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},       {0x061c, 0x061c}, {0x115f, 0x1160},
    {0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e},   {0x2060, 0x206f}, {0xfe00, 0xfe0f},
    {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xe0000, 0xe0fff},
};

}  // namespace

CodePoint read_code_point(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const CodePoint broken{byte(0), 1, false};
  if (byte(0) < 0x80) return {byte(0), 1, true};
  const std::size_t length = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : byte(0) >= 0xc2 ? 2 : 0;
  if (length == 0 || byte(0) > 0xf4 || text.size() < length) return broken;
  char32_t value = byte(0) & (0xff >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return broken;
    value = value << 6 | (byte(i) & 0x3f);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kLeast[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
    return broken;
  }
  return {value, length, true};
}

bool is_unprintable(char32_t value) {
  const auto* range = std::partition_point(std::begin(kUnprintable), std::end(kUnprintable),
                                           [&](const Range& r) { return r.last < value; });
  return range != std::end(kUnprintable) && range->first <= value;
}

}  // namespace outrider::core
