// Addresses: read strictly, written canonically, judged block by block at both edges and beside
// them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <arpa/inet.h>

#include <array>
#include <string>
#include <vector>

#include "core/target.h"

namespace outrider::core {
namespace {

using testing::HasSubstr;

Address address(const std::string& text) {
  const auto parsed = parse_address(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(Address{});
}

AddressRules rules(const std::vector<std::string>& allow = {},
                   const std::vector<std::string>& own = {}) {
  std::vector<Address> addresses;
  for (const auto& text : own) addresses.push_back(address(text));
  auto made = AddressRules::make(allow, addresses);
  EXPECT_TRUE(made) << made.error().to_string();
  return made.value();
}

std::string judged(const AddressRules& by, const std::string& text) {
  return std::string(by.refuses(address(text)).value_or("allowed"));
}

struct Case {
  const char* text;
  const char* judgement;
};

void expect_judged(const AddressRules& by, const std::vector<Case>& cases) {
  for (const auto& c : cases) EXPECT_EQ(judged(by, c.text), c.judgement) << c.text;
}

TEST(AddressText, reads_canonical_ipv4_only) {
  for (const char* text : {"0.0.0.0", "1.2.3.4", "255.255.255.255", "127.0.0.1", "10.20.30.40"}) {
    EXPECT_EQ(to_string(address(text)), text);
  }
  for (const char* text :
       {"",          ".",        "1",         "1.2",       "1.2.3",      "1.2.3.",
        ".1.2.3",    "1.2.3.4.", "1.2.3.4.5", "01.2.3.4",  "1.2.3.04",   "256.1.1.1",
        "1.2.3.256", "1.2.3.4 ", " 1.2.3.4",  "1.2.3.-4",  "+1.2.3.4",   "0x1.2.3.4",
        "1.2.3.4/8", "1..2.3",   "1.2.3.4a",  "1e1.2.3.4", "1000.1.1.1", "127.1"}) {
    EXPECT_FALSE(parse_address(text)) << text;
  }
}

TEST(AddressText, reads_ipv6_and_writes_it_as_rfc_5952_says) {
  struct Text {
    const char* given;
    const char* written;
  };
  const std::vector<Text> cases{
      {"::", "::"},
      {"::1", "::1"},
      {"1::", "1::"},
      {"2001:DB8::A", "2001:db8::a"},
      {"2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"},
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
      {"1:0:0:2:0:0:3:4", "1::2:0:0:3:4"},
      {"0:0:0:0:0:0:0:0", "::"},
      {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
      {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
      {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
      {"::ffff:1.2.3.4", "::ffff:1.2.3.4"},
      {"::ffff:102:304", "::ffff:1.2.3.4"},
      {"::1.2.3.4", "::102:304"},
      {"64:ff9b::1.2.3.4", "64:ff9b::102:304"},
      {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
  };
  for (const auto& c : cases) EXPECT_EQ(to_string(address(c.given)), c.written) << c.given;
  for (const char* text : {":",
                           ":::",
                           "1",
                           "::1%lo",
                           "[::1]",
                           "1:2:3:4:5:6:7",
                           "1:2:3:4:5:6:7:8:9",
                           "1::2::3",
                           "::g",
                           "12345::",
                           "1:2:3:4:5:6:7:8:",
                           ":1:2:3:4:5:6:7:8",
                           "1:2:3:4::5:6:7:8",
                           "::1.2.3",
                           "::1.2.3.4.5",
                           "1.2.3.4::",
                           "::1.2.3.4:5",
                           "1:2:3:4:5:6:7:1.2.3.4",
                           "::01.2.3.4",
                           " ::1",
                           "::1 ",
                           "::/0",
                           "1:",
                           ":1",
                           "::1:"}) {
    EXPECT_FALSE(parse_address(text)) << text;
  }
}

TEST(AddressText, agrees_with_the_system_on_random_ipv6) {
  std::uint64_t state = 11;
  const auto roll = [&](std::uint64_t bound) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (state >> 33) % bound;
  };
  for (int i = 0; i < 50'000; ++i) {
    Address a;
    a.v6 = true;
    for (auto& byte : a.bytes) byte = roll(3) == 0 ? static_cast<std::uint8_t>(roll(256)) : 0;
    const std::string text = to_string(a);
    ASSERT_EQ(address(text), a) << text;
    std::array<std::uint8_t, 16> theirs{};
    ASSERT_EQ(inet_pton(AF_INET6, text.c_str(), theirs.data()), 1) << text;
    ASSERT_EQ(theirs, a.bytes) << text;
    char buffer[INET6_ADDRSTRLEN];
    ASSERT_NE(inet_ntop(AF_INET6, a.bytes.data(), buffer, sizeof buffer), nullptr);
    ASSERT_EQ(address(buffer), a) << buffer;
  }
}

TEST(AddressText, reads_no_more_than_the_system_does) {
  const std::string alphabet = "0123456789abcdef:::...%[]/x ";
  std::uint64_t state = 13;
  const auto roll = [&](std::size_t bound) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<std::size_t>((state >> 33) % bound);
  };
  int accepted = 0;
  for (int i = 0; i < 300'000; ++i) {
    std::string text;
    for (std::size_t n = roll(12) + 1; n > 0; --n) text += alphabet[roll(alphabet.size())];
    const auto ours = parse_address(text);
    std::array<std::uint8_t, 16> theirs{};
    const bool v6 = text.find(':') != std::string::npos;
    const bool system = inet_pton(v6 ? AF_INET6 : AF_INET, text.c_str(), theirs.data()) == 1;
    ASSERT_EQ(ours.has_value(), system) << text;
    if (!ours) continue;
    ++accepted;
    ASSERT_EQ(ours->v6, v6) << text;
    ASSERT_EQ(ours->bytes, theirs) << text;
  }
  EXPECT_GT(accepted, 100);
}

// Each block: its first and last address, and what lies just outside.
const std::vector<Case> kIpv4Edges{
    {"0.0.0.0", "this network"},
    {"0.255.255.255", "this network"},
    {"1.0.0.0", "allowed"},
    {"9.255.255.255", "allowed"},
    {"10.0.0.0", "private"},
    {"10.255.255.255", "private"},
    {"11.0.0.0", "allowed"},
    {"100.63.255.255", "allowed"},
    {"100.64.0.0", "shared carrier space"},
    {"100.127.255.255", "shared carrier space"},
    {"100.128.0.0", "allowed"},
    {"126.255.255.255", "allowed"},
    {"127.0.0.0", "loopback"},
    {"127.0.0.1", "loopback"},
    {"127.255.255.255", "loopback"},
    {"128.0.0.0", "allowed"},
    {"168.63.129.15", "allowed"},
    {"168.63.129.16", "cloud metadata"},
    {"168.63.129.17", "allowed"},
    {"169.253.255.255", "allowed"},
    {"169.254.0.0", "link-local"},
    {"169.254.169.253", "link-local"},
    {"169.254.169.254", "cloud metadata"},
    {"169.254.169.255", "link-local"},
    {"169.254.255.255", "link-local"},
    {"169.255.0.0", "allowed"},
    {"172.15.255.255", "allowed"},
    {"172.16.0.0", "private"},
    {"172.31.255.255", "private"},
    {"172.32.0.0", "allowed"},
    {"191.255.255.255", "allowed"},
    {"192.0.0.0", "protocol assignments"},
    {"192.0.0.255", "protocol assignments"},
    {"192.0.1.0", "allowed"},
    {"192.0.1.255", "allowed"},
    {"192.0.2.0", "documentation"},
    {"192.0.2.255", "documentation"},
    {"192.0.3.0", "allowed"},
    {"192.31.195.255", "allowed"},
    {"192.31.196.0", "AS112 sink"},
    {"192.31.196.255", "AS112 sink"},
    {"192.31.197.0", "allowed"},
    {"192.52.192.255", "allowed"},
    {"192.52.193.0", "multicast relay"},
    {"192.52.193.255", "multicast relay"},
    {"192.52.194.0", "allowed"},
    {"192.88.98.255", "allowed"},
    {"192.88.99.0", "6to4 relay"},
    {"192.88.99.255", "6to4 relay"},
    {"192.88.100.0", "allowed"},
    {"192.167.255.255", "allowed"},
    {"192.168.0.0", "private"},
    {"192.168.255.255", "private"},
    {"192.169.0.0", "allowed"},
    {"192.175.47.255", "allowed"},
    {"192.175.48.0", "AS112 sink"},
    {"192.175.48.255", "AS112 sink"},
    {"192.175.49.0", "allowed"},
    {"198.17.255.255", "allowed"},
    {"198.18.0.0", "benchmarking"},
    {"198.19.255.255", "benchmarking"},
    {"198.20.0.0", "allowed"},
    {"198.51.99.255", "allowed"},
    {"198.51.100.0", "documentation"},
    {"198.51.100.255", "documentation"},
    {"198.51.101.0", "allowed"},
    {"203.0.112.255", "allowed"},
    {"203.0.113.0", "documentation"},
    {"203.0.113.255", "documentation"},
    {"203.0.114.0", "allowed"},
    {"223.255.255.255", "allowed"},
    {"224.0.0.0", "multicast"},
    {"239.255.255.255", "multicast"},
    {"240.0.0.0", "reserved"},
    {"255.255.255.254", "reserved"},
    {"255.255.255.255", "broadcast"},
};

TEST(AddressRules, judges_every_ipv4_block_at_its_edges) { expect_judged(rules(), kIpv4Edges); }

const char* const kRest = "not global unicast";

// The last address of the /64 that begins so.
std::string last(const std::string& head) { return head + ":ffff:ffff:ffff:ffff"; }

const std::vector<std::pair<std::string, std::string>> kIpv6Edges{
    {"::", "unspecified"},
    {"::1", "loopback"},
    {"::2", "IPv4-compatible"},
    {"::127.0.0.1", "IPv4-compatible"},
    {"::8.8.8.8", "IPv4-compatible"},
    {"::255.255.255.255", "IPv4-compatible"},
    {"::1:0:0", kRest},
    {"::fffe:127.0.0.1", kRest},
    {"::1:ffff:127.0.0.1", kRest},
    {"::ffff:0:127.0.0.1", kRest},
    {"64:ff9a:ffff::", kRest},
    {"64:ff9b::", "NAT64"},
    {"64:ff9b::8.8.8.8", "NAT64"},
    {"64:ff9b::255.255.255.255", "NAT64"},
    {"64:ff9b::1:0:0", kRest},
    {"64:ff9b:1::", "NAT64"},
    {"64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "NAT64"},
    {"64:ff9b:2::", kRest},
    {"100::", "discard-only"},
    {last("100:0:0:0"), "discard-only"},
    {"100:0:0:1::", kRest},
    {last("1fff:ffff:ffff:ffff"), kRest},
    {"2000::", "allowed"},
    {last("2000:ffff:ffff:ffff"), "allowed"},
    {"2001::", "Teredo"},
    {"2001:0:7f00:1::", "Teredo"},
    {last("2001:0:ffff:ffff"), "Teredo"},
    {"2001:1::1", "protocol assignments"},
    {"2001:20::", "protocol assignments"},
    {last("2001:1ff:ffff:ffff"), "protocol assignments"},
    {"2001:200::", "allowed"},
    {"2001:4860:4860::8888", "allowed"},
    {last("2001:db7:ffff:ffff"), "allowed"},
    {"2001:db8::", "documentation"},
    {last("2001:db8:ffff:ffff"), "documentation"},
    {"2001:db9::", "allowed"},
    {last("2001:ffff:ffff:ffff"), "allowed"},
    {"2002::", "6to4"},
    {"2002:7f00:1::", "6to4"},
    {last("2002:ffff:ffff:ffff"), "6to4"},
    {"2003::", "allowed"},
    {"2606:4700:4700::1111", "allowed"},
    {last("2620:4f:7fff:ffff"), "allowed"},
    {"2620:4f:8000::", "AS112 sink"},
    {last("2620:4f:8000:ffff"), "AS112 sink"},
    {"2620:4f:8001::", "allowed"},
    {last("3ffe:ffff:ffff:ffff"), "allowed"},
    {"3fff::", "documentation"},
    {last("3fff:fff:ffff:ffff"), "documentation"},
    {"3fff:1000::", "allowed"},
    {last("3fff:ffff:ffff:ffff"), "allowed"},
    {"4000::", kRest},
    {"5f00::1", kRest},
    {last("fbff:ffff:ffff:ffff"), kRest},
    {"fc00::", "private"},
    {"fd00:ec2::253", "private"},
    {"fd00:ec2::254", "cloud metadata"},
    {"fd00:ec2::255", "private"},
    {"fd20:ce::253", "private"},
    {"fd20:ce::254", "cloud metadata"},
    {"fd20:ce::255", "private"},
    {last("fdff:ffff:ffff:ffff"), "private"},
    {"fe00::", kRest},
    {last("fe7f:ffff:ffff:ffff"), kRest},
    {"fe80::", "link-local"},
    {last("febf:ffff:ffff:ffff"), "link-local"},
    {"fec0::", "site-local"},
    {last("feff:ffff:ffff:ffff"), "site-local"},
    {"ff00::", "multicast"},
    {"ff02::1", "multicast"},
    {last("ffff:ffff:ffff:ffff"), "multicast"},
};

TEST(AddressRules, judges_every_ipv6_block_at_its_edges) {
  const AddressRules none = rules();
  for (const auto& [text, judgement] : kIpv6Edges) EXPECT_EQ(judged(none, text), judgement) << text;
}

TEST(AddressRules, a_mapped_address_is_judged_as_what_it_maps) {
  expect_judged(rules(), {{"::ffff:127.0.0.1", "loopback"},
                          {"::ffff:7f00:1", "loopback"},
                          {"::ffff:10.1.2.3", "private"},
                          {"::ffff:169.254.169.254", "cloud metadata"},
                          {"::ffff:0.0.0.0", "this network"},
                          {"::ffff:8.8.8.8", "allowed"}});
}

TEST(AddressRules, every_ipv4_address_has_the_same_judgement_mapped) {
  const AddressRules by = rules({"10.1.0.0/16"}, {"8.8.4.4"});
  for (std::uint32_t i = 0; i < 65'536; ++i) {
    Address plain;
    plain.bytes = {static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i & 0xff),
                   static_cast<std::uint8_t>(i % 251), static_cast<std::uint8_t>(i % 13)};
    Address mapped;
    mapped.v6 = true;
    mapped.bytes[10] = mapped.bytes[11] = 0xff;
    std::copy_n(plain.bytes.begin(), 4, mapped.bytes.begin() + 12);
    ASSERT_EQ(by.refuses(plain), by.refuses(mapped)) << to_string(plain);
  }
}

TEST(AddressRules, an_allow_net_opens_exactly_its_own_addresses) {
  const AddressRules by = rules({"127.0.0.0/8", "10.1.2.0/24", "fd00:1::/32", "192.168.7.9",
                                 "172.16.0.0/13", "64:ff9b::/96"});
  expect_judged(by, {{"127.0.0.1", "allowed"},
                     {"127.255.255.255", "allowed"},
                     {"::ffff:127.0.0.1", "allowed"},
                     {"::1", "loopback"},
                     {"10.1.1.255", "private"},
                     {"10.1.2.0", "allowed"},
                     {"10.1.2.255", "allowed"},
                     {"10.1.3.0", "private"},
                     {"192.168.7.8", "private"},
                     {"192.168.7.9", "allowed"},
                     {"192.168.7.10", "private"},
                     {"172.23.255.255", "allowed"},
                     {"172.24.0.0", "private"},
                     {"fd00:1::5", "allowed"},
                     {"fd00:2::5", "private"},
                     {"64:ff9b::8.8.8.8", "allowed"},
                     {"64:ff9b:1::1", "NAT64"},
                     {"8.8.8.8", "allowed"}});
}

TEST(AddressRules, an_allow_net_may_be_written_mapped_and_everything_can_be_allowed) {
  expect_judged(rules({"::ffff:127.0.0.0/104"}), {{"127.0.0.1", "allowed"},
                                                  {"128.0.0.1", "allowed"},
                                                  {"10.0.0.1", "private"},
                                                  {"::1", "loopback"}});
  expect_judged(rules({"0.0.0.0/0"}), {{"127.0.0.1", "allowed"},
                                       {"255.255.255.255", "allowed"},
                                       {"::ffff:10.0.0.1", "allowed"},
                                       {"::1", "loopback"}});
  expect_judged(rules({"::/0"}),
                {{"::1", "allowed"}, {"ff02::1", "allowed"}, {"127.0.0.1", "loopback"}});
}

TEST(AddressRules, own_addresses_are_refused_unless_allowed) {
  const std::vector<std::string> own{"8.8.4.4", "2606:4700::5", "::ffff:9.9.9.9"};
  expect_judged(rules({}, own), {{"8.8.4.4", "an address of this host"},
                                 {"::ffff:8.8.4.4", "an address of this host"},
                                 {"9.9.9.9", "an address of this host"},
                                 {"2606:4700::5", "an address of this host"},
                                 {"8.8.4.5", "allowed"},
                                 {"2606:4700::6", "allowed"}});
  expect_judged(rules({"8.8.4.0/24"}, own),
                {{"8.8.4.4", "allowed"}, {"9.9.9.9", "an address of this host"}});
}

TEST(AddressRules, own_addresses_can_change_and_the_exceptions_stay) {
  AddressRules by = rules({"10.1.0.0/16"}, {"8.8.4.4"});
  by.set_own({address("::ffff:9.9.9.9"), address("10.1.0.7"), address("2606:4700::5")});
  expect_judged(by, {{"8.8.4.4", "allowed"},
                     {"9.9.9.9", "an address of this host"},
                     {"2606:4700::5", "an address of this host"},
                     {"10.1.0.7", "allowed"},
                     {"10.2.0.7", "private"}});
  EXPECT_EQ(by.refuses(address("8.8.4.4"), true), "an address of this host");
  EXPECT_EQ(by.refuses(address("10.1.0.8"), true), std::nullopt);
  by.set_own({});
  expect_judged(by, {{"9.9.9.9", "allowed"}, {"10.2.0.7", "private"}});
}

// Every range of addresses between two edges of the tables, probed at random, has the judgement of
// its lower edge: nothing lies hidden between the rows above.
TEST(AddressRules, between_the_edges_of_ipv4_blocks_nothing_changes) {
  const AddressRules none = rules();
  const auto number = [](const Address& a) {
    return static_cast<std::uint32_t>(a.bytes[0]) << 24 | a.bytes[1] << 16 | a.bytes[2] << 8 |
           a.bytes[3];
  };
  std::uint64_t state = 17;
  for (std::size_t i = 0; i + 1 < kIpv4Edges.size(); ++i) {
    const std::uint32_t low = number(address(kIpv4Edges[i].text));
    const std::uint32_t high = number(address(kIpv4Edges[i + 1].text));
    ASSERT_LT(low, high) << kIpv4Edges[i].text;
    if (std::string_view(kIpv4Edges[i].judgement) != kIpv4Edges[i + 1].judgement) {
      EXPECT_EQ(high - low, 1U) << "no edge between " << kIpv4Edges[i].text << " and the next row";
      continue;
    }
    for (int roll = 0; roll < 2000; ++roll) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      const auto at = low + static_cast<std::uint32_t>((state >> 33) % (high - low));
      Address probe;
      for (int b = 0; b < 4; ++b) {
        probe.bytes[static_cast<std::size_t>(b)] = static_cast<std::uint8_t>(at >> (24 - 8 * b));
      }
      const std::string text = to_string(probe);
      // Single addresses inside a block have rows of their own.
      if (text == kIpv4Edges[i].text) continue;
      ASSERT_EQ(judged(none, text), kIpv4Edges[i].judgement) << text;
    }
  }
}

TEST(AddressRules, a_wrong_network_is_named_with_what_to_write) {
  for (const char* text :
       {"", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/8/8", "10.0/8",
        "10.0.0.0/8 ", "::/129", "::1/1x", "example.com", "localhost", "10.0.0.0-10.0.0.9",
        "fe80::1%lo/64", "[::1]/128", "*"}) {
    const auto made = AddressRules::make({"127.0.0.0/8", text}, {});
    ASSERT_FALSE(made) << text;
    EXPECT_EQ(made.error().code, ErrorCode::kInvalidArgument) << text;
    EXPECT_THAT(made.error().message, HasSubstr(std::string("\"") + text + "\"")) << text;
  }
  const auto v4 = AddressRules::make({"127.0.0.1/8"}, {});
  ASSERT_FALSE(v4);
  EXPECT_THAT(v4.error().hint, HasSubstr("127.0.0.0/8"));
  const auto v6 = AddressRules::make({"fd00:1::1/32"}, {});
  ASSERT_FALSE(v6);
  EXPECT_THAT(v6.error().hint, HasSubstr("fd00:1::/32"));
  EXPECT_FALSE(AddressRules::make({"10.0.0.1/31"}, {}));
  EXPECT_TRUE(AddressRules::make({"10.0.0.2/31"}, {}));
}

}  // namespace
}  // namespace outrider::core
