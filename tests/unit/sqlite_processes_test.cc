// Several writers on one file at once, and one that is killed: what was acknowledged is there,
// exactly once, and nobody loses another's work.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <set>
#include <thread>

#include "outrider/outrider.h"
#include "sqlite_files.h"
#include "storage/sqlite/sqlite_outbox.h"

namespace outrider::storage {
namespace {

class SqliteProcessesTest : public ::testing::Test {
 protected:
  std::unique_ptr<Outbox> open() {
    auto opened = open_sqlite_outbox(
        {.path = path_, .create = true, .engine = false, .busy_timeout_ms = 60'000});
    EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().to_string());
    return opened ? std::move(*opened) : nullptr;
  }
  static Outcome apply(Outbox& outbox, const Mutation& mutation) {
    auto applied = outbox.apply({&mutation, 1});
    if (!applied) return tl::unexpected(applied.error());
    return std::move(applied->front());
  }
  EndpointRow add_endpoint(Outbox& outbox) {
    AddEndpoint add;
    add.spec = {.account = "acme", .provider = "shop", .url = "https://x.example/", .secret = "s"};
    const Outcome outcome = apply(outbox, add);
    EXPECT_TRUE(outcome.has_value());
    return std::get<Changed>(*outcome).id;
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.file("x.db");
};

// What an engine does, reduced to storage: picks up, follows, completes.
class Follower {
 public:
  Follower(Outbox& outbox, EndpointRow endpoint) : outbox_(outbox), endpoint_(endpoint) {}
  // One turn; returns how many deliveries it completed.
  int turn() {
    const auto changes = outbox_.foreign_changes();
    EXPECT_TRUE(changes.has_value());
    std::vector<Mutation> batch;
    if (changes->inbox) {
      const auto rows = outbox_.inbox(64);
      for (const InboxRow& row : *rows) {
        Enqueue event = sample_event(row.idempotency_key.value_or(""));
        event.inbox_row = row.row;
        batch.emplace_back(event);
      }
    }
    const auto due = outbox_.due(endpoint_, 64);
    int completed = 0;
    for (const DueRow& row : *due) {
      AttemptFinished finished;
      finished.claimed = row;
      finished.attempt.number = row.attempt;
      finished.step = core::DeliveryStep::kSucceed;
      batch.emplace_back(finished);
      ++completed;
    }
    const auto applied = outbox_.apply(batch);
    EXPECT_TRUE(applied.has_value()) << applied.error().to_string();
    for (const Outcome& outcome : *applied) EXPECT_TRUE(outcome.has_value());
    return completed;
  }

 private:
  Outbox& outbox_;
  EndpointRow endpoint_;
};

TEST_F(SqliteProcessesTest, an_engine_an_operator_and_a_host_write_at_once_and_nothing_is_lost) {
  constexpr int kEach = 60;
  const auto engine = open();
  const EndpointRow endpoint = add_endpoint(*engine);
  std::atomic<int> publishing = 2;
  std::thread publisher([&] {
    const auto outbox = open();
    for (int i = 0; i < kEach; ++i) EXPECT_TRUE(apply(*outbox, sample_event()).has_value());
    --publishing;
  });
  std::thread host([&] {
    HostConnection connection(path_);
    sqlite3_busy_timeout(connection.get(), 60'000);
    const Event event{.account = "acme",
                      .provider = "shop",
                      .type = "loan.paid",
                      .payload = "{}",
                      .idempotency_key = {},
                      .ordering_key = {},
                      .expires_at = {},
                      .endpoints = {}};
    for (int i = 0; i < kEach; ++i) {
      EXPECT_EQ(connection.run("BEGIN IMMEDIATE"), SQLITE_OK);
      EXPECT_TRUE(enqueue(connection.get(), event).has_value());
      EXPECT_EQ(connection.run(i % 4 == 3 ? "ROLLBACK" : "COMMIT"), SQLITE_OK);
    }
    --publishing;
  });
  std::thread operators([&] {
    const auto outbox = open();
    while (publishing > 0) {
      for (const auto kind : {ChangeEndpoint::Kind::kPause, ChangeEndpoint::Kind::kActivate}) {
        EXPECT_TRUE(apply(*outbox, ChangeEndpoint{.endpoint = endpoint, .kind = kind}).has_value());
      }
    }
  });
  Follower follower(*engine, endpoint);
  int completed = 0;
  while (publishing > 0) completed += follower.turn();
  publisher.join();
  host.join();
  operators.join();
  for (int last = 2; last > 0; --last) {
    while (const int more = follower.turn()) completed += more;
  }
  EXPECT_EQ(completed, kEach + kEach * 3 / 4);
  const auto queue = engine->queue(0);
  EXPECT_EQ(queue->waiting, 0U);
  EXPECT_EQ(queue->inbox, 0U);
  EXPECT_EQ(queue->finished.at(DeliveryState::kDelivered), static_cast<std::uint64_t>(completed));
}

TEST_F(SqliteProcessesTest, a_killed_writer_loses_nothing_it_acknowledged_and_frees_the_file) {
  open().reset();
  std::set<std::string> acknowledged;
  for (int round = 0; round < 5; ++round) {
    int report[2];
    ASSERT_EQ(::pipe(report), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      const auto outbox = open_sqlite_outbox({.path = path_, .busy_timeout_ms = 60'000});
      for (std::int32_t i = 0; outbox; ++i) {
        const std::string key = std::to_string(round) + "-" + std::to_string(i);
        const Mutation event = sample_event(key);
        const auto applied = (*outbox)->apply({&event, 1});
        if (!applied || ::write(report[1], &i, sizeof i) != sizeof i) ::_exit(1);
      }
      ::_exit(1);
    }
    ::close(report[1]);
    std::int32_t last = -1;
    const int wanted = 5 + 7 * round;
    while (last < wanted && ::read(report[0], &last, sizeof last) == sizeof last) {
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    while (::read(report[0], &last, sizeof last) == sizeof last) {
    }
    ::close(report[0]);
    EXPECT_GE(last, wanted);
    for (std::int32_t i = 0; i <= last; ++i) {
      acknowledged.insert(std::to_string(round) + "-" + std::to_string(i));
    }
  }
  const auto outbox = open();
  for (const std::string& key : acknowledged) {
    const Outcome again = apply(*outbox, sample_event(key));
    ASSERT_TRUE(again.has_value());
    EXPECT_TRUE(std::get<Enqueued>(*again).duplicate) << key;
  }
  EXPECT_EQ(HostConnection(path_).ask("PRAGMA integrity_check"), "ok");
}

}  // namespace
}  // namespace outrider::storage
