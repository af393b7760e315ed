// A sender on a loop of its own, and the one thing the tests do with it: post and wait for the
// outcome.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/curl_sender.h"
#include "scripted_receiver.h"

namespace outrider::net::testing {

inline constexpr std::chrono::milliseconds kLongest{20'000};  // nothing waits that long that works
inline constexpr std::chrono::milliseconds kShort{300};  // where a time limit is meant to end it

class SenderTest : public ::testing::Test {
 protected:
  void open(CurlSenderOptions options = {}, std::vector<std::string> allow = {"127.0.0.0/8"},
            ResolverOptions names = {}) {
    sender_.reset();
    options.user_agent = "outrider/test";
    auto resolver = Resolver::make(loop_, std::move(names));
    ASSERT_TRUE(resolver.has_value());
    resolver_ = std::move(*resolver);
    auto rules = core::AddressRules::make(allow, {});
    ASSERT_TRUE(rules.has_value());
    auto sender = make_curl_sender(loop_, *resolver_, std::move(*rules), std::move(options));
    ASSERT_TRUE(sender.has_value()) << sender.error().to_string();
    sender_ = std::move(*sender);
  }

  [[nodiscard]] static HttpRequest request(const std::string& url,
                                           core::Duration timeout = kLongest) {
    const core::UrlRules rules{.allow_http = true, .ports = {0}};
    auto target = core::parse_target(url, rules);
    EXPECT_TRUE(target.has_value()) << target.error().to_string();
    HttpRequest made;
    made.to = std::make_shared<HttpDestination>(HttpDestination{target.value_or(core::Target{})});
    made.headers = {{"Content-Type", "application/json"}, {"webhook-id", "evt_1"}};
    made.body = R"({"hello":"world"})";
    made.timeout = timeout;
    return made;
  }

  HttpOutcome post(HttpRequest wanted) {
    std::optional<HttpOutcome> outcome;
    sender_->send(std::move(wanted), [&](HttpOutcome got) {
      outcome = std::move(got);
      loop_.stop();
    });
    EXPECT_FALSE(outcome.has_value()) << "told inside send()";
    run();
    return outcome.value_or(HttpOutcome{});
  }
  HttpOutcome post(const std::string& url, core::Duration timeout = kLongest) {
    return post(request(url, timeout));
  }

  void run() {
    const auto limit = loop_.start(kLongest * 2, [this] {
      ADD_FAILURE() << "nothing happened";
      loop_.stop();
    });
    loop_.run();
    loop_.cancel(limit);
  }

  Loop loop_;
  std::unique_ptr<Resolver> resolver_;
  std::unique_ptr<HttpSender> sender_;
};

}  // namespace outrider::net::testing
