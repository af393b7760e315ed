#include "counting_web.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>

namespace outrider::net::testing {
namespace {

constexpr std::string_view kEndOfHead = "\r\n\r\n";

[[nodiscard]] std::string local_address(int fd) {
  sockaddr_storage local{};
  socklen_t size = sizeof local;
  getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size);
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* bytes = local.ss_family == AF_INET6
                          ? static_cast<void*>(&reinterpret_cast<sockaddr_in6&>(local).sin6_addr)
                          : static_cast<void*>(&reinterpret_cast<sockaddr_in&>(local).sin_addr);
  inet_ntop(local.ss_family, bytes, text.data(), text.size());
  return text.data();
}

[[nodiscard]] UniqueFd bound(int family, std::uint16_t port) {
  UniqueFd fd(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int yes = 1;
  sockaddr_in6 v6{};
  sockaddr_in v4{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (family == AF_INET6) setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
  const auto* address = family == AF_INET6 ? reinterpret_cast<const sockaddr*>(&v6)
                                           : reinterpret_cast<const sockaddr*>(&v4);
  const socklen_t size = family == AF_INET6 ? sizeof v6 : sizeof v4;
  if (bind(fd.get(), address, size) != 0 || ::listen(fd.get(), 1024) != 0) fd.reset();
  return fd;
}

}  // namespace

std::uint16_t CountingWeb::listen(std::uint16_t port) {
  UniqueFd v4 = bound(AF_INET, port);
  EXPECT_TRUE(v4);
  sockaddr_in self{};
  socklen_t size = sizeof self;
  getsockname(v4.get(), reinterpret_cast<sockaddr*>(&self), &size);
  listeners_.push_back(std::move(v4));
  if (UniqueFd v6 = bound(AF_INET6, ntohs(self.sin_port))) listeners_.push_back(std::move(v6));
  return ntohs(self.sin_port);
}

void CountingWeb::start(const std::vector<std::string>& redirects) {
  redirects_ = &redirects;
  epoll_ = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  for (const UniqueFd& listener : listeners_) {
    epoll_event event{EPOLLIN, {.fd = listener.get()}};
    EXPECT_EQ(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listener.get(), &event), 0);
  }
  thread_ = std::thread([this] { serve(); });
}

CountingWeb::~CountingWeb() {
  ending_ = true;
  if (thread_.joinable()) thread_.join();
}

std::map<std::string, WebCounts> CountingWeb::counts() {
  const std::lock_guard lock(mutex_);
  return counts_;
}

std::map<std::string, int> CountingWeb::tunnels() {
  const std::lock_guard lock(mutex_);
  return tunnels_;
}

void CountingWeb::serve() {
  std::array<epoll_event, 64> ready{};
  while (!ending_) {
    const int count = epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), 50);
    for (int i = 0; i < count; ++i) {
      const int fd = ready[static_cast<std::size_t>(i)].data.fd;
      const auto found = connections_.find(fd);
      if (found == connections_.end()) {
        accept(fd);
      } else if (!read(found->second)) {
        connections_.erase(found);
      }
    }
  }
}

void CountingWeb::accept(int listener) {
  while (true) {
    UniqueFd fd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) return;
    const int number = fd.get();
    Connection connection{std::move(fd), local_address(number), {}};
    {
      const std::lock_guard lock(mutex_);
      ++counts_[connection.address].connections;
    }
    epoll_event event{EPOLLIN, {.fd = number}};
    epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, number, &event);
    connections_.insert_or_assign(number, std::move(connection));
  }
}

// False when it is over. The head says how long the body is; what a test sends is small.
bool CountingWeb::read(Connection& connection) {
  std::array<char, 16384> buffer{};
  const ssize_t size = recv(connection.fd.get(), buffer.data(), buffer.size(), 0);
  if (size <= 0) return false;
  connection.in.append(buffer.data(), static_cast<std::size_t>(size));
  while (true) {
    const std::size_t end = connection.in.find(kEndOfHead);
    if (end == std::string::npos) return true;
    const std::string head = connection.in.substr(0, end);
    const std::size_t length_at = head.find("Content-Length: ");
    const std::size_t body = length_at == std::string::npos
                                 ? 0
                                 : std::strtoul(head.c_str() + length_at + 16, nullptr, 10);
    if (connection.in.size() < end + kEndOfHead.size() + body) return true;
    connection.in.erase(0, end + kEndOfHead.size() + body);
    {
      const std::lock_guard lock(mutex_);
      ++counts_[connection.address].requests;
    }
    const std::string text = answer(head);
    if (send(connection.fd.get(), text.data(), text.size(), MSG_NOSIGNAL) < 0) return false;
  }
}

std::string CountingWeb::answer(std::string_view head) {
  constexpr std::string_view kConnect = "CONNECT ";
  if (head.substr(0, kConnect.size()) == kConnect) {
    head.remove_prefix(kConnect.size());
    const std::lock_guard lock(mutex_);
    ++tunnels_[std::string(head.substr(0, head.find(' ')))];
    return "HTTP/1.1 200 OK\r\n\r\n";
  }
  constexpr std::string_view kRedirect = "POST /r/";
  if (head.substr(0, kRedirect.size()) != kRedirect) {
    return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  }
  const auto which =
      std::strtoul(std::string(head.substr(kRedirect.size(), 12)).c_str(), nullptr, 10);
  constexpr std::array<std::string_view, 5> kStatuses{"301 Moved Permanently", "302 Found",
                                                      "303 See Other", "307 Temporary Redirect",
                                                      "308 Permanent Redirect"};
  return "HTTP/1.1 " + std::string(kStatuses[which % kStatuses.size()]) +
         "\r\nLocation: " + redirects_->at(which) + "\r\nContent-Length: 0\r\n\r\n";
}

}  // namespace outrider::net::testing
