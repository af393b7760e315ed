// Which states follow which. The table is the law: storage and dispatcher ask it, nobody writes a
// state past it.
//
// `held` is not stored: a pending delivery whose endpoint is not active is held, so deactivating an
// endpoint with a million waiting deliveries is one small write, and so is releasing them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "outrider/types.h"

namespace outrider::core {

enum class DeliveryStep : std::uint8_t {
  kSucceed,    // an attempt succeeded
  kFailAgain,  // an attempt failed and another is due
  kExhaust,    // an attempt failed and it was the last
  kExpire,     // its time is over before the next attempt
  kCancel,     // by an operator, a removed endpoint or the provider's deactivation rule
  kRetry,      // an operator wants it sent (again)
  kHold,       // its endpoint stopped being active
  kRelease,    // its endpoint became active
};

enum class EndpointStep : std::uint8_t { kPause, kActivate, kDeactivate };

// The state after `step`, or nothing when the step is not legal from `from`.
[[nodiscard]] std::optional<DeliveryState> next_state(DeliveryState from,
                                                      DeliveryStep step) noexcept;
[[nodiscard]] std::optional<EndpointState> next_state(EndpointState from,
                                                      EndpointStep step) noexcept;

[[nodiscard]] bool is_terminal(DeliveryState state) noexcept;
// What people see: pending is held while the endpoint is not active.
[[nodiscard]] DeliveryState visible_state(DeliveryState stored, EndpointState endpoint) noexcept;
[[nodiscard]] std::string_view step_name(DeliveryStep step) noexcept;

}  // namespace outrider::core
