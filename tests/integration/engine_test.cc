// The embedded engine over real HTTPS: public API only, against the built-in receiver, whose
// verification shares no code with the sender's signing.
#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "outrider/database.h"
#include "outrider/outrider.h"
#include "outrider/provider.h"
#include "outrider/receiver.h"
#include "tests/source_dir.h"
#include "tests/unit/metrics_text.h"

namespace outrider {
namespace {

using namespace std::chrono_literals;

// A generous limit for conditions on a slow machine; nothing waits that long when it works.
constexpr auto kLimit = 60s;

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// What comes from other threads, in its order.
template <class T>
class Collected {
 public:
  void put(const T& one) {
    const std::lock_guard lock(mutex_);
    all_.push_back(one);
    more_.notify_all();
  }
  std::function<void(const T&)> callback() {
    return [this](const T& one) { put(one); };
  }
  std::vector<T> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    more_.wait_for(lock, kLimit, [&] { return all_.size() >= count; });
    return all_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable more_;
  std::vector<T> all_;
};
using Inbox = Collected<Reception>;

class EngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "outrider-engine-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    auto providers = Providers::load("");
    ASSERT_TRUE(providers) << providers.error().to_string();
    providers_.emplace(*providers);
  }
  void TearDown() override {
    engine_.reset();
    for (auto& receiver : receivers_) receiver->stop();
    std::filesystem::remove_all(folder_);
  }

  // One throw-away CA per receiver; the engine is told of the first, so a test with several uses
  // its own engine options.
  std::string receive(const std::string& provider, Inbox& inbox, int status = 200) {
    auto receiver = Receiver::start({.provider = provider,
                                     .secrets = {kSecret},
                                     .status = status,
                                     .tls = true,
                                     .ca_out_file = folder_ + "/ca.pem"},
                                    *providers_,
                                    [&inbox](const Reception& reception) { inbox.put(reception); });
    EXPECT_TRUE(receiver) << receiver.error().to_string();
    receivers_.push_back(std::move(*receiver));
    return receivers_.back()->url();
  }

  Options options_of_engine() {
    Options options;
    options.database = folder_ + "/platform.db";
    options.ca_file = folder_ + "/ca.pem";
    options.targets.allow_nets = {"127.0.0.0/8", "::1/128"};
    options.targets.allow_ports = {0};
    if (receivers_.empty()) options.ca_file.clear();  // nobody has made one
    return options;
  }

  void open_engine() { open_engine(options_of_engine()); }
  void open_engine(Options options) {
    auto engine = Engine::open(std::move(options));
    ASSERT_TRUE(engine) << engine.error().to_string();
    engine_ = std::move(*engine);
    const auto started = engine_->start();
    ASSERT_TRUE(started) << started.error().to_string();
  }

  std::unique_ptr<Database> database() {
    auto opened = Database::open({.path = folder_ + "/platform.db", .create = true}, *providers_);
    EXPECT_TRUE(opened) << opened.error().to_string();
    return std::move(*opened);
  }

  std::string add_endpoint(Database& database, const std::string& provider,
                           const std::string& url) {
    auto added = database.add_endpoint(
        {.account = "acme", .provider = provider, .url = url, .secret = kSecret});
    EXPECT_TRUE(added) << added.error().to_string();
    return added->endpoint.id;
  }

  static Event example(const std::string& provider, const std::string& type) {
    return {.account = "acme",
            .provider = provider,
            .type = type,
            .payload =
                read_file(source_dir() + "/schemas/examples/" + provider + "/" + type + ".json")};
  }

  bool delivered(Database& database, const std::string& event) {
    const auto end = std::chrono::steady_clock::now() + kLimit;
    while (std::chrono::steady_clock::now() < end) {
      const auto view = database.event(event);
      if (!view) return false;
      bool all = !view->deliveries.empty();
      for (const DeliveryView& delivery : view->deliveries) {
        all = all && delivery.state == DeliveryState::kDelivered;
      }
      if (all) return true;
      std::this_thread::yield();
    }
    return false;
  }

