// Opening a database: how it comes into being, what is refused and in which words, who may have it,
// and how it is set.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <array>

#include <atomic>
#include <csignal>
#include <fstream>
#include <thread>

#include "own_mounts.h"
#include "sqlite_files.h"
#include "storage/sqlite/sqlite_outbox.h"
#include "tests/source_dir.h"

namespace outrider::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

mode_t mode_of(const std::string& path) {
  struct stat found{};
  return ::stat(path.c_str(), &found) == 0 ? found.st_mode & 0777U : 0;
}

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string error_of(const SqliteOptions& options) {
  const auto opened = open_sqlite_outbox(options);
  return opened ? "opened" : std::string(error_code_name(opened.error().code));
}

// An empty database as an earlier schema version left it.
void make_version(HostConnection& host, std::size_t version) {
  const std::array names{"0001_outbox.sql",        "0002_tokens.sql",     "0003_notices.sql",
                         "0004_attempt_tally.sql", "0005_event_time.sql", "0006_accepted.sql",
                         "0007_bundles.sql"};
  ASSERT_LE(version, names.size());
  for (std::size_t step = 0; step < version; ++step) {
    std::ifstream file(source_dir() + "/schemas/sql/sqlite/" + names.at(step));
    ASSERT_EQ(host.run(std::string(std::istreambuf_iterator<char>(file), {})), SQLITE_OK);
  }
  ASSERT_EQ(host.run("INSERT INTO outrider_meta VALUES ('schema_version', " +
                     std::to_string(version) + "), ('id_key', randomblob(32))"),
            SQLITE_OK);
}

class SqliteOpenTest : public ::testing::Test {
 protected:
  std::unique_ptr<Outbox> open(bool engine = false) {
    auto opened = open_sqlite_outbox({.path = path_, .create = true, .engine = engine});
    EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().to_string());
    return opened ? std::move(*opened) : nullptr;
  }
  Error refusal(const SqliteOptions& options) {
    const auto opened = open_sqlite_outbox(options);
    EXPECT_FALSE(opened.has_value());
    return opened ? Error{} : opened.error();
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.file("x.db");
};

// ---- coming into being ----

TEST_F(SqliteOpenTest, a_new_database_is_its_owners_alone_whatever_the_umask) {
  const mode_t before = ::umask(0);
  const auto outbox = open();
  const Mutation event = sample_event();
  ASSERT_TRUE(outbox->apply({&event, 1}));
  ::umask(before);
  EXPECT_EQ(mode_of(path_), 0600U);
  EXPECT_EQ(mode_of(path_ + "-wal"), 0600U);
  EXPECT_EQ(mode_of(path_ + "-shm"), 0600U);
  EXPECT_EQ(wal_path(path_), std::filesystem::canonical(path_ + "-wal"));
}

TEST_F(SqliteOpenTest, a_closed_database_is_one_file) {
  open().reset();
  EXPECT_THAT(directory_.names(), ElementsAre("x.db", "x.db.key"));
}

TEST_F(SqliteOpenTest, it_is_set_for_durability) {
  const auto outbox = open();
  HostConnection host(path_);
  EXPECT_EQ(host.ask("PRAGMA journal_mode"), "wal");
  EXPECT_EQ(host.ask("PRAGMA page_size"), "4096");
  EXPECT_EQ(host.ask("PRAGMA user_version"), "0") << "that one is the host's";
  EXPECT_EQ(host.ask("SELECT value FROM outrider_meta WHERE name = 'schema_version'"), "8");
}

TEST_F(SqliteOpenTest, what_is_missing_is_not_found_and_not_created) {
  EXPECT_EQ(refusal({.path = path_}).code, ErrorCode::kNotFound);
  EXPECT_EQ(refusal({.path = ""}).code, ErrorCode::kNotFound);
  EXPECT_EQ(refusal({.path = directory_.file("none/x.db")}).code, ErrorCode::kNotFound);
  EXPECT_EQ(refusal({.path = path_, .engine = true}).code, ErrorCode::kNotFound);
  EXPECT_EQ(refusal({.path = directory_.file("none/x.db"), .create = true}).code, ErrorCode::kIo);
  EXPECT_THAT(directory_.names(), IsEmpty());
}

