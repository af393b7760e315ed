// Every cell of both tables, legal and illegal, written out a second time by hand.
#include "core/lifecycle.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace outrider::core {
namespace {

using D = DeliveryState;
using S = DeliveryStep;
using E = EndpointState;
using P = EndpointStep;

const std::vector<D> kDeliveryStates{D::kPending,   D::kHeld,    D::kDelivered,
                                     D::kExhausted, D::kExpired, D::kCancelled};
const std::vector<S> kDeliverySteps{S::kSucceed, S::kFailAgain, S::kExhaust, S::kExpire,
                                    S::kCancel,  S::kRetry,     S::kHold,    S::kRelease};

struct DeliveryMove {
  D from;
  S step;
  D to;
};
// All that is legal. What is not in this list is not.
const std::vector<DeliveryMove> kLegalDeliveryMoves{
    {D::kPending, S::kSucceed, D::kDelivered}, {D::kPending, S::kFailAgain, D::kPending},
    {D::kPending, S::kExhaust, D::kExhausted}, {D::kPending, S::kExpire, D::kExpired},
    {D::kPending, S::kCancel, D::kCancelled},  {D::kPending, S::kRetry, D::kPending},
    {D::kPending, S::kHold, D::kHeld},         {D::kHeld, S::kSucceed, D::kDelivered},
    {D::kHeld, S::kFailAgain, D::kHeld},       {D::kHeld, S::kExhaust, D::kExhausted},
    {D::kHeld, S::kExpire, D::kExpired},       {D::kHeld, S::kCancel, D::kCancelled},
    {D::kHeld, S::kRetry, D::kHeld},           {D::kHeld, S::kRelease, D::kPending},
    {D::kDelivered, S::kRetry, D::kPending},   {D::kExhausted, S::kRetry, D::kPending},
    {D::kExpired, S::kRetry, D::kPending},     {D::kCancelled, S::kRetry, D::kPending},
};

TEST(Lifecycle, every_delivery_step_from_every_state_is_as_listed) {
  int legal = 0, illegal = 0;
  for (const D from : kDeliveryStates) {
    for (const S step : kDeliverySteps) {
      std::optional<D> expected;
      for (const auto& move : kLegalDeliveryMoves) {
        if (move.from == from && move.step == step) expected = move.to;
      }
      EXPECT_EQ(next_state(from, step), expected) << state_name(from) << " + " << step_name(step);
      ++(expected ? legal : illegal);
    }
  }
  EXPECT_EQ(legal, 18);
  EXPECT_EQ(illegal, 30);
}

TEST(Lifecycle, every_endpoint_step_from_every_state_is_as_listed) {
  struct Move {
    E from;
    P step;
    std::optional<E> to;
  };
  const std::vector<Move> moves{
      {E::kActive, P::kPause, E::kPaused},
      {E::kActive, P::kActivate, std::nullopt},
      {E::kActive, P::kDeactivate, E::kDeactivated},
      {E::kPaused, P::kPause, std::nullopt},
      {E::kPaused, P::kActivate, E::kActive},
      {E::kPaused, P::kDeactivate, E::kDeactivated},
      {E::kDeactivated, P::kPause, std::nullopt},
      {E::kDeactivated, P::kActivate, E::kActive},
      {E::kDeactivated, P::kDeactivate, std::nullopt},
  };
  for (const auto& move : moves) {
    EXPECT_EQ(next_state(move.from, move.step), move.to)
        << state_name(move.from) << " + " << static_cast<int>(move.step);
  }
}

TEST(Lifecycle, finished_states_are_terminal_and_nothing_but_a_retry_leaves_them) {
  for (const D state : kDeliveryStates) {
    const bool finished = state != D::kPending && state != D::kHeld;
    EXPECT_EQ(is_terminal(state), finished) << state_name(state);
    if (!finished) continue;
    for (const S step : kDeliverySteps) {
      EXPECT_EQ(next_state(state, step).has_value(), step == S::kRetry)
          << state_name(state) << " + " << step_name(step);
    }
  }
}

TEST(Lifecycle, a_held_delivery_ends_exactly_as_a_pending_one) {
  for (const S step : {S::kSucceed, S::kExhaust, S::kExpire, S::kCancel}) {
    EXPECT_EQ(next_state(D::kHeld, step), next_state(D::kPending, step)) << step_name(step);
  }
}

TEST(Lifecycle, people_see_a_pending_delivery_as_held_while_its_endpoint_is_not_active) {
  for (const E endpoint : {E::kActive, E::kPaused, E::kDeactivated}) {
    for (const D stored : kDeliveryStates) {
      const bool held = stored == D::kPending && endpoint != E::kActive;
      EXPECT_EQ(visible_state(stored, endpoint), held ? D::kHeld : stored)
          << state_name(stored) << " at " << state_name(endpoint);
    }
  }
}

TEST(Lifecycle, every_step_has_a_name_of_its_own) {
  std::vector<std::string_view> names;
  for (const S step : kDeliverySteps) names.push_back(step_name(step));
  EXPECT_EQ(names, (std::vector<std::string_view>{"succeed", "fail_again", "exhaust", "expire",
                                                  "cancel", "retry", "hold", "release"}));
}

}  // namespace
}  // namespace outrider::core