  static constexpr const char* kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  std::string folder_;
  std::optional<Providers> providers_;
  std::vector<std::unique_ptr<Receiver>> receivers_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineTest, a_published_event_arrives_signed_over_https_and_is_recorded) {
  for (const auto& [provider, type] :
       std::vector<std::pair<std::string, std::string>>{{"lossexpress", "payoff"},
                                                        {"credit-app", "application_export"},
                                                        {"lender-spender", "webhook_test"}}) {
    SCOPED_TRACE(provider);
    Inbox inbox;
    const std::string url = receive(provider, inbox);
    open_engine();
    auto side = database();
    const std::string endpoint = add_endpoint(*side, provider, url);
    Event event = example(provider, type);
    event.endpoints = {endpoint};
    const auto receipt = engine_->publish(event);
    ASSERT_TRUE(receipt) << receipt.error().to_string();
    EXPECT_EQ(receipt->deliveries, 1U);
    const auto arrived = inbox.wait_for(1);
    ASSERT_EQ(arrived.size(), 1U);
    EXPECT_TRUE(arrived[0].verdict) << arrived[0].verdict.error().to_string();
    EXPECT_TRUE(delivered(*side, receipt->id));
    const auto stopped = engine_->stop();
    ASSERT_TRUE(stopped) << stopped.error().to_string();
    EXPECT_TRUE(*stopped) << "drained";
    engine_.reset();
  }
}

TEST_F(EngineTest, metrics_are_told_to_any_thread_before_while_and_after_it_runs) {
  Inbox inbox;
  const std::string url = receive("standard-webhooks", inbox);
  open_engine();
  const auto side = database();
  add_endpoint(*side, "standard-webhooks", url);
  const std::string name =
      R"(outrider_events_total{outcome="accepted",provider="standard-webhooks"})";
  EXPECT_EQ(sample(engine_->metrics_text(), name), 0);
  const auto receipt = engine_->publish({.account = "acme",
                                         .provider = "standard-webhooks",
                                         .type = "loan.paid",
                                         .payload = R"({"loan":7})"});
  ASSERT_TRUE(receipt) << receipt.error().to_string();
  EXPECT_TRUE(delivered(*side, receipt->id));
  std::atomic<int> told = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const std::string text = engine_->metrics_text();
      if (sample(text, name) == 1 && sample(text, R"(outrider_endpoints{state="active"})")) ++told;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(told, 4);
  EXPECT_EQ(engine_->metrics_text().find("process_"), std::string::npos) << "the host's to tell";
  ASSERT_TRUE(engine_->stop());
  const std::string after = engine_->metrics_text();
  EXPECT_EQ(sample(after, name), 1);
  EXPECT_EQ(sample(after, R"(outrider_attempts_total{error="none",outcome="delivered",)"
                          R"(provider="standard-webhooks"})"),
            1);
}

using Heard = Collected<Notice>;

TEST_F(EngineTest, on_notice_hears_each_once_in_order_and_goes_on_where_the_host_says) {
  auto side = database();
  const std::string endpoint = add_endpoint(*side, "standard-webhooks", "https://127.0.0.1:9/x");
  const auto off_and_on = [&] {
    ASSERT_TRUE(side->pause_endpoint(endpoint, "because"));
    ASSERT_TRUE(side->activate_endpoint(endpoint));
  };
  off_and_on();  // before any engine ran
  Heard first;
  Options options = options_of_engine();
  options.on_notice = first.callback();
  open_engine(options);
  for (int i = 0; i < 3; ++i) off_and_on();
  const auto told = first.wait_for(3);
  ASSERT_EQ(told.size(), 3U) << "not the one of before";
  EXPECT_EQ(told[0].kind, NoticeKind::kEndpointActivated);
  EXPECT_EQ(told[0].endpoint, endpoint);
  EXPECT_EQ(told[0].account, "acme");
  engine_.reset();

  off_and_on();  // while none runs
  const auto page = side->notices({.cursor = told[1].id, .since = {}, .kind = {}, .account = {}});
  ASSERT_TRUE(page);
  ASSERT_EQ(page->notices.size(), 2U);
  EXPECT_EQ(page->notices[0], told[2]);
  Heard resumed;
  options.on_notice = resumed.callback();
  options.notices_after = told[1].id;
  open_engine(options);
  EXPECT_EQ(resumed.wait_for(2), page->notices);
  engine_.reset();
  Heard all;
  options.on_notice = all.callback();
  options.notices_after = "";
  open_engine(options);
  EXPECT_EQ(all.wait_for(5).size(), 5U);
  engine_.reset();
  EXPECT_EQ(first.wait_for(0).size(), 3U);
  EXPECT_EQ(resumed.wait_for(0).size(), 2U);
}

