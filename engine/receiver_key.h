// Secrets as they are handed out, and digests as headers carry them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "receiver_definition.h"

namespace outrider::receiver {

// The bytes to verify with, where the secret is of this scheme: HMAC's key, or Ed25519's public
// key.
[[nodiscard]] std::optional<std::string> key_of(const Scheme& scheme, std::string_view secret);

// A digest in the scheme's encoding, and back; nothing for a text that encode_digest would not have
// written.
[[nodiscard]] std::string encode_digest(const Scheme& scheme, std::string_view digest);
[[nodiscard]] std::optional<std::string> decode_digest(const Scheme& scheme, std::string_view text);

}  // namespace outrider::receiver
