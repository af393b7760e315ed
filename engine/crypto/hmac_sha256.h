// HMAC-SHA256 (RFC 2104, FIPS 198-1) with a key that is prepared once: what is kept is the hash's
// state after the key's block, inner and outer, so that a short text costs two blocks of SHA-256
// and nothing else. Through OpenSSL's EVP interface the same costs five times as much, and a public
// id takes four of them.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string_view>

namespace outrider::crypto {

// Any thread. The prepared key is overwritten with the object.
class HmacSha256 {
 public:
  static constexpr std::size_t kBytes = 32;
  using Digest = std::array<unsigned char, kBytes>;

  explicit HmacSha256(std::string_view key);
  HmacSha256(HmacSha256&&) noexcept;
  HmacSha256& operator=(HmacSha256&&) noexcept;
  ~HmacSha256();
  [[nodiscard]] Digest of(std::string_view text) const noexcept;

 private:
  struct States;
  struct Wipe {
    void operator()(States* states) const noexcept;
  };
  std::unique_ptr<States, Wipe> states_;
};

}  // namespace outrider::crypto
