// When the next attempt is due, or that there is none.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/time.h"

namespace outrider::core {

// Default: 10, 100, 1000, 10000, 100000 s and 6 attempts (Lender & Spender: "Retrying failed
// webhooks").
struct RetryPolicy {
  std::vector<Duration> delays =
      default_delays();             // delay n is waited after attempt n; the last one repeats
  std::uint32_t max_attempts = 6;   // 1-1000, the first included
  double jitter = 0;                // 0-1: a delay becomes delay * (1 + jitter * roll)
  bool honour_retry_after = false;  // wait at least what the receiver asked for

  [[nodiscard]] Duration longest_delay() const;  // jitter included
  static std::vector<Duration> default_delays();
};

// After attempt number `attempt` (1 is the first) failed at `now`. `retry_after`: what the receiver
// asked for; negative or absurd values are clamped to [0, longest delay]. `roll` in [0, 1) is the
// caller's random number, used only with jitter. Nothing: no attempt is left.
[[nodiscard]] std::optional<WallTime> next_attempt_at(const RetryPolicy& policy,
                                                      std::uint32_t attempt,
                                                      std::optional<Duration> retry_after,
                                                      WallTime now, double roll);

}  // namespace outrider::core
