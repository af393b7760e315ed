// HMAC with one key over many texts: the key is prepared once, which is most of the work of
// a short text. The key goes with the object, overwritten.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/signature.h"
#include "crypto/hmac_sha256.h"

struct evp_mac_ctx_st;

namespace outrider::crypto {

class KeyedMac {
 public:
  explicit KeyedMac(std::string_view key,
                    core::Algorithm algorithm = core::Algorithm::kHmacSha256);  // of the HMACs
  // 32 bytes, or as many as the hash has. One thread at a time.
  [[nodiscard]] std::string of(std::string_view text) const;

 private:
  struct Free {
    void operator()(evp_mac_ctx_st* context) const noexcept;
  };
  std::optional<HmacSha256> sha256_;  // or, for another hash:
  std::unique_ptr<evp_mac_ctx_st, Free> context_;
  std::size_t bytes_ = 0;
};

}  // namespace outrider::crypto
