// Digests as a receiver computes them. Apart from crypto/mac.h on purpose: the receiving side is
// there to confirm the sending side, so the two share neither code nor the OpenSSL interfaces they
// call.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace outrider::crypto {

enum class ReceiverHash : std::uint8_t { kSha1, kSha256, kSha512 };

// HMAC's bytes. Any thread, as all below.
[[nodiscard]] std::string receiver_hmac(ReceiverHash hash, std::string_view key,
                                        std::string_view message);

// The public half of a 32-byte Ed25519 seed; nothing for another length.
[[nodiscard]] std::optional<std::string> ed25519_public_key(std::string_view seed);
// Is `signature` (64 bytes) one of `message` by the owner of `public_key` (32 bytes)? Other
// lengths: no.
[[nodiscard]] bool ed25519_verifies(std::string_view public_key, std::string_view message,
                                    std::string_view signature);

// In time that depends on the lengths only.
[[nodiscard]] bool same_text(std::string_view a, std::string_view b) noexcept;

// Overwrites a key that is no longer needed.
void forget(std::string& key) noexcept;

}  // namespace outrider::crypto
