// What an attempt leaves behind: its record, the delivery's next state, the endpoint's health,
// deactivation; and how all of that meets what operators did while the attempt was on the wire.
#include <gmock/gmock.h>

#include <functional>

#include "outbox_conformance.h"

namespace outrider::storage {
namespace {

using core::DeactivationScope;
using core::PendingRule;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_P(OutboxConformance, a_success_ends_the_delivery_and_is_recorded_whole) {
  const EndpointRow endpoint = add_endpoint();
  const DueRow due = due_event();
  now_ += 40;
  AttemptFinished attempt = success(due);
  attempt.attempt.detail = "HTTP/1.1 200";
  const Finished result = finished(attempt);

  EXPECT_EQ(result.state, DeliveryState::kDelivered);
  EXPECT_THAT(result.due, IsEmpty());
  EXPECT_THAT(result.deactivated, IsEmpty());
  EXPECT_FALSE(result.stale_health);
  EXPECT_THAT(due_now(endpoint), IsEmpty());
  const DeliveryRecord stored = delivery(due.delivery);
  EXPECT_EQ(stored.state, DeliveryState::kDelivered);
  EXPECT_EQ(stored.attempts, 1U);
  EXPECT_EQ(stored.finished_at, now_);
  EXPECT_EQ(stored.next_at, std::nullopt);
  EXPECT_EQ(stored.url, "https://receiver.example/hook");
  const auto attempts = value(outbox_->attempts(due.delivery));
  ASSERT_EQ(attempts.size(), 1U);
  EXPECT_EQ(attempts[0].number, 1U);
  EXPECT_EQ(attempts[0].started_at, now_);
  EXPECT_EQ(attempts[0].duration_ms, 12);
  EXPECT_EQ(attempts[0].error, ErrorClass::kNone);
  EXPECT_EQ(attempts[0].status, 200);
  EXPECT_EQ(attempts[0].peer, "192.0.2.1:443");
  EXPECT_EQ(attempts[0].detail, "HTTP/1.1 200");
  EXPECT_EQ(attempts[0].response, "ok");
}

TEST_P(OutboxConformance, a_failure_is_due_again_when_the_policy_says) {
  const EndpointRow endpoint = add_endpoint();
  const DueRow due = due_event();
  const Finished result = finished(failure(due, now_ + 10'000));
  EXPECT_EQ(result.state, DeliveryState::kPending);
  const DueRow retry{
      .endpoint = endpoint, .next_at = now_ + 10'000, .delivery = due.delivery, .attempt = 2};
  ASSERT_EQ(result.due.size(), 1U);
  EXPECT_TRUE(result.due[0] == retry);
  const auto rows = value(outbox_->due(endpoint, 10));
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_TRUE(rows[0] == retry);
  EXPECT_EQ(delivery(due.delivery).next_at, now_ + 10'000);

  const Finished second = finished(success(retry));
  EXPECT_EQ(second.state, DeliveryState::kDelivered);
  EXPECT_EQ(delivery(due.delivery).attempts, 2U);
  EXPECT_EQ(value(outbox_->attempts(due.delivery)).size(), 2U);
}

TEST_P(OutboxConformance, the_last_failure_exhausts_the_delivery_with_its_reason) {
  add_endpoint();
  const DueRow due = due_event();
  EXPECT_EQ(finished(exhaustion(due)).state, DeliveryState::kExhausted);
  const DeliveryRecord stored = delivery(due.delivery);
  EXPECT_EQ(stored.state, DeliveryState::kExhausted);
  EXPECT_EQ(stored.reason, "no attempt left");
}

TEST_P(OutboxConformance, attempts_of_neighbouring_deliveries_do_not_mix) {
  add_endpoint();
  const DueRow first = due_event();
  const DueRow second = due_event();
  DueRow again = first;
  for (int i = 0; i < 3; ++i) again = finished(failure(again, now_ + i)).due.at(0);
  finished(success(second));
  EXPECT_EQ(value(outbox_->attempts(first.delivery)).size(), 3U);
  EXPECT_EQ(value(outbox_->attempts(second.delivery)).size(), 1U);
}

TEST_P(OutboxConformance, an_attempt_is_recorded_once) {
  add_endpoint();
  const DueRow due = due_event();
  finished(failure(due, now_ + 10));
  EXPECT_EQ(refusal(failure(due, now_ + 10)), ErrorCode::kConflict);
  EXPECT_EQ(value(outbox_->attempts(due.delivery)).size(), 1U);
}

TEST_P(OutboxConformance, an_attempt_of_an_unknown_delivery_is_not_found) {
  EXPECT_EQ(refusal(success({.endpoint = 1, .next_at = 1, .delivery = 4711})),
            ErrorCode::kNotFound);
  EXPECT_EQ(refusal(DeliveryEnded{.claimed = {.delivery = 4711}}), ErrorCode::kNotFound);
}

TEST_P(OutboxConformance, a_delivery_may_end_without_an_attempt) {
  add_endpoint();
  const DueRow due = due_event();
  const Finished result = finished(DeliveryEnded{
      .claimed = due, .step = core::DeliveryStep::kExpire, .reason = "expired", .now = now_});
  EXPECT_EQ(result.state, DeliveryState::kExpired);
  EXPECT_EQ(delivery(due.delivery).reason, "expired");
  EXPECT_THAT(value(outbox_->attempts(due.delivery)), IsEmpty());
  const Finished again =
      finished(DeliveryEnded{.claimed = due, .step = core::DeliveryStep::kCancel, .now = now_});
  EXPECT_EQ(again.state, DeliveryState::kExpired) << "what has ended stays as it is";
}

// ---- ordering keys ----

TEST_P(OutboxConformance, the_next_of_an_ordering_key_becomes_due_however_the_first_ends) {
  const EndpointRow endpoint = add_endpoint();
  DueRow head = due_event("lane");
  std::vector<DeliveryRow> behind;
  for (int i = 0; i < 4; ++i) {
    Enqueue event = event_of();
    event.ordering_key = "lane";
    behind.push_back(value(outbox_->deliveries(enqueued(event).event)).at(0).row);
  }
  const auto ended = [this](const DueRow& due, core::DeliveryStep step) {
    return DeliveryEnded{.claimed = due, .step = step, .now = now_};
  };
  const std::vector<std::function<Mutation(const DueRow&)>> ends{
      [&](const DueRow& due) { return success(due); },
      [&](const DueRow& due) { return exhaustion(due); },
      [&](const DueRow& due) { return ended(due, core::DeliveryStep::kExpire); },
      [&](const DueRow& due) { return ended(due, core::DeliveryStep::kCancel); }};
  for (std::size_t i = 0; i < ends.size(); ++i) {
    EXPECT_EQ(due_now(endpoint), std::vector{head.delivery});
    now_ += 1000;
    const Finished result = finished(ends[i](head));
    ASSERT_EQ(result.due.size(), 1U) << i;
    EXPECT_EQ(result.due[0].delivery, behind[i]);
    EXPECT_EQ(result.due[0].next_at, now_);
    EXPECT_EQ(result.due[0].attempt, 1U);
    head = result.due[0];
  }
}

TEST_P(OutboxConformance, a_failed_first_holds_its_key_back_and_not_its_endpoint) {
  const EndpointRow endpoint = add_endpoint();
  const DueRow head = due_event("lane");
  Enqueue event = event_of();
  event.ordering_key = "lane";
  enqueued(event);
  const Finished result = finished(failure(head, now_ + 10'000));
  EXPECT_THAT(due_now(endpoint), ElementsAre(head.delivery));
  ASSERT_EQ(result.due.size(), 1U);
  EXPECT_EQ(result.due[0].delivery, head.delivery);
  const DueRow other = due_event("other lane");
  EXPECT_THAT(due_now(endpoint), ElementsAre(other.delivery, head.delivery));
}

TEST_P(OutboxConformance, a_key_is_free_again_when_its_last_delivery_has_ended) {
  add_endpoint();
  finished(success(due_event("lane")));
  EXPECT_EQ(due_event("lane").attempt, 1U);
}

// ---- health ----

TEST_P(OutboxConformance, an_endpoints_health_is_kept) {
  const EndpointRow endpoint_row = add_endpoint();
  AttemptFinished attempt = failure(due_event(), now_ + 10);
  const core::Health health{.consecutive = 2,
                            .failures = {core::wall_from_ms(now_ - 5), core::wall_from_ms(now_)}};
  attempt.health = HealthUpdate{.health = health, .epoch = 0};
  EXPECT_FALSE(finished(attempt).stale_health);
  EXPECT_EQ(endpoint(endpoint_row).health, health);
  EXPECT_EQ(endpoint(endpoint_row).epoch, 0U);
  EXPECT_EQ(value(outbox_->account_health("shop", "acme")).health, core::Health{});
}

TEST_P(OutboxConformance, an_accounts_health_is_kept_apart_from_its_endpoints) {
  const EndpointRow endpoint_row = add_endpoint();
  AttemptFinished attempt = failure(due_event(), now_ + 10);
  const core::Health health{.consecutive = 1, .failures = {core::wall_from_ms(now_)}};
  attempt.health = HealthUpdate{.health = health, .epoch = 0, .scope = DeactivationScope::kAccount};
  EXPECT_FALSE(finished(attempt).stale_health);
  EXPECT_EQ(value(outbox_->account_health("shop", "acme")).health, health);
  EXPECT_EQ(value(outbox_->account_health("shop", "other")).health, core::Health{});
  EXPECT_EQ(value(outbox_->account_health("another", "acme")).health, core::Health{});
  EXPECT_EQ(endpoint(endpoint_row).health, core::Health{});
}

TEST_P(OutboxConformance,
       an_outcome_from_before_an_activation_touches_neither_health_nor_endpoint) {
  for (const auto scope : {DeactivationScope::kEndpoint, DeactivationScope::kAccount}) {
    const EndpointRow endpoint_row =
        add_endpoint("scope " + std::to_string(static_cast<int>(scope)));
    const std::string account = endpoint(endpoint_row).spec.account;
    const DueRow due = enqueued(event_of(account)).due.at(0);
    change_endpoint(endpoint_row, ChangeEndpoint::Kind::kPause);
    changed(ChangeEndpoint{.endpoint = endpoint_row,
                           .kind = ChangeEndpoint::Kind::kActivate,
                           .scope = scope,
                           .now = now_});

    const Finished result = finished(deactivating(due, scope, PendingRule::kCancel));

    EXPECT_TRUE(result.stale_health);
    EXPECT_THAT(result.deactivated, IsEmpty());
    EXPECT_EQ(result.state, DeliveryState::kPending) << "the attempt itself counts";
    EXPECT_EQ(endpoint(endpoint_row).state, EndpointState::kActive);
    EXPECT_EQ(endpoint(endpoint_row).health, core::Health{});
    EXPECT_EQ(endpoint(endpoint_row).epoch, 1U);
    EXPECT_EQ(value(outbox_->account_health("shop", account)).health, core::Health{});
  }
}

// ---- deactivation ----

TEST_P(OutboxConformance, deactivation_holds_what_waits_in_the_same_commit) {
  const EndpointRow endpoint_row = add_endpoint();
  const DueRow due = due_event();
  const DueRow waiting = due_event();
  now_ += 7;
  const Finished result =
      finished(deactivating(due, DeactivationScope::kEndpoint, PendingRule::kHold));
  EXPECT_THAT(result.deactivated, ElementsAre(endpoint_row));
  EXPECT_EQ(result.state, DeliveryState::kPending);
  EXPECT_THAT(result.due, IsEmpty()) << "nothing of it is sent";
  const EndpointRecord stored = endpoint(endpoint_row);
  EXPECT_EQ(stored.state, EndpointState::kDeactivated);
  EXPECT_EQ(stored.state_reason, "5 failures in a row");
  EXPECT_EQ(stored.state_changed_at, now_);
  EXPECT_EQ(stored.health.consecutive, 5U);
  EXPECT_EQ(delivery(due.delivery).state, DeliveryState::kHeld);
  EXPECT_EQ(delivery(waiting.delivery).state, DeliveryState::kHeld);
  EXPECT_THAT(delivery(waiting.delivery).reason, HasSubstr("5 failures"));
  EXPECT_EQ(value(outbox_->jobs({waiting.delivery})).at(0).endpoint_state,
            EndpointState::kDeactivated);

  change_endpoint(endpoint_row, ChangeEndpoint::Kind::kActivate);
  EXPECT_EQ(delivery(waiting.delivery).state, DeliveryState::kPending);
  EXPECT_THAT(due_now(endpoint_row), ElementsAre(waiting.delivery, due.delivery));
}

TEST_P(OutboxConformance, deactivation_of_one_endpoint_leaves_the_accounts_others) {
  const EndpointRow first = add_endpoint();
  const EndpointRow second = add_endpoint();
  const auto due = enqueued(event_of()).due;
  const Finished result =
      finished(deactivating(due.at(0), DeactivationScope::kEndpoint, PendingRule::kHold));
  EXPECT_THAT(result.deactivated, ElementsAre(first));
  EXPECT_EQ(endpoint(second).state, EndpointState::kActive);
}

TEST_P(OutboxConformance, deactivation_of_the_account_reaches_all_of_its_endpoints) {
  const EndpointRow first = add_endpoint();
  const EndpointRow paused = add_endpoint();
  const EndpointRow removed = add_endpoint();
  const EndpointRow other = add_endpoint("other account");
  const auto due = enqueued(event_of()).due;
  change_endpoint(paused, ChangeEndpoint::Kind::kPause);
  change_endpoint(removed, ChangeEndpoint::Kind::kRemove);

  const Finished result =
      finished(deactivating(due.at(0), DeactivationScope::kAccount, PendingRule::kHold));

  EXPECT_THAT(result.deactivated, ElementsAre(first, paused));
  EXPECT_EQ(endpoint(paused).state, EndpointState::kDeactivated);
  EXPECT_EQ(endpoint(other).state, EndpointState::kActive);
}

TEST_P(OutboxConformance, an_endpoint_that_is_deactivated_already_is_not_deactivated_again) {
  const EndpointRow endpoint_row = add_endpoint();
  const DueRow first = due_event();
  const DueRow second = due_event();
  finished(deactivating(first, DeactivationScope::kEndpoint, PendingRule::kHold));
  now_ += 1000;
  AttemptFinished late = deactivating(second, DeactivationScope::kEndpoint, PendingRule::kHold);
  late.deactivate->reason = "later";
  EXPECT_THAT(finished(late).deactivated, IsEmpty());
  EXPECT_EQ(endpoint(endpoint_row).state_reason, "5 failures in a row");
}

TEST_P(OutboxConformance, deactivation_cancels_what_waits_where_the_provider_says_cancel) {
  const EndpointRow first = add_endpoint();
  const EndpointRow second = add_endpoint();
  const auto due = enqueued(event_of()).due;
  const auto waiting = enqueued(event_of()).due;

  const Finished result =
      finished(deactivating(due.at(0), DeactivationScope::kAccount, PendingRule::kCancel));

  EXPECT_EQ(result.state, DeliveryState::kCancelled) << "its own retry is among what is cancelled";
  EXPECT_THAT(result.due, IsEmpty());
  for (const DeliveryRow row :
       {due[0].delivery, due[1].delivery, waiting[0].delivery, waiting[1].delivery}) {
    EXPECT_EQ(delivery(row).state, DeliveryState::kCancelled);
    EXPECT_THAT(delivery(row).reason, HasSubstr("5 failures"));
  }
  EXPECT_THAT(due_now(first), IsEmpty());
  EXPECT_THAT(due_now(second), IsEmpty());
  EXPECT_EQ(value(outbox_->queue(now_)).finished.at(DeliveryState::kCancelled), 4U);
  change_endpoint(first, ChangeEndpoint::Kind::kActivate);
  EXPECT_THAT(due_now(first), IsEmpty()) << "cancelled for good";
}

TEST_P(OutboxConformance, a_deactivating_attempt_that_was_the_last_is_exhausted_not_cancelled) {
  add_endpoint();
  AttemptFinished last =
      deactivating(due_event(), DeactivationScope::kEndpoint, PendingRule::kCancel);
  last.step = core::DeliveryStep::kExhaust;
  last.reason = "no attempt left";
  EXPECT_EQ(finished(last).state, DeliveryState::kExhausted);
}

}  // namespace
}  // namespace outrider::storage
