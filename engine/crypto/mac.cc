// Digests and signatures, by OpenSSL 3.0's EVP interfaces. Nothing is kept from one call to the
// next, so any thread may call, and no key outlives its use; an HMAC over a small body takes a
// microsecond.
#include "crypto/mac.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#include "core/assert.h"
#include "crypto/openssl.h"

namespace outrider::crypto {
namespace {

constexpr std::size_t kSeedBytes = 32;
constexpr std::size_t kPublicKeyBytes = 32;

const char* hash_name(core::Algorithm algorithm) {
  switch (algorithm) {
    case core::Algorithm::kHmacSha256:
      return "SHA256";
    case core::Algorithm::kHmacSha512:
      return "SHA512";
    case core::Algorithm::kHmacSha1:
      return "SHA1";
    case core::Algorithm::kEd25519:
      break;
  }
  OUTRIDER_ASSERT(algorithm != core::Algorithm::kEd25519);
  return nullptr;
}

Result<std::string> hmac(core::Algorithm algorithm, std::string_view key,
                         std::string_view message) {
  // OpenSSL takes a null pointer for "no key was given", which is not the same as an empty one.
  const char* const key_bytes = key.empty() ? "" : key.data();
  std::string mac(EVP_MAX_MD_SIZE, '\0');
  std::size_t size = 0;
  if (EVP_Q_mac(nullptr, OSSL_MAC_NAME_HMAC, nullptr, hash_name(algorithm), nullptr, key_bytes,
                key.size(), bytes_of(message), message.size(), bytes_of(mac), mac.size(),
                &size) == nullptr) {
    return openssl_failure(ErrorCode::kInternal, "the HMAC could not be computed");
  }
  mac.resize(size);
  return mac;
}

// A pair whose halves do not belong together signs what nobody can verify.
bool has_public_key(EVP_PKEY* key, std::string_view expected) {
  std::string actual(kPublicKeyBytes, '\0');
  std::size_t size = actual.size();
  return EVP_PKEY_get_raw_public_key(key, bytes_of(actual), &size) == 1 &&
         equal_constant_time(std::string_view(actual).substr(0, size), expected);
}

Result<std::string> ed25519(std::string_view key, std::string_view message) {
  if (key.size() != kSeedBytes && key.size() != kSeedBytes + kPublicKeyBytes) {
    return fail(ErrorCode::kInvalidArgument, "an Ed25519 key of the wrong length", "secret",
                "it is 32 bytes of seed, or these and the 32 bytes of the public key");
  }
  const Key pair(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes_of(key), kSeedBytes));
  if (!pair) return openssl_failure(ErrorCode::kInternal, "the Ed25519 key could not be used");
  const std::string_view public_key = key.substr(kSeedBytes);
  if (!public_key.empty() && !has_public_key(pair.get(), public_key)) {
    return fail(ErrorCode::kInvalidArgument,
                "the two halves of the Ed25519 key do not belong together", "secret",
                "give the seed and the public key made from it");
  }
  const DigestContext context(EVP_MD_CTX_new());
  std::string signature(64, '\0');
  std::size_t size = signature.size();
  if (!context || EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, pair.get()) != 1 ||
      EVP_DigestSign(context.get(), bytes_of(signature), &size, bytes_of(message),
                     message.size()) != 1) {
    return openssl_failure(ErrorCode::kInternal, "the Ed25519 signature could not be made");
  }
  signature.resize(size);
  return signature;
}

}  // namespace

Result<std::string> digest(core::Algorithm algorithm, std::string_view key,
                           std::string_view message) {
  ERR_clear_error();
  return algorithm == core::Algorithm::kEd25519 ? ed25519(key, message)
                                                : hmac(algorithm, key, message);
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
