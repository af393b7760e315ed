// Thousands of mutations in a random but repeatable order, by two connections at once, with results
// that come late and operators in between; after every few of them the rows must keep the
// invariants that storage/sqlite/transaction.h promises. The checks are SQL of their own, on a
// host's connection.
#include <gtest/gtest.h>

#include <deque>

#include "sqlite_files.h"
#include "storage/sqlite/sqlite_outbox.h"

namespace outrider::storage {
namespace {

struct Invariant {
  const char* what;
  const char* violations;  // a query that counts them
};

constexpr Invariant kInvariants[] = {
    {"a row of due belongs to a pending delivery and agrees with it",
     "SELECT count(*) FROM outrider_due u LEFT JOIN outrider_delivery d ON d.id = u.delivery"
     " WHERE d.id IS NULL OR d.state <> 0 OR d.endpoint <> u.endpoint"
     " OR d.next_at IS NOT u.next_at OR u.attempt <> d.attempts + 1"},
    {"a delivery that says when it is due has a row of due",
     "SELECT count(*) FROM outrider_delivery d WHERE d.next_at IS NOT NULL AND NOT EXISTS"
     " (SELECT 1 FROM outrider_due u WHERE u.endpoint = d.endpoint AND u.next_at = d.next_at"
     " AND u.delivery = d.id)"},
    {"a pending delivery without an ordering key is due some time",
     "SELECT count(*) FROM outrider_delivery WHERE state = 0 AND ordering_key IS NULL"
     " AND next_at IS NULL"},
    {"a finished delivery is due never, and says when it ended",
     "SELECT count(*) FROM outrider_delivery"
     " WHERE state <> 0 AND (next_at IS NOT NULL OR finished_at IS NULL)"},
    {"lanes hold the pending deliveries with ordering keys",
     "SELECT (SELECT count(*) FROM outrider_lane) - (SELECT count(*) FROM outrider_delivery"
     " WHERE state = 0 AND ordering_key IS NOT NULL) <> 0 OR EXISTS"
     " (SELECT 1 FROM outrider_lane l JOIN outrider_delivery d ON d.id = l.delivery"
     " WHERE d.state <> 0 OR d.ordering_key IS NOT l.key OR d.endpoint <> l.endpoint)"},
    {"exactly one of a lane is due",
     "SELECT count(*) FROM (SELECT 1 FROM outrider_lane l JOIN outrider_delivery d"
     " ON d.id = l.delivery GROUP BY l.endpoint, l.key HAVING count(d.next_at) <> 1)"},
    {"totals count the finished deliveries",
     "SELECT count(*) FROM (SELECT endpoint, state, sum(n) AS n FROM"
     " (SELECT endpoint, error AS state, count AS n FROM outrider_tally WHERE slot = 2147483647"
     "  UNION ALL"
     "  SELECT endpoint, state, -count(*) FROM outrider_delivery WHERE state <> 0"
     "  GROUP BY endpoint, state) GROUP BY endpoint, state HAVING sum(n) <> 0)"},
    {"attempts are counted, numbered from 1 without a gap",
     "SELECT count(*) FROM outrider_delivery d WHERE d.attempts <>"
     " (SELECT count(*) FROM outrider_attempt a WHERE a.id > d.id * 65536"
     "  AND a.id <= d.id * 65536 + d.attempts)"
     " OR EXISTS (SELECT 1 FROM outrider_attempt a WHERE a.id > d.id * 65536 + d.attempts"
     "  AND a.id < (d.id + 1) * 65536)"},
    {"nothing is left of what was removed",
     "SELECT (SELECT count(*) FROM outrider_attempt WHERE id / 65536 NOT IN"
     " (SELECT id FROM outrider_delivery)) + (SELECT count(*) FROM outrider_delivery"
     " WHERE event NOT IN (SELECT id FROM outrider_event)) + (SELECT count(*)"
     " FROM outrider_idempotency WHERE event NOT IN (SELECT id FROM outrider_event))"},
    {"an event lies in a span of the minute of its acceptance, and one span has no end",
     "SELECT (SELECT count(*) FROM outrider_event e WHERE NOT EXISTS (SELECT 1 FROM"
     " outrider_accepted a WHERE a.slot = e.created_at / 60000 AND e.id BETWEEN a.first AND"
     " coalesce(a.last, e.id))) + (SELECT count(*) > 1 FROM outrider_accepted WHERE last IS NULL)"},
    {"a removed endpoint has no secret",
     "SELECT count(*) FROM outrider_secret s JOIN outrider_endpoint e ON e.id = s.endpoint"
     " WHERE e.removed_at IS NOT NULL"},
};

// SplitMix64: the same numbers everywhere.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t roll(std::uint64_t sides) {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15U);
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return (z ^ (z >> 31U)) % sides;
  }
  bool one_in(std::uint64_t sides) { return roll(sides) == 0; }

