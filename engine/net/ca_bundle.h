// The certificates a sender trusts, as one file.
#pragma once

#include <string>

#include "net/unique_fd.h"
#include "outrider/result.h"

namespace outrider::net {

struct CaBundle {
  std::string path;  // for libcurl; empty: its default, the system's bundle
  UniqueFd
      memory;  // what `path` leads to, where it is not on disk; keep it open while `path` is used
};

// The system's bundle and, where `extra_file` is not empty, the certificates in that file (PEM).
// Errors: kInvalidArgument (where = extra_file) when it cannot be read or holds no certificate;
// kInternal.
[[nodiscard]] Result<CaBundle> make_ca_bundle(const std::string& extra_file);

}  // namespace outrider::net
