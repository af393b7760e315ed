// Not libcurl's codes: it has the same one for a refusal and for a connection that died. What it
// connected to and what status came says more.
#include "net/tunnel_outcome.h"

#include <cstring>
#include <string>
#include <utility>

namespace outrider::net {

Failure tunnel_failure(const TunnelFacts& facts) {
  if (facts.result == CURLE_OPERATION_TIMEDOUT) {
    return {ErrorClass::kTimeout, std::string(facts.connected ? "the proxy opened no tunnel"
                                                              : "not connected to the proxy") +
                                      " within " + std::to_string(facts.limit.count()) + " ms"};
  }
  if (facts.status == 407) {
    return {ErrorClass::kConnect, "the proxy wants other credentials (status 407)"};
  }
  if (facts.status != 0 && facts.status / 100 != 2) {
    return {ErrorClass::kConnect,
            "the proxy opened no tunnel (status " + std::to_string(facts.status) + ")"};
  }
  if (facts.connected) {
    return {ErrorClass::kConnect, "the proxy opened no tunnel and closed the connection"};
  }
  if (facts.result != CURLE_COULDNT_CONNECT && facts.os_errno == 0) {
    return {ErrorClass::kAborted, std::string("libcurl: ") + curl_easy_strerror(facts.result)};
  }
  std::string words = "cannot connect to the proxy";
  if (facts.os_errno != 0) {
    words += std::string(": ") + std::strerror(static_cast<int>(facts.os_errno));
  }
  return {ErrorClass::kConnect, std::move(words)};
}

}  // namespace outrider::net
