// The two tables of legal transitions. A cell that says nothing is an illegal step; nobody falls
// through to a default.
//
// A held delivery takes the steps of a pending one, because an attempt may be on the wire when its
// endpoint stops being active: its outcome counts. A finished delivery takes only an operator's
// retry: a late outcome does not undo a cancel.
#include "core/lifecycle.h"

#include <array>
#include <cstddef>

namespace outrider::core {
namespace {

constexpr std::size_t kDeliveryStates = 6;
constexpr std::size_t kDeliverySteps = 8;
constexpr std::size_t kEndpointStates = 3;
constexpr std::size_t kEndpointSteps = 3;

using DeliveryCell = std::optional<DeliveryState>;
using EndpointCell = std::optional<EndpointState>;

constexpr DeliveryCell kNo = std::nullopt;
constexpr DeliveryCell kPending = DeliveryState::kPending;
constexpr DeliveryCell kHeld = DeliveryState::kHeld;
constexpr DeliveryCell kDelivered = DeliveryState::kDelivered;
constexpr DeliveryCell kExhausted = DeliveryState::kExhausted;
constexpr DeliveryCell kExpired = DeliveryState::kExpired;
constexpr DeliveryCell kCancelled = DeliveryState::kCancelled;

// clang-format off
constexpr std::array<std::array<DeliveryCell, kDeliverySteps>, kDeliveryStates> kDeliveryTable{{
    //             succeed, fail_again, exhaust, expire, cancel, retry, hold, release
    /*pending*/  {{kDelivered, kPending, kExhausted, kExpired, kCancelled, kPending, kHeld, kNo}},
    /*held*/     {{kDelivered, kHeld, kExhausted, kExpired, kCancelled, kHeld, kNo, kPending}},
    /*delivered*/{{kNo, kNo, kNo, kNo, kNo, kPending, kNo, kNo}},
    /*exhausted*/{{kNo, kNo, kNo, kNo, kNo, kPending, kNo, kNo}},
    /*expired*/  {{kNo, kNo, kNo, kNo, kNo, kPending, kNo, kNo}},
    /*cancelled*/{{kNo, kNo, kNo, kNo, kNo, kPending, kNo, kNo}},
}};

constexpr EndpointCell kIllegal = std::nullopt;
constexpr std::array<std::array<EndpointCell, kEndpointSteps>, kEndpointStates> kEndpointTable{{
    //              pause                   activate                deactivate
    /*active*/     {EndpointState::kPaused, kIllegal,               EndpointState::kDeactivated},
    /*paused*/     {kIllegal,               EndpointState::kActive, EndpointState::kDeactivated},
    /*deactivated*/{kIllegal,               EndpointState::kActive, kIllegal},
}};
// clang-format on

constexpr std::array<std::string_view, kDeliverySteps> kStepNames{
    "succeed", "fail_again", "exhaust", "expire", "cancel", "retry", "hold", "release"};

}  // namespace

std::optional<DeliveryState> next_state(DeliveryState from, DeliveryStep step) noexcept {
  return kDeliveryTable[static_cast<std::size_t>(from)][static_cast<std::size_t>(step)];
}

std::optional<EndpointState> next_state(EndpointState from, EndpointStep step) noexcept {
  return kEndpointTable[static_cast<std::size_t>(from)][static_cast<std::size_t>(step)];
}

bool is_terminal(DeliveryState state) noexcept {
  return state != DeliveryState::kPending && state != DeliveryState::kHeld;
}

DeliveryState visible_state(DeliveryState stored, EndpointState endpoint) noexcept {
  const bool held = stored == DeliveryState::kPending && endpoint != EndpointState::kActive;
  return held ? DeliveryState::kHeld : stored;
}

std::string_view step_name(DeliveryStep step) noexcept {
  return kStepNames[static_cast<std::size_t>(step)];
}

}  // namespace outrider::core