 private:
  std::uint64_t state_;
};

class SqliteInvariantsTest : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    for (auto* outbox : {&engine_, &operator_}) {
      auto opened = open_sqlite_outbox({.path = directory_.file("x.db"), .create = true});
      ASSERT_TRUE(opened.has_value());
      *outbox = std::move(*opened);
    }
    host_ = std::make_unique<HostConnection>(directory_.file("x.db"));
  }

  [[nodiscard]] std::string account() { return dice_.one_in(2) ? "one" : "two"; }
  [[nodiscard]] EndpointRow some_endpoint() {
    return static_cast<EndpointRow>(1 + dice_.roll(static_cast<std::uint64_t>(endpoints_)));
  }
  [[nodiscard]] std::int64_t newest(const char* table) {
    return std::atoll(host_->ask(std::string("SELECT coalesce(max(id), 0) FROM ") + table).c_str());
  }
  [[nodiscard]] std::int64_t recent(const char* table) {
    const std::int64_t last = newest(table);
    return std::max<std::int64_t>(1, last - static_cast<std::int64_t>(dice_.roll(40)));
  }

  Mutation enqueue() {
    Enqueue event = sample_event();
    event.account = account();
    event.now = now_;
    if (dice_.one_in(2)) event.ordering_key = dice_.one_in(2) ? "a" : "b";
    if (dice_.one_in(4)) event.idempotency_key = "key " + std::to_string(dice_.roll(50));
    event.rules.cancel_for_deactivated = dice_.one_in(3);
    event.rules.refuse_while_deactivated = dice_.one_in(4);
    return event;
  }

  // Results of what was claimed come in any order, some of them late.
  void claim() {
    const EndpointRow endpoint = some_endpoint();
    const auto rows = engine_->due(endpoint, 5);
    ASSERT_TRUE(rows.has_value());
    for (const DueRow& row : *rows) {
      const bool known =
          std::any_of(in_flight_.begin(), in_flight_.end(),
                      [&](const DueRow& other) { return other.delivery == row.delivery; });
      if (!known) in_flight_.push_back(row);
    }
  }
  Mutation result() {
    const auto at = in_flight_.begin() + static_cast<std::ptrdiff_t>(dice_.roll(in_flight_.size()));
    const DueRow due = *at;
    in_flight_.erase(at);
    if (dice_.one_in(12)) {
      return DeliveryEnded{.claimed = due, .step = core::DeliveryStep::kExpire, .now = now_};
    }
    AttemptFinished finished;
    finished.claimed = due;
    finished.attempt.number = due.attempt;
    finished.now = now_;
    finished.next_at = now_ + static_cast<std::int64_t>(dice_.roll(1000));
    constexpr core::DeliveryStep kSteps[] = {
        core::DeliveryStep::kSucceed, core::DeliveryStep::kFailAgain, core::DeliveryStep::kExhaust};
    finished.step = kSteps[dice_.roll(3)];
    if (finished.step != core::DeliveryStep::kSucceed && dice_.one_in(6)) {
      const auto scope =
          dice_.one_in(2) ? core::DeactivationScope::kAccount : core::DeactivationScope::kEndpoint;
      const auto pending = dice_.one_in(2) ? core::PendingRule::kCancel : core::PendingRule::kHold;
      finished.deactivate = Deactivation{.scope = scope, .pending = pending, .reason = "failing"};
    }
    return finished;
  }

  // Of a few late events, whatever became of them.
  Mutation replay() {
    ReplayEvents replay{.endpoint = some_endpoint(),
                        .events = {},
                        .states = {DeliveryState::kExhausted, DeliveryState::kCancelled},
                        .missed = dice_.one_in(2),
                        .now = now_};
    if (dice_.one_in(3)) replay.states.push_back(DeliveryState::kDelivered);
    for (int i = 0; i < 5; ++i) replay.events.push_back(recent("outrider_event"));
    return replay;
  }

  Mutation operators_change() {
    switch (dice_.roll(9)) {
      case 8:
        return replay();
      case 0: {
        AddEndpoint add;
        add.spec = {
            .account = account(), .provider = "shop", .url = "https://x.example/", .secret = "s"};
        add.now = now_;
        ++endpoints_;
        return add;
      }
      case 1:
        return RetryDeliveries{
            .event = recent("outrider_event"), .failed_only = dice_.one_in(2), .now = now_};
      case 2:
        return RetryDeliveries{.delivery = recent("outrider_delivery"), .now = now_};
      case 3:
        return CancelDeliveries{.event = recent("outrider_event"), .reason = "stop", .now = now_};
      case 4:
        return CancelDeliveries{.delivery = recent("outrider_delivery"), .now = now_};
      case 5:
        return ChangeEndpoint{
            .endpoint = some_endpoint(),
            .kind = dice_.one_in(4) ? ChangeEndpoint::Kind::kRemove : ChangeEndpoint::Kind::kPause,
            .now = now_};
      default:
        return ChangeEndpoint{
            .endpoint = some_endpoint(), .kind = ChangeEndpoint::Kind::kActivate, .now = now_};
    }
  }

  void apply(Outbox& outbox, std::vector<Mutation> batch) {
    const auto applied = outbox.apply(batch);
    ASSERT_TRUE(applied.has_value()) << applied.error().to_string();
  }

  void check(int step) {
    for (const Invariant& invariant : kInvariants) {
      ASSERT_EQ(host_->ask(invariant.violations), "0") << invariant.what << ", step " << step;
    }
    const auto chain = engine_->verify_chain({});
    ASSERT_TRUE(chain.has_value()) << chain.error().to_string();
    ASSERT_EQ(chain->fault_count, 0U) << chain->faults.front().what << ", step " << step;
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Outbox> engine_, operator_;
  std::unique_ptr<HostConnection> host_;
  Dice dice_{static_cast<std::uint64_t>(GetParam())};
  std::deque<DueRow> in_flight_;
  int endpoints_ = 1;  // ids given out so far, and one that may not exist yet
  std::int64_t now_ = 1'700'000'000'000;
};

TEST_P(SqliteInvariantsTest, hold_under_any_mix_of_events_results_operators_and_housekeeping) {
  constexpr int kSteps = 150;
  for (int step = 0; step < kSteps; ++step) {
    now_ += static_cast<std::int64_t>(dice_.roll(2000));
    apply(*operator_, {operators_change()});
    std::vector<Mutation> batch;
    for (std::uint64_t i = dice_.roll(12); i > 0; --i) batch.push_back(enqueue());
    ASSERT_NO_FATAL_FAILURE(claim());
    while (!in_flight_.empty() && !dice_.one_in(5)) batch.push_back(result());
    if (dice_.one_in(3)) {
      batch.push_back(Maintain{.payloads_before = now_ - 20'000,
                               .attempts_before = now_ - 60'000,
                               .limit = 3,
                               .now = now_});
    }
    ASSERT_NO_FATAL_FAILURE(apply(*engine_, std::move(batch)));
    if (step % 5 == 0) {
      ASSERT_NO_FATAL_FAILURE(check(step));
    }
  }
  check(kSteps);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SqliteInvariantsTest, ::testing::Range(1, 9));

}  // namespace
}  // namespace outrider::storage
