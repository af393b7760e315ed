// HttpSender on curl-multi's socket interface.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/target.h"
#include "net/egress_proxy.h"
#include "net/http_sender.h"
#include "net/loop.h"
#include "net/resolver.h"

namespace outrider::net {

struct CurlSenderOptions {
  std::string user_agent;  // "outrider/0.1.0"
  std::string ca_file;     // trusted beside the system's bundle; empty: the system's only
  core::Duration connect_timeout{3000};  // never beyond the request's own limit
  core::Duration idle_connection_max{60'000};
  core::Duration connection_lifetime_max{600'000};
  // Kept open over all hosts, give or take a sixteenth, and one more for each TLS identity in use
  // (64 at most). Each is a file descriptor: leave room for the requests in flight below the
  // process's limit.
  std::uint32_t max_idle_connections = 1024;
  // The one way out. The rules then judge a target's addresses before the proxy hears of it; the
  // proxy itself may be anywhere.
  std::optional<EgressProxy> proxy;
};

// The rules are asked for each address before it is connected to and for each connection before it
// is used; their own addresses are kept current by the sender. Errors: kInvalidArgument (the CA
// file), kInternal. The sender is destroyed before its loop and resolver, and never by a `done`.
// Requests still in flight then end without their `done`: call abort_all() first where somebody
// waits for it.
[[nodiscard]] Result<std::unique_ptr<HttpSender>> make_curl_sender(Loop& loop, Resolver& resolver,
                                                                   core::AddressRules rules,
                                                                   CurlSenderOptions options);

}  // namespace outrider::net
