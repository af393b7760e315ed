// Digests, by OpenSSL 3.0's EVP interfaces. Nothing is kept from one call to the next, so any
// thread may call, and no key outlives its use.
#include "crypto/mac.h"

#include <openssl/crypto.h>

#include "core/assert.h"
#include "crypto/openssl.h"
#include "crypto/signing_key.h"

namespace outrider::crypto {
Result<std::string> digest(core::Algorithm algorithm, std::string_view key,
                           std::string_view message) {
  auto prepared = SigningKey::make(algorithm, key);
  if (!prepared) return tl::unexpected(std::move(prepared.error()));
  return prepared->sign(message);
}

std::string sha256(std::string_view message) {
  std::string result(32, '\0');
  unsigned int size = 0;
  const int done =
      EVP_Digest(message.data(), message.size(), bytes_of(result), &size, EVP_sha256(), nullptr);
  OUTRIDER_ASSERT(done == 1 && size == result.size());
  return result;
}

bool equal_constant_time(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void wipe(std::string& secret) noexcept {
  // What a longer value left behind the end goes as well.
  secret.resize(secret.capacity());
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

}  // namespace outrider::crypto
