// outrider::enqueue on a host's own connection: in its transaction, with its commit or its
// rollback, and checked at once.
#include <gmock/gmock.h>

#include "outrider/outrider.h"
#include "sqlite_files.h"
#include "storage/sqlite/sqlite_outbox.h"

namespace outrider::storage {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Event valid_event() {
  Event event;
  event.account = "acme";
  event.provider = "shop";
  event.type = "loan.paid";
  event.payload = R"({"loan": 7})";
  return event;
}

class EnqueueTest : public ::testing::Test {
 protected:
  EnqueueTest() {
    auto opened = open_sqlite_outbox({.path = path_, .create = true});
    EXPECT_TRUE(opened.has_value());
    outbox_ = std::move(*opened);
    host_ = std::make_unique<HostConnection>(path_);
    host_->run("CREATE TABLE loan (id INTEGER PRIMARY KEY, paid INTEGER)");
  }
  [[nodiscard]] std::size_t waiting() {
    const auto rows = outbox_->inbox(100);
    return rows ? rows->size() : 4711;
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.file("host.db");
  std::unique_ptr<Outbox> outbox_;
  std::unique_ptr<HostConnection> host_;
};

constexpr const char* kParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST_F(EnqueueTest, a_trace_goes_with_the_row_and_a_wrong_one_is_refused) {
  Event event = valid_event();
  event.traceparent = kParent;
  event.tracestate = "vendor=1";
  ASSERT_TRUE(enqueue(host_->get(), event));
  const auto rows = outbox_->inbox(10);
  ASSERT_TRUE(rows && rows->size() == 1);
  EXPECT_EQ(rows->front().traceparent, kParent);
  EXPECT_EQ(rows->front().tracestate, "vendor=1");
  event.traceparent = "00-x";
  const auto refused = enqueue(host_->get(), event);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().where, "traceparent");
}

TEST_F(EnqueueTest, tables_without_columns_for_traces_take_events_without_one) {
  for (const char* column : {"traceparent", "tracestate"}) {
    ASSERT_EQ(host_->run(std::string("ALTER TABLE outrider_outbox DROP COLUMN ") + column),
              SQLITE_OK);
  }
  EXPECT_TRUE(enqueue(host_->get(), valid_event()));
}

TEST_F(EnqueueTest, it_is_committed_with_the_hosts_rows) {
  host_->run("BEGIN; INSERT INTO loan VALUES (7, 1)");
  Event event = valid_event();
  event.idempotency_key = "once";
  event.ordering_key = "lane";
  event.expires_at = 1'800'000'000'000;
  const auto row = enqueue(host_->get(), event);
  ASSERT_TRUE(row) << row.error().to_string();
  EXPECT_EQ(waiting(), 0U) << "nothing is seen before the host's commit";
  EXPECT_EQ(sqlite3_get_autocommit(host_->get()), 0) << "the transaction is still the host's";
  host_->run("COMMIT");

  const auto rows = outbox_->inbox(10);
  ASSERT_EQ(rows->size(), 1U);
  const InboxRow& stored = rows->front();
  EXPECT_EQ(stored.row, *row);
  EXPECT_EQ(stored.malformed, "");
  EXPECT_EQ(stored.account, "acme");
  EXPECT_EQ(stored.payload, R"({"loan": 7})") << "canonical form is made when it is picked up";
  EXPECT_EQ(stored.idempotency_key, "once");
  EXPECT_EQ(stored.ordering_key, "lane");
  EXPECT_EQ(stored.expires_at, 1'800'000'000'000);
}

TEST_F(EnqueueTest, it_is_rolled_back_with_the_hosts_rows) {
  host_->run("BEGIN; INSERT INTO loan VALUES (7, 1)");
  ASSERT_TRUE(enqueue(host_->get(), valid_event()));
  host_->run("ROLLBACK");
  EXPECT_EQ(waiting(), 0U);
  EXPECT_EQ(host_->ask("SELECT count(*) FROM loan"), "0");
}

TEST_F(EnqueueTest, without_a_transaction_it_is_the_hosts_autocommit) {
  ASSERT_TRUE(enqueue(host_->get(), valid_event()));
  EXPECT_EQ(waiting(), 1U);
}

TEST_F(EnqueueTest, a_refused_event_leaves_the_transaction_as_it_was) {
  host_->run("BEGIN; INSERT INTO loan VALUES (7, 1)");
  Event event = valid_event();
  event.payload = "{";
  EXPECT_FALSE(enqueue(host_->get(), event));
  EXPECT_EQ(sqlite3_get_autocommit(host_->get()), 0);
  EXPECT_EQ(host_->run("COMMIT"), SQLITE_OK);
  EXPECT_EQ(host_->ask("SELECT count(*) FROM loan"), "1");
  EXPECT_EQ(waiting(), 0U);
}

TEST_F(EnqueueTest, every_field_is_checked_at_once) {
  struct Case {
    const char* what;
    void (*spoil)(Event&);
    ErrorCode code;
    const char* where;
  };
  const Case cases[] = {
      {"no account", [](Event& e) { e.account = ""; }, ErrorCode::kInvalidArgument, "account"},
      {"no provider", [](Event& e) { e.provider = ""; }, ErrorCode::kInvalidArgument, "provider"},
      {"no type", [](Event& e) { e.type = ""; }, ErrorCode::kInvalidArgument, "type"},
      {"long type", [](Event& e) { e.type = std::string(256, 't'); }, ErrorCode::kInvalidArgument,
       "type"},
      {"control", [](Event& e) { e.account = "a\tb"; }, ErrorCode::kInvalidArgument, "account"},
      {"not UTF-8", [](Event& e) { e.account = "\xFF"; }, ErrorCode::kInvalidArgument, "account"},
      {"empty key", [](Event& e) { e.idempotency_key = ""; }, ErrorCode::kInvalidArgument,
       "idempotency_key"},
      {"long key", [](Event& e) { e.ordering_key = std::string(256, 'k'); },
       ErrorCode::kInvalidArgument, "ordering_key"},
      {"endpoints", [](Event& e) { e.endpoints = {"ep_x"}; }, ErrorCode::kInvalidArgument,
       "endpoints"},
      {"no payload", [](Event& e) { e.payload = ""; }, ErrorCode::kInvalidPayload, ""},
      {"no JSON", [](Event& e) { e.payload = "{\"a\":"; }, ErrorCode::kInvalidPayload, ""},
      {"twice", [](Event& e) { e.payload = R"({"b":{"a":1,"a":2}})"; }, ErrorCode::kInvalidPayload,
       "/b/a"},
      {"too large", [](Event& e) { e.payload = '"' + std::string(17 << 20, 'x') + '"'; },
       ErrorCode::kInvalidPayload, ""},
  };
  for (const Case& one : cases) {
    Event event = valid_event();
    one.spoil(event);
    const auto refused = enqueue(host_->get(), event);
    ASSERT_FALSE(refused) << one.what;
    EXPECT_EQ(refused.error().code, one.code) << one.what;
    if (*one.where != '\0') {
      EXPECT_EQ(refused.error().where, one.where) << one.what;
    }
    EXPECT_NE(refused.error().message, "") << one.what;
  }
  EXPECT_EQ(waiting(), 0U);
}

TEST_F(EnqueueTest, errors_carry_no_payload) {
  Event event = valid_event();
  event.payload = R"({"ssn":"078-05-1120", oops})";
  const auto refused = enqueue(host_->get(), event);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().to_string(), Not(HasSubstr("078-05-1120")));
}

