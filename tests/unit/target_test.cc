// The URL grammar: what it accepts, how it writes it, and every trick it refuses.
#include "core/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace outrider::core {
namespace {

using testing::HasSubstr;

const UrlRules kStrict;
const UrlRules kAnything{.allow_http = true, .ports = {0}};

TEST(Target, an_accepted_url_is_put_together_from_its_parts) {
  struct Case {
    const char* given;
    const char* url;
    const char* host;
    std::uint16_t port;
    const char* path;
  };
  const std::vector<Case> cases{
      {"https://example.com", "https://example.com/", "example.com", 443, "/"},
      {"https://example.com/", "https://example.com/", "example.com", 443, "/"},
      {"https://example.com:443/a", "https://example.com/a", "example.com", 443, "/a"},
      {"https://example.com:8443/a", "https://example.com:8443/a", "example.com", 8443, "/a"},
      {"https://example.com?x=1", "https://example.com/?x=1", "example.com", 443, "/?x=1"},
      {"https://example.com/a?b=c&d=/e?f", "https://example.com/a?b=c&d=/e?f", "example.com", 443,
       "/a?b=c&d=/e?f"},
      {"HTTPS://EXAMPLE.Com/Path", "https://example.com/Path", "example.com", 443, "/Path"},
      {"https://a.b-c.d1.example/x", "https://a.b-c.d1.example/x", "a.b-c.d1.example", 443, "/x"},
      {"https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/", "xn--bcher-kva.example",
       443, "/"},
      {"https://localhost/", "https://localhost/", "localhost", 443, "/"},
      {"https://3com.example/", "https://3com.example/", "3com.example", 443, "/"},
      {"https://0x7f.example/", "https://0x7f.example/", "0x7f.example", 443, "/"},
      {"https://example.com/%7Euser/%2e%2e", "https://example.com/%7Euser/%2e%2e", "example.com",
       443, "/%7Euser/%2e%2e"},
      {"https://example.com/a@b:c", "https://example.com/a@b:c", "example.com", 443, "/a@b:c"},
      {"https://example.com/?next=https://other.example",
       "https://example.com/?next=https://other.example", "example.com", 443,
       "/?next=https://other.example"},
      {"https://example.com//double", "https://example.com//double", "example.com", 443,
       "//double"},
      {"https://192.0.2.7/", "https://192.0.2.7/", "192.0.2.7", 443, "/"},
      {"https://[2001:DB8:0:0::1]:444/", "https://[2001:db8::1]:444/", "2001:db8::1", 444, "/"},
      {"https://[::ffff:192.0.2.7]/", "https://[::ffff:192.0.2.7]/", "::ffff:192.0.2.7", 443, "/"},
      {"http://example.com/", "http://example.com/", "example.com", 80, "/"},
      {"http://example.com:80/", "http://example.com/", "example.com", 80, "/"},
      {"http://example.com:443/", "http://example.com:443/", "example.com", 443, "/"},
      {"https://example.com:80/", "https://example.com:80/", "example.com", 80, "/"},
      {"https://example.com:65535/", "https://example.com:65535/", "example.com", 65535, "/"},
  };
  for (const auto& c : cases) {
    const auto target = parse_target(c.given, kAnything);
    ASSERT_TRUE(target) << c.given << ": " << target.error().to_string();
    EXPECT_EQ(target->url, c.url) << c.given;
    EXPECT_EQ(target->host, c.host) << c.given;
    EXPECT_EQ(target->port, c.port) << c.given;
    EXPECT_EQ(target->path, c.path) << c.given;
    EXPECT_EQ(target->host_is_address, parse_address(c.host).has_value()) << c.given;
    // What it writes it reads, and changes no more.
    const auto again = parse_target(target->url, kAnything);
    ASSERT_TRUE(again) << target->url;
    EXPECT_EQ(again->url, target->url);
    EXPECT_EQ(again->tls, target->tls);
  }
}

struct Refused {
  std::string url;
  const char* why;
};

void expect_refused(const std::vector<Refused>& cases, const UrlRules& rules) {
  for (const auto& c : cases) {
    const auto target = parse_target(c.url, rules);
    ASSERT_FALSE(target) << c.url << " became " << target->url;
    EXPECT_EQ(target.error().code, ErrorCode::kInvalidArgument) << c.url;
    EXPECT_EQ(target.error().where, "url") << c.url;
    EXPECT_THAT(target.error().message, HasSubstr(c.why)) << c.url;
  }
}

TEST(Target, refuses_other_schemes_and_what_is_not_a_url) {
  expect_refused({{"", "https://"},
                  {"example.com", "https://"},
                  {"//example.com/", "https://"},
                  {"https:example.com", "https://"},
                  {"https:/example.com", "https://"},
                  {"https:///example.com", "no host"},
                  {"https://", "no host"},
                  {"https://?x", "no host"},
                  {"https://:443/", "no host"},
                  {"ftp://example.com/", "https://"},
                  {"file:///etc/passwd", "https://"},
                  {"gopher://example.com/", "https://"},
                  {"https+x://example.com/", "https://"},
                  {"javascript:alert(1)", "https://"},
                  {" https://example.com/", "space"},
                  {"\thttps://example.com/", "control"}},
                 kAnything);
}

TEST(Target, refuses_userinfo_fragments_backslashes_whitespace_and_control_characters) {
  expect_refused({{"https://user@example.com/", "user name"},
                  {"https://user:secret@example.com/", "user name"},
                  {"https://@example.com/", "user name"},
                  {"https://example.com@127.0.0.1/", "user name"},
                  {"https://example.com:443@127.0.0.1/", "user name"},
                  {"https://127.0.0.1@example.com:443/", "user name"},
                  {"https://example.com/#fragment", "fragment"},
                  {"https://example.com#@127.0.0.1/", "fragment"},
                  {"https://127.0.0.1#.example.com/", "fragment"},
                  {"https://example.com\\@127.0.0.1/", "backslash"},
                  {"https:\\\\example.com/", "backslash"},
                  {"https://example.com\\.evil.example/", "backslash"},
                  {"https://example.com/a\\b", "backslash"},
                  {"https://example.com/a b", "space"},
                  {"https://exam ple.com/", "space"},
                  {"https://example.com/ ", "space"},
                  {"https://example.com/a\r\nHost: x", "control"},
                  {"https://exa\tmple.com/", "control"},
                  {std::string("https://example.com/\0x", 22), "control"},
                  {std::string("https://example.com\0.evil.example/", 34), "control"},
                  {"https://example.com/\x7f", "control"}},
                 kAnything);
}

TEST(Target, refuses_every_other_spelling_of_an_address) {
  expect_refused({{"https://127.1/", "number"},
                  {"https://127.0.1/", "number"},
                  {"https://0/", "number"},
                  {"https://2130706433/", "number"},
                  {"https://017700000001/", "number"},
                  {"https://0x7f000001/", "number"},
                  {"https://0X7F000001/", "number"},
                  {"https://0x7f.0.0.1/", "number"},
                  {"https://127.0.0.0x1/", "number"},
                  {"https://0177.0.0.1/", "number"},
                  {"https://127.0.0.01/", "number"},
                  {"https://127.000.000.001/", "number"},
                  {"https://256.0.0.1/", "number"},
                  {"https://1.2.3.4.5/", "number"},
                  {"https://4294967296/", "number"},
                  {"https://0x/", "number"},
                  {"https://example.0x7f/", "number"},
                  {"https://example.123/", "number"},
                  {"https://127.0.0.1./", "empty label"},
                  {"https://127..0.1/", "empty label"},
                  {"https://+127.0.0.1/", "character other"},
                  {"https://-127.0.0.1/", "hyphen"},
                  {"https://%31%32%37.0.0.1/", "percent"},
                  {"https://127%2e0%2e0%2e1/", "percent"},
                  {"https://example.com%2f@127.0.0.1/", "user name"},
                  {"https://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1/", "ASCII"},  // full width
                  {"https://127\xe3\x80\x82"
                   "0.0.1/",
                   "ASCII"},                                                // 。
                  {"https://\xe2\x91\xa0\xe2\x91\xa1.example/", "ASCII"}},  // ①②
                 kAnything);
}

TEST(Target, refuses_ipv6_in_any_but_its_own_brackets) {
  expect_refused({{"https://[::1/", "IPv6"},
                  {"https://[]/", "IPv6"},
                  {"https://[::1%25lo]/", "percent"},
                  {"https://[::1%lo]/", "percent"},
                  {"https://[fe80::1%25eth0]/", "percent"},
                  {"https://[127.0.0.1]/", "IPv6"},
                  {"https://[::1]x/", "between"},
                  {"https://[::1].example/", "between"},
                  {"https://[::1]443/", "between"},
                  {"https://[::1]:/", "without a port"},
                  {"https://[v1.x]/", "IPv6"},
                  {"https://[1::2::3]/", "IPv6"},
                  {"https://[::ffff:127.1]/", "IPv6"},
                  {"https://[::ffff:0x7f.0.0.1]/", "IPv6"},
                  {"https://[12345::]/", "IPv6"},
                  {"https://[[::1]]/", "IPv6"},
                  {"https://::1/", "no host"},
                  {"https://2001:db8::1/", "number"},
                  {"https://a[::1]/", "character other"}},
                 kAnything);
}

TEST(Target, refuses_hosts_that_are_no_names) {
  const std::string label(63, 'a');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'a');
  ASSERT_EQ(longest.size(), 253U);
  EXPECT_TRUE(parse_target("https://" + longest + "/", kStrict));
  expect_refused({{"https://" + longest + "a/", "longer than 253"},
                  {"https://" + label + "a.example/", "longer than 63"},
                  {"https://.example.com/", "empty label"},
                  {"https://example..com/", "empty label"},
                  {"https://example.com./", "empty label"},
                  {"https://./", "empty label"},
                  {"https://-a.example/", "hyphen"},
                  {"https://a-.example/", "hyphen"},
                  {"https://a_b.example/", "character other"},
                  {"https://a*b.example/", "character other"},
                  {"https://a,b.example/", "character other"},
                  {"https://a;b.example/", "character other"},
                  {"https://{a}.example/", "character other"},
                  {"https://b\xc3\xbc"
                   "cher.example/",
                   "ASCII"},
                  {"https://ex\xd0\xb0mple.com/", "ASCII"},  // Cyrillic а
                  {"https://example.com/\xe2\x82\xac", "ASCII"},
                  {"https://\xff/", "ASCII"}},
                 kAnything);
}

