// The certificates a sender trusts, as one file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "crypto/trusted_store.h"
#include "net/unique_fd.h"
#include "outrider/result.h"

namespace outrider::net {

struct CaBundle {
  std::string path;  // the system's bundle, or what holds it and the operator's
  UniqueFd
      memory;  // what `path` leads to, where it is not on disk; keep it open while `path` is used
};

// The same certificates, parsed once for all connections that bring no authorities of their own.
// libcurl would parse them once for each multi: tens of milliseconds for each TLS identity.
class TrustedBundle {
 public:
  // `path`: a CaBundle's; what it leads to is read at the first use.
  explicit TrustedBundle(std::string path) : path_(std::move(path)) {}

  // A new connection's SSL_CTX trusts them from now on. Read anew after a day, so that what the
  // system's administrator changes is heard of. False: they cannot be read.
  [[nodiscard]] bool use_in(void* ssl_ctx);

 private:
  std::string path_;
  std::optional<crypto::TrustedStore> store_;
  std::uint64_t read_at_ns_ = 0;
};

// The system's bundle and, where `extra_file` is not empty, the certificates in that file (PEM).
// Errors: kInvalidArgument (where = extra_file) when it cannot be read or holds no certificate;
// kInternal.
[[nodiscard]] Result<CaBundle> make_ca_bundle(const std::string& extra_file);

}  // namespace outrider::net
