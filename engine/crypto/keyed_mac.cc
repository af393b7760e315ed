#include "crypto/keyed_mac.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "core/assert.h"
#include "crypto/openssl.h"

namespace outrider::crypto {
namespace {

const char* hash_name(core::Algorithm algorithm) {
  switch (algorithm) {
    case core::Algorithm::kHmacSha512:
      return "SHA512";
    case core::Algorithm::kHmacSha1:
      return "SHA1";
    case core::Algorithm::kHmacSha256:  // done otherwise
    case core::Algorithm::kEd25519:     // no HMAC
      break;
  }
  OUTRIDER_ASSERT(algorithm == core::Algorithm::kHmacSha512);
  return nullptr;
}

}  // namespace

void KeyedMac::Free::operator()(evp_mac_ctx_st* context) const noexcept {
  EVP_MAC_CTX_free(context);
}

KeyedMac::KeyedMac(std::string_view key, core::Algorithm hash_of) {
  if (hash_of == core::Algorithm::kHmacSha256) {
    sha256_.emplace(key);
    return;
  }
  EVP_MAC* const algorithm = EVP_MAC_fetch(nullptr, OSSL_MAC_NAME_HMAC, nullptr);
  OUTRIDER_ASSERT(algorithm != nullptr);
  context_.reset(EVP_MAC_CTX_new(algorithm));  // keeps the algorithm
  EVP_MAC_free(algorithm);
  std::string hash = hash_name(hash_of);
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, hash.data(), 0),
      OSSL_PARAM_construct_end()};
  // A null pointer would mean "the key of before", which is not the same as an empty one.
  const std::string_view bytes = key.empty() ? std::string_view("") : key;
  OUTRIDER_ASSERT(context_ != nullptr &&
                  EVP_MAC_init(context_.get(), bytes_of(bytes), bytes.size(), parameters) == 1);
  bytes_ = EVP_MAC_CTX_get_mac_size(context_.get());
}

std::string KeyedMac::of(std::string_view text) const {
  if (sha256_) {
    const HmacSha256::Digest digest = sha256_->of(text);
    return {digest.begin(), digest.end()};
  }
  std::string mac(bytes_, '\0');
  std::size_t size = 0;
  const bool done = EVP_MAC_init(context_.get(), nullptr, 0, nullptr) == 1 &&
                    EVP_MAC_update(context_.get(), bytes_of(text), text.size()) == 1 &&
                    EVP_MAC_final(context_.get(), bytes_of(mac), &size, mac.size()) == 1;
  OUTRIDER_ASSERT(done && size == bytes_);  // fails on a broken library alone
  return mac;
}

}  // namespace outrider::crypto
