// How the dispatcher behaves when endpoints, operators, clocks and the process itself misbehave.
// Virtual time.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/signature.h"
#include "crypto/mac.h"
#include "tests/simulation/world.h"
#include "tests/unit/fault_vfs.h"

namespace outrider::simulation {
namespace {

using namespace std::chrono_literals;

Event event(int number, const std::string& account = "acme") {
  return {.account = account,
          .provider = "lender-spender",
          .type = "loan_application_status_update",
          .payload = R"({"type":"loan_application_status_update","data":{"n":)" +
                     std::to_string(number) + "}}",
          .idempotency_key = {},
          .ordering_key = {},
          .expires_at = {},
          .endpoints = {}};
}

TEST(behaviour, a_hanging_endpoint_with_a_huge_backlog_delays_nobody) {
  World world;
  world.add_endpoint("hangs", "lender-spender", "hanging");
  world.answer("hangs",
               [](const net::HttpRequest&) { return Answer{.status = 200, .takes = 3600s}; });
  constexpr int kBacklog = 20'000;
  for (int i = 0; i < kBacklog; i += 1000) {
    std::vector<Event> page;
    for (int j = 0; j < 1000; ++j) page.push_back(event(i + j, "hanging"));
    world.publish_many(page);
  }
  constexpr int kHealthy = 50;
  constexpr int kEach = 20;
  std::vector<Event> healthy;
  for (int i = 0; i < kHealthy; ++i) {
    const std::string account = "healthy-" + std::to_string(i);
    world.add_endpoint(account, "lender-spender", account);
    for (int j = 0; j < kEach; ++j) healthy.push_back(event(j, account));
  }
  world.publish_many(healthy);
  world.run_for(1s);
  for (int i = 0; i < kHealthy; ++i) {
    EXPECT_EQ(world.sent_to("healthy-" + std::to_string(i)).size(), std::size_t{kEach});
  }
  EXPECT_EQ(world.sent_to("hangs").size(), 1U) << "one at a time until it has answered well";
  world.run_for(20s);
  EXPECT_EQ(world.sent_to("hangs").size(), 5U) << "deactivated after five, the rest is held";
  EXPECT_EQ(world.queue().held, std::uint64_t{kBacklog});
}

TEST(behaviour, any_number_of_hanging_endpoints_leaves_half_the_slots_to_proven_ones) {
  World world({.providers_dir = {}, .max_in_flight = 16});
  world.add_endpoint("good", "lender-spender", "good");
  ASSERT_TRUE(world.publish(event(0, "good")));
  world.run_for(1s);
  for (int i = 0; i < 60; ++i) {
    const std::string account = "bad-" + std::to_string(i);
    world.add_endpoint(account, "lender-spender", account);
    world.answer(account, [](const net::HttpRequest&) { return Answer{.takes = 3600s}; });
    ASSERT_TRUE(world.publish(event(0, account)));
  }
  std::vector<Event> good;
  for (int i = 0; i < 200; ++i) good.push_back(event(i, "good"));
  world.publish_many(good);
  world.run_for(2s);
  EXPECT_EQ(world.sent_to("good").size(), 201U);
}

TEST(behaviour, a_new_endpoint_starts_with_one_request_and_earns_more) {
  World world;
  world.add_endpoint("bank", "lender-spender");
  world.answer("bank", [](const net::HttpRequest&) { return Answer{.takes = 100ms}; });
  std::vector<Event> events;
  for (int i = 0; i < 400; ++i) events.push_back(event(i));
  world.publish_many(events);
  EXPECT_EQ(world.sender.in_flight(), 1U);
  world.run_for(100ms);
  EXPECT_EQ(world.sender.in_flight(), 2U);
  world.run_for(2s);
  EXPECT_EQ(world.sender.most_in_flight, 32U);
  world.run_for(60s);
  EXPECT_EQ(world.sent_to("bank").size(), 400U);
}

TEST(behaviour, a_crash_between_send_and_record_sends_once_more_with_the_same_id) {
  World world;
  world.add_endpoint("bank", "lender-spender");
  world.answer("bank", [](const net::HttpRequest&) { return Answer{.takes = 500ms}; });
  const auto published = world.publish(event(1));
  ASSERT_TRUE(published);
  world.run_for(10ms);
  ASSERT_EQ(world.sent_to("bank").size(), 1U);
  world.crash();
  world.run_for(2s);
  const auto sent = world.sent_to("bank");
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[0].webhook_id, sent[1].webhook_id);
  EXPECT_EQ(sent[0].body, sent[1].body);
  const auto deliveries = world.deliveries(published->event);
  EXPECT_EQ(deliveries[0].state, DeliveryState::kDelivered);
  EXPECT_EQ(world.attempts(deliveries[0].row).size(), 1U);
}

TEST(behaviour, retries_survive_a_restart_at_their_time) {
  World world;
  world.add_endpoint("bank", "lender-spender");
  world.answer("bank", 500);
  ASSERT_TRUE(world.publish(event(1)));
  world.run_for(4s);
  world.crash();
  world.answer("bank", 200);
  world.run_for(5s);
  EXPECT_EQ(world.sent_to("bank").size(), 1U);
  world.run_for(2s);
  EXPECT_EQ(world.sent_to("bank").size(), 2U);
}

TEST(behaviour, a_clock_set_back_a_day_delays_neither_new_events_nor_known_retries) {
  World world;
  world.add_endpoint("bank", "lender-spender");
  world.add_endpoint("other", "lender-spender", "other");
  world.answer("bank", 500);
  ASSERT_TRUE(world.publish(event(1)));
  world.run_for(1s);
  world.time.step_wall(-24h);
  world.answer("bank", 200);
  ASSERT_TRUE(world.publish(event(2, "other")));
  world.run_for(12s);
  EXPECT_EQ(world.sent_to("other").size(), 1U);
  EXPECT_EQ(world.sent_to("bank").size(), 2U) << "the retry runs on the monotonic clock";
}

TEST(behaviour, a_clock_set_back_before_a_restart_waits_at_most_the_longest_delay) {
  World world;
  world.add_endpoint("bank", "lender-spender");
  world.answer("bank", 500);
  ASSERT_TRUE(world.publish(event(1)));
  world.run_for(1s);
  world.time.step_wall(std::chrono::hours(24 * 365));
  world.time.step_wall(-std::chrono::hours(2 * 24 * 365));
  world.crash();
  world.answer("bank", 200);
  world.run_for(100'000s);
  EXPECT_EQ(world.sent_to("bank").size(), 2U);
}

TEST(behaviour, a_paused_endpoint_holds_and_an_activated_one_releases) {
  World world;
  const auto endpoint = world.add_endpoint("bank", "lender-spender");
  ASSERT_TRUE(world.operate(storage::ChangeEndpoint{.endpoint = endpoint,
                                                    .kind = storage::ChangeEndpoint::Kind::kPause,
                                                    .reason = "maintenance",
                                                    .now = core::to_ms(world.time.wall())}));
  const auto published = world.publish(event(1));
  world.run_for(100s);
  EXPECT_TRUE(world.sent_to("bank").empty());
  EXPECT_EQ(world.deliveries(published->event)[0].state, DeliveryState::kHeld);
  ASSERT_TRUE(
      world.operate(storage::ChangeEndpoint{.endpoint = endpoint,
                                            .kind = storage::ChangeEndpoint::Kind::kActivate,
                                            .now = core::to_ms(world.time.wall())}));
  world.run_for(1s);
  EXPECT_EQ(world.sent_to("bank").size(), 1U);
}

TEST(behaviour, a_replaced_secret_signs_until_its_end_and_not_at_it) {
  World world;
  const auto endpoint = world.add_endpoint("rotates", "standard-webhooks");
  std::vector<std::string> signatures;
  world.answer("rotates", [&](const net::HttpRequest& request) {
    for (const HeaderField& header : request.headers) {
      if (header.name == "webhook-signature") signatures.push_back(header.value);
    }
    return Answer{.status = 200, .takes = 0ms};
  });
  const auto sign_one = [&] {
    Event one = event(static_cast<int>(signatures.size()));
    one.provider = "standard-webhooks";
    ASSERT_TRUE(world.publish(one).has_value());
    world.run_for(0ms);
  };
  const auto signed_by = [&] {
    return 1 + std::count(signatures.back().begin(), signatures.back().end(), ' ');
  };
  sign_one();
  EXPECT_EQ(signed_by(), 1);
  ASSERT_TRUE(world
                  .operate(storage::RotateSecret{.endpoint = endpoint,
                                                 .secret = "whsec_" + std::string(32, 'A'),
                                                 .overlap_ms = 24 * 3'600'000,
                                                 .now = core::to_ms(world.time.wall())})
                  .has_value());
  sign_one();
  EXPECT_EQ(signed_by(), 2) << "from the rotation on both sign";
  world.run_for(24h - 1ms);
  sign_one();
  EXPECT_EQ(signed_by(), 2) << "a millisecond before the end";
  world.run_for(1ms);
  sign_one();
  EXPECT_EQ(signed_by(), 1) << "at the end";
  EXPECT_EQ(signatures.size(), 4U);
}

// One slot, which the slow endpoint holds for a second; what comes next has been read already.
struct ReadAhead : World {
  ReadAhead() : World({.providers_dir = {}, .max_in_flight = 1, .loops = 1}) {
    add_endpoint("slow", "lender-spender", "slow");
    next = add_endpoint("next", "lender-spender", "next");
    answer("slow", [](const net::HttpRequest&) { return Answer{.takes = 1s}; });
    EXPECT_TRUE(publish(event(1, "slow")));
    waiting = publish(event(2, "next")).value().event;
    run_for(10ms);
    EXPECT_EQ(sent_to("slow").size(), 1U);
    EXPECT_TRUE(sent_to("next").empty());
  }
  storage::EndpointRow next = 0;
  storage::EventRow waiting = 0;
};

TEST(behaviour, what_was_read_ahead_goes_out_when_there_is_room) {
  ReadAhead world;
  world.run_for(1s);
  EXPECT_EQ(world.sent_to("next").size(), 1U);
  EXPECT_EQ(world.sender.most_in_flight, 1U);
}

TEST(behaviour, a_delivery_that_is_cancelled_after_it_was_read_ahead_is_not_sent) {
  ReadAhead world;
  ASSERT_TRUE(world.operate(storage::CancelDeliveries{
      .event = world.waiting, .reason = "test", .now = core::to_ms(world.time.wall())}));
  world.run_for(100s);
  EXPECT_TRUE(world.sent_to("next").empty());
  EXPECT_EQ(world.deliveries(world.waiting)[0].state, DeliveryState::kCancelled);
}

TEST(behaviour, an_endpoint_that_is_paused_after_its_work_was_read_ahead_gets_none_of_it) {
  ReadAhead world;
  const auto change = [&](storage::ChangeEndpoint::Kind kind) {
    ASSERT_TRUE(world.operate(storage::ChangeEndpoint{.endpoint = world.next,
                                                      .kind = kind,
                                                      .reason = "test",
                                                      .now = core::to_ms(world.time.wall())}));
  };
  change(storage::ChangeEndpoint::Kind::kPause);
  world.run_for(100s);
  EXPECT_TRUE(world.sent_to("next").empty());
  change(storage::ChangeEndpoint::Kind::kActivate);
  world.run_for(1s);
  EXPECT_EQ(world.sent_to("next").size(), 1U);
}

TEST(behaviour, a_secret_that_is_replaced_after_an_event_was_read_ahead_signs_it) {
  ReadAhead world;
  std::string signature, body;
  world.answer("next", [&](const net::HttpRequest& request) {
    body = request.body;
    for (const HeaderField& header : request.headers) {
      if (header.name == "Signature") signature = header.value;
    }
    return Answer{};
  });
  const std::string secret = "another secret, and long enough for everybody";
  ASSERT_TRUE(world.operate(storage::RotateSecret{
      .endpoint = world.next, .secret = secret, .now = core::to_ms(world.time.wall())}));
  world.run_for(2s);
  EXPECT_EQ(signature,
            core::encode(core::Encoding::kHex,
                         crypto::digest(core::Algorithm::kHmacSha256, secret, body).value()));
}

TEST(behaviour, an_operator_cancels_and_retries) {
  World world;
  world.add_endpoint("bank", "lender-spender");
  world.answer("bank", 500);
  const auto published = world.publish(event(1));
  world.run_for(1s);
  ASSERT_TRUE(world.operate(storage::CancelDeliveries{
      .event = published->event, .reason = "test", .now = core::to_ms(world.time.wall())}));
  world.run_for(200s);
  EXPECT_EQ(world.sent_to("bank").size(), 1U);
  EXPECT_EQ(world.deliveries(published->event)[0].state, DeliveryState::kCancelled);
  world.answer("bank", 200);
  const auto retried = world.operate(
      storage::RetryDeliveries{.event = published->event, .now = core::to_ms(world.time.wall())});
  ASSERT_TRUE(retried);
  world.run_for(1s);
  EXPECT_EQ(world.deliveries(published->event)[0].state, DeliveryState::kDelivered);
  EXPECT_EQ(world.attempts(world.deliveries(published->event)[0].row).size(), 2U);
}

TEST(behaviour, failures_in_flight_together_are_each_counted) {
  World world;
  const auto endpoint = world.add_endpoint("bank", "lender-spender");
  // It earns a wide window, then breaks: everything under way at that moment fails and counts.
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(world.publish(event(i)));
    world.run_for(1s);
  }
  world.answer("bank",
               [](const net::HttpRequest&) { return Answer{.status = 500, .takes = 50ms}; });
  std::vector<Event> events;
  for (int i = 0; i < 100; ++i) events.push_back(event(1000 + i));
  world.publish_many(events);
  world.run_for(5s);
  EXPECT_EQ(world.endpoint(endpoint).state, EndpointState::kDeactivated);
  const std::size_t failed = world.sent_to("bank").size() - 20;
  EXPECT_GE(failed, 5U);
  EXPECT_LE(failed, 21U + 4U) << "what was under way, and no more";
}

TEST(behaviour, rows_inserted_by_plain_sql_are_accepted_or_rejected_with_their_reason) {
  World world;
  world.add_endpoint("bank", "lender-spender");
  world.sql(
      "INSERT INTO outrider_outbox (account, provider, type, payload) VALUES ('acme', "
      "'lender-spender', 'loan_application_status_update', "
      "'{\"type\": \"loan_application_status_update\", \"data\": {}}'),"
      "('acme', 'lender-spender', 'loan_application_attention_required', "
      "'{\"type\": \"loan_application_attention_required\", \"data\": {}}'),"
      "('acme', 'nobody', 'x', '{}')");
  world.run_for(2s);
  ASSERT_EQ(world.sent_to("bank").size(), 1U);
  EXPECT_EQ(world.sent_to("bank")[0].body,
            R"({"type":"loan_application_status_update","data":{}})");
  const auto rejected = world.rejected();
  ASSERT_EQ(rejected.size(), 2U);
  EXPECT_TRUE(std::any_of(rejected.begin(), rejected.end(), [](const auto& row) {
    return row.reason.find("message") != std::string::npos;
  }));
  EXPECT_TRUE(std::any_of(rejected.begin(), rejected.end(), [](const auto& row) {
    return row.reason.find("nobody") != std::string::npos;
  }));
}

// At once and without end would be a processor's whole time, and a log that tells nothing else.
TEST(behaviour, a_row_of_plain_sql_that_meets_a_full_disk_is_tried_again_a_little_later) {
  storage::FaultVfs::install();
  World world;
  world.add_endpoint("bank", "lender-spender");
  world.sql_unnoticed(
      "INSERT INTO outrider_outbox (account, provider, type, payload) VALUES ('acme', "
      "'lender-spender', 'loan_application_status_update', "
      "'{\"type\": \"loan_application_status_update\", \"data\": {}}')");
  storage::FaultVfs::set({.call = storage::FaultVfs::Call::kWrite,
                          .file_suffix = "-wal",
                          .code = SQLITE_FULL,
                          .once = false});
  world.sql("SELECT 1");
  const int once = storage::FaultVfs::hits();
  EXPECT_GE(once, 1);
  world.run_for(1s);
  EXPECT_GT(storage::FaultVfs::hits(), 2 * once);
  EXPECT_LE(storage::FaultVfs::hits(), 6 * once) << "four times a second";
  EXPECT_TRUE(world.sent_to("bank").empty());
  storage::FaultVfs::clear();
  world.run_for(300ms);
  EXPECT_EQ(world.sent_to("bank").size(), 1U);
  EXPECT_TRUE(world.rejected().empty());
}

TEST(behaviour, stop_waits_for_what_is_in_flight_and_records_it) {
  World world;
  world.add_endpoint("bank", "lender-spender");
  world.answer("bank", [](const net::HttpRequest&) { return Answer{.takes = 2s}; });
  const auto published = world.publish(event(1));
  world.run_for(100ms);
  ASSERT_EQ(world.sender.in_flight(), 1U);
  EXPECT_TRUE(world.stop_within(5s));
  EXPECT_EQ(world.deliveries(published->event)[0].state, DeliveryState::kDelivered);
}

}  // namespace
}  // namespace outrider::simulation
