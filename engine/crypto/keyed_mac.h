// HMAC-SHA256 with one key over many texts: the key is prepared once, which is most of the work of
// a short text. The key goes with the object, overwritten.
#pragma once

#include <memory>
#include <string>
#include <string_view>

struct evp_mac_ctx_st;

namespace outrider::crypto {

class KeyedMac {
 public:
  explicit KeyedMac(std::string_view key);
  [[nodiscard]] std::string of(std::string_view text) const;  // 32 bytes

 private:
  struct Free {
    void operator()(evp_mac_ctx_st* context) const noexcept;
  };
  std::unique_ptr<evp_mac_ctx_st, Free> context_;
};

}  // namespace outrider::crypto
