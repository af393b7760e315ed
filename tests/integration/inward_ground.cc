#include "inward_ground.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "url_spellings.h"

namespace outrider::net::testing {
namespace {

// What must not be connected to, written down a second time, apart from the engine's own table, so
// that an error there does not hide itself. IPv6: all that is not 2000::/3, and these.
constexpr std::array kForbiddenBlocks{
    "0.0.0.0/8",       "10.0.0.0/8",        "100.64.0.0/10",  "127.0.0.0/8",     "168.63.129.16/32",
    "169.254.0.0/16",  "172.16.0.0/12",     "192.0.0.0/24",   "192.0.2.0/24",    "192.31.196.0/24",
    "192.52.193.0/24", "192.88.99.0/24",    "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15",
    "198.51.100.0/24", "203.0.113.0/24",    "224.0.0.0/3",    "2001::/23",       "2001:db8::/32",
    "2002::/16",       "2620:4f:8000::/48", "3fff::/20",
};

constexpr const char* kOwnPublicV4 = "93.184.215.99";
constexpr const char* kOwnPublicV6 = "2606:2800:21f::99";

constexpr std::array kForbiddenAddresses{
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",
    "10.0.0.1",
    "10.255.255.254",
    "172.16.0.1",
    "172.31.255.254",
    "192.168.0.1",
    "192.168.255.254",
    "169.254.169.254",
    "169.254.170.2",
    "168.63.129.16",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.192",
    "198.18.0.1",
    "198.18.0.2",
    "198.19.255.254",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.9",
    "192.88.99.1",
    "192.175.48.1",
    "0.255.255.255",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    kOwnPublicV4,
    "::1",
    "::",
    "fd00:ec2::254",
    "fd00:a::1",
    "fd00:a::2",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "64:ff9b::a00:1",
    "64:ff9b:1::a00:1",
    "2002:a00:1::1",
    "2001:0:a00:1::1",
    "2001:db8::1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::10.0.0.1",
    "3fff::1",
    "100::1",
    "5f00::1",
    "2620:4f:8000::1",
    "2001:20::1",
    "::ffff:127.0.0.1",
    kOwnPublicV6,
};
constexpr std::array kForbiddenLoopback{"127.0.0.1", "127.1.2.3", "127.255.255.254", "0.0.0.0",
                                        "::1",       "::",        "::ffff:127.0.0.1"};

[[nodiscard]] bool lies_in(const core::Address& address, const std::string& block) {
  const std::size_t slash = block.find('/');
  const auto base = core::parse_address(block.substr(0, slash)).value();
  const int bits = std::stoi(block.substr(slash + 1));
  if (base.v6 != address.v6) return false;
  for (int bit = 0; bit < bits; ++bit) {
    const auto byte = static_cast<std::size_t>(bit / 8);
    if (((base.bytes[byte] ^ address.bytes[byte]) & (0x80 >> (bit % 8))) != 0) return false;
  }
  return true;
}

// A connect that everybody sees, and that ends what came before it.
void knock(const std::string& address, std::uint16_t port) {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  inet_pton(AF_INET, address.c_str(), &to.sin_addr);
  (void)connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

[[nodiscard]] Reply reply_with(const core::Address& address, std::uint16_t type) {
  if (address.v6 != (type == kAaaa)) return {};
  return {.records = {{core::to_string(address)}}};
}

}  // namespace

InwardGround::InwardGround(Where where) {
  std::string why;
  if (where == Where::kNetworksIfPossible) networks_ = TwoNetworks::make(why);
  if (networks_) {
    const bool given =
        TwoNetworks::run(std::string("ip addr add ") + kOwnPublicV4 + "/32 dev lo && ip addr add " +
                         kOwnPublicV6 + "/128 dev lo");
    EXPECT_TRUE(given);
    for (const char* text : kForbiddenAddresses) {
      forbidden_.push_back(core::parse_address(text).value());
    }
    allowed_ = {core::parse_address("93.184.215.14").value(),
                core::parse_address("93.184.215.15").value(),
                core::parse_address("2606:2800:21f::14").value()};
    networks_->outside([this] { (void)outside_.listen(80); });
    (void)inside_.listen(80);
    watch_ = ConnectWatch::make();
  } else {
    if (!why.empty()) std::printf("%s; on the loopback instead\n", why.c_str());
    for (const char* text : kForbiddenLoopback) {
      forbidden_.push_back(core::parse_address(text).value());
    }
    allowed_ = {core::parse_address("127.77.0.14").value(),
                core::parse_address("127.77.0.15").value()};
    allow_nets_ = {"127.77.0.0/16"};
    port_ = inside_.listen(0);
  }
  dns_ = std::make_unique<DnsServer>();
  dns_->make_unknown([this](const std::string& name, std::uint16_t type) -> Reply {
    const std::lock_guard lock(mutex_);
    if (const auto said = said_.find(name); said != said_.end()) {
      return type == kAaaa ? said->second.second : said->second.first;
    }
    return reply_with(address_in(name).value_or(allowed()), type);
  });
}

InwardGround::~InwardGround() = default;

void InwardGround::say(const std::string& name, Reply v4, Reply v6) {
  const std::lock_guard lock(mutex_);
  said_[name] = {std::move(v4), std::move(v6)};
}

void InwardGround::start(const std::vector<std::string>& redirects) {
  inside_.start(redirects);
  if (networks_) outside_.start(redirects);
}

bool InwardGround::is_forbidden(const core::Address& address) const {
  if (std::find(allowed_.begin(), allowed_.end(), address) != allowed_.end()) return false;
  const auto own = {kOwnPublicV4, kOwnPublicV6};
  if (std::find(own.begin(), own.end(), core::to_string(address)) != own.end()) return true;
  if (address.v6 && !lies_in(address, "2000::/3")) return true;
  return std::any_of(kForbiddenBlocks.begin(), kForbiddenBlocks.end(),
                     [&](const char* block) { return lies_in(address, block); });
}

std::map<std::string, int> InwardGround::connects() {
  std::map<std::string, int> all;
  for (CountingWeb* web : {&inside_, &outside_}) {
    for (const auto& [address, count] : web->counts()) all[address] += count.connections;
  }
  if (!watch_) return all;
  constexpr const char* kMarker = "93.184.215.15";
  const auto seen = watch_->seen(std::string(kMarker) + " 9", [] { knock(kMarker, 9); });
  EXPECT_TRUE(seen.has_value()) << "the watch has lost packets";
  if (!seen) return all;
  for (const auto& [destination, count] : *seen) {
    const std::string address = destination.substr(0, destination.find(' '));
    all[address] = std::max(all[address], count);
  }
  return all;
}

std::vector<std::string> InwardGround::forbidden_connects() {
  std::vector<std::string> found;
  for (const auto& [address, count] : connects()) {
    if (!is_forbidden(core::parse_address(address).value())) continue;
    found.push_back(address + ": " + std::to_string(count) + " times");
  }
  return found;
}

EgressProxy InwardGround::proxy() const {
  return {.host = core::to_string(allowed_[1]), .port = port_, .host_is_address = true};
}

std::vector<std::string> InwardGround::forbidden_tunnels() {
  std::vector<std::string> found;
  for (CountingWeb* web : {&inside_, &outside_}) {
    for (const auto& [place, count] : web->tunnels()) {
      std::string host = place.substr(0, place.rfind(':'));
      if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
      const auto address = core::parse_address(host);
      // Also a name: what the proxy would make of it, nobody knows.
      if (address && !is_forbidden(*address)) continue;
      found.push_back(place + ": " + std::to_string(count) + " times");
    }
  }
  return found;
}

int InwardGround::tunnels() {
  int all = 0;
  for (CountingWeb* web : {&inside_, &outside_}) {
    for (const auto& [place, count] : web->tunnels()) all += count;
  }
  return all;
}

int InwardGround::requests() {
  int all = 0;
  for (CountingWeb* web : {&inside_, &outside_}) {
    for (const auto& [address, count] : web->counts()) all += count.requests;
  }
  return all;
}

}  // namespace outrider::net::testing
