// The suite's fixture: short words for what the tests say, and the rules that hold for batches of
// any kind.
#include "outbox_conformance.h"

namespace outrider::storage {

bool operator==(const DueRow& a, const DueRow& b) {
  return a.endpoint == b.endpoint && a.next_at == b.next_at && a.delivery == b.delivery &&
         a.attempt == b.attempt;
}

void OutboxConformance::SetUp() {
  store_ = GetParam()();
  outbox_ = store_->open();
  ASSERT_NE(outbox_, nullptr);
}

void OutboxConformance::reopen() {
  outbox_.reset();
  outbox_ = store_->open();
  ASSERT_NE(outbox_, nullptr);
}

Outcome OutboxConformance::outcome(const Mutation& mutation) {
  auto outcomes = outbox_->apply({&mutation, 1});
  if (!outcomes) {
    ADD_FAILURE() << outcomes.error().to_string();
    return tl::unexpected(outcomes.error());
  }
  return std::move(outcomes->at(0));
}

ErrorCode OutboxConformance::refusal(const Mutation& mutation) {
  auto result = outcome(mutation);
  EXPECT_FALSE(result.has_value());
  if (result) return ErrorCode::kInternal;
  EXPECT_FALSE(result.error().message.empty());
  return result.error().code;
}

Changed OutboxConformance::changed(const Mutation& mutation) {
  return std::get<Changed>(value(outcome(mutation)));
}

Enqueued OutboxConformance::enqueued(const Mutation& mutation) {
  auto result = outcome(mutation);
  EXPECT_TRUE(result.has_value()) << (result ? "" : result.error().to_string());
  return result ? std::get<Enqueued>(*result) : Enqueued{};
}

Finished OutboxConformance::finished(const Mutation& mutation) {
  auto result = outcome(mutation);
  EXPECT_TRUE(result.has_value()) << (result ? "" : result.error().to_string());
  return result ? std::get<Finished>(*result) : Finished{};
}

AddEndpoint OutboxConformance::endpoint_of(const std::string& account) const {
  AddEndpoint add;
  add.spec.account = account;
  add.spec.provider = "shop";
  add.spec.url = "https://receiver.example/hook";
  add.spec.secret = "s3cret";
  add.now = now_;
  return add;
}

EndpointRow OutboxConformance::add_endpoint(const std::string& account) {
  return changed(endpoint_of(account)).id;
}

Enqueue OutboxConformance::event_of(const std::string& account) const {
  Enqueue event;
  event.account = account;
  event.provider = "shop";
  event.type = "loan.paid";
  event.body = R"({"loan":7})";
  event.payload_sha256 = std::string(32, 'a');
  event.now = now_;
  return event;
}

DueRow OutboxConformance::due_event(const std::string& ordering_key) {
  Enqueue event = event_of();
  event.ordering_key = ordering_key;
  const Enqueued result = enqueued(event);
  EXPECT_EQ(result.due.size(), 1U);
  return result.due.empty() ? DueRow{} : result.due.front();
}

AttemptFinished OutboxConformance::success(const DueRow& due) const {
  AttemptFinished finished;
  finished.claimed = due;
  finished.attempt = {.number = due.attempt,
                      .started_at = now_,
                      .duration_ms = 12,
                      .error = ErrorClass::kNone,
                      .status = 200,
                      .peer = "192.0.2.1:443",
                      .detail = {},
                      .response = "ok"};
  finished.step = core::DeliveryStep::kSucceed;
  finished.now = now_;
  return finished;
}

AttemptFinished OutboxConformance::failure(const DueRow& due, std::int64_t next_at) const {
  AttemptFinished finished = success(due);
  finished.attempt.error = ErrorClass::kStatus;
  finished.attempt.status = 500;
  finished.step = core::DeliveryStep::kFailAgain;
  finished.next_at = next_at;
  return finished;
}

AttemptFinished OutboxConformance::exhaustion(const DueRow& due) const {
  AttemptFinished finished = failure(due, 0);
  finished.step = core::DeliveryStep::kExhaust;
  finished.reason = "no attempt left";
  return finished;
}

AttemptFinished OutboxConformance::deactivating(const DueRow& due, core::DeactivationScope scope,
                                                core::PendingRule pending) const {
  AttemptFinished finished = failure(due, now_ + 10'000);
  finished.health = HealthUpdate{.health = {.consecutive = 5, .failures = {}}, .scope = scope};
  finished.deactivate =
      Deactivation{.scope = scope, .pending = pending, .reason = "5 failures in a row"};
  return finished;
}

void OutboxConformance::change_endpoint(EndpointRow endpoint, ChangeEndpoint::Kind kind) {
  changed(ChangeEndpoint{.endpoint = endpoint, .kind = kind, .reason = "why", .now = now_});
}

OutboxConformance::Backlog OutboxConformance::cancelled_backlog(std::uint32_t count) {
  Backlog backlog;
  backlog.endpoint = add_endpoint();
  std::vector<Mutation> batch;
  for (std::uint32_t i = 0; i < count; ++i) {
    Enqueue event = event_of();
    if (i % 2 == 1) event.ordering_key = "lane";
    batch.emplace_back(std::move(event));
  }
  std::vector<DueRow> due;
  for (const Outcome& one : value(outbox_->apply(batch))) {
    const auto& enqueued = std::get<Enqueued>(*one);
    due.insert(due.end(), enqueued.due.begin(), enqueued.due.end());
    backlog.deliveries.push_back(value(outbox_->deliveries(enqueued.event)).at(0).row);
  }
  backlog.in_flight = due.back();
  const Finished result = finished(
      deactivating(due.front(), core::DeactivationScope::kEndpoint, core::PendingRule::kCancel));
  EXPECT_EQ(result.deactivated, std::vector{backlog.endpoint});
  return backlog;
}

std::uint32_t OutboxConformance::maintain() {
  std::uint32_t steps = 0;
  while (changed(Maintain{.now = now_}).count > 0) {
    if (++steps == 1000) {
      ADD_FAILURE() << "housekeeping never ends";
      break;
    }
  }
  return steps;
}

DeliveryRecord OutboxConformance::delivery(DeliveryRow row) {
  auto found = value(outbox_->delivery(row));
  EXPECT_TRUE(found.has_value());
  return found.value_or(DeliveryRecord{});
}

EndpointRecord OutboxConformance::endpoint(EndpointRow row) {
  auto found = value(outbox_->endpoint(row, now_));
  EXPECT_TRUE(found.has_value());
  return found.value_or(EndpointRecord{});
}

std::vector<DeliveryRow> OutboxConformance::due_now(EndpointRow endpoint) {
  std::vector<DeliveryRow> rows;
  for (const DueRow& row : value(outbox_->due(endpoint, 1000))) rows.push_back(row.delivery);
  return rows;
}

namespace {

TEST_P(OutboxConformance, an_empty_batch_is_nothing) {
  EXPECT_TRUE(value(outbox_->apply({})).empty());
}

TEST_P(OutboxConformance,
       a_batch_answers_each_mutation_in_order_and_a_refused_one_leaves_no_trace) {
  add_endpoint();
  Enqueue refused = event_of("nobody");
  refused.rules.refuse_without_endpoint = true;
  const std::vector<Mutation> batch{event_of(), refused, RejectInboxRow{.row = 99}, event_of()};

  const auto outcomes = value(outbox_->apply(batch));

  ASSERT_EQ(outcomes.size(), 4U);
  EXPECT_TRUE(outcomes[0].has_value());
  EXPECT_EQ(outcomes[1].error().code, ErrorCode::kRefused);
  EXPECT_EQ(outcomes[2].error().code, ErrorCode::kConflict);
  EXPECT_TRUE(outcomes[3].has_value());
  EXPECT_EQ(value(outbox_->events({})).size(), 2U);
}

TEST_P(OutboxConformance, a_mutation_sees_what_the_same_batch_did_before_it) {
  Enqueue event = event_of();
  event.idempotency_key = "once";
  const std::vector<Mutation> batch{endpoint_of(), event, event};

  const auto outcomes = value(outbox_->apply(batch));

  ASSERT_EQ(outcomes.size(), 3U);
  const auto& first = std::get<Enqueued>(*outcomes[1]);
  const auto& second = std::get<Enqueued>(*outcomes[2]);
  EXPECT_EQ(first.deliveries, 1U);
  EXPECT_TRUE(second.duplicate);
  EXPECT_EQ(second.event, first.event);
}

TEST_P(OutboxConformance, what_was_applied_is_there_after_reopening) {
  const EndpointRow endpoint = add_endpoint();
  const DueRow due = due_event();
  const std::string key = value(outbox_->id_key());
  reopen();
  EXPECT_EQ(due_now(endpoint), std::vector{due.delivery});
  EXPECT_GE(key.size(), 16U);
  EXPECT_EQ(value(outbox_->id_key()), key);
}

TEST_P(OutboxConformance, two_databases_have_different_id_keys) {
  const auto other_store = GetParam()();
  const auto other = other_store->open();
  ASSERT_NE(other, nullptr);
  EXPECT_NE(value(other->id_key()), value(outbox_->id_key()));
}

}  // namespace

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(OutboxConformance);

}  // namespace outrider::storage
