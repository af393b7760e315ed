// What endpoints present and trust over TLS, each kept once however many endpoints have it, because
// the sender keeps connections by identity.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "outrider/types.h"

namespace outrider {

class HeldIdentities {
 public:
  // The one with these contents, as long as anybody holds it; null for what holds for all. The key
  // is taken out of `identity` and overwritten there; the held one is overwritten when the last
  // holder lets go.
  [[nodiscard]] std::shared_ptr<const TlsIdentity> hold(TlsIdentity& identity);

 private:
  // By digest of the contents: nothing secret is kept here.
  std::map<std::string, std::weak_ptr<const TlsIdentity>> held_;
  std::size_t look_at_ = 64;  // how many there may be until those nobody holds are dropped
};

}  // namespace outrider
