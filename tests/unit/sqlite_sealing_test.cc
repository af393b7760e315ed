// What lies on the disk is sealed, opens again, and says so when it does not.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "sqlite_files.h"
#include "storage/sqlite/sqlite_outbox.h"

namespace outrider::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::int64_t kNow = 1'700'000'000'000;
constexpr std::int64_t kDayMs = 86'400'000;

class SqliteSealingTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<Outbox>> try_open(bool engine = false) const {
    return open_sqlite_outbox({.path = path_, .create = true, .engine = engine});
  }
  std::unique_ptr<Outbox> open() const { return std::move(try_open().value()); }
  static Outcome apply(Outbox& outbox, Mutation mutation) {
    auto outcomes = outbox.apply({&mutation, 1});
    if (!outcomes) return tl::unexpected(outcomes.error());
    return outcomes->front();
  }
  static EndpointRow add_endpoint(Outbox& outbox, const std::string& account = "acme") {
    AddEndpoint add{.now = kNow};
    add.spec = {.account = account,
                .provider = "shop",
                .url = "https://x.example/",
                .secret = "whsec_CANARY-SECRET",
                .headers = {{"X-Token", "CANARY-HEADER"}}};
    add.spec.tls = {.ca = "ca", .certificate = "certificate", .key = "CANARY-TLS-KEY"};
    return std::get<Changed>(apply(outbox, add).value()).id;
  }
  static Enqueued publish(Outbox& outbox, const std::string& account = "acme",
                          std::int64_t now = kNow) {
    Enqueue event = sample_event("CANARY-IDEMPOTENCY");
    event.account = account;
    event.body = R"({"sin":"CANARY-PAYLOAD"})";
    event.now = now;
    return std::get<Enqueued>(apply(outbox, event).value());
  }
  static void attempt(Outbox& outbox, const Enqueued& enqueued) {
    AttemptFinished finished{.claimed = enqueued.due.at(0), .now = kNow};
    finished.attempt = {
        .number = 1, .started_at = kNow, .status = 200, .response = "CANARY-ANSWER"};
    ASSERT_TRUE(apply(outbox, finished));
  }
  std::string bytes_of(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(directory_.file(name), std::ios::binary).rdbuf();
    return text.str();
  }
  std::string all_bytes() const {
    std::string bytes;
    for (const std::string& name : directory_.names()) bytes += bytes_of(name);
    return bytes;
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.file("x.db");
  const std::string key_path_ = path_ + ".key";
};

TEST_F(SqliteSealingTest, nothing_private_is_on_the_disk_and_everything_reads_back) {
  auto outbox = open();
  const EndpointRow endpoint = add_endpoint(*outbox);
  const Enqueued enqueued = publish(*outbox);
  attempt(*outbox, enqueued);
  const Outcome rotated =
      apply(*outbox,
            RotateSecret{.endpoint = endpoint, .secret = "CANARY-2", .overlap_ms = 1, .now = kNow});
  ASSERT_TRUE(rotated);
  EXPECT_THAT(all_bytes(), Not(HasSubstr("CANARY")));
  for (int opening = 0; opening < 2; ++opening, outbox.reset(), outbox = open()) {
    EXPECT_EQ(outbox->event(enqueued.event).value()->body, R"({"sin":"CANARY-PAYLOAD"})");
    const auto record = *outbox->endpoint(endpoint, kNow).value();
    EXPECT_EQ(record.unreadable, "");
    EXPECT_EQ(record.secrets.at(0).text, "CANARY-2");
    EXPECT_EQ(record.secrets.at(1).text, "whsec_CANARY-SECRET");
    EXPECT_EQ(record.spec.headers, (std::vector<HeaderField>{{"X-Token", "CANARY-HEADER"}}));
    EXPECT_EQ(record.spec.tls.key, "CANARY-TLS-KEY");
    EXPECT_EQ(outbox->attempts(enqueued.due[0].delivery).value().at(0).response, "CANARY-ANSWER");
    EXPECT_EQ(outbox->jobs({enqueued.due[0].delivery}).value().at(0).body,
              R"({"sin":"CANARY-PAYLOAD"})");
  }
}

