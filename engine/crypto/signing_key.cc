#include "crypto/signing_key.h"

#include <openssl/err.h>

#include <optional>
#include <utility>

#include "crypto/keyed_mac.h"
#include "crypto/mac.h"
#include "crypto/openssl.h"

namespace outrider::crypto {
namespace {

constexpr std::size_t kSeedBytes = 32;
constexpr std::size_t kPublicKeyBytes = 32;
constexpr std::size_t kEd25519Bytes = 64;

// A pair whose halves do not belong together signs what nobody can verify.
bool has_public_key(EVP_PKEY* key, std::string_view expected) {
  std::string actual(kPublicKeyBytes, '\0');
  std::size_t size = actual.size();
  return EVP_PKEY_get_raw_public_key(key, bytes_of(actual), &size) == 1 &&
         equal_constant_time(std::string_view(actual).substr(0, size), expected);
}

Result<Key> ed25519_key(std::string_view key) {
  if (key.size() != kSeedBytes && key.size() != kSeedBytes + kPublicKeyBytes) {
    return fail(ErrorCode::kInvalidArgument, "an Ed25519 key of the wrong length", "secret",
                "it is 32 bytes of seed, or these and the 32 bytes of the public key");
  }
  ERR_clear_error();
  Key pair(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes_of(key), kSeedBytes));
  if (!pair) return openssl_failure(ErrorCode::kInternal, "the Ed25519 key could not be used");
  const std::string_view public_key = key.substr(kSeedBytes);
  if (!public_key.empty() && !has_public_key(pair.get(), public_key)) {
    return fail(ErrorCode::kInvalidArgument,
                "the two halves of the Ed25519 key do not belong together", "secret",
                "give the seed and the public key made from it");
  }
  return pair;
}

Result<std::string> ed25519(EVP_PKEY* key, std::string_view message) {
  ERR_clear_error();
  const DigestContext context(EVP_MD_CTX_new());
  std::string signature(kEd25519Bytes, '\0');
  std::size_t size = signature.size();
  if (!context || EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key) != 1 ||
      EVP_DigestSign(context.get(), bytes_of(signature), &size, bytes_of(message),
                     message.size()) != 1) {
    return openssl_failure(ErrorCode::kInternal, "the Ed25519 signature could not be made");
  }
  signature.resize(size);
  return signature;
}

}  // namespace

// One of the two.
class SigningKey::Impl {
 public:
  explicit Impl(KeyedMac mac) : mac_(std::move(mac)) {}
  explicit Impl(Key pair) : pair_(std::move(pair)) {}
  [[nodiscard]] Result<std::string> sign(std::string_view message) const {
    return mac_ ? mac_->of(message) : ed25519(pair_.get(), message);
  }

 private:
  std::optional<KeyedMac> mac_;
  Key pair_;
};

SigningKey::SigningKey(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey& SigningKey::operator=(SigningKey&&) noexcept = default;
SigningKey::~SigningKey() = default;

Result<SigningKey> SigningKey::make(core::Algorithm algorithm, std::string_view key) {
  if (algorithm != core::Algorithm::kEd25519) {
    return SigningKey(std::make_unique<Impl>(KeyedMac(key, algorithm)));
  }
  auto pair = ed25519_key(key);
  if (!pair) return tl::unexpected(std::move(pair.error()));
  return SigningKey(std::make_unique<Impl>(std::move(*pair)));
}

Result<std::string> SigningKey::sign(std::string_view message) const {
  return impl_->sign(message);
}

}  // namespace outrider::crypto
