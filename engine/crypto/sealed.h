// Sealed values: what is kept at rest of payloads, secrets and answers. AES-256-GCM with a random
// 96-bit nonce; the associated data names the place where the value belongs, so that a sealed value
// that was moved to another row, column, account or key does not open.
//
//     version 1: 01 | key id, 4 bytes, big-endian | nonce, 12 | ciphertext | tag, 16
//
// A key seals a day of one account's values: far from the 2^32 after which random nonces may meet.
// Any thread. Nothing here logs a key or a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "outrider/result.h"

namespace outrider::crypto {

inline constexpr std::size_t kSealingKeyBytes = 32;
inline constexpr std::size_t kSealedOverhead = 1 + 4 + 12 + 16;
inline constexpr char kSealedVersion = '\x01';

// Where a value belongs.
struct SealedPlace {
  std::string_view account;
  std::string_view table;
  std::int64_t row = 0;
  std::string_view column;
};

// Requires: `key` has kSealingKeyBytes. Errors: kInternal.
[[nodiscard]] Result<std::string> seal(std::string_view key, std::uint32_t key_id,
                                       const SealedPlace& place, std::string_view plain);

// The key a sealed value names; nothing where it is no sealed value of a known version.
[[nodiscard]] std::optional<std::uint32_t> sealing_key_of(std::string_view sealed);

// Errors: kCorrupt (changed, moved, cut short, or sealed with another key).
[[nodiscard]] Result<std::string> unseal(std::string_view key, const SealedPlace& place,
                                         std::string_view sealed);

}  // namespace outrider::crypto
