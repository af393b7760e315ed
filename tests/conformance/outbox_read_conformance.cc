// Reading: pages of due work, jobs, lists with filters, counts; and following what other
// connections commit.
#include <gmock/gmock.h>

#include "outbox_conformance.h"

namespace outrider::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Kind = ChangeEndpoint::Kind;

TEST_P(OutboxConformance, due_rows_come_earliest_first_and_in_pages) {
  const EndpointRow endpoint = add_endpoint();
  const DueRow first = due_event();
  const DueRow second = due_event();
  const DueRow third = due_event();
  finished(failure(first, now_ + 10'000));
  EXPECT_THAT(due_now(endpoint), ElementsAre(second.delivery, third.delivery, first.delivery));
  const auto page = value(outbox_->due(endpoint, 2));
  ASSERT_EQ(page.size(), 2U);
  EXPECT_TRUE(page[0] == second);
  EXPECT_THAT(value(outbox_->due(4711, 10)), IsEmpty());
}

TEST_P(OutboxConformance, jobs_come_sorted_and_without_the_unknown) {
  add_endpoint();
  const DueRow first = due_event();
  const DueRow second = due_event();
  std::vector<DeliveryRow> rows;
  for (const DeliveryJob& job : value(outbox_->jobs({second.delivery, 4711, first.delivery}))) {
    rows.push_back(job.delivery);
  }
  EXPECT_THAT(rows, ElementsAre(first.delivery, second.delivery));
  EXPECT_THAT(value(outbox_->jobs({})), IsEmpty());
}

TEST_P(OutboxConformance, what_is_unknown_reads_as_nothing) {
  EXPECT_FALSE(value(outbox_->event(4711)).has_value());
  EXPECT_FALSE(value(outbox_->delivery(4711)).has_value());
  EXPECT_THAT(value(outbox_->deliveries(4711)), IsEmpty());
  EXPECT_THAT(value(outbox_->attempts(4711)), IsEmpty());
  EXPECT_THAT(value(outbox_->rejected(10)), IsEmpty());
}

TEST_P(OutboxConformance, events_are_listed_newest_first_with_every_filter) {
  const EndpointRow endpoint = add_endpoint();
  const EndpointRow paused = add_endpoint("paused");
  change_endpoint(paused, Kind::kPause);
  const EventRow delivered = enqueued(event_of()).event;
  finished(success(value(outbox_->due(endpoint, 1)).at(0)));
  const Enqueued exhausted = enqueued(event_of());
  finished(exhaustion(exhausted.due.at(0)));
  const EventRow pending = enqueued(event_of()).event;
  const EventRow held = enqueued(event_of("paused")).event;
  Enqueue odd = event_of("paused");
  odd.type = "odd";
  odd.provider = "another";
  const EventRow without = enqueued(odd).event;

  struct Case {
    EventQuery query;
    std::vector<EventRow> rows;
  };
  const Case cases[] = {
      {{}, {without, held, pending, exhausted.event, delivered}},
      {{.account = "acme"}, {pending, exhausted.event, delivered}},
      {{.provider = "another"}, {without}},
      {{.type = "odd"}, {without}},
      {{.type = "none"}, {}},
      {{.state = DeliveryState::kDelivered}, {delivered}},
      {{.state = DeliveryState::kExhausted}, {exhausted.event}},
      {{.state = DeliveryState::kPending}, {pending}},
      {{.state = DeliveryState::kHeld}, {held}},
      {{.state = DeliveryState::kExpired}, {}},
      {{.endpoint = endpoint}, {pending, exhausted.event, delivered}},
      {{.state = DeliveryState::kExhausted, .endpoint = paused}, {}},
      {{.state = DeliveryState::kExhausted, .before = exhausted.event}, {}},
      {{.before = pending}, {exhausted.event, delivered}},
      {{.limit = 2}, {without, held}},
  };
  for (const Case& one : cases) {
    std::vector<EventRow> rows;
    for (const EventRecord& event : value(outbox_->events(one.query))) {
      rows.push_back(event.row);
      EXPECT_EQ(event.body, "") << "lists carry no payloads";
    }
    EXPECT_EQ(rows, one.rows) << "case " << &one - cases;
  }
}

TEST_P(OutboxConformance, the_queue_counts_what_waits_is_due_held_and_has_ended) {
  const std::int64_t begin = now_;
  const EndpointRow active = add_endpoint();
  const EndpointRow idle = add_endpoint("idle");
  const EndpointRow paused = add_endpoint("paused");
  due_event("lane");
  Enqueue keyed = event_of();
  keyed.ordering_key = "lane";
  enqueued(keyed);
  now_ += 100;
  finished(failure(due_event(), now_ + 10'000));
  finished(success(due_event()));
  finished(exhaustion(due_event()));
  enqueued(event_of("paused"));
  change_endpoint(paused, Kind::kPause);
  store_->insert_plain({});
  changed(RejectInboxRow{.row = store_->insert_plain({}), .reason = "no"});

  const QueueCounts queue = value(outbox_->queue(now_));
  EXPECT_EQ(queue.waiting, 4U);
  EXPECT_EQ(queue.due, 1U);
  EXPECT_EQ(queue.held, 1U);
  EXPECT_EQ(queue.finished.at(DeliveryState::kDelivered), 1U);
  EXPECT_EQ(queue.finished.at(DeliveryState::kExhausted), 1U);
  EXPECT_EQ(queue.finished.at(DeliveryState::kExpired), 0U);
  EXPECT_EQ(queue.finished.at(DeliveryState::kCancelled), 0U);
  EXPECT_EQ(queue.inbox, 1U);
  EXPECT_EQ(queue.rejected, 1U);
  EXPECT_EQ(queue.oldest_at, begin);
  EXPECT_EQ(queue.next_at, begin);

  const auto endpoints = value(outbox_->queue_by_endpoint(now_));
  ASSERT_EQ(endpoints.size(), 3U);
  EXPECT_EQ(endpoints[0].endpoint, active);
  EXPECT_EQ(endpoints[0].waiting, 3U);
  EXPECT_EQ(endpoints[0].due, 1U);
  EXPECT_EQ(endpoints[0].held, 0U);
  EXPECT_EQ(endpoints[0].exhausted, 1U);
  EXPECT_EQ(endpoints[0].oldest_at, begin);
  EXPECT_EQ(endpoints[0].next_at, begin);
  EXPECT_EQ(endpoints[1].endpoint, idle);
  EXPECT_EQ(endpoints[1].waiting, 0U);
  EXPECT_EQ(endpoints[1].oldest_at, std::nullopt);
  EXPECT_EQ(endpoints[2].endpoint, paused);
  EXPECT_EQ(endpoints[2].held, 1U);
  EXPECT_EQ(endpoints[2].waiting, 1U);
  EXPECT_EQ(endpoints[2].due, 0U);
  EXPECT_EQ(endpoints[2].next_at, std::nullopt) << "nothing is sent while it is paused";

  EXPECT_EQ(value(outbox_->queue(now_ + 20'000)).due, 2U);
}

// ---- following ----

TEST_P(OutboxConformance, nothing_foreign_happened_on_a_quiet_store) {
  add_endpoint();
  due_event();
  outbox_ = store_->open();
  EXPECT_FALSE(value(outbox_->foreign_changes()).any) << "the past is read at the start";
  due_event();
  finished(success(due_event()));
  EXPECT_FALSE(value(outbox_->foreign_changes()).any) << "own work is known";
}

TEST_P(OutboxConformance, what_another_connection_enqueues_is_noticed_once) {
  const EndpointRow first = add_endpoint();
  const EndpointRow second = add_endpoint("other account");
  value(outbox_->foreign_changes());
  const auto other = store_->open();
  due_event();
  const std::vector<Mutation> batch{event_of(), event_of("other account"), event_of()};
  value(other->apply(batch));
  due_event();

  const ForeignChanges changes = value(outbox_->foreign_changes());
  EXPECT_TRUE(changes.any);
  EXPECT_THAT(changes.work, ElementsAre(first, second));
  EXPECT_THAT(changes.endpoints, IsEmpty());
  EXPECT_THAT(changes.deliveries, IsEmpty());
  EXPECT_FALSE(changes.inbox);
  EXPECT_FALSE(value(outbox_->foreign_changes()).any);
  due_event();
  EXPECT_FALSE(value(outbox_->foreign_changes()).any);
}

TEST_P(OutboxConformance, what_operators_change_is_noticed_whichever_connection_they_use) {
  const auto other = store_->open();
  const auto apply_on = [](Outbox& outbox, const Mutation& mutation) {
    const auto outcomes = value(outbox.apply({&mutation, 1}));
    ASSERT_TRUE(outcomes.at(0).has_value());
  };
  for (Outbox* connection : {other.get(), outbox_.get()}) {
    value(outbox_->foreign_changes());
    apply_on(*connection, endpoint_of());
    const EndpointRow row = value(outbox_->endpoints(now_)).back().row;
    EXPECT_THAT(value(outbox_->foreign_changes()).endpoints, ElementsAre(row));
    for (const Kind kind : {Kind::kPause, Kind::kActivate}) {
      apply_on(*connection, ChangeEndpoint{.endpoint = row, .kind = kind, .now = now_});
      EXPECT_THAT(value(outbox_->foreign_changes()).endpoints, ElementsAre(row));
    }
    apply_on(*connection, RotateSecret{.endpoint = row, .secret = "new", .now = now_});
    EXPECT_THAT(value(outbox_->foreign_changes()).endpoints, ElementsAre(row));
    apply_on(*connection, SetTls{.endpoint = row, .change = {.ca = "ca"}, .now = now_});
    EXPECT_THAT(value(outbox_->foreign_changes()).endpoints, ElementsAre(row));

    Enqueue event = event_of();
    event.endpoints = {row};
    const DueRow due = enqueued(event).due.at(0);
    value(outbox_->foreign_changes());
    apply_on(*connection, CancelDeliveries{.delivery = due.delivery, .now = now_});
    ForeignChanges changes = value(outbox_->foreign_changes());
    EXPECT_THAT(changes.deliveries, ElementsAre(due.delivery));
    apply_on(*connection, RetryDeliveries{.delivery = due.delivery, .now = now_});
    changes = value(outbox_->foreign_changes());
    EXPECT_THAT(changes.deliveries, ElementsAre(due.delivery));
    EXPECT_THAT(changes.work, ElementsAre(row));
    apply_on(*connection, ChangeEndpoint{.endpoint = row, .kind = Kind::kRemove, .now = now_});
    EXPECT_THAT(value(outbox_->foreign_changes()).endpoints, ElementsAre(row));
    EXPECT_FALSE(value(outbox_->foreign_changes()).any);
  }
}

TEST_P(OutboxConformance, a_plain_insert_is_noticed_also_one_from_before_the_start) {
  value(outbox_->foreign_changes());
  const std::int64_t row = store_->insert_plain({});
  EXPECT_TRUE(value(outbox_->foreign_changes()).inbox);
  reopen();
  EXPECT_TRUE(value(outbox_->foreign_changes()).inbox);
  Enqueue event = event_of();
  event.inbox_row = row;
  enqueued(event);
  store_->insert_plain({});
  EXPECT_TRUE(value(outbox_->foreign_changes()).inbox);
}

}  // namespace
}  // namespace outrider::storage
