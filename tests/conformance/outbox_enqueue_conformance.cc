// The way in: which endpoints get an event, which events are refused, keys that tell duplicates and
// orders, and the rows that host applications insert by plain SQL.
#include <gmock/gmock.h>

#include "outbox_conformance.h"

namespace outrider::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_P(OutboxConformance, an_event_goes_to_every_endpoint_of_its_account_and_provider) {
  const EndpointRow first = add_endpoint();
  add_endpoint("other account");
  AddEndpoint other_provider = endpoint_of();
  other_provider.spec.provider = "another";
  changed(other_provider);
  const EndpointRow second = add_endpoint();

  const Enqueued result = enqueued(event_of());

  EXPECT_EQ(result.deliveries, 2U);
  EXPECT_FALSE(result.duplicate);
  ASSERT_EQ(result.due.size(), 2U);
  EXPECT_EQ(result.due[0].endpoint, first);
  EXPECT_EQ(result.due[1].endpoint, second);
  for (const DueRow& due : result.due) {
    EXPECT_EQ(due.next_at, now_);
    EXPECT_EQ(due.attempt, 1U);
    EXPECT_EQ(due_now(due.endpoint), std::vector{due.delivery});
  }
}

TEST_P(OutboxConformance, everything_an_event_says_is_kept) {
  add_endpoint();
  Enqueue event = event_of();
  event.body = std::string("{\"text\":\"\xC3\xA4\\u0000\"}");
  event.idempotency_key = "key";
  event.ordering_key = "lane";
  event.expires_at = now_ + 5;
  event.expiry_spares_first = true;
  event.max_attempts = 3;
  const Enqueued result = enqueued(event);

  const auto stored = value(outbox_->event(result.event));
  ASSERT_TRUE(stored.has_value());
  EXPECT_EQ(stored->row, result.event);
  EXPECT_EQ(stored->account, "acme");
  EXPECT_EQ(stored->provider, "shop");
  EXPECT_EQ(stored->type, "loan.paid");
  EXPECT_EQ(stored->created_at, now_);
  EXPECT_TRUE(stored->has_idempotency_key);
  EXPECT_EQ(stored->ordering_key, "lane");
  EXPECT_EQ(stored->expires_at, now_ + 5);
  EXPECT_EQ(stored->body, event.body);
  EXPECT_FALSE(stored->purged);

  const auto jobs = value(outbox_->jobs({result.due.at(0).delivery}));
  ASSERT_EQ(jobs.size(), 1U);
  EXPECT_EQ(jobs[0].event, result.event);
  EXPECT_EQ(jobs[0].endpoint, result.due[0].endpoint);
  EXPECT_EQ(jobs[0].state, DeliveryState::kPending);
  EXPECT_EQ(jobs[0].endpoint_state, EndpointState::kActive);
  EXPECT_EQ(jobs[0].provider, "shop");
  EXPECT_EQ(jobs[0].type, "loan.paid");
  EXPECT_EQ(jobs[0].body, event.body);
  EXPECT_EQ(jobs[0].expires_at, now_ + 5);
  EXPECT_TRUE(jobs[0].expiry_spares_first);
  EXPECT_FALSE(jobs[0].is_test);
  EXPECT_EQ(jobs[0].max_attempts, 3U);
  EXPECT_EQ(jobs[0].attempts_base, 0U);
  EXPECT_EQ(jobs[0].created_at, now_);
}

TEST_P(OutboxConformance, an_endpoint_with_types_hears_of_those_alone) {
  AddEndpoint picky = endpoint_of();
  picky.spec.types = {"loan.opened", "a \"quoted\" type"};
  const EndpointRow endpoint = changed(picky).id;

  EXPECT_EQ(enqueued(event_of()).deliveries, 0U);
  Enqueue wanted = event_of();
  wanted.type = "a \"quoted\" type";
  const Enqueued result = enqueued(wanted);
  ASSERT_EQ(result.due.size(), 1U);
  EXPECT_EQ(result.due[0].endpoint, endpoint);
}

TEST_P(OutboxConformance, named_endpoints_get_the_event_whatever_their_types_and_once) {
  AddEndpoint picky = endpoint_of();
  picky.spec.types = {"loan.opened"};
  const EndpointRow named = changed(picky).id;
  add_endpoint();
  Enqueue event = event_of();
  event.endpoints = {named, named};

  const Enqueued result = enqueued(event);

  ASSERT_EQ(result.due.size(), 1U);
  EXPECT_EQ(result.due[0].endpoint, named);
}

