// When a failing endpoint is switched off: five failures in a row, or ten within 15 minutes
// (LossExpress: "five times in a row, or ten times in a 15 minute period of time"), counted to the
// letter in the order the attempts completed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/time.h"

namespace outrider::core {

enum class DeactivationScope : std::uint8_t { kEndpoint, kAccount };
enum class PendingRule : std::uint8_t { kHold, kCancel };

struct DeactivationRule {
  std::uint32_t consecutive = 5;    // 1-1000; 0: never by streak
  std::uint32_t window_count = 10;  // 1-100; 0: never by window
  Duration window{900'000};
  DeactivationScope scope = DeactivationScope::kEndpoint;
  PendingRule pending = PendingRule::kHold;
  bool refuse_new_events = false;  // while every endpoint of the account is deactivated
};

// A breaker's memory. One per endpoint or, with account scope, one per (provider, account).
struct Health {
  std::uint32_t consecutive = 0;
  std::vector<WallTime> failures;  // oldest first, at most window_count
  friend bool operator==(const Health&, const Health&) = default;
};

enum class DeactivationReason : std::uint8_t { kNone, kConsecutive, kWindow, kGone };

// A failure that completed at `now` (times do not go back). Returns the reason when the endpoint
// must be deactivated.
[[nodiscard]] DeactivationReason record_failure(const DeactivationRule& rule, WallTime now,
                                                Health& health);
// Ends the streak; the window slides on (a success does not clear it).
void record_success(Health& health);
// "5 failures in a row", for the record and the operator.
[[nodiscard]] std::string describe(DeactivationReason reason, const DeactivationRule& rule);

}  // namespace outrider::core
