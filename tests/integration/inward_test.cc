// A hundred thousand URLs that mean to reach what must not be reached, each on five ways: on a
// fresh connection, beside kept ones, by a name whose address changes between two look-ups, by a
// redirect, and through an egress proxy. What counts is not what the sender says but what the
// witnesses saw: no connect, ever.
//
// Each spelling is also tried past the grammar: a target is forged whose parts say "allowed" while
// its URL is the spelling, as if parse_target() had read it differently from libcurl. Then only the
// address rules stand between it and the network.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <clocale>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "inward_ground.h"
#include "net/curl_sender.h"
#include "url_spellings.h"

namespace outrider::net::testing {
namespace {

constexpr std::uint64_t kSeed = 20'261'122;
constexpr std::size_t kSpellings = 100'020;  // a multiple of the number of kinds
constexpr std::size_t kFewSpellings = 9'000;
constexpr std::size_t kThroughTheProxy = 21'000;
constexpr std::size_t kLanes = 48;  // requests at once
constexpr std::chrono::milliseconds kPatience{20'000};
constexpr core::Duration kMinute{60'000};
constexpr core::Duration kNever{0};

// What became of the spellings of one kind.
struct Tally {
  int refused_as_text = 0;
  int blocked = 0;
  int no_such_name = 0;
  int delivered = 0;  // to where it may go
  int other = 0;
};

class Inward : public ::testing::Test {
 protected:
  struct Step {
    std::function<void()> before;
    HttpRequest request;
    std::function<void(const HttpOutcome&)> told;
  };

  void open(InwardGround::Where where, std::size_t count) {
    std::setlocale(LC_ALL, "C.UTF-8");  // where libcurl reads full-width digits
    ground_ = std::make_unique<InwardGround>(where);
    UrlSpellings spelled(kSeed, {ground_->forbidden(), std::string(kAllowedName), ground_->port()});
    for (std::size_t i = 0; i < count; ++i) {
      spellings_.push_back(spelled.next());
      std::string location = spellings_.back().url;
      std::erase_if(location, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
      locations_.push_back(std::move(location));
    }
    ground_->start_receivers(locations_);
  }

  // A new one has no connections. Where it remembers no name, each request asks again.
  void open_sender(const std::vector<std::string>& allow_nets, core::Duration remember,
                   std::optional<EgressProxy> proxy = {}) {
    sender_.reset();
    resolver_.reset();
    loop_ = std::make_unique<Loop>();
    auto resolver = Resolver::make(*loop_, {.servers = {ground_->dns()},
                                            .positive_ttl_max = remember,
                                            .negative_ttl = core::Duration(0)});
    ASSERT_TRUE(resolver.has_value());
    resolver_ = std::move(*resolver);
    auto rules = core::AddressRules::make(allow_nets, {});
    ASSERT_TRUE(rules.has_value());
    auto sender = make_curl_sender(*loop_, *resolver_, std::move(*rules),
                                   {.user_agent = "outrider/test", .proxy = std::move(proxy)});
    ASSERT_TRUE(sender.has_value());
    sender_ = std::move(*sender);
  }

  void TearDown() override {
    sender_.reset();
    resolver_.reset();
    loop_.reset();
  }

  [[nodiscard]] static HttpRequest request_to(core::Target target) {
    HttpRequest made;
    made.to = std::make_shared<HttpDestination>(HttpDestination{std::move(target)});
    made.headers = {{"webhook-id", "evt_1"}};
    made.body = "{}";
    made.timeout = kPatience;
    return made;
  }
  [[nodiscard]] static Result<core::Target> read(const std::string& url) {
    return core::parse_target(url, {.allow_http = true, .ports = {0}});
  }
  [[nodiscard]] HttpRequest to_name(const std::string& name, const std::string& path = "/hook") {
    return request_to(
        read("http://" + name + ":" + std::to_string(ground_->port()) + path).value());
  }
  // As if the grammar had taken the spelling for a URL of `name`.
  [[nodiscard]] HttpRequest forged(const std::string& name, const std::string& url) {
    core::Target target = to_name(name).to->target;
    target.url = url;
    return request_to(std::move(target));
  }

  // Steps of one index one after the other, on kLanes lanes side by side.
  void drive(std::size_t count,
             const std::function<std::vector<Step>(std::size_t index, std::size_t lane)>& steps) {
    std::size_t next = 0;
    std::size_t running = 0;
    std::function<void(std::size_t, std::shared_ptr<std::vector<Step>>, std::size_t)> run;
    const auto advance = [&](std::size_t lane) {
      while (next < count) {
        auto made = std::make_shared<std::vector<Step>>(steps(next++, lane));
        if (made->empty()) continue;
        ++running;
        run(lane, std::move(made), 0);
        return;
      }
      if (running == 0) loop_->stop();
    };
    // Shared: the steps live until the last of them is told.
    run = [&](std::size_t lane, std::shared_ptr<std::vector<Step>> all, std::size_t at) {
      Step& step = (*all)[at];
      if (step.before) step.before();
      sender_->send(std::move(step.request), [&, lane, all, at](const HttpOutcome& outcome) {
        (*all)[at].told(outcome);
        if (at + 1 < all->size()) {
          run(lane, all, at + 1);
          return;
        }
        --running;
        advance(lane);
      });
    };
    for (std::size_t lane = 0; lane < kLanes; ++lane) advance(lane);
    if (running > 0) loop_->run();
  }

  void note(Tally& tally, const HttpOutcome& outcome) {
    if (outcome.status != 0) {
      ++tally.delivered;
      expect_allowed(outcome);
    } else if (outcome.error == ErrorClass::kBlocked) {
      ++tally.blocked;
    } else if (outcome.error == ErrorClass::kDns) {
      ++tally.no_such_name;
    } else {
      ++tally.other;
    }
  }
  void expect_allowed(const HttpOutcome& outcome) const {
    const auto rules = core::AddressRules::make(ground_->allow_nets(), {});
    const std::string place = outcome.peer.substr(0, outcome.peer.find(" via "));
    std::string host = place.substr(0, place.rfind(':'));
    if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
    const auto address = core::parse_address(host);
    EXPECT_TRUE(address && !rules->refuses(*address)) << outcome.peer;
  }

  void expect_no_forbidden_connect(const char* way) {
    EXPECT_TRUE(ground_->forbidden_connects().empty())
        << way << ": " << ::testing::PrintToString(ground_->forbidden_connects());
  }

  void report(const char* way, const std::map<std::string_view, Tally>& tallies) {
    std::printf("\n%-26s %8s %8s %8s %9s %8s\n", way, "no URL", "blocked", "no name", "delivered",
                "other");
    Tally all;
    for (const std::string_view kind : UrlSpellings::kinds()) {
      const Tally& t = tallies.at(kind);
      std::printf("%-26s %8d %8d %8d %9d %8d\n", std::string(kind).c_str(), t.refused_as_text,
                  t.blocked, t.no_such_name, t.delivered, t.other);
      all.refused_as_text += t.refused_as_text;
      all.blocked += t.blocked;
      all.no_such_name += t.no_such_name;
      all.delivered += t.delivered;
      all.other += t.other;
    }
    std::printf("%-26s %8d %8d %8d %9d %8d\n", "all", all.refused_as_text, all.blocked,
                all.no_such_name, all.delivered, all.other);
  }

  void on_fresh_connections();
  void past_the_grammar();
  void by_changing_names();
  void by_redirects();
  void through_a_proxy();
  void the_witnesses_can_see();
  void every_way(InwardGround::Where where, std::size_t count);

  std::unique_ptr<InwardGround> ground_;
  std::vector<Spelling> spellings_;
  std::vector<std::string> locations_;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<Resolver> resolver_;
  std::unique_ptr<HttpSender> sender_;
};

void Inward::on_fresh_connections() {
  open_sender(ground_->allow_nets(), kNever);
  std::map<std::string_view, Tally> tallies;
  const auto public_ones = core::AddressRules::make({}, {});
  drive(spellings_.size(), [&](std::size_t i, std::size_t) -> std::vector<Step> {
    const Spelling& spelling = spellings_[i];
    Tally& tally = tallies[spelling.kind];
    auto target = read(spelling.url);
    if (!target) {
      ++tally.refused_as_text;
      return {};
    }
    // Without a network of our own, a real public address that a mutation hit upon is left alone.
    const auto address = core::parse_address(target->host);
    if (!ground_->has_networks() && address && !public_ones->refuses(*address)) {
      ++tally.other;
      return {};
    }
    return {{.before = {},
             .request = request_to(std::move(*target)),
             .told = [this, &tally](const HttpOutcome& outcome) { note(tally, outcome); }}};
  });
  report("fresh connection", tallies);
  expect_no_forbidden_connect("fresh connection");
  EXPECT_GT(tallies["dotted IPv4"].blocked, 0);
  EXPECT_EQ(tallies["dotted IPv4"].delivered, 0);
  EXPECT_GT(tallies["names, A"].blocked, 0);
  EXPECT_EQ(tallies["names, A"].delivered, 0);
  EXPECT_EQ(tallies["names, AAAA"].delivered, 0);
  EXPECT_GT(tallies["inside a good URL"].delivered, 0);
}

// Each lane has a name of its own whose connection is kept, and the spelling is given to the same
// pool of connections. Only in a network of our own: nothing else holds a mistake back here.
void Inward::past_the_grammar() {
  if (!ground_->has_networks()) return;
  open_sender(ground_->allow_nets(), kMinute);
  std::map<std::string_view, Tally> tallies;
  int kept_warm = 0;
  drive(spellings_.size(), [&](std::size_t i, std::size_t lane) {
    const std::string name = "warm" + std::to_string(lane) + ".test";
    std::vector<Step> steps;
    if (i % 8 == 0) {
      steps.push_back(
          {.before = {}, .request = to_name(name), .told = [&](const HttpOutcome& outcome) {
             kept_warm += outcome.status == 200 ? 1 : 0;
             expect_allowed(outcome);
           }});
    }
    Tally& tally = tallies[spellings_[i].kind];
    steps.push_back({.before = {},
                     .request = forged(name, spellings_[i].url),
                     .told = [&](const HttpOutcome& outcome) { note(tally, outcome); }});
    return steps;
  });
  report("past the grammar, reused", tallies);
  expect_no_forbidden_connect("past the grammar, reused");
  EXPECT_GT(kept_warm, static_cast<int>(spellings_.size() / 16));
  EXPECT_GT(tallies["fewer parts (127.1)"].blocked, 0) << "libcurl reads it as an address";
  EXPECT_GT(tallies["user information"].blocked, 0);
  EXPECT_EQ(tallies["names, A"].blocked, static_cast<int>(spellings_.size() / tallies.size()))
      << "libcurl looks up no name itself";
}

void Inward::by_changing_names() {
  open_sender(ground_->allow_nets(), kNever);
  struct Form {
    const char* name;
    bool delivers;
    std::function<std::pair<Reply, Reply>(const Record& v4, const Record& v6)> answer;
  };
  const Record good{core::to_string(ground_->allowed()), 0};
  const Reply none;
  const std::vector<Form> forms{
      {"only forbidden ones", false,
       [&](const Record& v4, const Record& v6) {
         return std::pair(Reply{.records = {v4}}, Reply{.records = {v6}});
       }},
      {"A mixed, good first", true,
       [&](const Record& v4, const Record&) {
         return std::pair(Reply{.records = {good, v4}}, none);
       }},
      {"A mixed, good last", true,
       [&](const Record& v4, const Record& v6) {
         return std::pair(Reply{.records = {v4, v4, good}}, Reply{.records = {v6}});
       }},
      {"A good, AAAA forbidden", true,
       [&](const Record&, const Record& v6) {
         return std::pair(Reply{.records = {good}}, Reply{.records = {v6}});
       }},
      {"no A, AAAA forbidden", false,
       [&](const Record&, const Record& v6) { return std::pair(none, Reply{.records = {v6}}); }},
      {"CNAME to a forbidden name", false,
       [&](const Record& v4, const Record&) {
         return std::pair(Reply{.records = {v4}, .alias = "inner.names.test"},
                          Reply{.alias = "inner.names.test"});
       }},
  };
  std::vector<core::Address> v6;
  std::copy_if(ground_->forbidden().begin(), ground_->forbidden().end(), std::back_inserter(v6),
               [](const core::Address& a) { return a.v6; });
  std::vector<core::Address> v4;
  std::copy_if(ground_->forbidden().begin(), ground_->forbidden().end(), std::back_inserter(v4),
               [](const core::Address& a) { return !a.v6; });
  std::vector<int> as_expected(forms.size());
  std::vector<int> tried(forms.size());
  int first_public = 0;
  drive(spellings_.size(), [&](std::size_t i, std::size_t lane) {
    const std::string name = "lane" + std::to_string(lane) + ".test";
    const std::size_t which = i % forms.size();
    const Form& form = forms[which];
    // First a public answer: now there is a kept connection, and the name has proved harmless.
    Step first{
        .before = [this, name, good] { ground_->say(name, {.records = {good}}, {}); },
        .request = to_name(name),
        .told = [&](const HttpOutcome& outcome) { first_public += outcome.status == 200 ? 1 : 0; }};
    const Record bad4{core::to_string(v4[i / forms.size() % v4.size()]), 0};
    const Record bad6{core::to_string(v6[i / forms.size() % v6.size()]), 0};
    Step second{.before =
                    [this, name, answer = form.answer(bad4, bad6)] {
                      ground_->say(name, answer.first, answer.second);
                    },
                .request = to_name(name),
                .told =
                    [&, which](const HttpOutcome& outcome) {
                      ++tried[which];
                      const bool fits = forms[which].delivers
                                            ? outcome.status == 200
                                            : outcome.error == ErrorClass::kBlocked;
                      as_expected[which] += fits ? 1 : 0;
                      if (!fits && tried[which] - as_expected[which] < 4) {
                        ADD_FAILURE() << forms[which].name << ": " << outcome.detail << " ("
                                      << error_class_name(outcome.error) << ")";
                      }
                    }};
    return std::vector<Step>{std::move(first), std::move(second)};
  });
  std::printf("\nnames that change           tried  as expected\n");
  for (std::size_t f = 0; f < forms.size(); ++f) {
    std::printf("%-26s %6d %12d\n", forms[f].name, tried[f], as_expected[f]);
    EXPECT_EQ(as_expected[f], tried[f]) << forms[f].name;
  }
  EXPECT_EQ(first_public, static_cast<int>(spellings_.size()));
  expect_no_forbidden_connect("names that change");
}

void Inward::by_redirects() {
  open_sender(ground_->allow_nets(), kMinute);
  int redirected = 0;
  drive(spellings_.size(), [&](std::size_t i, std::size_t lane) {
    return std::vector<Step>{
        {.before = {},
         .request = to_name("redirect" + std::to_string(lane) + ".test", "/r/" + std::to_string(i)),
         .told = [&](const HttpOutcome& outcome) {
           redirected += outcome.status >= 301 && outcome.status <= 308 ? 1 : 0;
         }}};
  });
  std::printf("\nredirects: %d of %zu answered with one, none followed\n", redirected,
              spellings_.size());
  EXPECT_EQ(redirected, static_cast<int>(spellings_.size()));
  expect_no_forbidden_connect("redirect");
}

// The proxy connects where it is told, so here it is the witness: of what it is asked for. Each
// spelling with the grammar, and past it; not all of them, because each forged host is a connection
// to the one proxy, and its ports are soon used up.
void Inward::through_a_proxy() {
  open_sender(ground_->allow_nets(), kMinute, ground_->proxy());
  std::map<std::string_view, Tally> tallies;
  drive(std::min(spellings_.size(), kThroughTheProxy), [&](std::size_t i, std::size_t lane) {
    Tally& tally = tallies[spellings_[i].kind];
    const auto told = [this, &tally](const HttpOutcome& outcome) { note(tally, outcome); };
    std::vector<Step> steps;
    auto target = read(spellings_[i].url);
    if (target) {
      steps.push_back({.before = {}, .request = request_to(std::move(*target)), .told = told});
    } else {
      ++tally.refused_as_text;
    }
    steps.push_back({.before = {},
                     .request = forged("warm" + std::to_string(lane) + ".test", spellings_[i].url),
                     .told = told});
    return steps;
  });
  report("through a proxy (both)", tallies);
  std::printf("%d tunnels asked for\n", ground_->tunnels());
  EXPECT_GT(ground_->tunnels(), 0);
  EXPECT_TRUE(ground_->forbidden_tunnels().empty())
      << ::testing::PrintToString(ground_->forbidden_tunnels());
  expect_no_forbidden_connect("through a proxy");
  EXPECT_GT(tallies["dotted IPv4"].delivered, 0) << "forged, to the vetted address";
}

// Were a forbidden address connected to, it would be known: with the exception that allows it, the
// same URL arrives.
void Inward::the_witnesses_can_see() {
  open_sender({"0.0.0.0/0", "::/0"}, kMinute);
  const int before = ground_->requests();
  int delivered = 0;
  int not_reachable = 0;
  const auto& all = ground_->forbidden();
  drive(all.size(), [&](std::size_t i, std::size_t) {
    const std::string text = core::to_string(all[i]);
    return std::vector<Step>{{.before = {},
                              .request = to_name(all[i].v6 ? "[" + text + "]" : text),
                              .told = [&](const HttpOutcome& outcome) {
                                (outcome.status == 200 ? delivered : not_reachable) += 1;
                              }}};
  });
  const auto seen = ground_->connects();
  std::printf("\ncontrol: of %zu forbidden addresses, allowed for once, %d were delivered to\n",
              all.size(), delivered);
  EXPECT_EQ(ground_->requests() - before, delivered);
  EXPECT_GE(delivered, static_cast<int>(ground_->forbidden().size() * 3 / 4));
  for (const char* address : {"127.0.0.1", "::1"}) EXPECT_GT(seen.count(address), 0U) << address;
  if (!ground_->has_networks()) return;
  for (const char* address : {"10.0.0.1", "169.254.169.254", "168.63.129.16", "fd00:ec2::254",
                              "64:ff9b::a00:1", "2002:a00:1::1", "93.184.215.99"}) {
    EXPECT_GT(seen.count(address), 0U) << address;
  }
  EXPECT_FALSE(ground_->forbidden_connects().empty());
}

void Inward::every_way(InwardGround::Where where, std::size_t count) {
  open(where, count);
  const auto begun = std::chrono::steady_clock::now();
  const auto lap = [&](const char* way) {
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begun;
    std::printf("%s: done after %.1f s\n", way, spent.count());
  };
  on_fresh_connections();
  lap("fresh");
  past_the_grammar();
  lap("past the grammar");
  by_changing_names();
  lap("names");
  by_redirects();
  lap("redirects");
  through_a_proxy();
  lap("through a proxy");
  the_witnesses_can_see();
}

TEST_F(Inward, on_the_loopback_no_spelling_leads_to_a_connect) {
  every_way(InwardGround::Where::kLoopback, kFewSpellings);
}

TEST_F(Inward, no_spelling_name_or_redirect_of_a_hundred_thousand_leads_to_a_connect) {
  every_way(InwardGround::Where::kNetworksIfPossible, kSpellings);
}

}  // namespace
}  // namespace outrider::net::testing
