#include "scripted_receiver.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>

namespace outrider::net::testing {
namespace {

constexpr int kLongestWaitMs = 20'000;

// Content-Length of a head, 0 where it has none.
std::size_t length_in(const std::string& head) {
  const std::string name = "\r\nContent-Length: ";
  const std::size_t at = head.find(name);
  return at == std::string::npos ? 0 : std::strtoul(head.c_str() + at + name.size(), nullptr, 10);
}

}  // namespace

bool ReceiverConnection::receive_more() {
  std::array<char, 65536> bytes{};
  const ssize_t size = recv(fd_, bytes.data(), bytes.size(), 0);
  if (size <= 0) return false;
  const std::string_view received(bytes.data(), static_cast<std::size_t>(size));
  if (!tls_) {
    buffer_ += received;
    return true;
  }
  const bool good = tls_->feed(received).has_value();
  send_raw(tls_->take_ciphertext());
  buffer_ += tls_->take_plaintext();
  return good && !tls_->closed();
}

std::optional<std::string> ReceiverConnection::read_head() {
  for (;;) {
    const std::size_t end = buffer_.find("\r\n\r\n");
    if (end != std::string::npos) {
      std::string head = buffer_.substr(0, end + 4);
      buffer_.erase(0, end + 4);
      return head;
    }
    if (!receive_more()) return std::nullopt;
  }
}

std::optional<ReceivedRequest> ReceiverConnection::read_request() {
  auto head = read_head();
  if (!head) return std::nullopt;
  const std::size_t length = length_in(*head);
  while (buffer_.size() < length) {
    if (!receive_more()) return std::nullopt;
  }
  ReceivedRequest request{std::move(*head), buffer_.substr(0, length)};
  buffer_.erase(0, length);
  ledger_.add(request);
  return request;
}

bool ReceiverConnection::send_raw(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t size = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

bool ReceiverConnection::send(std::string_view bytes) {
  if (!tls_) return send_raw(bytes);
  return tls_->write(bytes).has_value() && send_raw(tls_->take_ciphertext());
}

bool ReceiverConnection::deliver(std::string_view bytes) {
  return send(bytes) && ScriptedReceiver::wait_until([this] {
           int unacknowledged = 0;
           return ioctl(fd_, SIOCOUTQ, &unacknowledged) == 0 && unacknowledged == 0;
         });
}

bool ReceiverConnection::send_together(std::string_view one, std::string_view two) {
  if (!tls_) return send_raw(std::string(one) + std::string(two));
  return tls_->write(one).has_value() && tls_->write(two).has_value() &&
         send_raw(tls_->take_ciphertext());
}

void ReceiverConnection::send_repeatedly(std::string_view bytes, int times) {
  for (int i = 0; i < times && send(bytes); ++i) {
  }
}

void ReceiverConnection::half_close() { shutdown(fd_, SHUT_WR); }

bool ReceiverConnection::deliver_half_close() {
  half_close();
  return ScriptedReceiver::wait_until([this] {
    tcp_info state{};
    socklen_t size = sizeof state;
    return getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &state, &size) == 0 &&
           state.tcpi_state != TCP_ESTABLISHED && state.tcpi_state != TCP_FIN_WAIT1;
  });
}

void ReceiverConnection::reset() {
  // Connecting to nothing is how Linux spells it for a socket that stays open.
  sockaddr nothing{};
  nothing.sa_family = AF_UNSPEC;
  connect(fd_, &nothing, sizeof nothing);
}

void ReceiverConnection::wait_for_close() {
  std::array<char, 65536> bytes{};
  while (recv(fd_, bytes.data(), bytes.size(), 0) > 0) {
  }
}

void ReceiverConnection::wait_without_reading() {
  pollfd wait{fd_, 0, 0};  // errors and hang-ups are always reported
  poll(&wait, 1, kLongestWaitMs);
}

ScriptedReceiver::ScriptedReceiver(Options options, Script script)
    : options_(std::move(options)), script_(std::move(script)) {
  const bool v6 = options_.address.find(':') != std::string::npos;
  listener_ = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (options_.receive_buffer_bytes > 0) {
    setsockopt(listener_, SOL_SOCKET, SO_RCVBUF, &options_.receive_buffer_bytes, sizeof(int));
  }
  sockaddr_storage self{};
  socklen_t size = v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  auto& v4_self = reinterpret_cast<sockaddr_in&>(self);
  auto& v6_self = reinterpret_cast<sockaddr_in6&>(self);
  self.ss_family = v6 ? AF_INET6 : AF_INET;
  void* bytes = v6 ? static_cast<void*>(&v6_self.sin6_addr) : &v4_self.sin_addr;
  EXPECT_EQ(inet_pton(self.ss_family, options_.address.c_str(), bytes), 1);
  EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&self), size), 0);
  EXPECT_EQ(listen(listener_, options_.backlog), 0);
  getsockname(listener_, reinterpret_cast<sockaddr*>(&self), &size);
  port_ = ntohs(v6 ? v6_self.sin6_port : v4_self.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

ScriptedReceiver::~ScriptedReceiver() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    for (const int fd : open_) shutdown(fd, SHUT_RDWR);
  }
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  for (auto& thread : threads_) thread.join();
  close(listener_);
}

std::string ScriptedReceiver::url(const std::string& path) const {
  const bool v6 = options_.address.find(':') != std::string::npos;
  return std::string(options_.tls != nullptr ? "https://" : "http://") + (v6 ? "[" : "") +
         options_.address + (v6 ? "]:" : ":") + std::to_string(port_) + path;
}

void ScriptedReceiver::accept_all() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const std::lock_guard lock(mutex_);
    if (ending_) {
      close(fd);
      return;
    }
    open_.push_back(fd);
    threads_.emplace_back([this, fd, number = ++connections_] { serve(fd, number); });
  }
}

void ScriptedReceiver::serve(int fd, int number) {
  std::optional<crypto::TlsSession> session;
  if (options_.tls != nullptr) {
    auto made = options_.tls->accept();
    EXPECT_TRUE(made.has_value());
    session.emplace(std::move(*made));
  }
  ReceiverConnection connection(ledger_, fd, number, std::move(session));
  script_(connection);
  const std::lock_guard lock(mutex_);
  open_.erase(std::find(open_.begin(), open_.end(), fd));
  close(fd);
}

std::size_t ScriptedReceiver::open_connections() {
  const std::lock_guard lock(mutex_);
  return open_.size();
}

ScriptedReceiver::Script always(std::string answer) {
  return [answer = std::move(answer)](ReceiverConnection& connection) {
    while (connection.read_request()) {
      if (!connection.send(answer)) return;
    }
  };
}

bool ScriptedReceiver::wait_until(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(kLongestWaitMs);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    poll(nullptr, 0, 1);
  }
  return true;
}

}  // namespace outrider::net::testing
