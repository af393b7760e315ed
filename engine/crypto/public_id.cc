// A Feistel network is a permutation whatever its round function is, and four rounds of a strong
// one cannot be told from a random permutation (Luby and Rackoff, 1988). So ids need no table and
// cannot collide. What an id looks like is part of the public API and of every saved link: rounds,
// message, alphabet and prefixes must never change.
//
// The alphabet leaves out i, l, o and u, which people misread.
#include "crypto/public_id.h"

#include <array>

#include "core/assert.h"

namespace outrider::crypto {
namespace {

constexpr int kRounds = 4;
constexpr std::string_view kDigits = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr int kDigitBits = 5;
constexpr std::size_t kTextDigits = 13;  // 65 bits, the first of them always 0

struct Halves {
  std::uint32_t left = 0;
  std::uint32_t right = 0;
};

Halves split(std::uint64_t value) {
  return {static_cast<std::uint32_t>(value >> 32), static_cast<std::uint32_t>(value)};
}
std::uint64_t join(Halves halves) { return std::uint64_t{halves.left} << 32 | halves.right; }

std::string_view prefix_of(IdKind kind) {
  switch (kind) {
    case IdKind::kEvent:
      return "evt_";
    case IdKind::kDelivery:
      return "dlv_";
    case IdKind::kEndpoint:
      return "ep_";
    case IdKind::kNotice:
      return "ntc_";
  }
  OUTRIDER_ASSERT(kind <= IdKind::kNotice);
  return {};
}

void append_digits(std::uint64_t value, std::string& text) {
  for (std::size_t i = kTextDigits; i-- > 0;) {
    text += kDigits[value >> (i * kDigitBits) & 31];
  }
}

std::optional<std::uint64_t> parse_digits(std::string_view text) {
  if (text.size() != kTextDigits) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    if (value >> (64 - kDigitBits) != 0) return std::nullopt;  // the 65th bit would be set
    value = value << kDigitBits | digit;
  }
  return value;
}

}  // namespace

PublicIds::PublicIds(std::string_view key) : mac_(key) {
  OUTRIDER_ASSERT(key.size() >= kMinKeyBytes);
}

std::uint32_t PublicIds::round(IdKind kind, int number, std::uint32_t half) const {
  // The words set it apart from any other use of the key.
  std::array<char, 18> message{'o', 'u', 't', 'r', 'i', 'd', 'e', 'r', ' ', 'i', 'd', ' '};
  message[12] = static_cast<char>(kind);
  message[13] = static_cast<char>(number);
  for (std::size_t i = 0; i < 4; ++i) {
    message[14 + i] = static_cast<char>(half >> (24 - 8 * i) & 0xff);
  }
  const HmacSha256::Digest mac = mac_.of({message.data(), message.size()});
  std::uint32_t result = 0;
  for (std::size_t i = 0; i < 4; ++i) result = result << 8 | mac[i];
  return result;
}

std::string PublicIds::text(IdKind kind, std::int64_t row) const {
  Halves halves = split(static_cast<std::uint64_t>(row));
  for (int number = 0; number < kRounds; ++number) {
    halves = {halves.right, halves.left ^ round(kind, number, halves.right)};
  }
  std::string text(prefix_of(kind));
  append_digits(join(halves), text);
  return text;
}

std::optional<std::int64_t> PublicIds::row(IdKind kind, std::string_view text) const {
  const std::string_view prefix = prefix_of(kind);
  if (!text.starts_with(prefix)) return std::nullopt;
  const auto value = parse_digits(text.substr(prefix.size()));
  if (!value) return std::nullopt;

  Halves halves = split(*value);
  for (int number = kRounds; number-- > 0;) {
    halves = {halves.right ^ round(kind, number, halves.left), halves.left};
  }
  const std::uint64_t row = join(halves);
  if (row == 0 || row > static_cast<std::uint64_t>(kMaxRow)) return std::nullopt;
  return static_cast<std::int64_t>(row);
}

}  // namespace outrider::crypto
