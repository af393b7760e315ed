// Randomness, all of it from OpenSSL's generator, which the kernel seeds and which reseeds itself
// after a fork.
#include "crypto/random.h"

#include <openssl/err.h>
#include <openssl/rand.h>

#include <array>

#include "crypto/mac.h"
#include "crypto/openssl.h"

namespace outrider::crypto {
namespace {

constexpr std::size_t kSecretBytes = 32;

// A key in the making is overwritten whichever way its function ends.
class WipedAtEnd {
 public:
  explicit WipedAtEnd(std::string& secret) : secret_(secret) {}
  ~WipedAtEnd() { wipe(secret_); }
  WipedAtEnd(const WipedAtEnd&) = delete;
  WipedAtEnd& operator=(const WipedAtEnd&) = delete;

 private:
  std::string& secret_;
};

Result<std::string> public_key_of(std::string_view seed) {
  const Key pair(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes_of(seed), seed.size()));
  std::string public_key(32, '\0');
  std::size_t size = public_key.size();
  if (!pair || EVP_PKEY_get_raw_public_key(pair.get(), bytes_of(public_key), &size) != 1) {
    return openssl_failure(ErrorCode::kInternal, "the Ed25519 key could not be made");
  }
  return public_key;
}

}  // namespace

Result<std::string> random_bytes(std::size_t count) {
  ERR_clear_error();
  std::string bytes(count, '\0');
  if (RAND_bytes_ex(nullptr, bytes_of(bytes), bytes.size(), 0) != 1) {
    return openssl_failure(ErrorCode::kInternal, "the system gave no randomness");
  }
  return bytes;
}

double random_unit() {
  std::array<unsigned char, 8> bytes{};
  // Only jitter asks, which spreads load and keeps no secret: without randomness the middle serves.
  if (RAND_bytes_ex(nullptr, bytes.data(), bytes.size(), 0) != 1) return 0.5;
  std::uint64_t bits = 0;
  for (const unsigned char byte : bytes) bits = bits << 8 | byte;
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

Result<std::string> generate_secret(const core::SignatureScheme& scheme) {
  const bool is_pair = scheme.algorithm == core::Algorithm::kEd25519;
  if (is_pair && scheme.key_form == core::KeyForm::kText) {
    return fail(ErrorCode::kInvalidArgument, "no Ed25519 secret can be made as plain text",
                "key_form", "give the secret, or use base64 or hex in the provider's definition");
  }
  auto seed = random_bytes(kSecretBytes);
  if (!seed) return seed;
  const WipedAtEnd seed_ends(*seed);
  std::string key;
  key.reserve(2 * kSecretBytes);  // or growing would leave a copy of the seed behind
  const WipedAtEnd key_ends(key);
  key = *seed;
  if (is_pair) {
    const auto public_key = public_key_of(*seed);
    if (!public_key) return public_key;
    key += *public_key;
  }
  const bool as_base64 = scheme.key_form == core::KeyForm::kBase64;
  std::string text = core::encode(as_base64 ? core::Encoding::kBase64 : core::Encoding::kHex, key);
  const WipedAtEnd text_ends(text);
  return scheme.key_prefix + text;
}

}  // namespace outrider::crypto
