// The providers' rules to the letter, in virtual time, through the production dispatcher and a real
// outbox.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/simulation/world.h"

namespace outrider::simulation {
namespace {

using namespace std::chrono_literals;

const std::string kPayoffId = "f94bbd89-e9e0-45ac-a02b-e4d4afad6a8f";

Event status_update(int number = 0) {
  return {.account = "acme",
          .provider = "lender-spender",
          .type = "loan_application_status_update",
          .payload = R"({"type":"loan_application_status_update","data":{"n":)" +
                     std::to_string(number) + "}}",
          .idempotency_key = {},
          .ordering_key = {},
          .expires_at = {},
          .endpoints = {}};
}

Event payoff(const std::string& extra = {}) {
  return {.account = "acme",
          .provider = "lossexpress",
          .type = "payoff",
          .payload = R"({"payoffId":")" + kPayoffId + R"(","success":true)" + extra + "}",
          .idempotency_key = {},
          .ordering_key = {},
          .expires_at = {},
          .endpoints = {}};
}

std::vector<std::int64_t> gaps_s(const std::vector<Sent>& sent) {
  std::vector<std::int64_t> gaps;
  for (std::size_t i = 1; i < sent.size(); ++i) {
    gaps.push_back((sent[i].at - sent[i - 1].at).count() / 1000);
  }
  return gaps;
}

DeliveryState state_of(World& world, storage::EventRow event) {
  const auto deliveries = world.deliveries(event);
  EXPECT_EQ(deliveries.size(), 1U);
  return deliveries.at(0).state;
}

void activate(World& world, storage::EndpointRow endpoint,
              core::DeactivationScope scope = core::DeactivationScope::kEndpoint) {
  ASSERT_TRUE(
      world.operate(storage::ChangeEndpoint{.endpoint = endpoint,
                                            .kind = storage::ChangeEndpoint::Kind::kActivate,
                                            .scope = scope,
                                            .now = core::to_ms(world.time.wall())}));
}

TEST(rules, delivers_once_and_records_the_attempt) {
  World world;
  world.add_endpoint("bank", "lender-spender");
  const auto event = world.publish(status_update());
  ASSERT_TRUE(event);
  world.run_for(1s);
  ASSERT_EQ(world.sent_to("bank").size(), 1U);
  const auto deliveries = world.deliveries(event->event);
  ASSERT_EQ(deliveries.size(), 1U);
  EXPECT_EQ(deliveries[0].state, DeliveryState::kDelivered);
  const auto attempts = world.attempts(deliveries[0].row);
  ASSERT_EQ(attempts.size(), 1U);
  EXPECT_EQ(attempts[0].number, 1U);
  EXPECT_EQ(attempts[0].status, 200);
  EXPECT_EQ(attempts[0].error, ErrorClass::kNone);
  EXPECT_EQ(world.queue().waiting, 0U);
}

TEST(rules, retries_after_10_100_1000_10000_100000_seconds_and_ends_after_six_attempts) {
  World world;
  // Its window of ten failures and streak of five would end the endpoint first: other events
  // succeed in between.
  world.add_endpoint("bank", "lender-spender");
  const std::string failing = R"("n":666)";
  world.answer("bank", [&](const net::HttpRequest& request) {
    return Answer{.status = request.body.find(failing) != std::string::npos ? 500 : 200};
  });
  const auto event = world.publish(status_update(666));
  ASSERT_TRUE(event);
  for (int i = 0; i < 240; ++i) {
    ASSERT_TRUE(world.publish(status_update(i)));
    world.run_for(500s);
  }
  std::vector<Sent> sent;
  for (const Sent& one : world.sent_to("bank")) {
    if (one.body.find(failing) != std::string::npos) sent.push_back(one);
  }
  EXPECT_EQ(gaps_s(sent), (std::vector<std::int64_t>{10, 100, 1000, 10000, 100000}));
  for (const Sent& one : sent) EXPECT_EQ(one.webhook_id, sent.front().webhook_id);
  EXPECT_EQ(state_of(world, event->event), DeliveryState::kExhausted);
  const auto attempts = world.attempts(world.deliveries(event->event)[0].row);
  ASSERT_EQ(attempts.size(), 6U);
  for (std::size_t i = 0; i < attempts.size(); ++i) EXPECT_EQ(attempts[i].number, i + 1);
}

TEST(rules, deactivates_after_five_failures_in_a_row_over_several_events) {
  World world;
  const auto endpoint = world.add_endpoint("bank", "lender-spender");
  world.answer("bank", 500);
  std::vector<storage::EventRow> events;
  for (int i = 0; i < 8; ++i) events.push_back(world.publish(status_update(i))->event);
  world.run_for(1s);
  EXPECT_EQ(world.sent_to("bank").size(), 5U);
  EXPECT_EQ(world.endpoint(endpoint).state, EndpointState::kDeactivated);
  EXPECT_NE(world.endpoint(endpoint).state_reason.find("in a row"), std::string::npos);
  world.run_for(200'000s);
  EXPECT_EQ(world.sent_to("bank").size(), 5U) << "no send after the deactivation";
  for (const auto event : events) EXPECT_EQ(state_of(world, event), DeliveryState::kHeld);

  // What comes meanwhile is held too; activation releases all of it.
  const auto later = world.publish(status_update(99));
  EXPECT_EQ(state_of(world, later->event), DeliveryState::kHeld);
  world.answer("bank", 200);
  activate(world, endpoint);
  world.run_for(10s);
  for (const auto event : events) EXPECT_EQ(state_of(world, event), DeliveryState::kDelivered);
  EXPECT_EQ(state_of(world, later->event), DeliveryState::kDelivered);
}

TEST(rules, a_success_ends_the_streak) {
  World world;
  const auto endpoint = world.add_endpoint("bank", "lender-spender");
  int request_number = 0;
  // Four failures, one success, four failures, one success: never five in a row.
  world.answer("bank", [&](const net::HttpRequest&) {
    return Answer{.status = ++request_number % 5 == 0 ? 200 : 503};
  });
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(world.publish(status_update(i)));
    world.run_for(2s);
  }
  EXPECT_EQ(world.endpoint(endpoint).state, EndpointState::kActive);
}

// Each event fails once and succeeds ten seconds later; so failures come one per `every`, never two
// in a row.
EndpointState after_eleven_single_failures(core::Duration every) {
  World world;
  const auto endpoint = world.add_endpoint("bank", "lender-spender");
  std::map<std::string, int> seen;
  world.answer("bank", [&](const net::HttpRequest& request) {
    return Answer{.status = ++seen[request.body] == 1 ? 500 : 200};
  });
  for (int i = 0; i < 11; ++i) {
    EXPECT_TRUE(world.publish(status_update(i)));
    world.run_for(every);
  }
  return world.endpoint(endpoint).state;
}

TEST(rules, deactivates_after_ten_failures_within_900_seconds) {
  EXPECT_EQ(after_eleven_single_failures(100s), EndpointState::kDeactivated);
}

TEST(rules, stays_active_after_ten_failures_within_901_seconds) {
  EXPECT_EQ(after_eleven_single_failures(100'112ms), EndpointState::kActive);
}

TEST(rules, a_failing_webhook_deactivates_the_whole_lossexpress_account_and_cancels_what_waits) {
  World world;
  const auto one = world.add_endpoint("one", "lossexpress");
  const auto two = world.add_endpoint("two", "lossexpress");
  const auto other = world.add_endpoint("other", "lossexpress", "another-account");
  world.answer("one", 201);  // only 200 is a success
  world.answer("two", 500);
  std::vector<Event> payoffs(4, payoff());
  world.publish_many(payoffs);
  world.run_for(1s);
  EXPECT_LE(world.sent_to("one").size() + world.sent_to("two").size(), 6U)
      << "five failures of the account, beside what was already under way";
  EXPECT_EQ(world.endpoint(one).state, EndpointState::kDeactivated);
  EXPECT_EQ(world.endpoint(two).state, EndpointState::kDeactivated);
  EXPECT_EQ(world.endpoint(other).state, EndpointState::kActive);
  EXPECT_EQ(world.queue().finished[DeliveryState::kCancelled], 8U);
  EXPECT_EQ(world.queue().waiting, 0U);
  const std::size_t sent = world.sender.sent.size();
  EXPECT_TRUE(world.sent_to("other").empty());

  const auto refused = world.publish(payoff());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kRefused);
  world.run_for(200'000s);
  EXPECT_EQ(world.sender.sent.size(), sent) << "cancelled deliveries do not come back";

  world.answer("one", 200);
  activate(world, one, core::DeactivationScope::kAccount);
  const auto accepted = world.publish(payoff());
  ASSERT_TRUE(accepted);
  world.run_for(1s);
  EXPECT_EQ(world.sent_to("one").back().status, 200);
}

TEST(rules, lossexpress_refuses_an_event_without_a_webhook_the_others_keep_it) {
  World world;
  const auto refused = world.publish(payoff());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kRefused);
  const auto kept = world.publish(status_update());
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->deliveries, 0U);

  world.add_endpoint("bank", "lender-spender");
  const auto replayed = world.operate(
      storage::RetryDeliveries{.event = kept->event, .now = core::to_ms(world.time.wall())});
  ASSERT_TRUE(replayed);
  EXPECT_EQ(std::get<storage::Changed>(*replayed).count, 1U);
  world.run_for(1s);
  EXPECT_EQ(world.sent_to("bank").size(), 1U);
}

TEST(rules, the_eleventh_endpoint_of_a_lender_spender_account_is_refused) {
  World world;
  for (int i = 0; i < 10; ++i) world.add_endpoint("e" + std::to_string(i), "lender-spender");
  storage::AddEndpoint add;
  add.spec = {
      .account = "acme", .provider = "lender-spender", .url = World::url("e10"), .secret = "abc"};
  add.max_per_account = 10;
  const auto eleventh = world.operate(std::move(add));
  ASSERT_FALSE(eleventh);
  EXPECT_EQ(eleventh.error().code, ErrorCode::kRefused);
  world.add_endpoint("elsewhere", "lender-spender", "another-account");
}

TEST(rules, a_webhook_test_goes_to_one_endpoint_once_and_does_not_count) {
  World world;
  const auto endpoint = world.add_endpoint("bank", "lender-spender");
  world.add_endpoint("quiet", "lender-spender");
  world.answer("bank", 500);
  for (int i = 0; i < 6; ++i) {
    const auto result =
        world.publish({.account = "acme",
                       .provider = "lender-spender",
                       .type = "webhook_test",
                       .payload = R"({"type":"webhook_test","data":{"status":"success"}})",
                       .idempotency_key = {},
                       .ordering_key = {},
                       .expires_at = {},
                       .endpoints = {world.public_id(endpoint)}});
    ASSERT_TRUE(result) << result.error().to_string();
    world.run_for(200s);
    EXPECT_EQ(state_of(world, result->event), DeliveryState::kExhausted);
  }
  EXPECT_EQ(world.sent_to("bank").size(), 6U);
  EXPECT_TRUE(world.sent_to("quiet").empty());
  EXPECT_EQ(world.endpoint(endpoint).state, EndpointState::kActive);
  EXPECT_EQ(world.endpoint(endpoint).health.consecutive, 0U);
}

TEST(rules, an_event_past_its_expiry_is_not_sent_and_counts_as_nobodys_failure) {
  World world;
  const auto endpoint = world.add_endpoint("bank", "lender-spender");
  world.answer("bank", 500);
  Event event = status_update();
  event.expires_at = core::to_ms(world.time.wall()) + 60'000;
  const auto published = world.publish(event);
  ASSERT_TRUE(published);
  world.run_for(300s);
  EXPECT_EQ(world.sent_to("bank").size(), 2U) << "at 0 and 10 s, not at 110 s";
  EXPECT_EQ(state_of(world, published->event), DeliveryState::kExpired);
  EXPECT_EQ(world.endpoint(endpoint).health.consecutive, 2U);
}

TEST(rules, a_payoffs_valid_through_date_stops_retries_and_never_the_first_attempt) {
  World world;
  world.add_endpoint("one", "lossexpress");
  world.answer("one", 500);
  // The clock of the world stands in September 2026.
  const auto past = world.publish(payoff(R"(,"validThroughDate":"2020-08-22T00:00:00.000Z")"));
  ASSERT_TRUE(past) << "a date already past is ignored";
  world.run_for(150s);
  EXPECT_EQ(world.sent_to("one").size(), 3U);
}

TEST(rules, one_delivery_at_a_time_per_ordering_key_in_publish_order) {
  World world;
  world.add_endpoint("bank", "lender-spender");
  int failures_left = 1;
  world.answer("bank", [&](const net::HttpRequest& request) {
    const bool first = request.body.find(R"("n":0})") != std::string::npos;
    return Answer{.status = first && failures_left-- > 0 ? 500 : 200};
  });
  for (int i = 0; i < 4; ++i) {
    Event event = status_update(i);
    event.ordering_key = "loan-7";
    ASSERT_TRUE(world.publish(event));
  }
  ASSERT_TRUE(world.publish(status_update(100)));  // no key: not held back
  world.run_for(5s);
  ASSERT_EQ(world.sent_to("bank").size(), 2U) << "the failed one holds back its key only";
  world.crash();
  world.run_for(60s);
  std::vector<std::string> keyed;
  for (const Sent& sent : world.sent_to("bank")) {
    if (sent.body.find("100") == std::string::npos) keyed.push_back(sent.body);
  }
  ASSERT_EQ(keyed.size(), 5U);
  EXPECT_EQ(keyed[0], keyed[1]);
  for (int i = 0; i < 4; ++i) {
    EXPECT_NE(keyed[static_cast<std::size_t>(i) + 1].find("\"n\":" + std::to_string(i)),
              std::string::npos);
  }
}

TEST(rules, a_410_deactivates_at_once_where_the_provider_says_gone) {
  World world;
  const auto endpoint = world.add_endpoint("svc", "standard-webhooks");
  world.answer("svc", 410);
  const auto event = world.publish({.account = "acme",
                                    .provider = "standard-webhooks",
                                    .type = "loan.paid",
                                    .payload = R"({"loan":7})",
                                    .idempotency_key = {},
                                    .ordering_key = {},
                                    .expires_at = {},
                                    .endpoints = {}});
  ASSERT_TRUE(event);
  world.run_for(1s);
  EXPECT_EQ(world.sent_to("svc").size(), 1U);
  EXPECT_EQ(world.endpoint(endpoint).state, EndpointState::kDeactivated);
  EXPECT_EQ(state_of(world, event->event), DeliveryState::kHeld);
}

}  // namespace
}  // namespace outrider::simulation