TEST_F(SqliteSealingTest, a_tls_key_that_replaces_another_is_sealed_as_well) {
  auto outbox = open();
  const EndpointRow endpoint = add_endpoint(*outbox);
  TlsChange change{.ca = {}, .certificate = "renewed", .key = "CANARY-RENEWED", .at_least = {}};
  ASSERT_TRUE(apply(*outbox, SetTls{.endpoint = endpoint, .change = change, .now = kNow}));
  EXPECT_THAT(all_bytes(), Not(HasSubstr("CANARY")));
  EXPECT_THAT(all_bytes(), HasSubstr("renewed")) << "this test can fail";
  outbox.reset();
  EXPECT_THAT(all_bytes(), Not(HasSubstr("CANARY")));
  EXPECT_EQ(open()->endpoint(endpoint, kNow).value()->spec.tls.key, "CANARY-RENEWED");
}

TEST_F(SqliteSealingTest, a_sealed_tls_key_belongs_to_its_endpoint) {
  auto outbox = open();
  const EndpointRow one = add_endpoint(*outbox);
  const EndpointRow two = add_endpoint(*outbox);
  TlsChange change{.ca = {}, .certificate = "renewed", .key = "CANARY-RENEWED", .at_least = {}};
  ASSERT_TRUE(apply(*outbox, SetTls{.endpoint = one, .change = change, .now = kNow}));
  HostConnection host(path_);
  ASSERT_EQ(host.run("UPDATE outrider_endpoint SET tls_key = (SELECT tls_key FROM"
                     " outrider_endpoint WHERE id = " +
                     std::to_string(one) + ") WHERE id = " + std::to_string(two)),
            SQLITE_OK);
  EXPECT_EQ(outbox->endpoint(one, kNow).value()->unreadable, "");
  EXPECT_THAT(outbox->endpoint(two, kNow).value()->unreadable, HasSubstr("moved"));
}

TEST_F(SqliteSealingTest, idempotency_keys_work_as_digests_and_find_their_event) {
  auto outbox = open();
  const Enqueued first = publish(*outbox);
  outbox.reset();
  outbox = open();
  const Enqueued second = publish(*outbox);
  EXPECT_TRUE(second.duplicate);
  EXPECT_EQ(second.event, first.event);
  Enqueue other = sample_event("CANARY-IDEMPOTENCY");
  other.payload_sha256 = std::string(32, 'b');
  EXPECT_EQ(apply(*outbox, other).error().code, ErrorCode::kConflict);
  EventQuery query{.account = "acme", .provider = "shop", .idempotency_key = "CANARY-IDEMPOTENCY"};
  EXPECT_EQ(outbox->events(query).value().at(0).row, first.event);
  query.idempotency_key = "unknown";
  EXPECT_THAT(outbox->events(query).value(), IsEmpty());
  query.account = "nobody";
  EXPECT_THAT(outbox->events(query).value(), IsEmpty());
}

TEST_F(SqliteSealingTest, keys_are_made_by_account_and_day) {
  auto outbox = open();
  for (const std::int64_t now : {kNow, kNow + kDayMs, kNow + kDayMs + 1}) {
    for (const std::string account : {"acme", "other"}) {
      Enqueue event = sample_event();
      event.account = account;
      event.now = now;
      ASSERT_TRUE(apply(*outbox, event));
    }
  }
  HostConnection host(path_);
  EXPECT_EQ(host.ask("SELECT group_concat(account || ' ' || day, ', ') FROM (SELECT account, day"
                     " FROM outrider_key WHERE account <> '' ORDER BY account, day)"),
            "acme 19675, acme 19676, other 19675, other 19676");
}

TEST_F(SqliteSealingTest, a_batch_that_was_rolled_back_leaves_no_key_that_is_used_later) {
  auto outbox = open();
  HostConnection host(path_);
  ASSERT_EQ(host.run("CREATE TRIGGER stop BEFORE INSERT ON outrider_event BEGIN"
                     " SELECT RAISE(ABORT, 'no'); END"),
            SQLITE_OK);
  EXPECT_FALSE(apply(*outbox, sample_event()));
  ASSERT_EQ(host.run("DROP TRIGGER stop"), SQLITE_OK);
  const auto event = std::get<Enqueued>(apply(*outbox, sample_event()).value()).event;
  outbox.reset();
  EXPECT_EQ(open()->event(event).value()->body, sample_event().body);
}