TEST(Target, refuses_ports_that_are_not_plain_numbers) {
  expect_refused({{"https://example.com:0/", "port 0"},
                  {"https://example.com:00/", "leading zero"},
                  {"https://example.com:0443/", "leading zero"},
                  {"https://example.com:65536/", "above 65535"},
                  {"https://example.com:4294967739/", "above 65535"},
                  {"https://example.com:99999999999999999999/", "above 65535"},
                  {"https://example.com:/", "without a port"},
                  {"https://example.com:-1/", "non-digits"},
                  {"https://example.com:+443/", "non-digits"},
                  {"https://example.com:443a/", "non-digits"},
                  {"https://example.com:0x1bb/", "non-digits"},
                  {"https://example.com:443:443/", "non-digits"},
                  {"https://example.com::443/", "non-digits"}},
                 kAnything);
}

TEST(Target, allows_only_the_configured_ports) {
  const UrlRules two{.allow_http = false, .ports = {443, 8443}};
  EXPECT_TRUE(parse_target("https://example.com/", kStrict));
  EXPECT_TRUE(parse_target("https://example.com:443/", kStrict));
  EXPECT_TRUE(parse_target("https://example.com:8443/", two));
  expect_refused(
      {{"https://example.com:8443/", "port 8443"}, {"https://example.com:1/", "port 1,"}}, kStrict);
  expect_refused({{"https://example.com:8444/", "port 8444"}}, two);
  expect_refused({{"https://example.com:0/", "port 0"}}, kAnything);
  expect_refused({{"https://example.com/", "port 443"}},
                 UrlRules{.allow_http = false, .ports = {}});
  const auto refused = parse_target("https://example.com:8443/", kStrict);
  EXPECT_THAT(refused.error().hint, HasSubstr("--allow-port 8443"));
}

