// Asks an engine's HTTP API, from the same machine, whether it is alive or ready: what the health
// check of a container does (`outrider health`).
#pragma once

#include <cstdint>
#include <string>

#include "outrider/result.h"

namespace outrider {

struct HealthQuestion {
  // As in ApiOptions::listen; the address that stands for all (0.0.0.0, [::]) is asked at loopback.
  std::string place;
  // The place speaks TLS (a TCP place, and ApiOptions::tls_certificate is set). Whose certificate
  // it has is not looked at: nothing is told, and nothing but well or unwell is learned.
  bool tls = false;
  bool ready = true;  // /readyz: can take events and keep them; false: /healthz: is there
  std::int64_t timeout_ms = 3000;
};

// Any thread; blocks up to the time limit. Errors: kInvalidArgument (the place), kStopped (nobody
// answers, or not in time), kInternal (an answer that says: unwell).
[[nodiscard]] Result<void> ask_health(const HealthQuestion& question);

}  // namespace outrider