TEST_P(OutboxConformance, a_named_endpoint_must_belong_to_the_account_and_provider) {
  const EndpointRow foreign = add_endpoint("other account");
  const EndpointRow removed = add_endpoint();
  change_endpoint(removed, ChangeEndpoint::Kind::kRemove);
  for (const EndpointRow row : {foreign, removed, EndpointRow{4711}}) {
    Enqueue event = event_of();
    event.endpoints = {row};
    EXPECT_EQ(refusal(event), ErrorCode::kNotFound);
  }
  EXPECT_THAT(value(outbox_->events({})), IsEmpty());
}

TEST_P(OutboxConformance, a_test_event_needs_a_named_endpoint) {
  Enqueue event = event_of();
  event.is_test = true;
  event.max_attempts = 1;
  const EndpointRow endpoint = add_endpoint();
  EXPECT_EQ(refusal(event), ErrorCode::kInvalidArgument);
  event.endpoints = {endpoint};
  const Enqueued result = enqueued(event);
  ASSERT_EQ(result.due.size(), 1U);
  EXPECT_TRUE(value(outbox_->jobs({result.due[0].delivery})).at(0).is_test);
}

TEST_P(OutboxConformance, an_event_without_an_endpoint_is_kept_unless_the_rules_refuse_it) {
  const Enqueued kept = enqueued(event_of());
  EXPECT_EQ(kept.deliveries, 0U);
  EXPECT_THAT(kept.due, IsEmpty());
  EXPECT_TRUE(value(outbox_->event(kept.event)).has_value());

  Enqueue strict = event_of();
  strict.rules.refuse_without_endpoint = true;
  EXPECT_EQ(refusal(strict), ErrorCode::kRefused);
  change_endpoint(add_endpoint(), ChangeEndpoint::Kind::kRemove);
  EXPECT_EQ(refusal(strict), ErrorCode::kRefused) << "a removed endpoint is none";
  EXPECT_EQ(value(outbox_->events({})).size(), 1U);
}

TEST_P(OutboxConformance, events_are_refused_while_all_of_the_accounts_endpoints_are_deactivated) {
  const EndpointRow first = add_endpoint();
  const DueRow due = due_event();
  finished(deactivating(due, core::DeactivationScope::kEndpoint, core::PendingRule::kHold));
  Enqueue event = event_of();
  event.rules.refuse_while_deactivated = true;
  EXPECT_EQ(refusal(event), ErrorCode::kRefused);

  const EndpointRow second = add_endpoint();
  EXPECT_EQ(enqueued(event).deliveries, 2U) << "one of two is active";
  change_endpoint(second, ChangeEndpoint::Kind::kRemove);
  EXPECT_EQ(refusal(event), ErrorCode::kRefused);
  change_endpoint(first, ChangeEndpoint::Kind::kActivate);
  EXPECT_EQ(enqueued(event).deliveries, 1U);
}

TEST_P(OutboxConformance, an_endpoint_that_is_not_active_holds_its_deliveries) {
  const EndpointRow endpoint = add_endpoint();
  change_endpoint(endpoint, ChangeEndpoint::Kind::kPause);
  const Enqueued result = enqueued(event_of());
  EXPECT_EQ(result.deliveries, 1U);
  EXPECT_THAT(result.due, IsEmpty()) << "nothing to send now";
  const auto deliveries = value(outbox_->deliveries(result.event));
  ASSERT_EQ(deliveries.size(), 1U);
  EXPECT_EQ(deliveries[0].state, DeliveryState::kHeld);
  EXPECT_EQ(deliveries[0].next_at, std::nullopt);
  EXPECT_EQ(due_now(endpoint), std::vector{deliveries[0].row}) << "it waits on disk";
}

TEST_P(OutboxConformance, a_deactivated_endpoint_gets_a_cancelled_delivery_where_the_rules_say_so) {
  const EndpointRow endpoint = add_endpoint();
  const DueRow due = due_event();
  finished(deactivating(due, core::DeactivationScope::kEndpoint, core::PendingRule::kCancel));
  Enqueue event = event_of();
  event.rules.cancel_for_deactivated = true;
  event.ordering_key = "lane";

  const Enqueued result = enqueued(event);

  EXPECT_THAT(result.due, IsEmpty());
  const auto deliveries = value(outbox_->deliveries(result.event));
  ASSERT_EQ(deliveries.size(), 1U);
  EXPECT_EQ(deliveries[0].state, DeliveryState::kCancelled);
  EXPECT_EQ(deliveries[0].finished_at, now_);
  EXPECT_THAT(deliveries[0].reason, HasSubstr("deactivated"));
  EXPECT_EQ(value(outbox_->queue(now_)).finished.at(DeliveryState::kCancelled), 2U);
  change_endpoint(endpoint, ChangeEndpoint::Kind::kActivate);
  EXPECT_EQ(due_event("lane").endpoint, endpoint) << "it does not stand in its key's way";
}

