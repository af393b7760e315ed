// Text for terminals. What is stored came from strangers (a receiver's answer, a description):
// nothing of it may move the cursor, change colours, reverse the line or pretend to be another row.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/code_point.h"

namespace outrider::cli {

using core::CodePoint;
using core::is_unprintable;
using core::read_code_point;

enum class Lines { kOne, kMany };
// UTF-8 that any terminal shows as it is: unprintable characters become \n, \x1b or \u202e, bytes
// that are not UTF-8 \xff. kMany keeps line feeds and turns tabs into spaces.
[[nodiscard]] std::string printable(std::string_view text, Lines lines = Lines::kOne);

// Columns that a printable text takes.
[[nodiscard]] std::size_t columns(std::string_view printable_text);

}  // namespace outrider::cli
