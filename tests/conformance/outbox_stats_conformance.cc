// What an Outbox knows of one endpoint: its attempts within a time, what waits, what ended.
#include "tests/conformance/outbox_conformance.h"

namespace outrider::storage {
namespace {

constexpr std::int64_t kSlot = 300'000;
constexpr std::int64_t kDay = 86'400'000;

AttemptFinished ended_at(AttemptFinished finished, std::int64_t at, std::int64_t took,
                         ErrorClass error) {
  finished.attempt.started_at = at - took;
  finished.attempt.duration_ms = took;
  finished.attempt.error = error;
  return finished;
}

std::uint64_t sum(const AttemptTally& tally) {
  std::uint64_t all = 0;
  for (const auto& [error, count] : tally.by_error) all += count;
  return all;
}

}  // namespace

TEST_P(OutboxConformance, stats_count_attempts_by_error_and_time_across_batches_and_reopening) {
  const EndpointRow endpoint = add_endpoint();
  const std::int64_t start = now_ / kSlot * kSlot + 1000;
  finished(ended_at(success(due_event()), start, 10, ErrorClass::kNone));
  const DueRow failing = due_event();
  finished(ended_at(failure(failing, now_ + 1000), start + 2000, 3000, ErrorClass::kTimeout));
  // Two in one commit, in a later slot.
  const std::vector<Mutation> both{
      ended_at(success(due_event()), start + kSlot, 100, ErrorClass::kNone),
      ended_at(exhaustion(due_event()), start + kSlot + 5, 40, ErrorClass::kStatus)};
  for (const Outcome& one : value(outbox_->apply(both))) EXPECT_TRUE(one.has_value());
  reopen();
  const auto census = value(outbox_->endpoint_census(endpoint, start, start + kDay, now_));
  const AttemptTally& all = census.attempts;
  EXPECT_EQ(all.since, start - 1000) << "from the beginning of its five minutes";
  EXPECT_EQ(all.by_error,
            (std::map<ErrorClass, std::uint64_t>{
                {ErrorClass::kNone, 2}, {ErrorClass::kTimeout, 1}, {ErrorClass::kStatus, 1}}));
  EXPECT_EQ(all.last_success_at, start + kSlot);
  EXPECT_EQ(all.last_failure_at, start + kSlot + 5);
  const auto first = value(outbox_->endpoint_census(endpoint, start, start + 3000, now_)).attempts;
  EXPECT_EQ(sum(first), 2U);
  EXPECT_EQ(first.last_success_at, start);
  const auto later =
      value(outbox_->endpoint_census(endpoint, start + kSlot, start + kDay, now_)).attempts;
  EXPECT_EQ(sum(later), 2U);
  const auto none =
      value(outbox_->endpoint_census(endpoint, start - kDay, start - kSlot, now_)).attempts;
  EXPECT_EQ(sum(none), 0U);
  EXPECT_EQ(none.p50_ms, std::nullopt);
  EXPECT_EQ(none.last_success_at, std::nullopt);
}

TEST_P(OutboxConformance, stats_of_a_refused_result_and_of_another_endpoint_count_nothing) {
  const EndpointRow endpoint = add_endpoint();
  const EndpointRow other = add_endpoint("other");
  const DueRow due = due_event();
  finished(success(due));
  EXPECT_EQ(refusal(success(due)), ErrorCode::kConflict);
  const auto counted = [&](EndpointRow row) {
    return sum(value(outbox_->endpoint_census(row, now_ - kDay, now_ + kDay, now_)).attempts);
  };
  EXPECT_EQ(counted(endpoint), 1U);
  EXPECT_EQ(counted(other), 0U);
}

TEST_P(OutboxConformance, stats_tell_percentiles_at_most_an_eighth_too_high) {
  const EndpointRow endpoint = add_endpoint();
  for (int i = 1; i <= 100; ++i) {
    finished(ended_at(success(due_event()), now_, i * 10, ErrorClass::kNone));
  }
  const auto tally =
      value(outbox_->endpoint_census(endpoint, now_ - kDay, now_ + 1, now_)).attempts;
  const auto near = [](std::optional<std::int64_t> told, std::int64_t right) {
    return told && *told >= right && *told <= right + right / 8 + 10;
  };
  EXPECT_TRUE(near(tally.p50_ms, 510)) << *tally.p50_ms;
  EXPECT_TRUE(near(tally.p95_ms, 960)) << *tally.p95_ms;
  EXPECT_TRUE(near(tally.p99_ms, 1000)) << *tally.p99_ms;
}

TEST_P(OutboxConformance, stats_show_what_waits_and_what_ended) {
  const EndpointRow endpoint = add_endpoint();
  finished(success(due_event()));
  finished(exhaustion(due_event()));
  due_event();
  due_event("one after the other");
  Enqueue behind = event_of();
  behind.ordering_key = "one after the other";
  enqueued(behind);
  const auto census = [&] {
    return value(outbox_->endpoint_census(endpoint, now_ - kDay, now_ + 1, now_));
  };
  auto shown = census();
  EXPECT_EQ(shown.waiting.waiting, 3U);
  EXPECT_EQ(shown.waiting.due, 2U);
  EXPECT_EQ(shown.waiting.held, 0U);
  EXPECT_TRUE(shown.waiting.oldest_at.has_value());
  EXPECT_TRUE(shown.waiting.next_at.has_value());
  EXPECT_EQ(shown.finished[DeliveryState::kDelivered], 1U);
  EXPECT_EQ(shown.finished[DeliveryState::kExhausted], 1U);
  change_endpoint(endpoint, ChangeEndpoint::Kind::kPause);
  shown = census();
  EXPECT_EQ(shown.waiting.held, 3U);
  EXPECT_EQ(shown.waiting.due, 0U);
  EXPECT_EQ(shown.waiting.next_at, std::nullopt);
}

TEST_P(OutboxConformance, stats_go_with_the_history_they_are_of) {
  const EndpointRow endpoint = add_endpoint();
  finished(success(due_event()));
  due_event();
  const std::int64_t then = now_;
  const auto counted = [&] {
    return sum(value(outbox_->endpoint_census(endpoint, then - kDay, then + kDay, now_)).attempts);
  };
  EXPECT_EQ(counted(), 1U);
  now_ += 10 * kDay;
  while (changed(Maintain{.attempts_before = then - kDay, .now = now_}).count > 0) {
  }
  EXPECT_EQ(counted(), 1U) << "too young";
  while (changed(Maintain{.attempts_before = then + kDay, .now = now_}).count > 0) {
  }
  EXPECT_EQ(counted(), 0U);
}

}  // namespace outrider::storage
