// Text for terminals. What is stored came from strangers (a receiver's answer, a description):
// nothing of it may move the cursor, change colours, reverse the line or pretend to be another row.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace outrider::cli {

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

enum class Lines { kOne, kMany };
// UTF-8 that any terminal shows as it is: unprintable characters become \n, \x1b or \u202e, bytes
// that are not UTF-8 \xff. kMany keeps line feeds and turns tabs into spaces.
[[nodiscard]] std::string printable(std::string_view text, Lines lines = Lines::kOne);

// Columns that a printable text takes.
[[nodiscard]] std::size_t columns(std::string_view printable_text);

}  // namespace outrider::cli