TEST_F(SqliteSealingTest, a_value_that_was_moved_or_changed_is_said_to_be_unreadable) {
  auto outbox = open();
  add_endpoint(*outbox);
  const Enqueued enqueued = publish(*outbox);
  const auto other = std::get<Enqueued>(apply(*outbox, sample_event()).value());
  HostConnection host(path_);
  ASSERT_EQ(
      host.run("UPDATE outrider_event SET body = (SELECT body FROM outrider_event WHERE id = " +
               std::to_string(other.event) + ") WHERE id = " + std::to_string(enqueued.event)),
      SQLITE_OK);
  const auto job = outbox->jobs({enqueued.due.at(0).delivery}).value().at(0);
  EXPECT_EQ(job.body, "");
  EXPECT_THAT(job.unreadable, HasSubstr("moved"));
  EXPECT_FALSE(job.unreadable_for_now);
  EXPECT_THAT(outbox->event(enqueued.event).value()->unreadable, HasSubstr("moved"));
  EXPECT_EQ(outbox->event(other.event).value()->unreadable, "");
}

TEST_F(SqliteSealingTest, a_plain_value_in_a_sealed_database_is_not_believed) {
  auto outbox = open();
  const Enqueued enqueued = publish(*outbox);
  HostConnection host(path_);
  ASSERT_EQ(host.run("UPDATE outrider_event SET body = x'007b7d'"), SQLITE_OK);
  EXPECT_THAT(outbox->event(enqueued.event).value()->unreadable, HasSubstr("not sealed"));
}

TEST_F(SqliteSealingTest, a_database_is_kept_plain_from_its_first_day_or_never) {
  const auto plain = [this](bool seal) {
    return open_sqlite_outbox({.path = path_, .create = true, .seal = seal});
  };
  {
    const auto outbox = plain(false).value();
    publish(*outbox);
    EXPECT_FALSE(outbox->key_status().value().sealed);
  }
  EXPECT_THAT(directory_.names(), ElementsAre("x.db")) << "no key file";
  EXPECT_THAT(all_bytes(), HasSubstr("CANARY-PAYLOAD"));
  EXPECT_THAT(all_bytes(), Not(HasSubstr("CANARY-IDEMPOTENCY")));
  const auto outbox = plain(true).value();
  EXPECT_FALSE(outbox->key_status().value().sealed) << "stays what it is";
  EXPECT_TRUE(publish(*outbox).duplicate);
  EXPECT_EQ(outbox->event(1).value()->body, R"({"sin":"CANARY-PAYLOAD"})");
  EXPECT_EQ(apply(*outbox, ForgetAccount{.account = "acme"}).error().code, ErrorCode::kRefused);
  EXPECT_EQ(apply(*outbox, RotateKeys{}).error().code, ErrorCode::kRefused);
}

TEST_F(SqliteSealingTest, rows_of_plain_sql_are_sealed_and_leave_the_log) {
  auto outbox = open();
  HostConnection host(path_);
  ASSERT_EQ(host.run("INSERT INTO outrider_outbox (account, provider, type, payload,"
                     " idempotency_key) VALUES ('acme', 'shop', 'loan.paid',"
                     " '{\"sin\":\"CANARY\"}', 'CANARY-KEY')"),
            SQLITE_OK);
  EXPECT_THAT(all_bytes(), HasSubstr("CANARY")) << "this test can fail";
  Enqueue event = sample_event("CANARY-KEY");
  event.body = R"({"sin":"CANARY"})";
  event.inbox_row = outbox->inbox(1).value().at(0).row;
  event.now = kNow;
  ASSERT_TRUE(apply(*outbox, event));
  ASSERT_TRUE(apply(*outbox, Maintain{.now = kNow + 5000}));
  EXPECT_THAT(all_bytes(), Not(HasSubstr("CANARY")));
  EXPECT_EQ(outbox->event(1).value()->body, R"({"sin":"CANARY"})");
}

}  // namespace
}  // namespace outrider::storage
