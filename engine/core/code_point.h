// UTF-8, one character at a time, and which of them are safe to show.
#pragma once

#include <cstddef>
#include <string_view>

namespace outrider::core {

struct CodePoint {
  char32_t value = 0;
  std::size_t bytes = 1;  // of the text it was read from
  bool valid = false;     // false: one byte that is not UTF-8, its value in `value`
};
// The first character of a text that is not empty.
[[nodiscard]] CodePoint read_code_point(std::string_view text);

// Characters that a terminal obeys or that nobody sees: C0, DEL, C1, bidirectional and zero-width
// marks, line separators.
[[nodiscard]] bool is_unprintable(char32_t value);

}  // namespace outrider::core
