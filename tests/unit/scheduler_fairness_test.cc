// One endpoint cannot hurt another, shown by order and counts: the healthy endpoints' deliveries
// leave in the very same order and at the very same moments with and without the sick one.
#include <map>
#include <set>
#include <string>

#include "scheduler_fixture.h"

namespace outrider::core {
namespace {

// A world in virtual time: each endpoint has rows on a disk, answers after its own delay, well or
// not.
class World {
 public:
  struct Sent {
    std::int64_t ms;
    EndpointKey endpoint;
    DeliveryKey delivery;
    friend bool operator==(const Sent&, const Sent&) = default;
  };

  explicit World(SchedulerLimits limits) : scheduler_(limits) {}

  void endpoint(EndpointKey key, int events, std::int64_t answers_after_ms, SlotResult answer,
                LaneLimits limits = {}) {
    Peer& peer = peers_[key];
    peer.answers_after_ms = answers_after_ms;
    peer.answer = answer;
    for (int i = 0; i < events; ++i) peer.disk.insert(key * 1'000'000 + i);
    scheduler_.set_lane(key, limits);
    scheduler_.set_active(key, true, at(0));
  }

  // Runs for so long; what a failing endpoint did not take stays on its disk and is due again at
  // once.
  void run(std::int64_t until_ms) {
    while (now_ <= until_ms) {
      answer_refills();
      for (const Claim& claim : scheduler_.take_ready(at(now_), kMany)) {
        sent.push_back({now_, claim.endpoint, claim.item.delivery});
        Peer& peer = peers_[claim.endpoint];
        peer.most_in_flight = std::max(peer.most_in_flight, scheduler_.open(claim.endpoint));
        ends_.insert({{now_ + peer.answers_after_ms, ends_made_++}, claim});
      }
      most_in_flight = std::max(most_in_flight, scheduler_.open());
      answer_refills();
      if (!step()) return;
    }
  }

  [[nodiscard]] std::vector<Sent> sent_to_others(EndpointKey sick) const {
    std::vector<Sent> result;
    for (const auto& s : sent) {
      if (s.endpoint != sick) result.push_back(s);
    }
    return result;
  }
  [[nodiscard]] std::size_t left(EndpointKey key) const { return peers_.at(key).disk.size(); }
  [[nodiscard]] std::uint32_t most(EndpointKey key) const { return peers_.at(key).most_in_flight; }

  std::vector<Sent> sent;
  std::uint32_t most_in_flight = 0;

 private:
  struct Peer {
    std::set<DeliveryKey> disk;
    std::int64_t answers_after_ms = 0;
    SlotResult answer = SlotResult::kSuccess;
    std::uint32_t most_in_flight = 0;
  };

  void answer_refills() {
    for (const EndpointKey key : scheduler_.take_refills(kMany)) {
      const auto& disk = peers_[key].disk;
      std::vector<DueItem> offered;
      for (const DeliveryKey delivery : disk) {
        if (offered.size() == scheduler_.rows_wanted(key)) break;
        offered.push_back(row(delivery));
      }
      scheduler_.refill(key, offered, offered.size() == disk.size());
    }
  }

