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
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "outrider/result.h"

struct evp_cipher_ctx_st;

namespace outrider::crypto {

inline constexpr std::size_t kSealingKeyBytes = 32;
inline constexpr std::size_t kNonceBytes = 12;
inline constexpr std::size_t kSealedOverhead = 1 + 4 + kNonceBytes + 16;
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

// Seals and opens many values with one key, which is prepared once. Whoever gives the nonces sees
// to it that none comes twice. One thread at a time.
class Sealer {
 public:
  // Requires: `key` has kSealingKeyBytes.
  explicit Sealer(std::string_view key);
  // Requires: `nonce` has kNonceBytes, and was drawn at random for this value. Errors: kInternal.
  [[nodiscard]] Result<std::string> seal(std::uint32_t key_id, const SealedPlace& place,
                                         std::string_view plain, std::string_view nonce) const;
  // As unseal().
  [[nodiscard]] Result<std::string> open(const SealedPlace& place, std::string_view sealed) const;

 private:
  struct Free {
    void operator()(evp_cipher_ctx_st* context) const noexcept;  // overwrites the key
  };
  std::unique_ptr<evp_cipher_ctx_st, Free> context_;  // null: it could not be made
};

// Nonces, drawn many at a time: half of the work of sealing a short value was to ask for twelve
// bytes. Not to be carried over a fork: both sides would use the rest of them.
class Nonces {
 public:
  // Lives until the next call. Errors: kInternal.
  [[nodiscard]] Result<std::string_view> next();
  void drop();

 private:
  std::string drawn_;
  std::size_t used_ = 0;  // bytes of them
};

// The key a sealed value names; nothing where it is no sealed value of a known version.
[[nodiscard]] std::optional<std::uint32_t> sealing_key_of(std::string_view sealed);

// Errors: kCorrupt (changed, moved, cut short, or sealed with another key).
[[nodiscard]] Result<std::string> unseal(std::string_view key, const SealedPlace& place,
                                         std::string_view sealed);

}  // namespace outrider::crypto