TEST(Target, plain_http_needs_leave_and_its_port_too) {
  expect_refused({{"http://example.com/", "plain http"}}, kStrict);
  expect_refused({{"http://example.com/", "port 80"}},
                 UrlRules{.allow_http = true, .ports = {443}});
  EXPECT_TRUE(parse_target("http://example.com/", {.allow_http = true, .ports = {443, 80}}));
}

TEST(Target, has_a_longest_url) {
  const std::string start = "https://example.com/";
  EXPECT_TRUE(parse_target(start + std::string(2048 - start.size(), 'a'), kStrict));
  expect_refused({{start + std::string(2049 - start.size(), 'a'), "2048"}}, kStrict);
}

TEST(Target, errors_never_repeat_the_url) {
  for (const std::string url :
       {"https://user:hunter2@example.com/", "https://example.com/?key=hunter2#x",
        "http://example.com/hunter2", "https://hunter2.example:99/hunter2",
        "https://hunter2_.example/", "https://example.com:443/hunter2 hunter2"}) {
    const auto target = parse_target(url, kStrict);
    ASSERT_FALSE(target) << url;
    EXPECT_EQ(target.error().to_string().find("hunter2"), std::string::npos) << url;
  }
}

// Whatever a URL is made of, what is accepted is made of the grammar's own characters, and stable.
TEST(Target, random_spellings_are_refused_or_stable) {
  const std::vector<std::string> pieces{"https://",    "http://",    "HTTPS://",
                                        "example.com", "127.0.0.1",  "127.1",
                                        "0x7f000001",  "[::1]",      "[::ffff:127.0.0.1]",
                                        "[",           "]",          "@",
                                        ":",           ":0",         ":443",
                                        ":65536",      "/",          "//",
                                        "\\",          "?",          "#",
                                        "%31",         "%00",        "%2f",
                                        ".",           "..",         "-",
                                        "_",           " ",          "\t",
                                        "\n",          "a",          "1",
                                        "0",           "xn--",       "\xef\xbc\x91",
                                        "localhost",   "2130706433", ";",
                                        "user",        "::",         "fe80::1%25lo"};
  std::uint64_t state = 7;
  const auto roll = [&](std::size_t bound) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<std::size_t>((state >> 33) % bound);
  };
  int accepted = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string url = roll(4) == 0 ? "" : "https://";
    for (std::size_t n = roll(6) + 1; n > 0; --n) url += pieces[roll(pieces.size())];
    const auto target = parse_target(url, kAnything);
    if (!target) continue;
    ++accepted;
    const auto again = parse_target(target->url, kAnything);
    ASSERT_TRUE(again) << url;
    ASSERT_EQ(again->url, target->url) << url;
    ASSERT_EQ(again->host, target->host) << url;
    ASSERT_NE(target->port, 0) << url;
    ASSERT_EQ(target->host.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-.:"),
              std::string::npos)
        << url;
    // The host ends at the first of / ? : (outside brackets), so no reader finds another.
    const std::string authority = url.substr(url.find("//") + 2);
    ASSERT_EQ(authority.substr(0, authority.find_first_of("/?")).find('@'), std::string::npos)
        << url;
  }
  EXPECT_GT(accepted, 1000);
}

}  // namespace
}  // namespace outrider::core
