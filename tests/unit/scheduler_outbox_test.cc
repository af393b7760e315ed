// The scheduler on a disk of its own, under everything that may happen at once: rows read late,
// outcomes written early, operators who cancel and retry, endpoints that pause. Then the faults
// end, and every row that is on the disk must be sent.
#include <deque>
#include <map>
#include <set>
#include <string>

#include "scheduler_fixture.h"

namespace outrider::core {
namespace {

constexpr EndpointKey kEndpoints = 6;

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed) : state_(seed) {
    for (EndpointKey key = 0; key < kEndpoints; ++key) {
      scheduler_.set_lane(key, {.max_in_flight = 5, .rate_per_second = key == 1 ? 40.0 : 0.0});
      scheduler_.set_active(key, true, at(now_));
    }
  }

  void run(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      disturb();
      turn();
    }
    heal();
  }

  [[nodiscard]] int delivered() const { return delivered_; }

 private:
  using Row = std::pair<std::int64_t, DeliveryKey>;  // next_at, delivery: its identity on disk
  struct Reading {
    EndpointKey endpoint;
    bool read = false;
    std::vector<DueItem> rows;
    bool complete = false;
  };
  struct Request {
    Claim claim;
    std::int64_t ends_ms;
  };

  std::int64_t roll(std::int64_t bound) {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<std::int64_t>((state_ >> 33) % static_cast<std::uint64_t>(bound));
  }

  void publish(EndpointKey key, bool own) {
    const DeliveryKey delivery = ++last_delivery_;
    disk_[key].insert({now_, delivery});
    if (own) {
      scheduler_.add(key, row(delivery, now_));
    } else {
      scheduler_.mark_incomplete(key);
    }
  }

  void disturb() {
    const EndpointKey key = roll(kEndpoints);
    switch (roll(10)) {
      case 0:
      case 1:
      case 2:
        for (auto n = roll(12); n > 0; --n) publish(key, true);
        break;
      case 3:
        for (auto n = roll(30); n > 0; --n) publish(key, false);
        break;
      case 4:
        operate(key);
        break;
      case 5:
        if (roll(4) == 0) {
          paused_[key] = !paused_[key];
          scheduler_.set_active(key, !paused_[key], at(now_));
        }
        break;
      default:
        break;
    }
  }

  // An operator cancels a delivery, or makes it due now; the scheduler hears of it afterwards.
  void operate(EndpointKey key) {
    auto& rows = disk_[key];
    if (rows.empty()) return;
    auto victim = rows.begin();
    std::advance(victim, roll(static_cast<std::int64_t>(rows.size())));
    const DeliveryKey delivery = victim->second;
    rows.erase(victim);
    const bool retry = roll(2) == 0;
    if (retry) rows.insert({now_, delivery});
    scheduler_.drop(key, delivery);
    if (retry) scheduler_.add(key, row(delivery, now_));
  }

  void turn() {
    for (const EndpointKey key : scheduler_.take_refills(static_cast<std::size_t>(roll(3)))) {
      readings_.push_back({key, false, {}, false});
    }
    for (Reading& reading : readings_) {
      if (!reading.read && roll(2) == 0) read(reading);
    }
    // Answers come in the order in which they were asked for; outcomes in any order.
    while (!readings_.empty() && readings_.front().read && roll(2) == 0) {
      const Reading reading = readings_.front();
      readings_.pop_front();
      scheduler_.refill(reading.endpoint, reading.rows, reading.complete);
    }
    for (const Claim& claim : scheduler_.take_ready(at(now_), static_cast<std::size_t>(roll(8)))) {
      ASSERT_LE(claim.item.due, at(now_));
      ASSERT_TRUE(under_way_.insert(claim.item.delivery).second)
          << "delivery " << claim.item.delivery << " claimed twice";
      // The row as claimed is on disk, unless an operator moved it while it was in flight or on its
      // way.
      requests_.push_back({claim, now_ + roll(200)});
    }
    for (std::size_t i = 0; i < requests_.size();) {
      if (requests_[i].ends_ms > now_) {
        ++i;
        continue;
      }
      const Claim claim = requests_[i].claim;
      requests_.erase(requests_.begin() + static_cast<std::ptrdiff_t>(i));
      end(claim);
    }
    now_ += roll(30);
  }

  void read(Reading& reading) {
    reading.read = true;
    const auto& rows = disk_[reading.endpoint];
    const std::size_t wanted = scheduler_.rows_wanted(reading.endpoint);
    for (const auto& [next_at, delivery] : rows) {
      if (reading.rows.size() == wanted) break;
      reading.rows.push_back(row(delivery, next_at));
    }
    reading.complete = reading.rows.size() == rows.size();
  }

  void end(const Claim& claim) {
    auto& rows = disk_[claim.endpoint];
    const Row claimed{claim.item.next_at_ms, claim.item.delivery};
    under_way_.erase(claim.item.delivery);
    if (!rows.contains(claimed)) {
      // Cancelled or moved meanwhile: nothing to write.
      scheduler_.release(claim.endpoint, claim.item.delivery, SlotResult::kNeutral);
      return;
    }
    switch (faults_ ? roll(8) : 0) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        rows.erase(claimed);
        ++delivered_;
        scheduler_.release(claim.endpoint, claim.item.delivery, SlotResult::kSuccess);
        break;
      case 5:
      case 6: {
        rows.erase(claimed);
        const std::int64_t next_at = now_ + 100 + roll(3000);
        rows.insert({next_at, claim.item.delivery});
        const bool add_first = roll(2) == 0;
        if (add_first) scheduler_.add(claim.endpoint, row(claim.item.delivery, next_at));
        scheduler_.release(claim.endpoint, claim.item.delivery, SlotResult::kFailure);
        if (!add_first) scheduler_.add(claim.endpoint, row(claim.item.delivery, next_at));
        break;
      }
      default:  // given up, the row stays
        scheduler_.release(claim.endpoint, claim.item.delivery, SlotResult::kNeutral);
        break;
    }
  }

  // No more faults: whatever is on the disk must go, guided by next_wake() alone.
  void heal() {
    faults_ = false;
    for (EndpointKey key = 0; key < kEndpoints; ++key) {
      if (paused_[key]) scheduler_.set_active(key, true, at(now_));
    }
    for (int idle = 0; idle < 1000;) {
      const int before = delivered_;
      turn();
      const auto wake = scheduler_.next_wake(at(now_));
      const bool busy = !requests_.empty() || !readings_.empty() || (wake && *wake <= at(now_));
      if (!busy && wake) now_ = wake->time_since_epoch().count();
      idle = busy || wake || delivered_ != before ? 0 : idle + 1;
      if (testing::Test::HasFailure()) return;
    }
    for (EndpointKey key = 0; key < kEndpoints; ++key) {
      EXPECT_TRUE(disk_[key].empty())
          << disk_[key].size() << " rows of endpoint " << key << " were forgotten";
    }
    EXPECT_EQ(scheduler_.open(), 0U);
  }

  std::uint64_t state_;
  Scheduler scheduler_{{.max_in_flight = 20, .window = 12}};
  std::int64_t now_ = 1'000'000;
  std::map<EndpointKey, std::set<Row>> disk_;
  std::map<EndpointKey, bool> paused_;
  std::deque<Reading> readings_;
  std::vector<Request> requests_;
  std::set<DeliveryKey> under_way_;
  DeliveryKey last_delivery_ = 0;
  int delivered_ = 0;
  bool faults_ = true;
};

TEST(SchedulerOutbox, nothing_on_disk_is_forgotten_and_nothing_is_claimed_twice) {
  int delivered = 0;
  for (std::uint64_t seed = 1; seed <= 100 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Simulation simulation(seed);
    simulation.run(1500);
    delivered += simulation.delivered();
  }
  EXPECT_GT(delivered, 100'000);
}

}  // namespace
}  // namespace outrider::core