TEST_F(EngineTest, on_notice_has_heard_everything_when_stop_returns) {
  Heard heard;
  Options options = options_of_engine();
  options.on_notice = heard.callback();
  open_engine(options);
  auto side = database();
  const std::string endpoint = add_endpoint(*side, "standard-webhooks", "https://127.0.0.1:9/x");
  for (int i = 0; i < 150; ++i) {  // more than one page
    ASSERT_TRUE(side->pause_endpoint(endpoint, "because"));
    ASSERT_TRUE(side->activate_endpoint(endpoint));
  }
  ASSERT_TRUE(engine_->stop());
  EXPECT_EQ(heard.wait_for(0).size(), 150U);
}

TEST_F(EngineTest, a_cursor_that_is_none_does_not_open) {
  Options options = options_of_engine();
  options.notices_after = "ntc_0000000000000";
  const auto refused = Engine::open(options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused.error().where, "notices_after");
}

TEST_F(EngineTest, many_threads_publish_and_each_event_arrives_once) {
  Inbox inbox;
  const std::string url = receive("standard-webhooks", inbox);
  open_engine();
  auto side = database();
  add_endpoint(*side, "standard-webhooks", url);
  constexpr int kThreads = 4;
  constexpr int kEach = 100;
  std::vector<std::thread> publishers;
  std::atomic<int> refused = 0;
  for (int t = 0; t < kThreads; ++t) {
    publishers.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        Event event{.account = "acme",
                    .provider = "standard-webhooks",
                    .type = "loan.paid",
                    .payload = "{\"loan\":" + std::to_string(t * kEach + i) + "}"};
        if (!engine_->publish(event)) ++refused;
      }
    });
  }
  for (std::thread& publisher : publishers) publisher.join();
  EXPECT_EQ(refused, 0);
  const auto arrived = inbox.wait_for(kThreads * kEach);
  std::set<std::string> bodies;
  for (const Reception& reception : arrived) {
    EXPECT_TRUE(reception.verdict);
    bodies.insert(reception.request.body);
  }
  EXPECT_EQ(bodies.size(), std::size_t{kThreads * kEach});
  ASSERT_TRUE(engine_->stop());
  EXPECT_EQ(inbox.wait_for(0).size(), std::size_t{kThreads * kEach}) << "none twice";
}

TEST_F(EngineTest, several_loops_each_serve_their_endpoints) {
  Inbox inbox;
  const std::string url = receive("standard-webhooks", inbox);
  Options options = options_of_engine();
  options.loops = 3;
  open_engine(std::move(options));
  auto outside = database();
  constexpr int kEndpoints = 7, kThreads = 3, kEach = 20;
  std::set<std::string> endpoints;
  for (int i = 0; i < kEndpoints; ++i) {
    endpoints.insert(add_endpoint(*outside, "standard-webhooks", url));
  }
  std::vector<std::thread> publishers;
  for (int i = 0; i < kThreads; ++i) {
    publishers.emplace_back([&] {
      for (int n = 0; n < kEach; ++n) {
        const auto receipt = engine_->publish({.account = "acme",
                                               .provider = "standard-webhooks",
                                               .type = "loan.paid",
                                               .payload = R"({"loan":7})"});
        EXPECT_TRUE(receipt) << receipt.error().to_string();
      }
    });
  }
  for (std::thread& publisher : publishers) publisher.join();
  const auto received = inbox.wait_for(std::size_t{kEndpoints} * kThreads * kEach);
  EXPECT_EQ(received.size(), std::size_t{kEndpoints} * kThreads * kEach);
  for (const Reception& reception : received) EXPECT_TRUE(reception.verdict);
  const auto drained = engine_->stop();
  ASSERT_TRUE(drained) << drained.error().to_string();
  EXPECT_TRUE(*drained);
  for (const std::string& endpoint : endpoints) {
    const auto stats = outside->endpoint_stats(endpoint);
    ASSERT_TRUE(stats) << stats.error().to_string();
    EXPECT_EQ(stats->delivered, std::uint64_t{kThreads} * kEach) << endpoint;
  }
}

