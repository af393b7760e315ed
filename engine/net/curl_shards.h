// Several curl multi handles side by side; a host is always on the same one, where its connections
// are, and a TLS identity other than the default has one of its own (curl_identities.h).
//
// libcurl looks through all connections of a multi each time a request ends: with 5,000 hosts on
// one multi that is more than half of a request's cost. Each of up to 64 has its share of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "net/curl_identities.h"
#include "net/curl_multi.h"
#include "net/loop.h"

namespace outrider::net {

class CurlShards {
 public:
  // `max_connections`: over all shards, idle ones included; beyond it idle ones are closed as
  // requests end. `identity_idle_max`: how long an identity's connections are kept unused.
  CurlShards(Loop& loop, std::uint32_t max_connections, core::Duration identity_idle_max,
             const CurlMulti::Finished& finished);

  // The one for the next request to `host`, with that identity where it is not null.
  [[nodiscard]] CurlMulti& of(std::string_view host,
                              const std::shared_ptr<const TlsIdentity>& identity);

 private:
  std::size_t connections_ = 0;  // of all
  std::vector<std::unique_ptr<CurlMulti>> shards_;
  CurlIdentities identities_;
  std::size_t max_connections_;
};

}  // namespace outrider::net
