// Digests and signatures over OpenSSL. The only users of keys; nothing here logs or returns one.
#pragma once

#include <string>
#include <string_view>

#include "core/signature.h"
#include "outrider/result.h"

namespace outrider::crypto {

// A core::DigestFunction. Any thread. Errors: kInvalidArgument (an Ed25519 key of the wrong length,
// or whose public half does not belong to its seed), kInternal.
[[nodiscard]] Result<std::string> digest(core::Algorithm algorithm, std::string_view key,
                                         std::string_view message);

// SHA-256, 32 bytes.
[[nodiscard]] std::string sha256(std::string_view message);

// Compares in time that depends on the lengths only.
[[nodiscard]] bool equal_constant_time(std::string_view a, std::string_view b) noexcept;

// Overwrites, so that the compiler cannot leave it out.
void wipe(std::string& secret) noexcept;

}  // namespace outrider::crypto
