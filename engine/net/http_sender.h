// Seam: one signed request out, one outcome back. The engine's only way to the network.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/target.h"
#include "core/time.h"
#include "outrider/types.h"

namespace outrider::net {

// What all requests of an endpoint have in common. Requests to the same object cost less than those
// to another that says the same.
struct HttpDestination {
  core::Target target;
  std::vector<HeaderField> headers = {};
};

struct HttpRequest {
  std::shared_ptr<const HttpDestination> to;  // never null
  // Its own, which go before those of its destination; together complete but for Host,
  // Content-Length and User-Agent.
  std::vector<HeaderField> headers;
  std::string body;              // POSTed as it is
  core::Duration timeout{3000};  // for the whole exchange, DNS and connect included
  // What is presented and trusted over TLS; null: what holds for all. Shared by the endpoint and
  // its requests in flight, because either may end first. Requests travel on one connection only
  // where this is the same object; once the last holder lets go of it, its connections are closed.
  std::shared_ptr<const TlsIdentity> identity;
};

struct HttpOutcome {
  ErrorClass error =
      ErrorClass::kNone;  // kNone: a complete, well-formed answer; `status` says the rest
  int status = 0;         // last final status line seen, 0: none
  std::optional<core::Duration>
      retry_after;       // from the header, seconds or HTTP date; may be negative or absurd
  std::string response;  // first bytes of the body, at most 16 KiB
  bool response_truncated = false;
  std::string peer;  // "192.0.2.1:443", where a connection was made
  core::Duration duration{0};
  // From send() to the moment the request's first byte was about to leave on a ready connection;
  // unset: it never came to that.
  std::optional<core::Duration> left_after;
  std::string detail;  // what happened, in words, without URL query, secrets or payload; empty when
                       // all went well
};

class HttpSender {
 public:
  using Done = std::function<void(HttpOutcome)>;
  virtual ~HttpSender() = default;
  // Exactly one POST or none goes out; it is never repeated. `done` is called exactly once, later,
  // on the loop's thread, never inside send().
  virtual void send(HttpRequest request, Done done) = 0;
  // Every request in flight ends at once with kAborted (their `done` is called before this
  // returns).
  virtual void abort_all() = 0;
  [[nodiscard]] virtual std::uint32_t in_flight() const = 0;
};

}  // namespace outrider::net
