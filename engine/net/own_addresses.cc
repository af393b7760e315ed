// The kernel announces every change of an address on a netlink socket. It is not polled for: it is
// read, without waiting, at the moment the addresses matter, so that no decision is taken on old
// ones. Where there is no such socket (some sandboxes), and as a backstop anyway, the addresses are
// read again after a while.
//
// Not through libuv: uv_interface_addresses() leaves out interfaces without a carrier, such as the
// bridge of a container runtime that has no container just now, whose address is reachable none the
// less.
#include "net/own_addresses.h"

#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

namespace outrider::net {
namespace {

constexpr core::Duration kReadAgainWithoutNews{1000};
constexpr core::Duration kReadAgainAnyway{30'000};

struct IfaddrsFree {
  void operator()(ifaddrs* list) const noexcept { freeifaddrs(list); }
};

[[nodiscard]] UniqueFd open_netlink() {
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  if (!fd) return fd;
  sockaddr_nl self{};
  self.nl_family = AF_NETLINK;
  self.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&self), sizeof self) != 0) fd.reset();
  return fd;
}

}  // namespace

std::vector<core::Address> interface_addresses() {
  std::vector<core::Address> all;
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) return all;
  const std::unique_ptr<ifaddrs, IfaddrsFree> list(first);
  for (const ifaddrs* it = list.get(); it != nullptr; it = it->ifa_next) {
    if (it->ifa_addr == nullptr) continue;
    core::Address address;
    if (it->ifa_addr->sa_family == AF_INET) {
      const auto* v4 = reinterpret_cast<const sockaddr_in*>(it->ifa_addr);
      std::memcpy(address.bytes.data(), &v4->sin_addr, 4);
    } else if (it->ifa_addr->sa_family == AF_INET6) {
      const auto* v6 = reinterpret_cast<const sockaddr_in6*>(it->ifa_addr);
      address.v6 = true;
      std::memcpy(address.bytes.data(), &v6->sin6_addr, 16);
    } else {
      continue;
    }
    if (std::find(all.begin(), all.end(), address) == all.end()) all.push_back(address);
  }
  return all;
}

bool leads_to_this_host(const sockaddr& address, socklen_t size) {
  // A datagram socket's connect() asks the routes and sends nothing.
  const UniqueFd probe(socket(address.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!probe || connect(probe.get(), &address, size) != 0) return false;
  sockaddr_storage local{};
  socklen_t local_size = sizeof local;
  if (getsockname(probe.get(), reinterpret_cast<sockaddr*>(&local), &local_size) != 0) return false;
  if (local.ss_family != address.sa_family) return false;
  if (local.ss_family == AF_INET) {
    return reinterpret_cast<const sockaddr_in&>(local).sin_addr.s_addr ==
           reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr;
  }
  return local.ss_family == AF_INET6 &&
         std::memcmp(&reinterpret_cast<const sockaddr_in6&>(local).sin6_addr,
                     &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, 16) == 0;
}

OwnAddresses::OwnAddresses() : netlink_(open_netlink()) {}

// All that is there is taken; a full buffer (ENOBUFS) means that something was lost.
bool OwnAddresses::heard_of_a_change() const {
  bool heard = false;
  std::array<char, 8192> buffer{};
  while (true) {
    const ssize_t size = recv(netlink_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && errno != EINTR && errno != ENOBUFS) return heard;
    heard = heard || size >= 0 || errno == ENOBUFS;
  }
}

std::optional<std::vector<core::Address>> OwnAddresses::changed(core::Instant now) {
  const bool first = !read_at_.has_value();
  const bool news = netlink_ && heard_of_a_change();
  const core::Duration patience = netlink_ ? kReadAgainAnyway : kReadAgainWithoutNews;
  if (!first && !news && now - *read_at_ < patience) return std::nullopt;
  read_at_ = now;
  auto addresses = interface_addresses();
  // What cannot be read is no reason to forget what was known.
  if (addresses.empty() || (!first && addresses == last_)) return std::nullopt;
  last_ = addresses;
  return addresses;
}

}  // namespace outrider::net
