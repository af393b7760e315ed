// A database and its key file: found, missing, wrong, rotated, and an account forgotten.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "sqlite_files.h"
#include "storage/key_file.h"
#include "storage/sqlite/sqlite_outbox.h"

namespace outrider::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

constexpr std::int64_t kNow = 1'700'000'000'000;

class SqliteKeysTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<Outbox>> try_open(bool engine = false) const {
    return open_sqlite_outbox(
        {.path = path_, .create = true, .engine = engine, .key_file = key_file_});
  }
  std::unique_ptr<Outbox> open() const { return std::move(try_open().value()); }
  static Outcome apply(Outbox& outbox, Mutation mutation) {
    auto outcomes = outbox.apply({&mutation, 1});
    if (!outcomes) return tl::unexpected(outcomes.error());
    return outcomes->front();
  }
  static EventRow publish(Outbox& outbox, const std::string& account, std::int64_t now = kNow) {
    Enqueue event = sample_event();
    event.account = account;
    event.now = now;
    return std::get<Enqueued>(apply(outbox, event).value()).event;
  }
  static std::string unreadable(Outbox& outbox, EventRow event) {
    return outbox.event(event).value()->unreadable;
  }
  static std::uint32_t rotate(Outbox& outbox, std::uint32_t limit) {
    return std::get<Changed>(apply(outbox, RotateKeys{.limit = limit}).value()).count;
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.file("x.db");
  std::string key_file_ = path_ + ".key";
};

TEST_F(SqliteKeysTest, the_first_use_makes_the_key_file_and_says_so_once) {
  int made = 0;
  const SqliteOptions options{
      .path = path_, .create = true, .key_created = [&made](const std::string& path) {
        ++made;
        EXPECT_TRUE(path.ends_with("/x.db.key")) << path;
      }};
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(open_sqlite_outbox(options));
  EXPECT_EQ(made, 1);
}

TEST_F(SqliteKeysTest, a_missing_key_file_is_an_error_and_no_new_one_is_made) {
  const EventRow event = publish(*open(), "acme");
  fs::rename(key_file_, directory_.file("away"));
  const Error error = try_open(true).error();
  EXPECT_EQ(error.code, ErrorCode::kKey);
  EXPECT_EQ(error.where, key_file_);
  EXPECT_THAT(error.message, HasSubstr("missing"));
  {
    auto outbox = open();  // an operator: what needs no key works
    EXPECT_EQ(outbox->queue(kNow).value().waiting, 0U);
    EXPECT_THAT(unreadable(*outbox, event), HasSubstr("missing"));
    EXPECT_THAT(outbox->key_status().value().problem, HasSubstr("missing"));
    EXPECT_EQ(apply(*outbox, sample_event()).error().code, ErrorCode::kKey);
    EXPECT_FALSE(fs::exists(key_file_));
  }
  fs::rename(directory_.file("away"), key_file_);
  EXPECT_EQ(unreadable(*open(), event), "");
}

TEST_F(SqliteKeysTest, another_database_s_key_file_is_refused) {
  publish(*open(), "acme");
  fs::remove(key_file_);
  ASSERT_TRUE(KeyFile::create(key_file_));
  EXPECT_EQ(try_open(true).error().code, ErrorCode::kKey);
  EXPECT_THAT(try_open(true).error().message, HasSubstr("another database"));
  EXPECT_THAT(open()->key_status().value().problem, HasSubstr("another database"));
}

TEST_F(SqliteKeysTest, a_key_file_that_others_may_read_is_refused) {
  publish(*open(), "acme");
  ::chmod(key_file_.c_str(), 0644);
  EXPECT_EQ(try_open(true).error().code, ErrorCode::kKey);
}

TEST_F(SqliteKeysTest, a_key_file_that_was_there_before_is_used) {
  key_file_ = directory_.file("given.key");
  const std::string id = KeyFile::create(key_file_).value().id();
  const EventRow event = publish(*open(), "acme");
  EXPECT_EQ(KeyFile::load(key_file_)->id(), id);
  EXPECT_THAT(directory_.names(), ElementsAre("given.key", "x.db"));
  EXPECT_EQ(unreadable(*open(), event), "");
}