TEST_F(EngineTest, a_publisher_in_another_connection_is_heard_while_the_engine_is_idle) {
  Inbox inbox;
  const std::string url = receive("standard-webhooks", inbox);
  open_engine();
  auto side = database();
  add_endpoint(*side, "standard-webhooks", url);
  for (int i = 1; i <= 5; ++i) {
    const auto receipt = side->publish({.account = "acme",
                                        .provider = "standard-webhooks",
                                        .type = "loan.paid",
                                        .payload = "{\"loan\":" + std::to_string(i) + "}"});
    ASSERT_TRUE(receipt) << receipt.error().to_string();
    ASSERT_EQ(inbox.wait_for(static_cast<std::size_t>(i)).size(), static_cast<std::size_t>(i));
  }
}

TEST_F(EngineTest, a_target_that_is_not_allowed_is_never_connected_to) {
  Inbox inbox;
  const std::string url = receive("standard-webhooks", inbox);
  Options options;
  options.database = folder_ + "/platform.db";
  options.ca_file = folder_ + "/ca.pem";
  options.targets.allow_ports = {0};
  auto engine = Engine::open(std::move(options));
  ASSERT_TRUE(engine);
  engine_ = std::move(*engine);
  ASSERT_TRUE(engine_->start());
  auto side = database();
  add_endpoint(*side, "standard-webhooks", url);
  const auto receipt = engine_->publish(
      {.account = "acme", .provider = "standard-webhooks", .type = "loan.paid", .payload = "{}"});
  ASSERT_TRUE(receipt);
  const auto end = std::chrono::steady_clock::now() + kLimit;
  Result<EventView> view = side->event(receipt->id);
  while (view && view->deliveries.at(0).log.empty() && std::chrono::steady_clock::now() < end) {
    view = side->event(receipt->id);
  }
  ASSERT_TRUE(view);
  ASSERT_EQ(view->deliveries.at(0).log.size(), 1U);
  EXPECT_EQ(view->deliveries[0].log[0].error, ErrorClass::kBlocked);
  EXPECT_TRUE(inbox.wait_for(0).empty());
}

TEST_F(EngineTest, a_second_engine_on_the_file_is_refused_and_says_who_holds_it) {
  {
    std::ofstream(folder_ + "/ca.pem");
  }
  Options options;
  options.database = folder_ + "/platform.db";
  auto first = Engine::open(options);
  ASSERT_TRUE(first);
  const auto second = Engine::open(options);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kLocked);
  EXPECT_NE(second.error().to_string().find(std::to_string(::getpid())), std::string::npos);
}

TEST_F(EngineTest, publish_before_start_and_after_stop_says_so) {
  Options options;
  options.database = folder_ + "/platform.db";
  auto engine = Engine::open(options);
  ASSERT_TRUE(engine);
  const Event event{
      .account = "acme", .provider = "standard-webhooks", .type = "loan.paid", .payload = "{}"};
  EXPECT_EQ((*engine)->publish(event).error().code, ErrorCode::kStopped);
  ASSERT_TRUE((*engine)->start());
  EXPECT_TRUE((*engine)->publish(event));
  ASSERT_TRUE((*engine)->stop());
  EXPECT_EQ((*engine)->publish(event).error().code, ErrorCode::kStopped);
  EXPECT_TRUE((*engine)->stop()) << "idempotent";
}

}  // namespace
}  // namespace outrider