TEST_P(OutboxConformance, a_known_idempotency_key_returns_the_first_event) {
  add_endpoint();
  Enqueue event = event_of();
  event.idempotency_key = "once";
  const Enqueued first = enqueued(event);
  now_ += 60'000;
  const Enqueued again = enqueued(event);
  EXPECT_TRUE(again.duplicate);
  EXPECT_EQ(again.event, first.event);
  EXPECT_EQ(again.deliveries, 1U);
  EXPECT_THAT(again.due, IsEmpty());

  Enqueue other = event;
  other.payload_sha256 = std::string(32, 'b');
  EXPECT_EQ(refusal(other), ErrorCode::kConflict);
  EXPECT_EQ(value(outbox_->events({})).size(), 1U);
}

TEST_P(OutboxConformance, idempotency_keys_belong_to_an_account_and_a_provider) {
  Enqueue event = event_of();
  event.idempotency_key = "once";
  enqueued(event);
  Enqueue other_account = event;
  other_account.account = "other account";
  EXPECT_FALSE(enqueued(other_account).duplicate);
  Enqueue other_provider = event;
  other_provider.provider = "another";
  EXPECT_FALSE(enqueued(other_provider).duplicate);
}

TEST_P(OutboxConformance, a_duplicate_is_known_even_while_new_events_are_refused) {
  add_endpoint();
  Enqueue event = event_of();
  event.idempotency_key = "once";
  event.rules.refuse_while_deactivated = true;
  const Enqueued first = enqueued(event);
  finished(
      deactivating(first.due.at(0), core::DeactivationScope::kEndpoint, core::PendingRule::kHold));
  EXPECT_TRUE(enqueued(event).duplicate);
}

TEST_P(OutboxConformance, an_idempotency_key_needs_a_digest) {
  Enqueue event = event_of();
  event.idempotency_key = "once";
  event.payload_sha256 = "short";
  EXPECT_EQ(refusal(event), ErrorCode::kInvalidArgument);
}

TEST_P(OutboxConformance, of_one_ordering_key_only_the_first_is_due) {
  const EndpointRow endpoint = add_endpoint();
  const DueRow first = due_event("lane");
  Enqueue event = event_of();
  event.ordering_key = "lane";
  const Enqueued second = enqueued(event);
  EXPECT_EQ(second.deliveries, 1U);
  EXPECT_THAT(second.due, IsEmpty());
  const DueRow other_key = due_event("other lane");
  const DueRow no_key = due_event();
  EXPECT_THAT(due_now(endpoint), ElementsAre(first.delivery, other_key.delivery, no_key.delivery));
  const auto behind = value(outbox_->deliveries(second.event)).at(0);
  EXPECT_EQ(behind.state, DeliveryState::kPending);
  EXPECT_EQ(behind.next_at, std::nullopt);
  EXPECT_THAT(behind.reason, HasSubstr("ordering key"));
}

TEST_P(OutboxConformance, one_ordering_key_does_not_join_two_endpoints) {
  add_endpoint();
  add_endpoint();
  Enqueue event = event_of();
  event.ordering_key = "lane";
  EXPECT_EQ(enqueued(event).due.size(), 2U);
}

// ---- plain SQL ----

TEST_P(OutboxConformance, a_plain_row_is_offered_until_it_is_accepted) {
  add_endpoint();
  OutboxStore::PlainRow plain;
  plain.idempotency_key = "key";
  plain.ordering_key = "lane";
  plain.expires_at = "1800000000000";
  const std::int64_t row = store_->insert_plain(plain);

  const auto inbox = value(outbox_->inbox(10));
  ASSERT_EQ(inbox.size(), 1U);
  EXPECT_EQ(inbox[0].row, row);
  EXPECT_EQ(inbox[0].malformed, "");
  EXPECT_EQ(inbox[0].account, "acme");
  EXPECT_EQ(inbox[0].provider, "shop");
  EXPECT_EQ(inbox[0].type, "loan.paid");
  EXPECT_EQ(inbox[0].payload, R"({"loan":7})");
  EXPECT_EQ(inbox[0].idempotency_key, "key");
  EXPECT_EQ(inbox[0].ordering_key, "lane");
  EXPECT_EQ(inbox[0].expires_at, 1'800'000'000'000);

  Enqueue event = event_of();
  event.inbox_row = row;
  const Enqueued result = enqueued(event);
  EXPECT_THAT(value(outbox_->inbox(10)), IsEmpty());
  const auto state = store_->plain_state(row);
  EXPECT_EQ(state.state, "accepted");
  EXPECT_EQ(state.event, result.event);
  EXPECT_EQ(state.payload, "") << "the event holds it now";
  EXPECT_EQ(refusal(event), ErrorCode::kConflict) << "picked up once";
  EXPECT_EQ(value(outbox_->events({})).size(), 1U);
}

