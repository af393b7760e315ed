// What the names and keys of an event must look like, wherever it comes from: 1-255 bytes of UTF-8
// without control characters.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace outrider::storage {

inline constexpr std::size_t kMaxFieldBytes = 255;
// The largest payload any configuration allows; an engine may be set to less.
inline constexpr std::size_t kMaxPayloadBytes = std::size_t{16} * 1024 * 1024;

// What is wrong with it ("is longer than 255 bytes"), or nothing. Never quotes the value.
[[nodiscard]] std::optional<std::string> field_fault(std::string_view value);

}  // namespace outrider::storage
