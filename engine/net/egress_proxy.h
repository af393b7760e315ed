// The proxy through which all requests leave, on networks that have no other way out: how it is
// written.
//
// Every request goes through a tunnel (CONNECT), plain http too, and the tunnel leads to an address
// that was vetted here, never to a name: the proxy resolves nothing, so it cannot be made to
// connect to something inward. TLS runs through the tunnel and still proves the host's name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "outrider/result.h"

namespace outrider::net {

struct EgressProxy {
  std::string host;  // lower case; an IPv6 address without brackets
  std::uint16_t port = 0;
  bool host_is_address = false;
  std::string user;  // empty: no credentials
  std::string password;
};

// "http://[user:password@]host:port"; %XX in user and password. Errors: kInvalidArgument; they
// never repeat the text.
[[nodiscard]] Result<EgressProxy> parse_egress_proxy(std::string_view url);

// "proxy.example:3128", for logs: without the credentials.
[[nodiscard]] std::string place_of(const EgressProxy& proxy);

}  // namespace outrider::net