TEST_P(OutboxConformance, a_plain_row_with_a_known_key_is_accepted_as_the_first_event) {
  Enqueue event = event_of();
  event.idempotency_key = "once";
  const Enqueued first = enqueued(event);
  event.inbox_row = store_->insert_plain({});
  EXPECT_TRUE(enqueued(event).duplicate);
  EXPECT_EQ(store_->plain_state(*event.inbox_row).event, first.event);

  event.inbox_row = store_->insert_plain({});
  event.payload_sha256 = std::string(32, 'b');
  EXPECT_EQ(refusal(event), ErrorCode::kConflict);
  EXPECT_EQ(store_->plain_state(*event.inbox_row).state, "new") << "it waits for its rejection";
}

TEST_P(OutboxConformance, a_plain_row_is_rejected_with_its_reason_and_its_payload_erased) {
  const std::int64_t row = store_->insert_plain({});
  changed(RejectInboxRow{.row = row, .reason = "/loan is not a string", .now = now_});
  const auto state = store_->plain_state(row);
  EXPECT_EQ(state.state, "rejected");
  EXPECT_EQ(state.reason, "/loan is not a string");
  EXPECT_EQ(state.payload, "");
  EXPECT_THAT(value(outbox_->inbox(10)), IsEmpty());
  const auto rejected = value(outbox_->rejected(10));
  ASSERT_EQ(rejected.size(), 1U);
  EXPECT_EQ(rejected[0].row, row);
  EXPECT_EQ(rejected[0].account, "acme");
  EXPECT_EQ(rejected[0].reason, "/loan is not a string");
  EXPECT_GT(rejected[0].created_at, 1'600'000'000'000);
  EXPECT_EQ(refusal(RejectInboxRow{.row = row, .reason = "again"}), ErrorCode::kConflict);
}

TEST_P(OutboxConformance, a_plain_row_with_impossible_columns_says_which) {
  struct Case {
    const char* what;
    OutboxStore::PlainRow row;
    const char* names;
  };
  std::vector<Case> cases;
  const auto add = [&cases](const char* what, const char* names) -> OutboxStore::PlainRow& {
    cases.push_back({what, {}, names});
    return cases.back().row;
  };
  add("empty account", "account").account = "";
  add("long provider", "provider").provider = std::string(256, 'p');
  add("control character", "type").type = "a\nb";
  add("not UTF-8", "type").type = "a\xC0\xAF";
  add("no payload", "payload").payload = std::nullopt;
  add("empty key", "idempotency_key").idempotency_key = "";
  add("long key", "ordering_key").ordering_key = std::string(256, 'k');
  add("a date in words", "expires_at").expires_at = "'tomorrow'";
  add("a fraction", "expires_at").expires_at = "1.5";
  for (const Case& one : cases) store_->insert_plain(one.row);
  const auto inbox = value(outbox_->inbox(100));
  ASSERT_EQ(inbox.size(), cases.size());
  for (std::size_t i = 0; i < cases.size(); ++i) {
    EXPECT_THAT(inbox[i].malformed, HasSubstr(cases[i].names)) << cases[i].what;
  }
}

TEST_P(OutboxConformance, the_inbox_is_read_in_order_and_in_pages) {
  std::vector<std::int64_t> rows;
  for (int i = 0; i < 5; ++i) rows.push_back(store_->insert_plain({}));
  const auto page = value(outbox_->inbox(3));
  ASSERT_EQ(page.size(), 3U);
  for (std::size_t i = 0; i < page.size(); ++i) EXPECT_EQ(page[i].row, rows[i]);
  EXPECT_EQ(value(outbox_->queue(now_)).inbox, 5U);
}

}  // namespace
}  // namespace outrider::storage
