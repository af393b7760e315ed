// The audit trail: who did what to which object, in the change's own commit.
#include "outbox_conformance.h"

namespace outrider::storage {
namespace {

std::vector<AuditRecord> trail(Outbox& outbox, const AuditQuery& query = {
                                                   .account = {}, .action = {}, .limit = 1000}) {
  auto rows = outbox.audit(query);
  EXPECT_TRUE(rows.has_value());
  return rows ? std::move(*rows) : std::vector<AuditRecord>();
}

ChainReport chain(Outbox& outbox, const std::optional<ChainPoint>& expected = {}) {
  auto report = outbox.verify_chain(expected);
  EXPECT_TRUE(report.has_value());
  return report ? std::move(*report) : ChainReport{};
}

// What anna did.
AuditRecord by_anna(std::int64_t at, const char* action, ObjectKind kind, std::int64_t object,
                    std::string detail = {}) {
  return {.row = 0,
          .at = at,
          .actor = "anna",
          .action = action,
          .kind = kind,
          .object = object,
          .account = "acme",
          .detail = std::move(detail)};
}

// The newest row, and the only one since there were `before`.
void expect_new(Outbox& outbox, std::size_t before, const AuditRecord& expected) {
  const auto rows = trail(outbox);
  ASSERT_EQ(rows.size(), before + 1);
  const AuditRecord& row = rows.front();
  EXPECT_EQ(row.row, static_cast<std::int64_t>(before) + 1);
  EXPECT_EQ(row.at, expected.at);
  EXPECT_EQ(row.actor, expected.actor);
  EXPECT_EQ(row.action, expected.action);
  EXPECT_EQ(row.kind, expected.kind);
  EXPECT_EQ(row.object, expected.object);
  EXPECT_EQ(row.account, expected.account);
  EXPECT_EQ(row.detail, expected.detail);
  const ChainReport report = chain(outbox);
  EXPECT_EQ(report.fault_count, 0U);
  EXPECT_EQ(report.audits, rows.size());
}

TEST_P(OutboxConformance, audit_names_each_change_of_an_endpoint) {
  AddEndpoint add = endpoint_of();
  add.actor = "anna";
  const EndpointRow endpoint = changed(add).id;
  expect_new(*outbox_, 0,
             by_anna(now_, "endpoint.add", ObjectKind::kEndpoint, endpoint, add.spec.provider));
  const auto change = [&](ChangeEndpoint::Kind kind, const std::string& reason) {
    changed(ChangeEndpoint{
        .endpoint = endpoint, .kind = kind, .reason = reason, .now = ++now_, .actor = "anna"});
  };
  change(ChangeEndpoint::Kind::kPause, "they move");
  expect_new(*outbox_, 1,
             by_anna(now_, "endpoint.pause", ObjectKind::kEndpoint, endpoint, "they move"));
  change(ChangeEndpoint::Kind::kActivate, "");
  expect_new(*outbox_, 2, by_anna(now_, "endpoint.activate", ObjectKind::kEndpoint, endpoint));
  changed(RotateSecret{.endpoint = endpoint,
                       .secret = "not on record",
                       .overlap_ms = 3'600'000,
                       .now = ++now_,
                       .actor = "anna"});
  expect_new(*outbox_, 3,
             by_anna(now_, "endpoint.rotate-secret", ObjectKind::kEndpoint, endpoint,
                     "the old ones end after 3600 s"));
  changed(SetTls{.endpoint = endpoint,
                 .change = {.ca = "not on record",
                            .certificate = "not on record",
                            .key = "not on record",
                            .at_least = TlsVersion::k13},
                 .now = ++now_,
                 .actor = "anna"});
  expect_new(*outbox_, 4,
             by_anna(now_, "endpoint.set-tls", ObjectKind::kEndpoint, endpoint,
                     "certificate, authorities, TLS 1.3"));
  changed(SetTls{.endpoint = endpoint,
                 .change = {.ca = "", .certificate = "", .key = "", .at_least = {}},
                 .now = ++now_,
                 .actor = "anna"});
  expect_new(*outbox_, 5,
             by_anna(now_, "endpoint.set-tls", ObjectKind::kEndpoint, endpoint,
                     "no certificate, no authorities"));
  Enqueue test = event_of();
  test.is_test = true;
  test.endpoints = {endpoint};
  test.actor = "anna";
  test.now = ++now_;
  enqueued(test);
  expect_new(*outbox_, 6,
             by_anna(now_, "endpoint.test", ObjectKind::kEndpoint, endpoint, test.type));
  change(ChangeEndpoint::Kind::kRemove, "gone");
  expect_new(*outbox_, 7,
             by_anna(now_, "endpoint.remove", ObjectKind::kEndpoint, endpoint, "gone"));
}

TEST_P(OutboxConformance, audit_names_each_change_of_a_delivery) {
  add_endpoint();
  const DueRow due = due_event();
  const EventRow event = delivery(due.delivery).event;
  const std::size_t before = trail(*outbox_).size();
  changed(CancelDeliveries{.event = event, .reason = "by hand", .now = ++now_, .actor = "anna"});
  expect_new(*outbox_, before,
             by_anna(now_, "event.cancel", ObjectKind::kEvent, event, "1 delivery: by hand"));
  changed(RetryDeliveries{.delivery = due.delivery, .now = ++now_, .actor = "anna"});
  expect_new(*outbox_, before + 1,
             by_anna(now_, "event.retry", ObjectKind::kDelivery, due.delivery, "1 delivery"));
  changed(RecordReveal{.event = event, .now = ++now_, .actor = "anna"});
  expect_new(*outbox_, before + 2, by_anna(now_, "event.reveal", ObjectKind::kEvent, event));
}

TEST_P(OutboxConformance, audit_names_rotations_and_forgotten_accounts) {
  add_endpoint();
  due_event();
  std::size_t before = trail(*outbox_).size();
  changed(ForgetAccount{.account = "acme", .now = ++now_, .actor = "anna"});
  expect_new(*outbox_, before,
             by_anna(now_, "account.forget", ObjectKind::kNone, 0, "1 endpoints removed"));
  // A rotation leaves two, however many steps it takes.
  add_endpoint("other");
  add_endpoint("third");
  before = trail(*outbox_).size();
  for (int step = 0; step < 100; ++step) {
    if (changed(RotateKeys{.limit = 1, .now = now_, .actor = "anna"}).count == 0) break;
  }
  const auto rows = trail(*outbox_);
  ASSERT_EQ(rows.size(), before + 2);
  EXPECT_EQ(rows[1].action, "key.rotate");
  EXPECT_EQ(rows[1].detail, "generation 2 begun");
  EXPECT_EQ(rows[0].detail, "generation 2 complete");
  EXPECT_EQ(chain(*outbox_).fault_count, 0U);
}

TEST_P(OutboxConformance, audit_leaves_out_what_changes_nothing_or_is_refused) {
  const EndpointRow endpoint = add_endpoint();
  const DueRow due = due_event();
  const EventRow event = delivery(due.delivery).event;
  const std::size_t before = trail(*outbox_).size();
  change_endpoint(endpoint, ChangeEndpoint::Kind::kActivate);
  changed(RetryDeliveries{.event = event, .now = now_, .actor = "anna"});  // due already
  refusal(ChangeEndpoint{.endpoint = 999, .kind = ChangeEndpoint::Kind::kPause, .now = now_});
  refusal(RecordReveal{.event = 999, .now = now_});
  refusal(RotateSecret{.endpoint = 999, .secret = "s", .now = now_});
  refusal(SetTls{.endpoint = 999, .change = {.ca = "ca"}, .now = now_});
  refusal(SetTls{.endpoint = endpoint, .change = {.key = "alone"}, .now = now_});
  finished(success(due));  // the engine is no operator
  changed(CancelDeliveries{.event = event, .now = now_, .actor = "anna"});  // delivered
  EXPECT_EQ(trail(*outbox_).size(), before);
}

TEST_P(OutboxConformance, audit_is_listed_newest_first_by_account_action_time_and_page) {
  const EndpointRow mine = add_endpoint();
  add_endpoint("other");
  now_ += 1000;
  change_endpoint(mine, ChangeEndpoint::Kind::kPause);
  now_ += 1000;
  change_endpoint(mine, ChangeEndpoint::Kind::kActivate);
  const auto ids = [this](const AuditQuery& query) {
    std::vector<std::int64_t> rows;
    for (const AuditRecord& row : trail(*outbox_, query)) rows.push_back(row.row);
    return rows;
  };
  using Ids = std::vector<std::int64_t>;
  EXPECT_EQ(ids({.account = {}, .action = {}}), (Ids{4, 3, 2, 1}));
  EXPECT_EQ(ids({.account = "other", .action = {}}), (Ids{2}));
  EXPECT_EQ(ids({.account = {}, .action = "endpoint.add"}), (Ids{2, 1}));
  EXPECT_EQ(ids({.account = {}, .action = {}, .since = now_ - 1000}), (Ids{4, 3}));
  EXPECT_EQ(ids({.account = {}, .action = {}, .before = 4, .limit = 2}), (Ids{3, 2}));
}

TEST_P(OutboxConformance, attempts_are_chained_in_the_order_of_their_commits) {
  add_endpoint();
  const DueRow first = due_event();
  const DueRow second = due_event();
  std::vector<Mutation> batch{failure(second, now_ + 1000), success(first)};
  ASSERT_TRUE(outbox_->apply(batch).has_value());
  reopen();
  const auto report = chain(*outbox_);
  EXPECT_EQ(report.fault_count, 0U);
  EXPECT_EQ(report.attempts, 2U);
  EXPECT_EQ(report.head.seq, 3);
  EXPECT_EQ(chain(*outbox_, report.head).fault_count, 0U);
}

}  // namespace
}  // namespace outrider::storage
