// Retention: what is erased when, what is never erased, and that it happens in bounded steps.
#include <gmock/gmock.h>

#include "outbox_conformance.h"

namespace outrider::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::int64_t kDay = 86'400'000;

// Runs housekeeping to its end; returns how many rows it says it changed.
template <class Apply>
std::uint32_t run(const Apply& apply, const Maintain& maintain) {
  std::uint32_t total = 0;
  for (int steps = 0; steps < 1000; ++steps) {
    const std::uint32_t count = apply(maintain).count;
    if (count == 0) return total;
    total += count;
  }
  ADD_FAILURE() << "housekeeping never ends";
  return total;
}

TEST_P(OutboxConformance, payloads_of_finished_events_are_purged_after_their_time) {
  const auto apply = [this](const Maintain& one) { return changed(one); };
  add_endpoint();
  Enqueue with_key = event_of();
  with_key.idempotency_key = "once";
  const Enqueued old = enqueued(with_key);
  finished(success(old.due.at(0)));
  const std::int64_t finished_at = now_;
  const DueRow waiting = due_event();
  const EventRow kept = enqueued(event_of("nobody")).event;

  run(apply, {.payloads_before = finished_at, .now = now_});
  EXPECT_FALSE(value(outbox_->event(old.event))->purged) << "not before its time";
  run(apply, {.payloads_before = finished_at + 1, .now = now_});

  const auto purged = value(outbox_->event(old.event));
  EXPECT_TRUE(purged->purged);
  EXPECT_EQ(purged->body, "");
  EXPECT_TRUE(purged->has_idempotency_key) << "the event itself stays";
  EXPECT_TRUE(enqueued(with_key).duplicate);
  EXPECT_TRUE(value(outbox_->event(kept))->purged) << "nothing of it is pending";
  EXPECT_EQ(value(outbox_->jobs({waiting.delivery})).at(0).body, R"({"loan":7})");
  RetryDeliveries again{.event = old.event, .failed_only = false, .now = now_};
  EXPECT_EQ(refusal(again), ErrorCode::kRefused);

  now_ += 2 * kDay;
  finished(success(waiting));
  run(apply, {.payloads_before = now_, .now = now_});
  EXPECT_EQ(value(outbox_->jobs({waiting.delivery})).at(0).body, R"({"loan":7})")
      << "the time runs from the end of the delivery";
  run(apply, {.payloads_before = now_ + 1, .now = now_});
  EXPECT_EQ(value(outbox_->jobs({waiting.delivery})).at(0).body, "");
}

TEST_P(OutboxConformance,
       purging_goes_in_steps_remembers_its_place_and_returns_to_what_had_to_wait) {
  const auto apply = [this](const Maintain& one) { return changed(one); };
  const EndpointRow endpoint = add_endpoint();
  const DueRow stuck = due_event();
  std::vector<EventRow> events;
  for (int i = 0; i < 57; ++i) {
    const Enqueued event = enqueued(event_of());
    finished(success(event.due.at(0)));
    events.push_back(event.event);
  }
  const Maintain step{.payloads_before = now_ + 1, .limit = 10, .now = now_};
  EXPECT_EQ(changed(step).count, 10U);
  EXPECT_TRUE(value(outbox_->event(events[9]))->purged);
  EXPECT_FALSE(value(outbox_->event(events[10]))->purged);
  EXPECT_EQ(changed(step).count, 10U);
  reopen();
  run(apply, step);
  for (const EventRow event : events) EXPECT_TRUE(value(outbox_->event(event))->purged);
  EXPECT_THAT(due_now(endpoint), ElementsAre(stuck.delivery));

  finished(success(stuck));
  run(apply, step);
  EXPECT_EQ(value(outbox_->jobs({stuck.delivery})).at(0).body, "");
  EXPECT_EQ(changed(step).count, 0U);
}

