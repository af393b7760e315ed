// HMAC by the one-shot HMAC() of OpenSSL's older interface, and Ed25519 by verifying with the
// public key: a receiver never needs to sign. The only failures possible here are of the library
// itself (no memory, a broken build), and no receiver can go on with those.
#include "crypto/receiver_mac.h"

#include <openssl/err.h>
#include <openssl/hmac.h>

#include <array>

#include "core/assert.h"
#include "crypto/openssl.h"

namespace outrider::crypto {
namespace {

constexpr std::size_t kEd25519KeyBytes = 32;
constexpr std::size_t kEd25519SignatureBytes = 64;

const EVP_MD* hash_of(ReceiverHash hash) {
  switch (hash) {
    case ReceiverHash::kSha1:
      return EVP_sha1();
    case ReceiverHash::kSha256:
      return EVP_sha256();
    case ReceiverHash::kSha512:
      return EVP_sha512();
  }
  return nullptr;
}

}  // namespace

std::string receiver_hmac(ReceiverHash hash, std::string_view key, std::string_view message) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  // A null key would mean "the one before".
  const unsigned char* done =
      HMAC(hash_of(hash), key.empty() ? "" : key.data(), static_cast<int>(key.size()),
           bytes_of(message), message.size(), digest.data(), &size);
  OUTRIDER_ASSERT(done != nullptr);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

std::optional<std::string> ed25519_public_key(std::string_view seed) {
  if (seed.size() != kEd25519KeyBytes) return std::nullopt;
  const Key key(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes_of(seed), seed.size()));
  std::string public_key(kEd25519KeyBytes, '\0');
  std::size_t size = public_key.size();
  OUTRIDER_ASSERT(key && EVP_PKEY_get_raw_public_key(key.get(), bytes_of(public_key), &size) == 1);
  return public_key;
}

bool ed25519_verifies(std::string_view public_key, std::string_view message,
                      std::string_view signature) {
  if (public_key.size() != kEd25519KeyBytes || signature.size() != kEd25519SignatureBytes) {
    return false;
  }
  const Key key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(public_key),
                                            public_key.size()));
  const DigestContext context(EVP_MD_CTX_new());
  OUTRIDER_ASSERT(context != nullptr);
  const bool verified =
      key && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
      EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(message),
                       message.size()) == 1;
  ERR_clear_error();  // a wrong signature leaves a note in the thread's queue
  return verified;
}

bool same_text(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  volatile unsigned char difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = difference | static_cast<unsigned char>(a[i] ^ b[i]);
  }
  return difference == 0;
}

void forget(std::string& key) noexcept {
  volatile char* at = key.data();
  for (std::size_t i = 0; i < key.size(); ++i) at[i] = 0;
  key.clear();
}

}  // namespace outrider::crypto
