// What an endpoint missed, or is to get again: found page by page in the order of acceptance, made
// due in steps that can be repeated.
#include <gmock/gmock.h>

#include "outbox_replay_conformance.h"

namespace outrider::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_P(OutboxReplay, an_event_from_before_the_endpoint_was_there_gets_a_delivery) {
  const EventRow first = kept_event();
  const EventRow second = kept_event();
  const EndpointRow endpoint = add_endpoint();
  EXPECT_THAT(page(all_of(endpoint)).events, ElementsAre(first, second));
  EXPECT_EQ(changed(step(endpoint, {first, second})).count, 2U);
  EXPECT_THAT(due_now(endpoint), ElementsAre(of(first).row, of(second).row));
  // Asked again, there is nothing to do.
  const ReplayPage again = page(all_of(endpoint));
  EXPECT_THAT(again.events, IsEmpty());
  EXPECT_EQ(again.waiting, 2U);
  EXPECT_EQ(changed(step(endpoint, {first, second})).count, 0U);
}

TEST_P(OutboxReplay, what_ended_in_a_wanted_state_is_revived_with_a_fresh_count) {
  const EndpointRow endpoint = add_endpoint();
  const DueRow failed = due_event();
  const DueRow good = due_event();
  const DueRow cancelled = due_event();
  finished(exhaustion(failed));
  finished(success(good));
  changed(CancelDeliveries{.delivery = cancelled.delivery, .reason = "why", .now = now_});

  ReplayQuery query = all_of(endpoint);
  query.states = {DeliveryState::kExhausted};
  EXPECT_EQ(replay(query), 1U);
  EXPECT_THAT(due_now(endpoint), ElementsAre(failed.delivery));
  EXPECT_EQ(value(outbox_->jobs({failed.delivery})).at(0).attempts_base, 1U);
  query.states = {DeliveryState::kDelivered, DeliveryState::kCancelled};
  EXPECT_EQ(replay(query), 2U);
  EXPECT_THAT(due_now(endpoint), ElementsAre(failed.delivery, good.delivery, cancelled.delivery));
  EXPECT_EQ(value(outbox_->queue(now_)).finished[DeliveryState::kDelivered], 0U);
}