TEST_F(EnqueueTest, a_file_without_the_tables_is_named_as_such) {
  HostConnection other(directory_.file("other.db"));
  const auto refused = enqueue(other.get(), valid_event());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(refused.error().message, HasSubstr("outrider_outbox"));
  EXPECT_EQ(enqueue(nullptr, valid_event()).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(EnqueueTest, a_locked_file_is_busy) {
  HostConnection other(path_);
  ASSERT_EQ(other.run("BEGIN IMMEDIATE"), SQLITE_OK);
  sqlite3_busy_timeout(host_->get(), 1);
  const auto refused = enqueue(host_->get(), valid_event());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kBusy);
  other.run("ROLLBACK");
}

TEST_F(EnqueueTest, plain_sql_does_the_same) {
  ASSERT_EQ(host_->run("INSERT INTO outrider_outbox (account, provider, type, payload)"
                       " VALUES ('acme', 'shop', 'loan.paid', '{\"loan\": 7}')"),
            SQLITE_OK);
  const auto rows = outbox_->inbox(10);
  ASSERT_EQ(rows->size(), 1U);
  EXPECT_EQ(rows->front().malformed, "");
  EXPECT_EQ(rows->front().payload, "{\"loan\": 7}");
  EXPECT_NE(host_->run("INSERT INTO outrider_outbox (account, provider, type, payload, state)"
                       " VALUES ('a', 'b', 'c', '{}', 'done')"),
            SQLITE_OK)
      << "states are a closed list";
}

}  // namespace
}  // namespace outrider::storage
