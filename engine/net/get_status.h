// One GET, waited for: the status of its answer. For what asks this machine's own engine; nothing
// of the engine itself may wait like this.
#pragma once

#include <cstdint>
#include <string>

#include "outrider/result.h"

namespace outrider::net {

struct GetRequest {
  std::string url;          // http://… or https://…, whose certificate is not checked
  std::string unix_socket;  // connect here, whatever the URL names; empty: to what it names
  std::int64_t timeout_ms = 3000;
};

// The body is read and dropped. Errors: kStopped (no whole answer, and why), kInternal.
[[nodiscard]] Result<int> get_status(const GetRequest& request);

}  // namespace outrider::net