TEST_P(OutboxReplay, the_range_is_of_acceptance_and_survives_a_clock_that_was_set_back) {
  const std::int64_t start = now_;
  std::vector<EventRow> events;
  for (const std::int64_t at : {start, start + 1000, start - 500'000, start + 2000}) {
    now_ = at;
    events.push_back(kept_event());
  }
  now_ = start + 10'000;
  const EndpointRow endpoint = add_endpoint();
  ReplayQuery query = all_of(endpoint);
  EXPECT_THAT(page(query).events, ElementsAre(events[2], events[0], events[1], events[3]));
  query.since = start;
  query.until = start + 2000;
  EXPECT_THAT(page(query).events, ElementsAre(events[0], events[1]));
  query.since = start - 500'000;
  query.until = start;
  EXPECT_THAT(page(query).events, ElementsAre(events[2]));
}

TEST_P(OutboxReplay, pages_and_scans_are_bounded_and_nothing_is_left_out_between_them) {
  std::vector<EventRow> events;
  for (int i = 0; i < 25; ++i) {
    if (i % 3 == 0) enqueued(event_of("other"));
    if (i % 4 == 0) ++now_;
    events.push_back(kept_event());
  }
  const EndpointRow endpoint = add_endpoint();
  for (const auto& [limit, scan] : {std::pair{7U, 1000U}, {100U, 3U}, {1U, 1U}}) {
    ReplayQuery query = all_of(endpoint);
    query.limit = limit;
    query.scan = scan;
    std::vector<EventRow> found;
    for (;;) {
      const ReplayPage one = page(query);
      EXPECT_LE(one.events.size(), limit);
      EXPECT_LE(one.scanned, scan);
      found.insert(found.end(), one.events.begin(), one.events.end());
      if (!one.next) break;
      query.after = one.next;
    }
    EXPECT_THAT(found, ElementsAreArray(events));
  }
}

TEST_P(OutboxReplay, other_accounts_other_types_tests_and_events_for_other_endpoints_are_left) {
  enqueued(event_of("other"));
  AddEndpoint picky = endpoint_of();
  picky.spec.types = {"loan.paid"};
  const EndpointRow one = changed(picky).id;
  Enqueue lost = event_of();
  lost.type = "loan.lost";
  enqueued(lost);
  Enqueue test = event_of();
  test.is_test = true;
  test.endpoints = {one};
  enqueued(test);
  Enqueue addressed = event_of();
  addressed.endpoints = {one};
  enqueued(addressed);
  const EventRow wanted = kept_event();
  const EndpointRow two = changed(picky).id;
  EXPECT_THAT(page(all_of(two)).events, ElementsAre(wanted));
  ReplayQuery query = all_of(two);
  query.types = {"loan.lost"};
  EXPECT_THAT(page(query).events, IsEmpty());
  query = all_of(two);
  query.missed = false;
  EXPECT_THAT(page(query).events, IsEmpty());
}

TEST_P(OutboxReplay, what_has_expired_or_lost_its_payload_is_counted_and_left) {
  Enqueue late = event_of();
  late.expires_at = now_ + 10;
  enqueued(late);
  enqueued(event_of());
  changed(Maintain{.payloads_before = now_ + 1, .now = now_});
  const EventRow good = kept_event();
  Enqueue again = event_of();
  again.expires_at = now_ + 10;
  const EventRow expired = enqueued(again).event;
  now_ += 10;
  const EndpointRow endpoint = add_endpoint();
  const ReplayPage found = page(all_of(endpoint));
  EXPECT_THAT(found.events, ElementsAre(good));
  EXPECT_EQ(found.expired, 1U);
  EXPECT_EQ(found.purged, 2U);
  EXPECT_EQ(changed(step(endpoint, {expired, good})).count, 1U);
}

TEST_P(OutboxReplay, named_events_are_judged_alike_and_those_of_others_are_unknown) {
  const EventRow mine = kept_event();
  const EventRow theirs = enqueued(event_of("other")).event;
  const EndpointRow endpoint = add_endpoint();
  ReplayQuery query = all_of(endpoint);
  query.events = {theirs, mine, 4711};
  const ReplayPage found = page(query);
  EXPECT_THAT(found.events, ElementsAre(mine));
  EXPECT_EQ(found.unknown, 2U);
  EXPECT_FALSE(found.next.has_value());
  EXPECT_EQ(changed(step(endpoint, {theirs, mine, 4711})).count, 1U);
  EXPECT_THAT(value(outbox_->deliveries(theirs)), IsEmpty());
}

TEST_P(OutboxReplay, of_one_ordering_key_the_earliest_goes_first_and_one_at_a_time) {
  const EventRow first = kept_event("loan.paid", "lane");
  const EventRow second = kept_event("loan.paid", "lane");
  const EventRow free = kept_event();
  const EndpointRow endpoint = add_endpoint();
  EXPECT_EQ(replay(all_of(endpoint)), 3U);
  EXPECT_THAT(due_now(endpoint), ElementsAre(of(first).row, of(free).row));
  const DueRow due = value(outbox_->due(endpoint, 1)).at(0);
  EXPECT_EQ(finished(success(due)).due.at(0).delivery, of(second).row);
}

TEST_P(OutboxReplay, what_a_paused_endpoint_is_to_get_is_held_and_a_removed_one_gets_nothing) {
  const EventRow event = kept_event();
  const EndpointRow endpoint = add_endpoint();
  change_endpoint(endpoint, ChangeEndpoint::Kind::kPause);
  EXPECT_EQ(replay(all_of(endpoint)), 1U);
  EXPECT_EQ(of(event).state, DeliveryState::kHeld);
  change_endpoint(endpoint, ChangeEndpoint::Kind::kRemove);
  EXPECT_THAT(page(all_of(endpoint)).events, IsEmpty());
  EXPECT_EQ(refusal(step(endpoint, {event})), ErrorCode::kNotFound);
}

TEST_P(OutboxReplay, a_backlog_that_is_being_cancelled_comes_back_whole) {
  constexpr std::uint32_t kMany = 2600;
  const Backlog backlog = cancelled_backlog(kMany);
  EXPECT_EQ(replay(all_of(backlog.endpoint)), kMany);
  change_endpoint(backlog.endpoint, ChangeEndpoint::Kind::kActivate);
  // One of the lane, and all of those without a key.
  EXPECT_EQ(value(outbox_->due(backlog.endpoint, 10'000)).size(), kMany / 2 + 1);
  EXPECT_EQ(value(outbox_->queue(now_)).waiting, kMany);
  EXPECT_EQ(value(outbox_->queue(now_)).finished[DeliveryState::kCancelled], 0U);
}

TEST_P(OutboxReplay, an_engine_on_another_connection_hears_of_the_work_and_not_of_each_delivery) {
  const EndpointRow endpoint = add_endpoint();
  const DueRow failed = due_event();
  finished(exhaustion(failed));
  const auto engine = store_->open();
  (void)value(engine->foreign_changes());
  EXPECT_EQ(replay(all_of(endpoint)), 1U);
  const ForeignChanges changes = value(engine->foreign_changes());
  EXPECT_THAT(changes.work, ElementsAre(endpoint));
  EXPECT_THAT(changes.deliveries, IsEmpty());
}

TEST_P(OutboxReplay, it_is_on_record_with_its_count_and_nothing_is_where_nothing_was_done) {
  const EventRow event = kept_event();
  const EndpointRow endpoint = add_endpoint();
  replay(all_of(endpoint));
  replay(all_of(endpoint));
  changed(step(endpoint, {event}));
  const auto entries = value(outbox_->audit({.account = {}, .action = "endpoint.replay"}));
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].actor, "somebody");
  EXPECT_EQ(entries[0].object, endpoint);
  EXPECT_EQ(entries[0].account, "acme");
  EXPECT_EQ(entries[0].detail, "1 delivery: a range");
}

}  // namespace

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(OutboxReplay);

}  // namespace outrider::storage
