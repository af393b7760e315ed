// How an egress proxy is written, what is refused, and that nothing of it is repeated; and what a
// tunnel's failure is called.
#include "net/egress_proxy.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "net/tunnel_outcome.h"

namespace outrider::net {
namespace {

TEST(EgressProxy, is_a_host_and_a_port_with_or_without_credentials) {
  struct Case {
    const char* url;
    const char* place;
    const char* user;
    const char* password;
    bool is_address;
  };
  const std::vector<Case> cases{
      {"http://proxy.example:3128", "proxy.example:3128", "", "", false},
      {"http://PROXY.Example:3128/", "proxy.example:3128", "", "", false},
      {"http://10.0.0.5:80", "10.0.0.5:80", "", "", true},
      {"http://[FD00::5]:3128", "[fd00::5]:3128", "", "", true},
      {"http://user:secret@proxy:8080", "proxy:8080", "user", "secret", false},
      {"http://user:@proxy:8080", "proxy:8080", "user", "", false},
      {"http://user:a:b@proxy:8080", "proxy:8080", "user", "a:b", false},
      {"http://us%20er:p%40%3a%2F@proxy:8080", "proxy:8080", "us er", "p@:/", false},
      {"http://user:p@ss@proxy:8080", "proxy:8080", "user", "p@ss", false},
      {"http://user:p%c3%bc@proxy:8080", "proxy:8080", "user", "p\xc3\xbc", false},
  };
  for (const auto& c : cases) {
    const auto proxy = parse_egress_proxy(c.url);
    ASSERT_TRUE(proxy) << c.url << ": " << proxy.error().to_string();
    EXPECT_EQ(place_of(*proxy), c.place) << c.url;
    EXPECT_EQ(proxy->user, c.user) << c.url;
    EXPECT_EQ(proxy->password, c.password) << c.url;
    EXPECT_EQ(proxy->host_is_address, c.is_address) << c.url;
  }
}

TEST(EgressProxy, anything_else_is_refused_and_not_repeated) {
  const std::vector<std::string> cases{"",
                                       "http://",
                                       "HTTP://sesame:1",
                                       "https://sesame:3128",
                                       "socks5://sesame:1080",
                                       "sesame:3128",
                                       "//sesame:3128",
                                       "http://sesame",
                                       "http://sesame:",
                                       "http://sesame:0",
                                       "http://sesame:65536",
                                       "http://sesame:03128",
                                       "http://sesame:3128/path",
                                       "http://sesame:3128?q",
                                       "http://sesame:3128#f",
                                       "http://[::1]",
                                       "http://[::1%25lo]:3128",
                                       "http://127.1:3128",
                                       "http://2130706433:3128",
                                       "http://sesame :3128",
                                       "http://ses\name:3128",
                                       "http://sesame@proxy:3128",
                                       "http://:sesame@proxy:3128",
                                       "http://user:sesame@",
                                       "http://user:sesame@:3128",
                                       "http://us%3Aer:sesame@proxy:3128",
                                       "http://user:sesame%@proxy:3128",
                                       "http://user:sesame%4@proxy:3128",
                                       "http://user:sesame%zz@proxy:3128",
                                       "http://user:sesame%0a@proxy:3128",
                                       "http://user:sesame%00@proxy:3128",
                                       "http://user:ses ame@proxy:3128",
                                       "http://user:" + std::string(300, 's') + "@proxy:3128"};
  for (const std::string& url : cases) {
    const auto proxy = parse_egress_proxy(url);
    ASSERT_FALSE(proxy) << url;
    EXPECT_EQ(proxy.error().code, ErrorCode::kInvalidArgument) << url;
    EXPECT_EQ(proxy.error().where, "egress-proxy") << url;
    EXPECT_EQ(proxy.error().to_string().find("ses"), std::string::npos) << url;
  }
}

TEST(EgressProxy, a_tunnel_that_did_not_open_says_proxy_and_why) {
  struct Case {
    TunnelFacts facts;
    ErrorClass error;
    const char* words;
  };
  const core::Duration limit{3000};
  const std::vector<Case> cases{
      {{.result = CURLE_COULDNT_CONNECT, .os_errno = 111, .limit = limit},
       ErrorClass::kConnect,
       "cannot connect to the proxy: Connection refused"},
      {{.result = CURLE_COULDNT_CONNECT, .limit = limit},
       ErrorClass::kConnect,
       "cannot connect to the proxy"},
      {{.result = CURLE_OUT_OF_MEMORY, .limit = limit},
       ErrorClass::kAborted,
       "libcurl: Out of memory"},
      {{.result = CURLE_RECV_ERROR, .connected = true, .status = 407, .limit = limit},
       ErrorClass::kConnect,
       "the proxy wants other credentials (status 407)"},
      {{.result = CURLE_RECV_ERROR, .connected = true, .status = 502, .limit = limit},
       ErrorClass::kConnect,
       "the proxy opened no tunnel (status 502)"},
      {{.result = CURLE_RECV_ERROR, .connected = true, .limit = limit},
       ErrorClass::kConnect,
       "the proxy opened no tunnel and closed the connection"},
      {{.result = CURLE_OPERATION_TIMEDOUT, .connected = true, .limit = limit},
       ErrorClass::kTimeout,
       "the proxy opened no tunnel within 3000 ms"},
      {{.result = CURLE_OPERATION_TIMEDOUT, .limit = limit},
       ErrorClass::kTimeout,
       "not connected to the proxy within 3000 ms"},
  };
  for (const auto& c : cases) {
    const Failure failure = tunnel_failure(c.facts);
    EXPECT_EQ(failure.error, c.error) << c.words;
    EXPECT_EQ(failure.words, c.words);
  }
}

}  // namespace
}  // namespace outrider::net