  // To the next moment at which something happens; the answers of that moment come in.
  bool step() {
    if (ends_.empty()) return false;
    now_ = ends_.begin()->first.first;
    while (!ends_.empty() && ends_.begin()->first.first == now_) {
      const Claim claim = ends_.begin()->second;
      ends_.erase(ends_.begin());
      Peer& peer = peers_[claim.endpoint];
      if (peer.answer == SlotResult::kSuccess) {
        peer.disk.erase(claim.item.delivery);
      } else {
        // The retry goes behind all others.
        peer.disk.erase(claim.item.delivery);
        peer.disk.insert(claim.item.delivery + 500'000);
        scheduler_.mark_incomplete(claim.endpoint);
      }
      scheduler_.release(claim.endpoint, claim.item.delivery, peer.answer);
    }
    return true;
  }

  Scheduler scheduler_;
  std::int64_t now_ = 0;
  std::map<EndpointKey, Peer> peers_;
  std::map<std::pair<std::int64_t, std::uint64_t>, Claim> ends_;
  std::uint64_t ends_made_ = 0;
};

World with_fifty_healthy() { return World({.max_in_flight = 256, .window = 256}); }

void add_fifty_healthy(World& world) {
  for (EndpointKey key = 1; key <= 50; ++key) {
    world.endpoint(key, 200, 5 + key % 7, SlotResult::kSuccess, {.max_in_flight = 4});
  }
}

TEST(SchedulerFairness, a_hanging_endpoint_with_20000_waiting_changes_nothing_for_50_healthy_ones) {
  World healthy = with_fifty_healthy();
  add_fifty_healthy(healthy);
  healthy.run(60'000);

  World mixed = with_fifty_healthy();
  mixed.endpoint(1000, 20'000, 3000, SlotResult::kFailure);
  add_fifty_healthy(mixed);
  mixed.run(60'000);

  EXPECT_EQ(healthy.sent.size(), 50U * 200U);
  EXPECT_EQ(mixed.sent_to_others(1000), healthy.sent);  // same order, same moments
  EXPECT_EQ(mixed.most(1000), 1U);
  // One request each three seconds, no more: it does not crowd, and it is not forgotten either.
  EXPECT_EQ(mixed.sent.size() - healthy.sent.size(), 21U);
  EXPECT_EQ(mixed.left(1000), 20'000U);
}

TEST(SchedulerFairness, a_huge_backlog_that_flows_well_takes_its_turns_and_no_more) {
  World world = with_fifty_healthy();
  world.endpoint(1000, 20'000, 5, SlotResult::kSuccess, {.max_in_flight = 64});
  for (EndpointKey key = 1; key <= 50; ++key) {
    world.endpoint(key, 40, 5, SlotResult::kSuccess, {.max_in_flight = 8});
  }
  world.run(1'000'000);
  EXPECT_EQ(world.sent.size(), 20'000U + 50U * 40U);
  // While the small ones still have work, the big one never has more than one turn in between.
  std::map<EndpointKey, int> sent_small;
  std::int64_t last_small = 0;
  for (const auto& s : world.sent) {
    if (s.endpoint != 1000 && ++sent_small[s.endpoint] == 40) last_small = s.ms;
  }
  std::size_t big_before = 0;
  for (const auto& s : world.sent) big_before += s.endpoint == 1000 && s.ms <= last_small;
  EXPECT_LT(big_before, 700U);  // of 20,000: its window's growth, nothing like its backlog's share
  EXPECT_LE(world.most_in_flight, 256U);
}

TEST(SchedulerFairness, any_number_of_hanging_endpoints_leaves_half_of_the_slots_to_the_proven) {
  World world({.max_in_flight = 64, .window = 64});
  world.endpoint(1, 20'000, 10, SlotResult::kSuccess, {.max_in_flight = 64});
  world.run(1000);  // proven by now
  const std::size_t alone = world.sent.size();
  for (EndpointKey key = 100; key < 1100; ++key) {
    world.endpoint(key, 100, 3000, SlotResult::kFailure);
  }
  world.run(4000);
  std::size_t healthy = 0;
  for (const auto& s : world.sent) healthy += s.endpoint == 1;
  // 32 slots, an answer each 10 ms, 3000 ms: 9600.
  EXPECT_GE(healthy - alone, 9500U);
  EXPECT_LE(world.most_in_flight, 64U);
}

TEST(SchedulerFairness, every_waiting_endpoint_gets_its_turn) {
  // More new endpoints than slots, all slow: each is tried once before any is tried twice.
  World world({.max_in_flight = 20, .window = 16});
  for (EndpointKey key = 1; key <= 100; ++key) {
    world.endpoint(key, 5, 1000, SlotResult::kFailure);
  }
  world.run(9'999);
  ASSERT_EQ(world.sent.size(), 100U);
  std::set<EndpointKey> tried;
  for (const auto& s : world.sent) EXPECT_TRUE(tried.insert(s.endpoint).second) << s.endpoint;
}

}  // namespace
}  // namespace outrider::core
