// JSON made by dice, the same on every run: numbers around every edge of doubles in many spellings,
// strings of all planes with their escapes at random, documents with odd keys and blanks, and all
// of these with a few bytes broken.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace outrider::core {

// SplitMix64: the standard library's distributions differ between implementations.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  // 0 to sides - 1.
  std::size_t roll(std::size_t sides) { return static_cast<std::size_t>(next() % sides); }
  bool one_in(std::size_t chances) { return roll(chances) == 0; }

 private:
  std::uint64_t state_;
};

// A number that JSON allows; it may overflow, or be an integer beyond 2^53.
[[nodiscard]] std::string dice_number(Dice& dice);
// A quoted string; one in a few hundred holds a lone surrogate.
[[nodiscard]] std::string dice_string(Dice& dice);
// A document; a few have duplicate keys, keys that JavaScript reorders, or too many levels.
[[nodiscard]] std::string dice_document(Dice& dice);
// The same text with one to three bytes or pieces changed, removed or added.
[[nodiscard]] std::string dice_damage(Dice& dice, std::string text);

}  // namespace outrider::core
