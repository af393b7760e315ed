// Large cancellations, which take effect at once and are carried out in bounded steps; and what
// operators and attempts do to each other.
#include <gmock/gmock.h>

#include "outbox_conformance.h"

namespace outrider::storage {
namespace {

using core::DeactivationScope;
using core::PendingRule;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint32_t kMany = 2600;

TEST_P(OutboxConformance, a_large_backlog_is_cancelled_at_once_for_everybody_who_asks) {
  const Backlog backlog = cancelled_backlog(kMany);
  EXPECT_THAT(due_now(backlog.endpoint), IsEmpty());
  const QueueCounts queue = value(outbox_->queue(now_));
  EXPECT_EQ(queue.waiting, 0U);
  EXPECT_EQ(queue.held, 0U);
  EXPECT_EQ(queue.finished.at(DeliveryState::kCancelled), kMany);
  EXPECT_EQ(value(outbox_->queue_by_endpoint(now_)).at(0).waiting, 0U);
  for (const auto& job : value(outbox_->jobs(backlog.deliveries))) {
    ASSERT_EQ(job.state, DeliveryState::kCancelled);
  }
  const DeliveryRecord last = delivery(backlog.deliveries.back());
  EXPECT_EQ(last.state, DeliveryState::kCancelled);
  EXPECT_EQ(last.next_at, std::nullopt);
  EXPECT_THAT(last.reason, HasSubstr("5 failures"));
  EXPECT_EQ(value(outbox_->events({.state = DeliveryState::kCancelled, .limit = 10})).size(), 10U);
  EXPECT_THAT(value(outbox_->events({.state = DeliveryState::kHeld})), IsEmpty());
}

TEST_P(OutboxConformance, housekeeping_carries_a_large_cancellation_out_in_bounded_steps) {
  const Backlog backlog = cancelled_backlog(kMany);
  EXPECT_LE(changed(Maintain{.limit = 100, .now = now_}).count, 100U);
  EXPECT_GE(maintain(), 2U);
  const DeliveryRecord last = delivery(backlog.deliveries.back());
  EXPECT_EQ(last.state, DeliveryState::kCancelled);
  EXPECT_EQ(last.finished_at, now_);
  EXPECT_THAT(last.reason, HasSubstr("5 failures"));
  EXPECT_EQ(value(outbox_->queue(now_)).finished.at(DeliveryState::kCancelled), kMany);
  EXPECT_EQ(changed(Maintain{.now = now_}).count, 0U);
}

TEST_P(OutboxConformance, activation_releases_nothing_of_a_cancelled_backlog) {
  const Backlog backlog = cancelled_backlog(kMany);
  change_endpoint(backlog.endpoint, ChangeEndpoint::Kind::kActivate);
  EXPECT_THAT(due_now(backlog.endpoint), IsEmpty());
  EXPECT_EQ(value(outbox_->queue(now_)).finished.at(DeliveryState::kCancelled), kMany);
  const DueRow fresh = due_event();
  const DueRow keyed = due_event("lane");
  EXPECT_THAT(due_now(backlog.endpoint), ElementsAre(fresh.delivery, keyed.delivery));
}

TEST_P(OutboxConformance, a_retry_brings_back_that_one_of_a_cancelled_backlog) {
  const Backlog backlog = cancelled_backlog(kMany);
  const DeliveryRow wanted = backlog.deliveries.back();
  EXPECT_EQ(changed(RetryDeliveries{.delivery = wanted, .now = now_}).count, 1U);
  EXPECT_EQ(delivery(wanted).state, DeliveryState::kHeld) << "the endpoint is not active";
  change_endpoint(backlog.endpoint, ChangeEndpoint::Kind::kActivate);
  EXPECT_THAT(due_now(backlog.endpoint), ElementsAre(wanted));
  EXPECT_EQ(value(outbox_->queue(now_)).finished.at(DeliveryState::kCancelled), kMany - 1);
}

TEST_P(OutboxConformance, an_attempt_in_flight_when_a_backlog_was_cancelled_is_recorded) {
  const Backlog failing = cancelled_backlog(kMany);
  AttemptFinished late = failure(failing.in_flight, now_ + 10'000);
  const Finished failed = finished(late);
  EXPECT_EQ(failed.state, DeliveryState::kCancelled);
  EXPECT_THAT(failed.due, IsEmpty());
  EXPECT_EQ(value(outbox_->attempts(failing.in_flight.delivery)).size(), 1U);
  maintain();
  EXPECT_EQ(value(outbox_->queue(now_)).finished.at(DeliveryState::kCancelled), kMany);
}

TEST_P(OutboxConformance, a_success_in_flight_when_a_backlog_was_cancelled_is_delivered) {
  for (const bool swept : {false, true}) {
    const Backlog backlog = cancelled_backlog(kMany);
    if (swept) maintain();
    EXPECT_EQ(finished(success(backlog.in_flight)).state, DeliveryState::kDelivered);
    maintain();
    EXPECT_EQ(delivery(backlog.in_flight.delivery).state, DeliveryState::kDelivered);
    change_endpoint(backlog.endpoint, ChangeEndpoint::Kind::kRemove);
  }
  const QueueCounts queue = value(outbox_->queue(now_));
  EXPECT_EQ(queue.finished.at(DeliveryState::kDelivered), 2U);
  EXPECT_EQ(queue.finished.at(DeliveryState::kCancelled), 2 * (kMany - 1));
}

// ---- an operator cancels ----

TEST_P(OutboxConformance, a_cancel_ends_what_is_pending_and_nothing_else) {
  const EndpointRow endpoint = add_endpoint();
  add_endpoint();
  const Enqueued event = enqueued(event_of());
  finished(success(event.due.at(0)));

  const Changed result =
      changed(CancelDeliveries{.event = event.event, .reason = "by mistake", .now = now_});

  EXPECT_EQ(result.count, 1U);
  EXPECT_EQ(delivery(event.due[0].delivery).state, DeliveryState::kDelivered);
  const DeliveryRecord cancelled = delivery(event.due[1].delivery);
  EXPECT_EQ(cancelled.state, DeliveryState::kCancelled);
  EXPECT_EQ(cancelled.reason, "by mistake");
  EXPECT_EQ(cancelled.finished_at, now_);
  EXPECT_THAT(due_now(endpoint), IsEmpty());
  EXPECT_EQ(changed(CancelDeliveries{.event = event.event, .now = now_}).count, 0U);
}

TEST_P(OutboxConformance, a_cancel_or_retry_of_something_unknown_is_not_found) {
  EXPECT_EQ(refusal(CancelDeliveries{.event = 4711}), ErrorCode::kNotFound);
  EXPECT_EQ(refusal(CancelDeliveries{.delivery = 4711}), ErrorCode::kNotFound);
  EXPECT_EQ(refusal(RetryDeliveries{.event = 4711}), ErrorCode::kNotFound);
  EXPECT_EQ(refusal(RetryDeliveries{.delivery = 4711}), ErrorCode::kNotFound);
}

TEST_P(OutboxConformance,
       a_cancelled_head_makes_the_next_of_its_key_due_and_a_cancelled_follower_none) {
  const EndpointRow endpoint = add_endpoint();
  const DueRow head = due_event("lane");
  Enqueue event = event_of();
  event.ordering_key = "lane";
  const EventRow second = enqueued(event).event;
  const EventRow third = enqueued(event).event;
  changed(CancelDeliveries{.event = second, .now = now_});
  EXPECT_THAT(due_now(endpoint), ElementsAre(head.delivery));
  changed(CancelDeliveries{.delivery = head.delivery, .now = now_});
  EXPECT_THAT(due_now(endpoint), ElementsAre(value(outbox_->deliveries(third)).at(0).row));
}

TEST_P(OutboxConformance, a_success_that_comes_after_a_cancel_wins) {
  add_endpoint();
  const DueRow due = due_event();
  changed(CancelDeliveries{.delivery = due.delivery, .now = now_});
  EXPECT_EQ(finished(success(due)).state, DeliveryState::kDelivered);
  const QueueCounts queue = value(outbox_->queue(now_));
  EXPECT_EQ(queue.finished.at(DeliveryState::kDelivered), 1U);
  EXPECT_EQ(queue.finished.at(DeliveryState::kCancelled), 0U);
}

TEST_P(OutboxConformance, a_failure_that_comes_after_a_cancel_is_recorded_and_changes_nothing) {
  const EndpointRow endpoint = add_endpoint();
  for (const bool last : {false, true}) {
    const DueRow due = due_event();
    changed(CancelDeliveries{.delivery = due.delivery, .reason = "stop", .now = now_});
    const Finished result = finished(last ? exhaustion(due) : failure(due, now_ + 10));
    EXPECT_EQ(result.state, DeliveryState::kCancelled);
    EXPECT_THAT(result.due, IsEmpty());
    EXPECT_EQ(delivery(due.delivery).attempts, 1U);
    EXPECT_EQ(delivery(due.delivery).reason, "stop");
    EXPECT_EQ(value(outbox_->attempts(due.delivery)).size(), 1U);
  }
  EXPECT_THAT(due_now(endpoint), IsEmpty());
}

TEST_P(OutboxConformance,
       cancelled_and_retried_while_in_flight_a_delivery_is_due_when_the_operator_said) {
  const EndpointRow endpoint = add_endpoint();
  for (const bool last : {false, true}) {
    const DueRow due = due_event();
    changed(CancelDeliveries{.delivery = due.delivery, .now = now_});
    now_ += 500;
    changed(RetryDeliveries{.delivery = due.delivery, .now = now_});
    const Finished result = finished(last ? exhaustion(due) : failure(due, now_ + 99'999));
    EXPECT_EQ(result.state, DeliveryState::kPending);
    ASSERT_EQ(result.due.size(), 1U);
    EXPECT_EQ(result.due[0].next_at, now_);
    EXPECT_EQ(result.due[0].attempt, 2U);
    EXPECT_THAT(due_now(endpoint), ElementsAre(due.delivery));
    EXPECT_EQ(finished(success(result.due[0])).state, DeliveryState::kDelivered);
  }
}

// ---- an operator retries ----

TEST_P(OutboxConformance, a_retry_makes_a_later_attempt_due_now_with_a_fresh_count) {
  const EndpointRow endpoint = add_endpoint();
  const DueRow due = due_event();
  finished(failure(due, now_ + 100'000));
  now_ += 1000;
  EXPECT_EQ(changed(RetryDeliveries{.delivery = due.delivery, .now = now_}).count, 1U);
  const auto rows = value(outbox_->due(endpoint, 10));
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].next_at, now_);
  EXPECT_EQ(rows[0].attempt, 2U);
  EXPECT_EQ(value(outbox_->jobs({due.delivery})).at(0).attempts_base, 1U);
  EXPECT_EQ(changed(RetryDeliveries{.delivery = due.delivery, .now = now_}).count, 0U)
      << "it is due already";
}

TEST_P(OutboxConformance,
       a_retry_brings_back_what_ended_badly_and_what_was_delivered_only_on_demand) {
  const EndpointRow endpoint = add_endpoint();
  const DueRow exhausted = due_event();
  finished(exhaustion(exhausted));
  const DueRow expired = due_event();
  finished(DeliveryEnded{.claimed = expired, .step = core::DeliveryStep::kExpire, .now = now_});
  const DueRow cancelled = due_event();
  changed(CancelDeliveries{.delivery = cancelled.delivery, .now = now_});
  const DueRow delivered = due_event();
  finished(success(delivered));
  for (const DueRow& due : {exhausted, expired, cancelled}) {
    EXPECT_EQ(changed(RetryDeliveries{.delivery = due.delivery, .now = now_}).count, 1U);
    const DeliveryRecord stored = delivery(due.delivery);
    EXPECT_EQ(stored.state, DeliveryState::kPending);
    EXPECT_EQ(stored.reason, "");
    EXPECT_EQ(stored.finished_at, std::nullopt);
    EXPECT_EQ(stored.next_at, now_);
  }
  RetryDeliveries again{.delivery = delivered.delivery, .now = now_};
  EXPECT_EQ(changed(again).count, 0U);
  again.failed_only = false;
  EXPECT_EQ(changed(again).count, 1U);
  EXPECT_EQ(due_now(endpoint).size(), 4U);
  const QueueCounts queue = value(outbox_->queue(now_));
  EXPECT_EQ(queue.waiting, 4U);
  for (const auto& [state, count] : queue.finished) EXPECT_EQ(count, 0U);
  EXPECT_EQ(value(outbox_->jobs({exhausted.delivery})).at(0).attempts_base, 1U);
  finished(success(value(outbox_->due(endpoint, 1)).at(0)));
}

TEST_P(OutboxConformance, a_retry_of_an_event_reaches_all_of_its_deliveries_that_need_it) {
  add_endpoint();
  add_endpoint();
  add_endpoint();
  const Enqueued event = enqueued(event_of());
  finished(success(event.due.at(0)));
  finished(exhaustion(event.due.at(1)));
  finished(failure(event.due.at(2), now_ + 10'000));
  now_ += 1;
  EXPECT_EQ(changed(RetryDeliveries{.event = event.event, .now = now_}).count, 2U);
}

TEST_P(OutboxConformance,
       a_retried_delivery_with_an_ordering_key_waits_for_its_turn_and_goes_first) {
  const EndpointRow endpoint = add_endpoint();
  const DueRow early = due_event("lane");
  finished(exhaustion(early));
  const DueRow at_work = due_event("lane");
  Enqueue event = event_of();
  event.ordering_key = "lane";
  const EventRow later = enqueued(event).event;

  EXPECT_EQ(changed(RetryDeliveries{.delivery = early.delivery, .now = now_}).count, 1U);

  EXPECT_THAT(due_now(endpoint), ElementsAre(at_work.delivery)) << "one at a time";
  EXPECT_EQ(delivery(early.delivery).state, DeliveryState::kPending);
  auto next = finished(success(at_work)).due;
  ASSERT_EQ(next.size(), 1U);
  EXPECT_EQ(next[0].delivery, early.delivery) << "it was published earlier";
  EXPECT_EQ(next[0].attempt, 2U);
  next = finished(success(next[0])).due;
  ASSERT_EQ(next.size(), 1U);
  EXPECT_EQ(next[0].delivery, value(outbox_->deliveries(later)).at(0).row);
  finished(success(next[0]));
  EXPECT_EQ(value(outbox_->queue(now_)).waiting, 0U);
}

TEST_P(OutboxConformance, a_retry_of_an_event_without_deliveries_matches_endpoints_again) {
  const Enqueued kept = enqueued(event_of());
  EXPECT_EQ(changed(RetryDeliveries{.event = kept.event, .now = now_}).count, 0U);
  const EndpointRow endpoint = add_endpoint();
  AddEndpoint picky = endpoint_of();
  picky.spec.types = {"loan.opened"};
  changed(picky);
  EXPECT_EQ(changed(RetryDeliveries{.event = kept.event, .now = now_}).count, 1U);
  const auto deliveries = value(outbox_->deliveries(kept.event));
  ASSERT_EQ(deliveries.size(), 1U);
  EXPECT_THAT(due_now(endpoint), ElementsAre(deliveries[0].row));
}

TEST_P(OutboxConformance, a_retry_to_a_removed_endpoint_is_refused) {
  const EndpointRow endpoint = add_endpoint();
  const DueRow due = due_event();
  change_endpoint(endpoint, ChangeEndpoint::Kind::kRemove);
  EXPECT_EQ(refusal(RetryDeliveries{.delivery = due.delivery, .now = now_}), ErrorCode::kRefused);
}

}  // namespace
}  // namespace outrider::storage