TEST_P(OutboxConformance, history_is_removed_after_its_time_with_everything_that_belongs_to_it) {
  const auto apply = [this](const Maintain& one) { return changed(one); };
  add_endpoint();
  Enqueue with_key = event_of();
  with_key.idempotency_key = "once";
  with_key.inbox_row = store_->insert_plain({});
  const Enqueued old = enqueued(with_key);
  finished(success(old.due.at(0)));
  const DueRow pending = due_event();
  const std::int64_t open_row = store_->insert_plain({});
  now_ += kDay;
  const Enqueued young = enqueued(event_of());
  finished(exhaustion(young.due.at(0)));
  due_event();

  // The plain rows carry the database's own time, far after this test's.
  run(apply, {.attempts_before = now_, .now = now_});

  EXPECT_FALSE(value(outbox_->event(old.event)).has_value());
  EXPECT_FALSE(value(outbox_->delivery(old.due[0].delivery)).has_value());
  EXPECT_THAT(value(outbox_->attempts(old.due[0].delivery)), IsEmpty());
  EXPECT_TRUE(value(outbox_->delivery(pending.delivery)).has_value()) << "pending";
  EXPECT_TRUE(value(outbox_->event(young.event)).has_value()) << "young";
  EXPECT_EQ(value(outbox_->attempts(young.due[0].delivery)).size(), 1U);
  const QueueCounts queue = value(outbox_->queue(now_));
  EXPECT_EQ(queue.finished.at(DeliveryState::kDelivered), 0U) << "sums follow the rows";
  EXPECT_EQ(queue.finished.at(DeliveryState::kExhausted), 1U);
  with_key.inbox_row.reset();
  EXPECT_FALSE(enqueued(with_key).duplicate) << "its key is free again";

  const std::int64_t far = 4'000'000'000'000;
  run(apply, {.attempts_before = far, .now = now_});
  EXPECT_EQ(store_->plain_state(open_row).state, "new") << "never picked up, never removed";
  EXPECT_EQ(value(outbox_->queue(now_)).inbox, 1U);
}

TEST_P(OutboxConformance, no_row_id_is_ever_given_out_twice) {
  const auto apply = [this](const Maintain& one) { return changed(one); };
  add_endpoint();
  EventRow last_event = 0;
  DeliveryRow last_delivery = 0;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 3; ++i) {
      const Enqueued event = enqueued(event_of());
      EXPECT_GT(event.event, last_event);
      EXPECT_GT(event.due.at(0).delivery, last_delivery);
      last_event = event.event;
      last_delivery = event.due[0].delivery;
      finished(success(event.due[0]));
    }
    if (round == 1) last_event = enqueued(event_of("nobody")).event;
    now_ += kDay;
    run(apply, {.payloads_before = now_, .attempts_before = now_, .now = now_});
    EXPECT_LE(value(outbox_->events({})).size(), 2U);
    reopen();
  }
}

TEST_P(OutboxConformance, expired_secrets_are_erased) {
  const auto apply = [this](const Maintain& one) { return changed(one); };
  const EndpointRow row = add_endpoint();
  changed(RotateSecret{.endpoint = row, .secret = "new", .overlap_ms = 1000, .now = now_});
  EXPECT_EQ(run(apply, {.now = now_ + 999}), 0U);
  EXPECT_EQ(run(apply, {.now = now_ + 1000}), 1U);
  EXPECT_EQ(endpoint(row).secrets.size(), 1U);
}

TEST_P(OutboxConformance, the_change_log_is_trimmed_but_never_before_it_was_read) {
  const auto apply = [this](const Maintain& one) { return changed(one); };
  constexpr std::int64_t kHour = 3'600'000;
  value(outbox_->foreign_changes());
  const EndpointRow row = add_endpoint();
  EXPECT_EQ(run(apply, {.now = now_ + 2 * kHour}), 0U) << "not read yet";
  EXPECT_THAT(value(outbox_->foreign_changes()).endpoints, ElementsAre(row));
  EXPECT_EQ(run(apply, {.now = now_ + kHour - 1}), 0U) << "others may still want it";
  EXPECT_EQ(run(apply, {.now = now_ + kHour}), 1U);
  change_endpoint(row, ChangeEndpoint::Kind::kPause);
  EXPECT_THAT(value(outbox_->foreign_changes()).endpoints, ElementsAre(row));
}

}  // namespace
}  // namespace outrider::storage