TEST_F(SqliteKeysTest, a_rotation_goes_on_where_it_stopped) {
  std::vector<EventRow> events;
  {
    auto outbox = open();
    for (int i = 0; i < 25; ++i) events.push_back(publish(*outbox, "account " + std::to_string(i)));
    EXPECT_EQ(rotate(*outbox, 10), 10U);
    EXPECT_TRUE(outbox->key_status().value().rotating);
    EXPECT_EQ(outbox->key_status().value().generation, 2U);
  }
  auto outbox = open();  // as after a crash
  // One of the ten was the database's own: the key of the chain.
  EXPECT_EQ(outbox->key_status().value().keys_behind, 16U);
  for (const EventRow event : events) EXPECT_EQ(unreadable(*outbox, event), "");
  std::uint32_t rest = 0;
  while (const std::uint32_t step = rotate(*outbox, 10)) rest += step;
  EXPECT_EQ(rest, 16U);
  EXPECT_FALSE(outbox->key_status().value().rotating);
  EXPECT_EQ(outbox->key_status().value().generation, 2U);
  for (const EventRow event : events) EXPECT_EQ(unreadable(*outbox, event), "");
  outbox = open();
  for (const EventRow event : events) EXPECT_EQ(unreadable(*outbox, event), "");
}

TEST_F(SqliteKeysTest, an_engine_goes_on_while_another_process_rotates) {
  auto engine = std::move(try_open(true).value());
  const EventRow before = publish(*engine, "acme");
  auto operator_side = open();
  const EventRow foreign = publish(*operator_side, "other");
  while (rotate(*operator_side, 1) != 0) publish(*engine, "between");
  const EventRow after = publish(*engine, "new");
  for (const EventRow event : {before, foreign, after}) {
    EXPECT_EQ(unreadable(*engine, event), "") << event;
    EXPECT_EQ(unreadable(*operator_side, event), "") << event;
  }
  engine.reset();
  operator_side.reset();
  for (const EventRow event : {before, foreign, after}) EXPECT_EQ(unreadable(*open(), event), "");
}

TEST_F(SqliteKeysTest, an_older_key_file_is_refused_by_name) {
  publish(*open(), "acme");
  fs::copy_file(key_file_, directory_.file("old"));
  {
    auto outbox = open();
    while (rotate(*outbox, 100) != 0) {
    }
  }
  fs::remove(key_file_);
  fs::rename(directory_.file("old"), key_file_);
  EXPECT_THAT(unreadable(*open(), 1), HasSubstr("generation 2"));
}

TEST_F(SqliteKeysTest, a_forgotten_account_is_unreadable_here_and_in_every_backup) {
  {
    auto outbox = open();
    AddEndpoint add{.now = kNow};
    add.spec = {.account = "acme", .provider = "shop", .url = "https://x/", .secret = "s"};
    ASSERT_TRUE(apply(*outbox, add));
    publish(*outbox, "acme");
    publish(*outbox, "other");
  }
  fs::copy_file(path_, directory_.file("backup.db"));
  {
    auto outbox = open();
    HostConnection host(path_);
    ASSERT_EQ(host.run("INSERT INTO outrider_outbox (account, provider, type, payload) VALUES"
                       " ('acme', 'shop', 'loan.paid', '{}')"),
              SQLITE_OK);
    const auto forgotten = apply(*outbox, ForgetAccount{.account = "acme", .now = kNow});
    EXPECT_EQ(std::get<Changed>(forgotten.value()).count, 1U);
    EXPECT_THAT(unreadable(*outbox, 1), HasSubstr("destroyed"));
    EXPECT_EQ(unreadable(*outbox, 2), "");
    EXPECT_EQ(outbox->delivery(1).value()->state, DeliveryState::kCancelled);
    EXPECT_EQ(outbox->delivery(1).value()->reason, "the account was forgotten");
    EXPECT_EQ(host.ask("SELECT payload FROM outrider_outbox"), "NULL");
    EXPECT_TRUE(outbox->endpoints(kNow).value().empty());
    // It may come back.
    const EventRow back = publish(*outbox, "acme", kNow + 1);
    EXPECT_EQ(unreadable(*outbox, back), "");
    EXPECT_THAT(unreadable(*outbox, 1), HasSubstr("destroyed"));
  }
  const auto backup =
      open_sqlite_outbox({.path = directory_.file("backup.db"), .key_file = key_file_});
  ASSERT_TRUE(backup) << backup.error().to_string();
  EXPECT_THAT(unreadable(**backup, 1), HasSubstr("forgotten"));
  EXPECT_EQ(unreadable(**backup, 2), "");
}

