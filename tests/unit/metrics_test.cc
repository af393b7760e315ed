// Counting and rendering, apart from the engine that does it.
#include "metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "tests/unit/metrics_text.h"

namespace outrider {
namespace {

using namespace std::chrono_literals;

MetricsSetup setup() {
  return {.version = "1.2.3",
          .providers = {"shop", "bank"},
          .routes = {{"GET", "/healthz"}, {"POST", "/v1/events"}}};
}

TEST(metrics, an_unknown_provider_counts_under_one_name_and_makes_no_series) {
  Metrics metrics(setup());
  const std::string before = metrics.text({});
  for (const char* name : {"", "canary", "sho", "shopp", "_unknown", "zoo"}) {
    metrics.event(metrics.provider(name), EventFate::kRejected);
    metrics.event(metrics.provider(name), EventFate::kAccepted);  // cannot be, and harms nothing
    metrics.attempt(metrics.provider(name), AttemptFate::kRetry, ErrorClass::kDns, 1ms);
  }
  const std::string after = metrics.text({});
  EXPECT_EQ(sample(after, R"(outrider_events_total{outcome="rejected",provider="_unknown"})"), 6);
  EXPECT_EQ(std::count(before.begin(), before.end(), '\n'),
            std::count(after.begin(), after.end(), '\n'));
  EXPECT_EQ(after.find("canary"), std::string::npos);
}

TEST(metrics, each_provider_counts_for_itself) {
  Metrics metrics(setup());
  metrics.event(metrics.provider("bank"), EventFate::kDuplicate);
  metrics.attempt(metrics.provider("shop"), AttemptFate::kDelivered, ErrorClass::kNone, 20ms);
  metrics.attempt(metrics.provider("shop"), AttemptFate::kExhausted, ErrorClass::kTls, 3s);
  metrics.delivery_ended(metrics.provider("shop"), DeliveryState::kExpired);
  metrics.deactivated(metrics.provider("bank"), 3);
  const std::string text = metrics.text({});
  EXPECT_EQ(sample(text, R"(outrider_events_total{outcome="duplicate",provider="bank"})"), 1);
  EXPECT_EQ(sample(text, R"(outrider_events_total{outcome="duplicate",provider="shop"})"), 0);
  const std::string attempts = "outrider_attempts_total{";
  EXPECT_EQ(sample(text, attempts + R"(error="none",outcome="delivered",provider="shop"})"), 1);
  EXPECT_EQ(sample(text, attempts + R"(error="tls",outcome="exhausted",provider="shop"})"), 1);
  EXPECT_EQ(sample(text, attempts + R"(error="tls",outcome="exhausted",provider="bank"})"), 0);
  EXPECT_EQ(sample(text, attempts + R"(error="none",outcome="retry",provider="shop"})"),
            std::nullopt)
      << "what cannot happen has no series";
  EXPECT_EQ(sample(text, R"(outrider_deliveries_ended_total{provider="shop",state="expired"})"), 1);
  EXPECT_EQ(sample(text, R"(outrider_endpoint_deactivations_total{provider="bank"})"), 3);
  EXPECT_EQ(sample(text, R"(outrider_attempt_duration_seconds_count{provider="shop"})"), 2);
  EXPECT_EQ(sample(text, R"(outrider_attempt_duration_seconds_sum{provider="shop"})"), 3.02);
}

TEST(metrics, a_bucket_holds_what_is_at_most_its_bound) {
  Metrics metrics(setup());
  for (const auto lag : {-5ms, 0ms, 1ms, 2ms, 3ms, 60'000ms}) metrics.loop_lag(lag);
  const std::string text = metrics.text({});
  EXPECT_EQ(sample(text, R"(outrider_loop_lag_seconds_bucket{le="0.001"})"), 3);
  EXPECT_EQ(sample(text, R"(outrider_loop_lag_seconds_bucket{le="0.002"})"), 4);
  EXPECT_EQ(sample(text, R"(outrider_loop_lag_seconds_bucket{le="0.005"})"), 5);
  EXPECT_EQ(sample(text, R"(outrider_loop_lag_seconds_bucket{le="5"})"), 5);
  EXPECT_EQ(sample(text, R"(outrider_loop_lag_seconds_bucket{le="+Inf"})"), 6);
  EXPECT_EQ(sample(text, "outrider_loop_lag_seconds_count"), 6);
}

TEST(metrics, commits_that_failed_are_no_batches) {
  Metrics metrics(setup());
  metrics.commit(7, 2ms, false);
  metrics.commit(100, 5s, true);
  const std::string text = metrics.text({});
  EXPECT_EQ(sample(text, "outrider_commit_batch_size_sum"), 7);
  EXPECT_EQ(sample(text, "outrider_commit_duration_seconds_count"), 1);
  EXPECT_EQ(sample(text, "outrider_commit_failures_total"), 1);
}

TEST(metrics, requests_count_by_route_and_class_of_status_whatever_it_is) {
  Metrics metrics(setup());
  for (const int status : {200, 204, 404, 503}) metrics.request(1, status);
  metrics.request(std::nullopt, 400);
  for (const int absurd : {-1, 0, 99, 600, 99'999}) metrics.request(77, absurd);
  const std::string text = metrics.text({});
  const auto requests = [&](const std::string& labels) {
    return sample(text, "outrider_api_requests_total{" + labels + "}");
  };
  EXPECT_EQ(requests(R"(method="POST",route="/v1/events",status="2xx")"), 2);
  EXPECT_EQ(requests(R"(method="POST",route="/v1/events",status="4xx")"), 1);
  EXPECT_EQ(requests(R"(method="POST",route="/v1/events",status="5xx")"), 1);
  EXPECT_EQ(requests(R"(method="GET",route="/healthz",status="2xx")"), 0);
  EXPECT_EQ(requests(R"(method="none",route="none",status="4xx")"), 1);
}

TEST(metrics, what_was_not_read_is_left_out) {
  const Metrics metrics(setup());
  const std::string bare = metrics.text({});
  for (const char* name : {"outrider_queue_deliveries", "outrider_disk_free_bytes", "process_"}) {
    EXPECT_EQ(bare.find(name), std::string::npos) << name;
  }
  EXPECT_EQ(sample(bare, "outrider_healthy"), 0);
  Readings readings{.healthy = true, .in_flight = 3, .stored = {}, .files = {}, .process = {}};
  readings.stored.emplace();
  readings.stored->held = 12;
  readings.stored->endpoints[EndpointState::kPaused] = 2;
  readings.files.disk_free_bytes = 1ULL << 40;
  const std::string text = metrics.text(readings);
  EXPECT_EQ(sample(text, "outrider_healthy"), 1);
  EXPECT_EQ(sample(text, "outrider_attempts_in_flight"), 3);
  EXPECT_EQ(sample(text, R"(outrider_queue_deliveries{state="held"})"), 12);
  EXPECT_EQ(sample(text, R"(outrider_endpoints{state="paused"})"), 2);
  EXPECT_EQ(sample(text, R"(outrider_endpoints{state="active"})"), 0);
  EXPECT_EQ(sample(text, "outrider_disk_free_bytes"), static_cast<double>(1ULL << 40));
}

TEST(metrics, threads_count_at_once_and_nothing_is_lost_while_others_render) {
  Metrics metrics(setup());
  constexpr int kThreads = 4;
  constexpr int kEach = 20'000;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&metrics] {
      const auto bank = metrics.provider("bank");
      for (int j = 0; j < kEach; ++j) {
        metrics.attempt(bank, AttemptFate::kDelivered, ErrorClass::kNone, 1ms);
      }
    });
  }
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(metrics.text({}).empty());
  for (std::thread& thread : threads) thread.join();
  const std::string text = metrics.text({});
  constexpr double kAll = kThreads * kEach;
  EXPECT_EQ(
      sample(text, R"(outrider_attempts_total{error="none",outcome="delivered",provider="bank"})"),
      kAll);
  EXPECT_EQ(sample(text, R"(outrider_attempt_duration_seconds_count{provider="bank"})"), kAll);
  EXPECT_NEAR(*sample(text, R"(outrider_attempt_duration_seconds_sum{provider="bank"})"),
              kAll / 1000, 1e-3);
}

}  // namespace
}  // namespace outrider
