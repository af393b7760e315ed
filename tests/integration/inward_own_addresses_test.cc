// The sender's own addresses, as they come and go under a running sender: in network namespaces,
// where the test may give addresses. Without them there is nothing to change, and the test says so.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "inward_ground.h"
#include "net/curl_sender.h"
#include "net/own_addresses.h"

namespace outrider::net::testing {
namespace {

constexpr const char* kPublic = "93.184.215.14";  // outside, until the test takes it inside
constexpr std::chrono::milliseconds kPatience{20'000};

class OwnAddressesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ground_ = std::make_unique<InwardGround>(InwardGround::Where::kNetworksIfPossible);
    if (!ground_->has_networks()) GTEST_SKIP() << "no network namespaces: no address can be given";
    ground_->start_receivers(no_redirects_);
    auto resolver = Resolver::make(loop_, {.servers = {ground_->dns()}});
    ASSERT_TRUE(resolver.has_value());
    resolver_ = std::move(*resolver);
    open_sender({});
  }

  void open_sender(const std::vector<std::string>& allow_nets) {
    auto rules = core::AddressRules::make(allow_nets, {});
    auto sender = make_curl_sender(loop_, *resolver_, *rules, {.user_agent = "outrider/test"});
    ASSERT_TRUE(sender.has_value());
    sender_ = std::move(*sender);
  }

  HttpOutcome post(const std::string& host) {
    HttpRequest request;
    request.to = std::make_shared<HttpDestination>(HttpDestination{
        core::parse_target("http://" + host + "/", {.allow_http = true, .ports = {0}}).value()});
    request.timeout = kPatience;
    std::optional<HttpOutcome> outcome;
    sender_->send(std::move(request), [&](HttpOutcome got) {
      outcome = std::move(got);
      loop_.stop();
    });
    loop_.run();
    return outcome.value();
  }
  void expect_own(const std::string& host) {
    const int before = ground_->connects()[host];
    const auto outcome = post(host);
    EXPECT_EQ(outcome.error, ErrorClass::kBlocked) << host;
    EXPECT_NE(outcome.detail.find("an address of this host"), std::string::npos) << outcome.detail;
    EXPECT_EQ(ground_->connects()[host], before) << host;
  }

  const std::vector<std::string> no_redirects_;
  std::unique_ptr<InwardGround> ground_;
  Loop loop_;
  std::unique_ptr<Resolver> resolver_;
  std::unique_ptr<HttpSender> sender_;
};

TEST_F(OwnAddressesTest, one_that_comes_is_refused_at_once_on_a_kept_connection_too) {
  EXPECT_EQ(post(kPublic).status, 200);
  EXPECT_EQ(post(kPublic).status, 200);
  EXPECT_EQ(ground_->connects()[kPublic], 1) << "the connection was kept";
  const int requests = ground_->requests();
  ASSERT_TRUE(TwoNetworks::run(std::string("ip addr add ") + kPublic + "/32 dev lo"));
  expect_own(kPublic);
  EXPECT_EQ(ground_->requests(), requests);
  ASSERT_TRUE(TwoNetworks::run(std::string("ip addr del ") + kPublic + "/32 dev lo"));
  EXPECT_EQ(post(kPublic).status, 200);
}

TEST_F(OwnAddressesTest, one_on_a_bridge_without_carrier_is_refused) {
  ASSERT_TRUE(
      TwoNetworks::run("ip link add name bridge9 type bridge && ip addr add 93.184.216.1/24"
                       " dev bridge9 && ip link set bridge9 up"));
  expect_own("93.184.216.1");
  ASSERT_TRUE(TwoNetworks::run("ip link set bridge9 down"));
  expect_own("93.184.216.1");
}

TEST_F(OwnAddressesTest, one_that_only_the_routes_know_is_refused) {
  EXPECT_EQ(post("93.184.217.7").status, 200);
  sender_.reset();
  ASSERT_TRUE(TwoNetworks::run("ip route add local 93.184.217.0/24 dev lo"));
  open_sender({});
  for (const auto& own : interface_addresses()) EXPECT_NE(core::to_string(own), "93.184.217.7");
  expect_own("93.184.217.7");
  open_sender({"93.184.217.0/24"});
  EXPECT_EQ(post("93.184.217.7").status, 200) << "the exception allows it";
}

TEST(OwnAddresses, hold_the_loopback_and_are_told_once) {
  OwnAddresses own;
  const auto first = own.changed(core::Instant(core::Duration(1000)));
  ASSERT_TRUE(first.has_value());
  EXPECT_NE(std::find(first->begin(), first->end(), core::parse_address("127.0.0.1").value()),
            first->end());
  EXPECT_FALSE(own.changed(core::Instant(core::Duration(1001))).has_value());
  EXPECT_FALSE(own.changed(core::Instant(core::Duration(100'000))).has_value());
}

}  // namespace
}  // namespace outrider::net::testing
