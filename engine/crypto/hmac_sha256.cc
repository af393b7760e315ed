// The hash itself is OpenSSL's, by its interface of 1.1.1: its state can be copied, EVP's only
// through several allocations and locks. OpenSSL 3 declares that interface to whoever says that he
// means it.
#define OPENSSL_API_COMPAT 0x10101000L
#include "crypto/hmac_sha256.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstdint>
#include <span>

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

// What fits into one block with its padding and its length.
constexpr std::size_t kShort = SHA256_CBLOCK - 1 - sizeof(std::uint64_t);

void put_big_endian(std::uint64_t value, std::size_t bytes, unsigned char* out) {
  for (std::size_t i = 0; i < bytes; ++i) {
    out[i] = static_cast<unsigned char>(value >> (8 * (bytes - 1 - i)));
  }
}

// The last block after the key's, padded here (FIPS 180-4, 5.1.1): half of what OpenSSL's buffering
// and wiping costs, and nothing secret stays behind but the digest. `out` may be `text`.
void finish_short(const SHA256_CTX& keyed, std::span<const char> text,
                  HmacSha256::Digest& out) noexcept {
  Block block{};
  std::ranges::copy(text, block.begin());
  block[text.size()] = 0x80;
  put_big_endian((SHA256_CBLOCK + text.size()) * 8, 8, &block[SHA256_CBLOCK - 8]);
  SHA256_CTX state = keyed;
  SHA256_Transform(&state, block.data());
  for (std::size_t i = 0; i < 8; ++i) put_big_endian(state.h[i], 4, &out[4 * i]);
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
  if (text.size() <= kShort) {
    finish_short(states_->inner, {text.data(), text.size()}, digest);
  } else {
    SHA256_CTX state = states_->inner;
    SHA256_Update(&state, text.data(), text.size());
    SHA256_Final(digest.data(), &state);
    OPENSSL_cleanse(&state, sizeof state);
  }
  finish_short(states_->outer, {reinterpret_cast<const char*>(digest.data()), digest.size()},
               digest);
  return digest;
}

}  // namespace outrider::crypto
