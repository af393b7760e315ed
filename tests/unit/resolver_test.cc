// The resolver against a DNS server of the test's own.
#include "net/resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <vector>

#include "dns_test_server.h"
#include "net/dns_cache.h"

namespace outrider::net {
namespace {

using std::chrono::milliseconds;
using testing::DnsServer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::kA;
using testing::kAaaa;
using testing::Reply;

constexpr milliseconds kLongest{20'000};  // no test waits that long unless it fails
using Found = Result<std::vector<core::Address>>;

std::vector<std::string> texts(const Found& found) {
  if (!found) return {"error: " + found.error().message};
  std::vector<std::string> all;
  for (const auto& address : *found) all.push_back(core::to_string(address));
  return all;
}

class ResolverTest : public ::testing::Test {
 protected:
  void open(ResolverOptions options = {}) {
    options.servers = {dns_.address()};
    auto made = Resolver::make(loop_, options);
    ASSERT_TRUE(made.has_value()) << made.error().to_string();
    resolver_ = std::move(*made);
  }

  // Runs the loop until `resolve` has been answered.
  Found ask(const std::string& host) {
    std::optional<Found> answer;
    resolver_->resolve(host, [&](Found found) {
      answer = std::move(found);
      loop_.stop();
    });
    EXPECT_FALSE(answer.has_value()) << "answered inside resolve()";
    run();
    return answer ? *answer : fail(ErrorCode::kInternal, "no answer");
  }

  void run() {
    const auto limit = loop_.start(kLongest, [this] {
      ADD_FAILURE() << "nothing happened";
      loop_.stop();
    });
    loop_.run();
    loop_.cancel(limit);
  }

  DnsServer dns_;
  Loop loop_;
  std::unique_ptr<Resolver> resolver_;
};

TEST_F(ResolverTest, gives_both_families_ipv4_first_without_repetition) {
  dns_.say("both.example", kA, {.records = {{"192.0.2.1"}, {"192.0.2.2"}, {"192.0.2.1"}}});
  dns_.say("both.example", kAaaa, {.records = {{"2001:db8::1"}}});
  open();
  EXPECT_THAT(texts(ask("both.example")), ElementsAre("192.0.2.1", "192.0.2.2", "2001:db8::1"));
}

// As on a machine without a hosts file; and a name server that says otherwise is not asked.
TEST_F(ResolverTest, localhost_and_names_below_it_are_the_loopback_without_asking) {
  dns_.say("localhost", kA, {.records = {{"192.0.2.1"}}});
  dns_.say("app.localhost", kA, {.records = {{"192.0.2.1"}}});
  open();
  EXPECT_THAT(texts(ask("localhost")), ElementsAre("127.0.0.1", "::1"));
  EXPECT_THAT(texts(ask("app.localhost")), ElementsAre("127.0.0.1", "::1"));
}

TEST_F(ResolverTest, one_family_is_enough) {
  dns_.say("four.example", kA, {.records = {{"192.0.2.1"}}});
  dns_.say("four.example", kAaaa, {});
  dns_.say("six.example", kAaaa, {.records = {{"2001:db8::1"}}});  // and no such name for A
  open();
  EXPECT_THAT(texts(ask("four.example")), ElementsAre("192.0.2.1"));
  EXPECT_THAT(texts(ask("six.example")), ElementsAre("2001:db8::1"));
}

struct Failure {
  const char* name;
  Reply a;
  Reply aaaa;
  ErrorCode code;
  const char* words;
};

TEST_F(ResolverTest, says_in_words_why_a_name_does_not_resolve) {
  const Reply none{};
  const Reply missing{.rcode = 3};
  const Reply failed{.rcode = 2};
  const Reply refused{.rcode = 5};
  const Reply silent{.silent = true};
  const std::vector<Failure> failures{
      {"missing.example", missing, missing, ErrorCode::kNotFound, "does not exist"},
      {"empty.example", none, none, ErrorCode::kNotFound, "has no address"},
      {"failed.example", failed, failed, ErrorCode::kIo, "no DNS server gave a usable answer"},
      {"refused.example", refused, refused, ErrorCode::kIo, "usable answer"},
      {"silent.example", silent, silent, ErrorCode::kIo, "in time"},
      {"half.example", none, silent, ErrorCode::kIo, "in time"},
  };
  open({.query_timeout = milliseconds(20)});
  for (const Failure& failure : failures) {
    dns_.say(failure.name, kA, failure.a);
    dns_.say(failure.name, kAaaa, failure.aaaa);
    const Found found = ask(failure.name);
    ASSERT_FALSE(found.has_value()) << failure.name;
    EXPECT_EQ(found.error().code, failure.code) << failure.name;
    EXPECT_THAT(found.error().message, HasSubstr(failure.words));
    EXPECT_EQ(found.error().where, failure.name);
  }
}

TEST_F(ResolverTest, a_family_that_never_answers_does_not_hold_the_other_back) {
  dns_.say("half.example", kA, {.records = {{"192.0.2.1"}}});
  dns_.say("half.example", kAaaa, {.silent = true});
  open({.query_timeout = kLongest});  // waiting for it would fail the test
  EXPECT_THAT(texts(ask("half.example")), ElementsAre("192.0.2.1"));
  EXPECT_THAT(texts(ask("half.example")), ElementsAre("192.0.2.1"));
  EXPECT_EQ(dns_.asked("half.example", kA), 1);
}

TEST_F(ResolverTest, a_question_while_only_the_slow_family_is_out_is_answered_at_once) {
  dns_.say("half.example", kA, {.records = {{"192.0.2.1"}}});
  dns_.say("half.example", kAaaa, {.silent = true});
  open({.query_timeout = kLongest, .positive_ttl_max = milliseconds(0)});  // nothing is kept
  EXPECT_THAT(texts(ask("half.example")), ElementsAre("192.0.2.1"));
  EXPECT_THAT(texts(ask("half.example")), ElementsAre("192.0.2.1"));
  EXPECT_EQ(dns_.asked("half.example", kAaaa), 1);
}

TEST_F(ResolverTest, many_questions_for_one_name_are_one_lookup) {
  dns_.say("busy.example", kA, {.records = {{"192.0.2.1"}}});
  dns_.say("busy.example", kAaaa, {});
  open();
  int answered = 0;
  for (int i = 0; i < 500; ++i) {
    resolver_->resolve("busy.example", [&](const Found& found) {
      EXPECT_TRUE(found.has_value());
      if (++answered == 500) loop_.stop();
    });
  }
  run();
  EXPECT_EQ(answered, 500);
  EXPECT_EQ(dns_.asked("busy.example", kA), 1);
  EXPECT_EQ(dns_.asked("busy.example", kAaaa), 1);
}

TEST_F(ResolverTest, many_names_at_once) {
  constexpr int kNames = 1'000;
  for (int i = 0; i < kNames; ++i) {
    const std::string name = "n" + std::to_string(i) + ".example";
    dns_.say(name, kA, {.records = {{"192.0.2." + std::to_string(i % 250 + 1)}}});
    dns_.say(name, kAaaa, {});
  }
  open({.query_timeout = milliseconds(5'000)});
  int answered = 0;
  for (int i = 0; i < kNames; ++i) {
    resolver_->resolve("n" + std::to_string(i) + ".example", [&, i](const Found& found) {
      EXPECT_THAT(texts(found), ElementsAre("192.0.2." + std::to_string(i % 250 + 1)));
      if (++answered == kNames) loop_.stop();
    });
  }
  run();
  EXPECT_EQ(answered, kNames);
}

TEST_F(ResolverTest, remembers_for_the_ttl_and_then_hears_of_a_change) {
  dns_.say("moves.example", kA, {.records = {{"192.0.2.1", 3600}}});
  dns_.say("moves.example", kAaaa, {});
  open({.positive_ttl_max = milliseconds(100)});
  EXPECT_EQ(resolver_->cached("moves.example"), nullptr);
  EXPECT_THAT(texts(ask("moves.example")), ElementsAre("192.0.2.1"));
  dns_.say("moves.example", kA, {.records = {{"192.0.2.9", 3600}}});
  const auto until = std::chrono::steady_clock::now() + kLongest;
  std::vector<std::string> now;
  while (now != std::vector<std::string>{"192.0.2.9"} && std::chrono::steady_clock::now() < until) {
    now = texts(ask("moves.example"));
  }
  EXPECT_THAT(now, ElementsAre("192.0.2.9"));
  EXPECT_EQ(dns_.asked("moves.example", kA), 2);
  ASSERT_NE(resolver_->cached("moves.example"), nullptr);
  EXPECT_EQ(core::to_string(resolver_->cached("moves.example")->front()), "192.0.2.9");
}

TEST_F(ResolverTest, remembers_a_ttl_of_zero_for_a_moment_only) {
  dns_.say("zero.example", kA, {.records = {{"192.0.2.1", 0}}});
  dns_.say("zero.example", kAaaa, {});
  open({.positive_ttl_max = kLongest});
  (void)ask("zero.example");
  (void)ask("zero.example");
  EXPECT_EQ(dns_.asked("zero.example", kA), 1);
  const auto until = std::chrono::steady_clock::now() + kLongest;
  while (dns_.asked("zero.example", kA) == 1 && std::chrono::steady_clock::now() < until) {
    (void)ask("zero.example");
  }
  EXPECT_EQ(dns_.asked("zero.example", kA), 2);
}

TEST_F(ResolverTest, remembers_failures_but_not_when_told_not_to) {
  open({.negative_ttl = kLongest});
  EXPECT_FALSE(ask("missing.example").has_value());
  EXPECT_FALSE(ask("missing.example").has_value());
  EXPECT_EQ(dns_.asked("missing.example", kA), 1);
  EXPECT_EQ(resolver_->cached("missing.example"), nullptr);

  open({.negative_ttl = milliseconds(0)});
  EXPECT_FALSE(ask("missing.example").has_value());
  EXPECT_FALSE(ask("missing.example").has_value());
  EXPECT_EQ(dns_.asked("missing.example", kA), 3);
}

TEST_F(ResolverTest, a_cancelled_question_is_never_answered_and_the_others_are) {
  dns_.say("one.example", kA, {.records = {{"192.0.2.1"}}});
  dns_.say("one.example", kAaaa, {});
  open();
  bool cancelled_was_called = false;
  const auto id =
      resolver_->resolve("one.example", [&](const Found&) { cancelled_was_called = true; });
  Resolver::Id late = 0;
  resolver_->resolve("one.example", [&](const Found&) {
    resolver_->cancel(late);  // its answer is ready in the same turn
    loop_.start(milliseconds(0), [this] { loop_.stop(); });
  });
  late = resolver_->resolve("one.example", [&](const Found&) { cancelled_was_called = true; });
  resolver_->cancel(id);
  resolver_->cancel(12'345);
  run();
  EXPECT_FALSE(cancelled_was_called);
}

TEST_F(ResolverTest, asks_for_the_name_itself_never_for_one_under_a_search_domain) {
  setenv("LOCALDOMAIN", "corp.example", 1);
  open({.query_timeout = milliseconds(20)});
  unsetenv("LOCALDOMAIN");
  EXPECT_FALSE(ask("intranet").has_value());
  EXPECT_FALSE(ask("hooks.partner.example").has_value());
  EXPECT_THAT(dns_.names_asked(), ElementsAre("hooks.partner.example", "intranet"));
}

TEST_F(ResolverTest, ends_quietly_with_questions_under_way) {
  dns_.say("silent.example", kA, {.silent = true});
  dns_.say("silent.example", kAaaa, {.silent = true});
  open({.query_timeout = kLongest});
  resolver_->resolve("silent.example", [](const Found&) { FAIL(); });
  loop_.start(milliseconds(5), [this] { loop_.stop(); });
  loop_.run();
  resolver_.reset();
}

TEST_F(ResolverTest, a_server_that_is_not_there_is_a_failure_in_words) {
  open({.query_timeout = milliseconds(20)});
  auto nobody =
      Resolver::make(loop_, {.servers = {"127.0.0.1:1"}, .query_timeout = milliseconds(20)});
  ASSERT_TRUE(nobody.has_value());
  resolver_ = std::move(*nobody);
  const Found found = ask("any.example");
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code, ErrorCode::kIo);
}

TEST(ResolverOptionsTest, refuses_a_server_it_cannot_read_and_names_it) {
  Loop loop;
  for (const char* bad : {"", "dns.example", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:99999",
                          "127.0.0.1:53x", "[::1", "[::1]53", "[]", "127.1", ":53"}) {
    const auto made = Resolver::make(loop, {.servers = {bad}});
    ASSERT_FALSE(made.has_value()) << bad;
    EXPECT_EQ(made.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(made.error().where, bad);
  }
  for (const char* good : {"127.0.0.1", "127.0.0.1:53", "::1", "[::1]", "[::1]:5353"}) {
    EXPECT_TRUE(Resolver::make(loop, {.servers = {good}}).has_value()) << good;
  }
}

TEST(ResolverSystem, knows_localhost_whatever_the_system_says) {
  Loop loop;
  auto made = Resolver::make(loop, {.query_timeout = milliseconds(20)});
  ASSERT_TRUE(made.has_value());
  std::vector<std::string> found;
  (*made)->resolve("localhost", [&](const Found& answer) {
    found = texts(answer);
    loop.stop();
  });
  loop.start(kLongest, [&] { loop.stop(); });
  loop.run();
  EXPECT_THAT(found, ::testing::Contains("127.0.0.1"));
}

TEST(DnsCacheTest, forgets_the_least_recently_used_first) {
  const core::Instant now{milliseconds(0)};
  const core::Instant later{milliseconds(10)};
  DnsCache cache(2);
  const std::vector<core::Address> none;
  cache.put("a", none, later);
  cache.put("b", none, later);
  EXPECT_NE(cache.find("a", now), nullptr);
  cache.put("c", none, later);
  EXPECT_EQ(cache.find("b", now), nullptr);
  EXPECT_NE(cache.find("a", now), nullptr);
  EXPECT_NE(cache.find("c", now), nullptr);
  EXPECT_EQ(cache.find("c", later), nullptr);
  EXPECT_EQ(cache.find("c", now), nullptr);
}

}  // namespace
}  // namespace outrider::net
