// What it means that a proxy gave no tunnel, as an error class and words.
#pragma once

#include <curl/curl.h>

#include "core/time.h"
#include "net/curl_outcome.h"

namespace outrider::net {

// What is known when there is no tunnel.
struct TunnelFacts {
  CURLcode result = CURLE_OK;
  bool connected = false;  // to the proxy
  long status = 0;         // the proxy's answer to CONNECT; 0: none
  long os_errno = 0;
  core::Duration limit{0};
};
[[nodiscard]] Failure tunnel_failure(const TunnelFacts& facts);

}  // namespace outrider::net