TEST_F(SqliteOpenTest, many_openers_at_once_make_one_database) {
  constexpr int kOpeners = 8;
  std::vector<std::string> keys(kOpeners);
  std::atomic<int> ready = 0;
  {
    std::vector<std::thread> threads;
    for (int i = 0; i < kOpeners; ++i) {
      threads.emplace_back([&, i] {
        ++ready;
        while (ready < kOpeners) std::this_thread::yield();
        auto opened = open_sqlite_outbox({.path = path_, .create = true});
        keys[static_cast<std::size_t>(i)] =
            opened ? (*opened)->id_key().value_or("none") : opened.error().to_string();
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_THAT(keys, ::testing::Each(keys[0]));
  EXPECT_EQ(keys[0].size(), 32U);
  EXPECT_THAT(directory_.names(), ElementsAre("x.db", "x.db.key"));
}

TEST_F(SqliteOpenTest, many_openers_at_once_add_the_tables_to_a_hosts_database_once) {
  HostConnection host(path_);
  ASSERT_EQ(host.run("CREATE TABLE loan (id INTEGER PRIMARY KEY); INSERT INTO loan VALUES (7)"),
            SQLITE_OK);
  std::vector<std::string> results(6);
  {
    std::vector<std::thread> threads;
    for (std::string& result : results) {
      threads.emplace_back([&] { result = error_of({.path = path_, .create = true}); });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_THAT(results, ::testing::Each("opened"));
  EXPECT_EQ(host.ask("SELECT id FROM loan"), "7");
}

TEST_F(SqliteOpenTest, a_hosts_database_gets_the_tables_only_where_creation_is_wanted) {
  {
    HostConnection host(path_);
    host.run("PRAGMA user_version = 42; CREATE TABLE loan (id INTEGER PRIMARY KEY)");
  }
  const Error refused = refusal({.path = path_});
  EXPECT_EQ(refused.code, ErrorCode::kNotFound);
  EXPECT_THAT(refused.message, HasSubstr("no Outrider tables"));
  EXPECT_EQ(HostConnection(path_).ask("PRAGMA journal_mode"), "delete") << "left as it was";

  const auto outbox = open();
  HostConnection host(path_);
  EXPECT_EQ(host.ask("PRAGMA user_version"), "42");
  EXPECT_EQ(host.ask("SELECT count(*) FROM loan"), "0");
}

TEST_F(SqliteOpenTest, an_empty_file_is_an_empty_database) {
  write_file(path_, "");
  EXPECT_EQ(refusal({.path = path_}).code, ErrorCode::kNotFound);
  EXPECT_NE(open(), nullptr);
}

TEST_F(SqliteOpenTest, a_symbolic_link_is_followed_so_that_both_names_are_one_database) {
  open().reset();
  const std::string link = directory_.file("link.db");
  std::filesystem::create_symlink(path_, link);
  EXPECT_EQ(wal_path(link), wal_path(path_));
  EXPECT_EQ(wake_path(link), wake_path(path_));
  const auto engine = open(true);
  EXPECT_EQ(refusal({.path = link, .engine = true}).code, ErrorCode::kLocked);
}

TEST_F(SqliteOpenTest, a_database_of_each_earlier_schema_is_brought_up_to_date_and_works) {
  for (const std::size_t version : {1, 2, 3, 4, 5, 6, 7}) {
    SCOPED_TRACE(version);
    const std::string path = directory_.file("v" + std::to_string(version) + ".db");
    {
      HostConnection host(path);
      make_version(host, version);
      ASSERT_EQ(host.run("INSERT INTO outrider_outbox (account, provider, type, payload)"
                         " VALUES ('acme', 'shop', 'loan.paid', '{}')"),
                SQLITE_OK);
    }
    auto outbox = open_sqlite_outbox({.path = path});
    ASSERT_TRUE(outbox) << outbox.error().to_string();
    const auto inbox = (*outbox)->inbox(10);
    ASSERT_TRUE(inbox && inbox->size() == 1);
    EXPECT_EQ(inbox->front().traceparent, std::nullopt);
    const Mutation batch[] = {sample_event(), RejectInboxRow{.row = 1, .reason = "no", .now = 1}};
    const auto outcomes = (*outbox)->apply(batch);
    ASSERT_TRUE(outcomes && outcomes->at(0) && outcomes->at(1));
    EXPECT_EQ((*outbox)->notices({})->notices.size(), 1U);
  }
}

TEST_F(SqliteOpenTest, events_of_an_earlier_schema_are_found_by_the_time_of_their_acceptance) {
  {
    HostConnection host(path_);
    make_version(host, 5);
    // The clock is set back once, within other events' minutes.
    ASSERT_EQ(host.run("INSERT INTO outrider_event (account, provider, type, created_at)"
                       " VALUES ('acme', 'shop', 'loan.paid', 60000),"
                       " ('acme', 'shop', 'loan.paid', 180000),"
                       " ('acme', 'shop', 'loan.paid', 90000),"
                       " ('acme', 'shop', 'loan.paid', 180001)"),
              SQLITE_OK);
  }
  auto outbox = open();
  Enqueue event = sample_event();
  event.now = 180'002;
  AddEndpoint endpoint;
  endpoint.spec = {.account = event.account,
                   .provider = event.provider,
                   .url = "https://x.example/",
                   .secret = "secret"};
  endpoint.now = 200'000;
  const Mutation batch[] = {event, endpoint};
  const auto outcomes = outbox->apply(batch);
  ASSERT_TRUE(outcomes && outcomes->at(0) && outcomes->at(1));
  const auto found = [&outbox](std::int64_t since, std::int64_t until) {
    ReplayQuery query;
    query.endpoint = 1;
    query.since = since;
    query.until = until;
    query.missed = true;
    return outbox->replayable(query)->events;
  };
  EXPECT_THAT(found(0, 200'000), ElementsAre(1, 3, 2, 4, 5));
  EXPECT_THAT(found(90'000, 180'001), ElementsAre(3, 2));
  EXPECT_THAT(found(180'002, 180'003), ElementsAre(5));
  EXPECT_EQ(HostConnection(path_).ask("SELECT count(*) FROM outrider_accepted"), "2");
}

TEST_F(SqliteOpenTest, deliveries_of_an_earlier_schema_are_found_and_counted) {
  {
    HostConnection host(path_);
    make_version(host, 7);
    ASSERT_EQ(host.run("INSERT INTO outrider_event (account, provider, type, created_at)"
                       " VALUES ('acme', 'shop', 'loan.paid', 1), ('acme', 'shop', 'loan.paid', 1);"
                       "INSERT INTO outrider_endpoint (account, provider, url, types, description,"
                       " rate_per_second, max_in_flight, created_at, state_changed_at)"
                       " VALUES ('acme', 'shop', 'https://x.example/', '[]', '', 0, 0, 1, 1);"
                       "INSERT INTO outrider_delivery (event, endpoint, state, finished_at)"
                       " VALUES (2, 1, 2, 5), (2, 1, 3, 5), (1, 1, 2, 5);"
                       "INSERT INTO outrider_total VALUES (1, 2, 2), (1, 3, 1)"),
              SQLITE_OK);
  }
  auto outbox = open();
  const auto deliveries_of = [&outbox](EventRow event) {
    std::vector<DeliveryRow> rows;
    const auto found = outbox->deliveries(event);
    for (const DeliveryRecord& delivery : found.value()) rows.push_back(delivery.row);
    return rows;
  };
  EXPECT_THAT(deliveries_of(1), ElementsAre(3));
  EXPECT_THAT(deliveries_of(2), ElementsAre(1, 2));
  auto finished = outbox->queue(10)->finished;
  EXPECT_EQ(finished[DeliveryState::kDelivered], 2U);
  EXPECT_EQ(finished[DeliveryState::kExhausted], 1U);

  AddEndpoint another;
  another.spec = {
      .account = "acme", .provider = "shop", .url = "https://y.example/", .secret = "s"};
  const Mutation batch[] = {another, sample_event(), sample_event()};
  ASSERT_TRUE(outbox->apply(batch));
  EXPECT_THAT(deliveries_of(4), ElementsAre(4, 5)) << "the first has the row id of its event";
  EXPECT_THAT(deliveries_of(6), ElementsAre(6, 7));
  EXPECT_EQ(HostConnection(path_).ask("SELECT group_concat(event) FROM outrider_delivery"
                                      " INDEXED BY outrider_delivery_of_event WHERE id <> event"),
            "1,2,4,6");
}

// ---- what is refused ----

TEST_F(SqliteOpenTest, a_newer_schema_is_left_alone_and_both_versions_are_named) {
  open().reset();
  HostConnection(path_).run("UPDATE outrider_meta SET value = 99 WHERE name = 'schema_version'");
  for (const bool create : {false, true}) {
    const Error refused = refusal({.path = path_, .create = create});
    EXPECT_EQ(refused.code, ErrorCode::kTooNew);
    EXPECT_THAT(refused.message, HasSubstr("99"));
    EXPECT_THAT(refused.message, HasSubstr("up to 8"));
    EXPECT_THAT(refused.where, HasSubstr("x.db"));
  }
}

TEST_F(SqliteOpenTest, what_is_no_database_is_refused_and_left_alone) {
  const std::string text = "id,name\n1,one\n" + std::string(5000, 'x');
  write_file(path_, text);
  EXPECT_EQ(refusal({.path = path_, .create = true}).code, ErrorCode::kCorrupt);
  std::ifstream in(path_);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), text);
  const std::string folder = directory_.file("folder");
  std::filesystem::create_directory(folder);
  EXPECT_EQ(refusal({.path = folder, .create = true}).code, ErrorCode::kCorrupt);
  const std::string pipe = directory_.file("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(refusal({.path = pipe, .create = true}).code, ErrorCode::kCorrupt);
}

TEST_F(SqliteOpenTest, a_damaged_database_is_refused) {
  open().reset();
  const auto size = std::filesystem::file_size(path_);
  std::string bytes(size, '\0');
  std::ifstream(path_, std::ios::binary).read(bytes.data(), static_cast<std::streamsize>(size));
  const auto damaged = [&](const std::function<void(std::string&)>& damage) {
    std::string copy = bytes;
    damage(copy);
    write_file(path_, copy);
    return error_of({.path = path_});
  };
  EXPECT_EQ(damaged([](std::string&) {}), "opened");
  EXPECT_EQ(damaged([](std::string& file) { file.resize(file.size() / 2); }), "corrupt");
  EXPECT_EQ(damaged([](std::string& file) { file.resize(700); }), "corrupt");
  EXPECT_EQ(damaged([](std::string& file) { file.replace(0, 16, 16, 'x'); }), "corrupt");
  EXPECT_EQ(damaged([](std::string& file) { file.replace(100, 2000, 2000, '\xFF'); }), "corrupt");
  EXPECT_EQ(damaged([](std::string& file) {
              file.replace(4096, file.size() - 4096, file.size() - 4096, '\xFF');
            }),
            "corrupt");
}

TEST_F(SqliteOpenTest, a_database_that_lost_a_table_is_damaged) {
  open().reset();
  HostConnection(path_).run("DROP TABLE outrider_lane");
  const Error refused = refusal({.path = path_, .create = true});
  EXPECT_EQ(refused.code, ErrorCode::kCorrupt);
  EXPECT_THAT(refused.message, HasSubstr("outrider_lane"));
}

// As a user without privileges: root may write anywhere.
int as_nobody(const std::function<int()>& work) {
  return in_child([&] {
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) return 99;
    return work();
  });
}

TEST_F(SqliteOpenTest, a_directory_that_cannot_be_written_is_an_error_of_the_directory) {
  open().reset();
  ::chmod(path_.c_str(), 0666);
  ::chmod(directory_.path().c_str(), 0555);
  for (const std::string& path : {path_, directory_.file("new.db")}) {
    EXPECT_EQ(as_nobody([&] {
                const auto opened = open_sqlite_outbox({.path = path, .create = true});
                if (opened || opened.error().code != ErrorCode::kIo) return 1;
                return opened.error().hint.find("writable") == std::string::npos ? 2 : 0;
              }),
              0)
        << path;
  }
  ::chmod(directory_.path().c_str(), 0700);
  EXPECT_THAT(directory_.names(), ElementsAre("x.db", "x.db.key"));
}

TEST_F(SqliteOpenTest, a_read_only_file_is_an_error_and_not_a_read_only_outbox) {
  open().reset();
  ::chmod(path_.c_str(), 0444);
  ::chmod(directory_.path().c_str(), 0777);
  EXPECT_EQ(as_nobody([&] {
              const auto opened = open_sqlite_outbox({.path = path_, .create = true});
              return !opened && opened.error().code == ErrorCode::kIo ? 0 : 1;
            }),
            0);
}

// In a mount namespace of its own, where the machine allows one: a real small disk.
TEST_F(SqliteOpenTest, a_full_disk_is_an_error_and_leaves_no_half_made_database) {
  constexpr int kNoMounts = 77;
  const int result = in_child([&] {
    if (!take_own_mounts() ||
        ::mount("tmpfs", directory_.path().c_str(), "tmpfs", 0, "size=64k") != 0) {
      return kNoMounts;
    }
    const auto opened = open_sqlite_outbox({.path = path_, .create = true});
    if (opened || opened.error().code != ErrorCode::kIo) return 1;
    return directory_.names().empty() ? 0 : 2;
  });
  if (result == kNoMounts) GTEST_SKIP() << "nobody may mount in a namespace of his own here";
  EXPECT_EQ(result, 0);
}

TEST_F(SqliteOpenTest, a_file_size_limit_is_an_error_and_leaves_no_half_made_database) {
  EXPECT_EQ(in_child([&] {
              ::signal(SIGXFSZ, SIG_IGN);
              const rlimit limit{.rlim_cur = 20'000, .rlim_max = 20'000};
              ::setrlimit(RLIMIT_FSIZE, &limit);
              const auto opened = open_sqlite_outbox({.path = path_, .create = true});
              if (opened || opened.error().code != ErrorCode::kIo) return 1;
              return directory_.names().empty() ? 0 : 2;
            }),
            0);
}

// ---- one engine ----

TEST_F(SqliteOpenTest, a_second_engine_is_told_which_process_has_the_database) {
  const auto engine = open(true);
  const Error refused = refusal({.path = path_, .engine = true});
  EXPECT_EQ(refused.code, ErrorCode::kLocked);
  EXPECT_THAT(refused.message, HasSubstr("process " + std::to_string(::getpid()) + " on "));
  EXPECT_NE(open(false), nullptr) << "others may still work on it";
}

TEST_F(SqliteOpenTest, the_lock_ends_with_its_holder) {
  open(true).reset();
  EXPECT_NE(open(true), nullptr);
}

TEST_F(SqliteOpenTest, an_engine_in_another_process_is_named_and_its_lock_ends_with_a_kill) {
  open().reset();
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto engine = open_sqlite_outbox({.path = path_, .engine = true});
    const char word = engine ? 'y' : 'n';
    if (::write(ready[1], &word, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char word = 0;
  ASSERT_EQ(::read(ready[0], &word, 1), 1);
  EXPECT_EQ(word, 'y');
  const Error refused = refusal({.path = path_, .engine = true});
  EXPECT_EQ(refused.code, ErrorCode::kLocked);
  EXPECT_THAT(refused.message, HasSubstr("process " + std::to_string(child) + " "));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_NE(open(true), nullptr);
  ::close(ready[0]);
  ::close(ready[1]);
}

// ---- beside the host ----

TEST_F(SqliteOpenTest, a_host_that_keeps_the_write_lock_makes_the_batch_busy_and_nothing_is_lost) {
  auto opened = open_sqlite_outbox({.path = path_, .create = true, .busy_timeout_ms = 50});
  ASSERT_TRUE(opened.has_value());
  HostConnection host(path_);
  ASSERT_EQ(host.run("BEGIN IMMEDIATE"), SQLITE_OK);
  const Mutation event = sample_event();
  const auto busy = (*opened)->apply({&event, 1});
  ASSERT_FALSE(busy);
  EXPECT_EQ(busy.error().code, ErrorCode::kBusy);
  EXPECT_TRUE((*opened)->events({})->empty()) << "reads go on";
  ASSERT_EQ(host.run("ROLLBACK"), SQLITE_OK);
  EXPECT_TRUE((*opened)->apply({&event, 1}));
}

TEST_F(SqliteOpenTest, a_host_that_lets_go_in_time_is_waited_for) {
  const auto outbox = open();
  HostConnection host(path_);
  ASSERT_EQ(host.run("BEGIN IMMEDIATE"), SQLITE_OK);
  std::atomic<bool> begun = false;
  std::thread writer([&] {
    begun = true;
    const Mutation event = sample_event();
    EXPECT_TRUE(outbox->apply({&event, 1}));
  });
  while (!begun) std::this_thread::yield();
  host.run("CREATE TABLE loan (id INTEGER PRIMARY KEY)");
  EXPECT_EQ(host.run("COMMIT"), SQLITE_OK);
  writer.join();
  EXPECT_EQ(host.ask("SELECT count(*) FROM outrider_event"), "1");
}

TEST_F(SqliteOpenTest, opening_and_closing_does_not_drop_the_locks_of_a_host_in_the_same_process) {
  open().reset();
  HostConnection host(path_);
  ASSERT_EQ(host.run("BEGIN IMMEDIATE"), SQLITE_OK);
  auto opened = open_sqlite_outbox({.path = path_, .create = true, .busy_timeout_ms = 0});
  opened->reset();
  EXPECT_EQ(in_child([&] {  // POSIX locks are seen by other processes only
              sqlite3* other = nullptr;
              if (sqlite3_open(path_.c_str(), &other) != SQLITE_OK) return 1;
              const int code = sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr);
              return code == SQLITE_BUSY ? 0 : 2;
            }),
            0);
}

}  // namespace
}  // namespace outrider::storage
