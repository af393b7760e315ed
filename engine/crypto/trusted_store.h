// Trusted certificates, parsed once and then given to many connections: parsing the system's bundle
// takes tens of milliseconds, a handshake less than one.
#pragma once

#include <memory>
#include <string>

#include "outrider/result.h"

namespace outrider::crypto {

class TrustedStore {
 public:
  // The certificates of a PEM file. One that only vouches for others counts as an end of the chain
  // too (an intermediate, or a receiver's own certificate). Errors: kIo.
  [[nodiscard]] static Result<TrustedStore> load(const std::string& file);

  // `ssl_ctx`, an OpenSSL SSL_CTX, trusts these and nothing else from now on, and keeps them alive.
  // The thread that uses the context.
  void use_in(void* ssl_ctx) const noexcept;

  TrustedStore(TrustedStore&&) noexcept;
  TrustedStore& operator=(TrustedStore&&) noexcept;
  ~TrustedStore();

 private:
  struct Impl;
  explicit TrustedStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrider::crypto