TEST_F(SqliteKeysTest, an_engine_seals_nothing_with_a_key_that_another_process_destroyed) {
  auto engine = std::move(try_open(true).value());
  publish(*engine, "acme");
  ASSERT_TRUE(apply(*open(), ForgetAccount{.account = "acme", .now = kNow}));
  const EventRow after = publish(*engine, "acme");
  EXPECT_THAT(unreadable(*engine, 1), HasSubstr("destroyed"));
  EXPECT_EQ(unreadable(*engine, after), "");
  engine.reset();
  EXPECT_EQ(unreadable(*open(), after), "");
}

TEST_F(SqliteKeysTest, a_forget_that_was_cut_short_is_finished_by_the_next) {
  publish(*open(), "acme");
  // As if the process had died after the key file and before the commit.
  ASSERT_TRUE(KeyFile::load(key_file_)->forget("acme"));
  auto outbox = open();
  EXPECT_THAT(unreadable(*outbox, 1), HasSubstr("forgotten"));
  const EventRow between = publish(*outbox, "acme");
  EXPECT_EQ(unreadable(*outbox, between), "") << "a key that nobody can open is replaced";
  ASSERT_TRUE(apply(*outbox, ForgetAccount{.account = "acme", .now = kNow}));
  EXPECT_THAT(unreadable(*outbox, between), HasSubstr("destroyed"));
  EXPECT_EQ(unreadable(*outbox, publish(*outbox, "acme")), "");
}

TEST_F(SqliteKeysTest, a_damaged_key_spares_the_record_of_attempts_and_everybody_else) {
  Enqueued before;
  {
    auto outbox = open();
    AddEndpoint add{.now = kNow};
    add.spec = {.account = "acme", .provider = "shop", .url = "https://x/", .secret = "s"};
    ASSERT_TRUE(apply(*outbox, add));
    before = std::get<Enqueued>(apply(*outbox, sample_event()).value());
  }
  ASSERT_EQ(HostConnection(path_).run("UPDATE outrider_key SET wrapped = zeroblob(65)"
                                      " WHERE account = 'acme' AND day > 0"),
            SQLITE_OK);
  auto outbox = open();
  EXPECT_EQ(apply(*outbox, sample_event()).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(unreadable(*outbox, publish(*outbox, "other")), "");
  AttemptFinished finished{.claimed = before.due.at(0), .now = kNow};
  finished.attempt = {.number = 1, .started_at = kNow, .status = 200, .response = "an answer"};
  ASSERT_TRUE(apply(*outbox, finished));
  EXPECT_EQ(outbox->attempts(before.due[0].delivery).value().at(0).response, "");
  EXPECT_EQ(outbox->attempts(before.due[0].delivery).value().at(0).status, 200);
}

TEST_F(SqliteKeysTest, keys_of_days_long_gone_are_erased_with_their_events) {
  constexpr std::int64_t kDayMs = 86'400'000;
  auto outbox = open();
  publish(*outbox, "acme", kNow - 100 * kDayMs);
  publish(*outbox, "acme", kNow);
  publish(*outbox, "acme", kNow);
  HostConnection host(path_);
  const auto maintain = [&](std::int64_t before) {
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(apply(*outbox, Maintain{.attempts_before = before, .now = kNow}));
    }
  };
  maintain(kNow - 200 * kDayMs);
  EXPECT_EQ(host.ask("SELECT count(*) FROM outrider_key WHERE account = 'acme'"), "2");
  maintain(kNow - 50 * kDayMs);
  EXPECT_EQ(host.ask("SELECT count(*) FROM outrider_key WHERE account = 'acme'"), "1");
  EXPECT_EQ(unreadable(*outbox, 2), "");
}

}  // namespace
}  // namespace outrider::storage
