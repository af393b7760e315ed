// A key that signs many messages: prepared once, which is most of the work of a short message. Held
// for as long as its endpoint is served, and overwritten with it; nothing returns it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/signature.h"
#include "outrider/result.h"

namespace outrider::crypto {

class SigningKey {
 public:
  // Errors: kInvalidArgument (an Ed25519 key of the wrong length, or whose public half does not
  // belong to its seed), kInternal.
  [[nodiscard]] static Result<SigningKey> make(core::Algorithm algorithm, std::string_view key);
  SigningKey(SigningKey&&) noexcept;
  SigningKey& operator=(SigningKey&&) noexcept;
  ~SigningKey();

  // The digest or signature, as crypto::digest() makes it. One thread at a time. Error: kInternal.
  [[nodiscard]] Result<std::string> sign(std::string_view message) const;

 private:
  class Impl;
  explicit SigningKey(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrider::crypto
