// One rule for names and keys, applied by enqueue() at once and to rows of plain SQL when they are
// picked up.
#include "storage/event_fields.h"

#include <cstdint>

namespace outrider::storage {
namespace {

// Bytes of the UTF-8 sequence that begins here; 0: none does (RFC 3629: no overlong forms, no
// surrogates, nothing above U+10FFFF).
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) -> std::uint32_t {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const std::uint32_t first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xC2) return 0;
  if (first < 0xE0) return continues(1) ? 2 : 0;
  if (first < 0xF0) {
    const bool overlong = first == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = first == 0xED && byte(1) > 0x9F;
    return continues(1) && continues(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first > 0xF4) return 0;
  const bool overlong = first == 0xF0 && byte(1) < 0x90;
  const bool beyond = first == 0xF4 && byte(1) > 0x8F;
  return continues(1) && continues(2) && continues(3) && !overlong && !beyond ? 4 : 0;
}

}  // namespace

std::optional<std::string> field_fault(std::string_view value) {
  if (value.empty()) return "is empty";
  if (value.size() > kMaxFieldBytes) return "is longer than 255 bytes";
  while (!value.empty()) {
    const std::size_t length = sequence_length(value);
    if (length == 0) return "is not UTF-8";
    const auto first = static_cast<unsigned char>(value.front());
    if (first < 0x20 || first == 0x7F) return "has a control character";
    value.remove_prefix(length);
  }
  return std::nullopt;
}

}  // namespace outrider::storage
