// The hash itself is OpenSSL's, by its interface of 1.1.1: its state can be copied, EVP's only
// through several allocations and locks. OpenSSL 3 declares that interface to whoever says that he
// means it.
#define OPENSSL_API_COMPAT 0x10101000L
#include "crypto/hmac_sha256.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>

#include "core/assert.h"

namespace outrider::crypto {
namespace {

using Block = std::array<unsigned char, SHA256_CBLOCK>;

SHA256_CTX after(const Block& key, unsigned char mask) {
  Block masked;
  std::ranges::transform(key, masked.begin(), [mask](unsigned char byte) {
    return static_cast<unsigned char>(byte ^ mask);
  });
  SHA256_CTX state;
  OUTRIDER_ASSERT(SHA256_Init(&state) == 1 &&
                  SHA256_Update(&state, masked.data(), masked.size()) == 1);
  OPENSSL_cleanse(masked.data(), masked.size());
  return state;
}

}  // namespace

struct HmacSha256::States {
  SHA256_CTX inner, outer;
};

void HmacSha256::Wipe::operator()(States* states) const noexcept {
  OPENSSL_cleanse(states, sizeof *states);
  delete states;
}

HmacSha256::HmacSha256(std::string_view key) : states_(new States) {
  Block block{};
  if (key.size() > block.size()) {
    SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), block.data());
  } else {
    std::ranges::copy(key, block.begin());
  }
  states_->inner = after(block, 0x36);
  states_->outer = after(block, 0x5c);
  OPENSSL_cleanse(block.data(), block.size());
}

HmacSha256::HmacSha256(HmacSha256&&) noexcept = default;
HmacSha256& HmacSha256::operator=(HmacSha256&&) noexcept = default;
HmacSha256::~HmacSha256() = default;

HmacSha256::Digest HmacSha256::of(std::string_view text) const noexcept {
  Digest digest;
  SHA256_CTX state = states_->inner;
  SHA256_Update(&state, text.data(), text.size());
  SHA256_Final(digest.data(), &state);
  state = states_->outer;
  SHA256_Update(&state, digest.data(), digest.size());
  SHA256_Final(digest.data(), &state);
  OPENSSL_cleanse(&state, sizeof state);
  return digest;
}

}  // namespace outrider::crypto
