// Randomness from OpenSSL's generator: ids' key, secrets, jitter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/signature.h"
#include "outrider/result.h"

namespace outrider::crypto {

[[nodiscard]] Result<std::string> random_bytes(std::size_t count);
[[nodiscard]] double random_unit();  // [0, 1)

// A new signing secret in a scheme's key form, prefix included: 32 random bytes as base64 or hex
// (text form: hex); Ed25519: seed and public key, base64.
[[nodiscard]] Result<std::string> generate_secret(const core::SignatureScheme& scheme);

}  // namespace outrider::crypto
