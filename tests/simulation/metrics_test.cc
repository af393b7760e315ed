// What the dispatcher tells the metrics: each number moves by exactly what happened. Virtual time.
#include <gtest/gtest.h>

#include <string>

#include "tests/simulation/world.h"
#include "tests/unit/metrics_text.h"

namespace outrider::simulation {
namespace {

using namespace std::chrono_literals;

constexpr const char* kProvider = "lender-spender";

Event event(int number, const std::string& account) {
  return {.account = account,
          .provider = kProvider,
          .type = "loan_application_status_update",
          .payload = R"({"type":"loan_application_status_update","data":{"n":)" +
                     std::to_string(number) + "}}"};
}

double count(World& world, const std::string& name, std::string labels = {}) {
  labels = std::string(R"(provider="lender-spender")") + labels;
  return sample(world.metrics.text({}), name + "{" + labels + "}").value_or(-1);
}

double attempts(World& world, const std::string& outcome, const std::string& error) {
  const std::string name = R"(outrider_attempts_total{error=")" + error + R"(",outcome=")" +
                           outcome + R"(",provider="lender-spender"})";
  return sample(world.metrics.text({}), name).value_or(-1);
}

TEST(metrics, count_each_attempt_once_by_what_follows_from_it) {
  World world;
  world.add_endpoint("good", kProvider, "good");
  world.add_endpoint("late", kProvider, "late");
  world.add_endpoint("bad", kProvider, "bad");
  int asked = 0;
  world.answer("late", [&asked](const net::HttpRequest&) {
    return Answer{.status = ++asked == 1 ? 503 : 200};
  });
  world.answer("bad", [](const net::HttpRequest&) {
    return Answer{.status = 0, .error = ErrorClass::kTls, .leaves_after = {}};
  });
  for (int i = 0; i < 7; ++i) ASSERT_TRUE(world.publish(event(i, "good")));
  ASSERT_TRUE(world.publish(event(0, "late")));
  for (int i = 0; i < 9; ++i) ASSERT_TRUE(world.publish(event(i, "bad")));
  world.run_for(60s);
  EXPECT_EQ(attempts(world, "delivered", "none"), 8);
  EXPECT_EQ(attempts(world, "retry", "status"), 1);
  EXPECT_EQ(attempts(world, "retry", "tls"), 5) << "then it is deactivated";
  EXPECT_EQ(count(world, "outrider_endpoint_deactivations_total"), 1);
  EXPECT_EQ(count(world, "outrider_deliveries_ended_total", R"(,state="delivered")"), 8);
  EXPECT_EQ(count(world, "outrider_deliveries_ended_total", R"(,state="exhausted")"), 0);
  EXPECT_EQ(count(world, "outrider_attempt_duration_seconds_count"), 14);
  EXPECT_EQ(world.queue().endpoints[EndpointState::kDeactivated], 1U);
  EXPECT_EQ(world.queue().endpoints[EndpointState::kActive], 2U);
}

TEST(metrics, latency_runs_from_the_commit_to_the_first_byte_and_to_the_delivery) {
  World world;
  world.add_endpoint("late", kProvider);
  int asked = 0;
  world.answer("late", [&asked](const net::HttpRequest&) {
    return Answer{.status = ++asked == 1 ? 503 : 200, .takes = 40ms, .leaves_after = 30ms};
  });
  ASSERT_TRUE(world.publish(event(0, "acme")));
  world.run_for(60s);
  EXPECT_EQ(count(world, "outrider_first_byte_latency_seconds_count"), 1)
      << "a retry is not the event's first";
  EXPECT_DOUBLE_EQ(count(world, "outrider_first_byte_latency_seconds_sum"), 0.030);
  EXPECT_EQ(count(world, "outrider_delivery_latency_seconds_count"), 1);
  EXPECT_DOUBLE_EQ(count(world, "outrider_delivery_latency_seconds_sum"), 10.080)
      << "40 ms, 10 s until the retry, 40 ms";
}

TEST(metrics, a_request_that_never_left_has_no_first_byte) {
  World world;
  world.add_endpoint("gone", kProvider);
  world.answer("gone", [](const net::HttpRequest&) {
    return Answer{.status = 0, .error = ErrorClass::kConnect, .leaves_after = {}};
  });
  ASSERT_TRUE(world.publish(event(0, "acme")));
  world.run_for(5s);
  EXPECT_EQ(attempts(world, "retry", "connect"), 1);
  EXPECT_EQ(count(world, "outrider_first_byte_latency_seconds_count"), 0);
}

TEST(metrics, what_was_held_counts_its_wait_from_its_acceptance) {
  World world;
  const auto row = world.add_endpoint("bank", kProvider);
  const auto change = [&](storage::ChangeEndpoint::Kind kind) {
    ASSERT_TRUE(world.operate(storage::ChangeEndpoint{
        .endpoint = row, .kind = kind, .reason = {}, .now = core::to_ms(world.time.wall())}));
  };
  change(storage::ChangeEndpoint::Kind::kPause);
  ASSERT_TRUE(world.publish(event(0, "acme")));
  world.run_for(100s);
  change(storage::ChangeEndpoint::Kind::kActivate);
  world.run_for(1s);
  EXPECT_EQ(count(world, "outrider_first_byte_latency_seconds_count"), 1);
  EXPECT_NEAR(count(world, "outrider_first_byte_latency_seconds_sum"), 100, 0.5);
}

TEST(metrics, rows_that_came_by_sql_are_accepted_duplicates_or_rejected) {
  World world;
  world.add_endpoint("bank", "standard-webhooks");
  const auto insert = [&](const std::string& provider, const std::string& payload,
                          const std::string& key) {
    world.sql(
        "INSERT INTO outrider_outbox (account, provider, type, payload, idempotency_key) "
        "VALUES ('acme', '" +
        provider + "', 'loan.paid', '" + payload + "', " + key + ")");
  };
  insert("standard-webhooks", R"({"loan":7})", "'once'");
  insert("standard-webhooks", R"({"loan":7})", "'once'");  // known: the first event's
  insert("standard-webhooks", R"({"loan":8})", "'once'");  // another payload: the commit says no
  insert("standard-webhooks", "no json", "NULL");
  insert("no-such-provider", "{}", "NULL");
  world.run_for(1s);
  const std::string text = world.metrics.text({});
  const auto events = [&](const std::string& outcome, const std::string& provider) {
    return sample(text, R"(outrider_events_total{outcome=")" + outcome + R"(",provider=")" +
                            provider + R"("})");
  };
  EXPECT_EQ(events("accepted", "standard-webhooks"), 1);
  EXPECT_EQ(events("duplicate", "standard-webhooks"), 1);
  EXPECT_EQ(events("rejected", "standard-webhooks"), 2);
  EXPECT_EQ(events("rejected", "_unknown"), 1);
  EXPECT_EQ(text.find("no-such-provider"), std::string::npos);
  EXPECT_EQ(world.queue().rejected, 3U);
}

TEST(metrics, what_expires_has_ended_without_an_attempt) {
  World world;
  world.add_endpoint("bank", kProvider);
  world.answer("bank", 500);
  Event expiring = event(0, "acme");
  expiring.expires_at = core::to_ms(world.time.wall()) + 5000;
  ASSERT_TRUE(world.publish(expiring));
  world.run_for(60s);
  EXPECT_EQ(attempts(world, "retry", "status"), 1);
  EXPECT_EQ(count(world, "outrider_deliveries_ended_total", R"(,state="expired")"), 1);
}

}  // namespace
}  // namespace outrider::simulation
