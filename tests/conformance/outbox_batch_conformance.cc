// Mutations of one batch see each other: each finds what those before it left, as if they had been
// committed one by one.
#include <gmock/gmock.h>

#include "outbox_conformance.h"

namespace outrider::storage {

std::vector<Applied> OutboxBatch::all_of(const std::vector<Mutation>& batch) {
  std::vector<Applied> applied;
  for (Outcome& one : value(outbox_->apply(batch))) applied.push_back(value(std::move(one)));
  return applied;
}

ChangeEndpoint OutboxBatch::change(EndpointRow endpoint, ChangeEndpoint::Kind kind) const {
  return {.endpoint = endpoint, .kind = kind, .reason = "work", .now = now_, .actor = "test"};
}

std::vector<DueRow> OutboxBatch::due_events(int count) {
  std::vector<DueRow> rows;
  for (int i = 0; i < count; ++i) rows.push_back(due_event());
  return rows;
}

namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_P(OutboxBatch, events_follow_what_operators_do_to_endpoints_between_them) {
  const EndpointRow first = add_endpoint();
  UpdateEndpoint other_type{.endpoint = first, .spec = endpoint_of().spec, .now = now_};
  other_type.spec.types = {"loan.other"};
  const auto applied =
      all_of({event_of(), endpoint_of(), event_of(), change(first, ChangeEndpoint::Kind::kPause),
              event_of(), change(first, ChangeEndpoint::Kind::kActivate), event_of(), other_type,
              event_of(), change(first, ChangeEndpoint::Kind::kRemove), event_of()});
  const auto dues = [&applied](std::size_t n) { return std::get<Enqueued>(applied[n]).due.size(); };
  const auto deliveries = [&applied](std::size_t n) {
    return std::get<Enqueued>(applied[n]).deliveries;
  };
  EXPECT_EQ(deliveries(0), 1U);
  EXPECT_EQ(deliveries(2), 2U) << "the one that was added gets it too";
  EXPECT_EQ(deliveries(4), 2U);
  EXPECT_EQ(dues(4), 1U) << "one is paused";
  EXPECT_EQ(dues(6), 2U) << "and active again";
  EXPECT_EQ(deliveries(8), 1U) << "one takes another type now";
  EXPECT_EQ(deliveries(10), 1U) << "and is removed";
}

TEST_P(OutboxBatch, events_of_a_batch_are_rows_of_their_own_in_its_order) {
  add_endpoint();
  const EventRow before = enqueued(event_of()).event;
  const auto applied = all_of({event_of(), event_of("stranger"), event_of()});
  std::vector<EventRow> rows;
  for (const Applied& one : applied) rows.push_back(std::get<Enqueued>(one).event);
  EXPECT_THAT(rows, ElementsAre(before + 1, before + 2, before + 3));
  EXPECT_EQ(enqueued(event_of()).event, before + 4);
}

TEST_P(OutboxBatch, an_attempt_after_an_activation_in_the_same_batch_is_of_older_health) {
  const EndpointRow endpoint = add_endpoint();
  const auto due = due_events(2);
  AttemptFinished late = failure(due[1], now_ + 10);
  late.health = HealthUpdate{.health = {.consecutive = 1, .failures = {}}};
  AttemptFinished timely = success(due[0]);
  timely.health = HealthUpdate{};
  const auto applied = all_of({timely, change(endpoint, ChangeEndpoint::Kind::kPause),
                               change(endpoint, ChangeEndpoint::Kind::kActivate), late});
  EXPECT_FALSE(std::get<Finished>(applied[0]).stale_health);
  EXPECT_TRUE(std::get<Finished>(applied[3]).stale_health);
  EXPECT_EQ(this->endpoint(endpoint).health.consecutive, 0U);
}

TEST_P(OutboxBatch, health_is_what_the_last_attempt_of_the_batch_says) {
  const EndpointRow endpoint = add_endpoint();
  const auto due = due_events(3);
  std::vector<Mutation> batch;
  for (std::uint32_t n = 0; n < 2; ++n) {
    AttemptFinished failed = failure(due[n], now_ + 10);
    failed.health.emplace().health.consecutive = n + 1;
    failed.health->health.failures.assign(n + 1, core::wall_from_ms(now_));
    batch.emplace_back(failed);
  }
  all_of(batch);
  EXPECT_EQ(this->endpoint(endpoint).health.consecutive, 2U);
  AttemptFinished answered = success(due[2]);
  answered.health = HealthUpdate{};
  all_of({answered});
  EXPECT_EQ(this->endpoint(endpoint).health.consecutive, 0U);
  EXPECT_THAT(this->endpoint(endpoint).health.failures, IsEmpty());
}

TEST_P(OutboxBatch, what_follows_a_deactivation_finds_the_endpoint_switched_off) {
  const EndpointRow endpoint = add_endpoint();
  const auto due = due_events(3);
  const auto applied =
      all_of({success(due[0]),
              deactivating(due[1], core::DeactivationScope::kEndpoint, core::PendingRule::kCancel),
              failure(due[2], now_ + 10), event_of()});
  EXPECT_THAT(std::get<Finished>(applied[1]).deactivated, ElementsAre(endpoint));
  EXPECT_EQ(std::get<Finished>(applied[2]).state, DeliveryState::kCancelled);
  EXPECT_THAT(std::get<Enqueued>(applied[3]).due, IsEmpty());
  EXPECT_EQ(this->endpoint(endpoint).state, EndpointState::kDeactivated);
}

TEST_P(OutboxBatch, what_a_removal_cancels_is_cancelled_for_the_rest_of_the_batch) {
  const EndpointRow endpoint = add_endpoint();
  const auto due = due_events(2);
  const auto applied = all_of({success(due[0]), change(endpoint, ChangeEndpoint::Kind::kRemove),
                               failure(due[1], now_ + 10)});
  EXPECT_EQ(std::get<Finished>(applied[2]).state, DeliveryState::kCancelled);
  EXPECT_THAT(std::get<Finished>(applied[2]).due, IsEmpty());
}

}  // namespace
}  // namespace outrider::storage
