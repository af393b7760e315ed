// A receiver that costs next to nothing: one thread, one epoll, the same 200 for every request. It
// counts, and where a payload says when it was made, it takes the time until here. Many hosts are
// many loopback addresses at one port; it is their DNS server too, so that who sends resolves
// h7.bench.test as it would any name.
//
//   sink [--hosts N] [--silent-hosts N] [--expect N] [--certificate F --key F] [--processors LIST]
//
// Prints {"port": …, "dns": …} when it listens; a report when `expect` requests have come; and one
// at the end, which is the end of its standard input. The last `silent-hosts` read and never
// answer, and count apart.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "measured.h"

namespace outrider::bench {
namespace {

constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
constexpr std::size_t kReadBytes = 64 * 1024;

// 127.1.0.1, 127.1.0.2, … : h0, h1, …
in_addr address_of(std::uint64_t host) {
  const auto number = static_cast<std::uint32_t>(host + 1);
  return {.s_addr = htonl((127U << 24U) + (1U << 16U) + number)};
}

struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

struct Peer {
  int fd = -1;
  bool silent = false;
  std::unique_ptr<SSL, FreeSsl> tls;
  std::string unread;
  std::string unsent;
  bool waits_to_write = false;
};

class Sink {
 public:
  Sink(std::uint64_t hosts, std::uint64_t silent, std::uint64_t expect, SSL_CTX* tls)
      : hosts_(hosts),
        silent_(silent),
        expect_(expect),
        tls_(tls),
        epoll_(epoll_create1(EPOLL_CLOEXEC)) {}

  void listen();
  void run();

 private:
  void watch(int fd, std::uint32_t events, int how) const {
    epoll_event event{.events = events, .data = {.fd = fd}};
    if (epoll_ctl(epoll_, how, fd, &event) != 0)
      give_up("epoll_ctl: " + std::string(std::strerror(errno)));
  }
  void accept_all(int listener);
  void read_all(Peer& peer);
  void take_requests(Peer& peer);
  void count(const Peer& peer, std::string_view body);
  void flush(Peer& peer);
  void close_peer(Peer& peer);
  void answer_dns();
  void report() const;

  std::uint64_t hosts_, silent_, expect_;
  SSL_CTX* tls_;
  int epoll_;
  int dns_ = -1;
  std::unordered_map<int, bool> listeners_;  // and whether it is a silent one's
  std::unordered_map<int, Peer> peers_;
  std::uint64_t requests_ = 0, silent_requests_ = 0, connections_ = 0;
  std::int64_t first_ns_ = 0, last_ns_ = 0;
  Latencies latencies_;
};

int bound(int type, in_addr address, in_port_t& port) {
  const int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in place{.sin_family = AF_INET, .sin_port = port, .sin_addr = address, .sin_zero = {}};
  socklen_t size = sizeof place;
  if (bind(fd, reinterpret_cast<sockaddr*>(&place), size) != 0) {
    give_up("cannot listen on loopback: " + std::string(std::strerror(errno)));
  }
  getsockname(fd, reinterpret_cast<sockaddr*>(&place), &size);
  port = place.sin_port;
  return fd;
}

void Sink::listen() {
  in_port_t port = 0;
  for (std::uint64_t host = 0; host < hosts_; ++host) {
    const int fd = bound(SOCK_STREAM, address_of(host), port);
    if (::listen(fd, 1024) != 0) give_up("listen: " + std::string(std::strerror(errno)));
    listeners_[fd] = host + silent_ >= hosts_;
    watch(fd, EPOLLIN, EPOLL_CTL_ADD);
  }
  in_port_t dns_port = 0;
  dns_ = bound(SOCK_DGRAM, {.s_addr = htonl(INADDR_LOOPBACK)}, dns_port);
  watch(dns_, EPOLLIN, EPOLL_CTL_ADD);
  watch(STDIN_FILENO, EPOLLIN, EPOLL_CTL_ADD);
  Report().number("port", ntohs(port)).number("dns", ntohs(dns_port)).print();
}

void Sink::run() {
  epoll_event events[256];
  while (true) {
    const int ready = epoll_wait(epoll_, events, 256, -1);
    for (int at = 0; at < ready; ++at) {
      const int fd = events[at].data.fd;
      if (fd == STDIN_FILENO) {
        char byte = 0;
        if (read(fd, &byte, 1) > 0) continue;
        report();
        return;
      }
      if (fd == dns_) {
        answer_dns();
      } else if (listeners_.contains(fd)) {
        accept_all(fd);
      } else if (const auto found = peers_.find(fd); found != peers_.end()) {
        if ((events[at].events & EPOLLOUT) != 0) flush(found->second);
        read_all(found->second);
      }
    }
  }
}

void Sink::accept_all(int listener) {
  while (true) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Peer peer{.fd = fd, .silent = listeners_[listener], .tls = {}, .unread = {}, .unsent = {}};
    if (tls_ != nullptr) {
      peer.tls.reset(SSL_new(tls_));
      SSL_set_fd(peer.tls.get(), fd);
      SSL_set_accept_state(peer.tls.get());
    }
    peers_[fd] = std::move(peer);
    watch(fd, EPOLLIN, EPOLL_CTL_ADD);
    ++connections_;
  }
}

void Sink::read_all(Peer& peer) {
  static char bytes[kReadBytes];
  while (true) {
    ssize_t size = 0;
    bool more = false;
    if (peer.tls) {
      size = SSL_read(peer.tls.get(), bytes, sizeof bytes);
      if (size <= 0 && SSL_get_error(peer.tls.get(), static_cast<int>(size)) == SSL_ERROR_WANT_READ)
        break;
      more = size > 0;
    } else {
      size = recv(peer.fd, bytes, sizeof bytes, 0);
      if (size < 0 && errno == EAGAIN) break;
      more = size == static_cast<ssize_t>(sizeof bytes);
    }
    if (size <= 0) {
      close_peer(peer);
      return;
    }
    peer.unread.append(bytes, static_cast<std::size_t>(size));
    if (!more) break;
  }
  take_requests(peer);
  flush(peer);
}

void Sink::take_requests(Peer& peer) {
  std::string_view rest = peer.unread;
  while (true) {
    const std::size_t head_end = rest.find("\r\n\r\n");
    if (head_end == std::string_view::npos) break;
    std::size_t at = rest.find("ontent-Length: ");
    if (at == std::string_view::npos) at = rest.find("ontent-length: ");
    if (at == std::string_view::npos || at > head_end) give_up("a request without Content-Length");
    const std::size_t length = std::strtoul(rest.data() + at + 15, nullptr, 10);
    if (rest.size() < head_end + 4 + length) break;
    count(peer, rest.substr(head_end + 4, length));
    rest.remove_prefix(head_end + 4 + length);
    if (!peer.silent) peer.unsent += kAnswer;
  }
  peer.unread.erase(0, peer.unread.size() - rest.size());
}

void Sink::count(const Peer& peer, std::string_view body) {
  if (peer.silent) {
    ++silent_requests_;
    return;
  }
  last_ns_ = now_ns();
  if (requests_++ == 0) first_ns_ = last_ns_;
  const std::size_t at = body.find("\"made\":\"");
  if (at != std::string_view::npos) {
    const std::int64_t made = std::strtoll(body.data() + at + 8, nullptr, 10);
    if (made > 0) latencies_.add_ns(last_ns_ - made);
  }
  if (requests_ == expect_) report();
}

void Sink::flush(Peer& peer) {
  while (!peer.unsent.empty()) {
    const ssize_t size =
        peer.tls
            ? SSL_write(peer.tls.get(), peer.unsent.data(), static_cast<int>(peer.unsent.size()))
            : send(peer.fd, peer.unsent.data(), peer.unsent.size(), MSG_NOSIGNAL);
    if (size <= 0) break;
    peer.unsent.erase(0, static_cast<std::size_t>(size));
  }
  const bool waits = !peer.unsent.empty();
  if (waits != peer.waits_to_write)
    watch(peer.fd, EPOLLIN | (waits ? EPOLLOUT : 0U), EPOLL_CTL_MOD);
  peer.waits_to_write = waits;
}

void Sink::close_peer(Peer& peer) {
  const int fd = peer.fd;
  peers_.erase(fd);
  close(fd);
}

// One question, an A record for h<number>…, nothing for any other kind.
void Sink::answer_dns() {
  unsigned char packet[600];
  sockaddr_in from{};
  socklen_t from_size = sizeof from;
  const ssize_t size =
      recvfrom(dns_, packet, 512, 0, reinterpret_cast<sockaddr*>(&from), &from_size);
  if (size < 17) return;
  std::size_t end = 12;
  while (end < static_cast<std::size_t>(size) && packet[end] != 0) end += packet[end] + 1UL;
  end += 5;  // the root, type and class
  if (end > static_cast<std::size_t>(size) || packet[13] != 'h') return;
  const bool is_a = packet[end - 3] == 1;
  const std::string number(reinterpret_cast<char*>(packet) + 14, packet[12] - 1UL);
  packet[2] = 0x85;  // an answer, with authority; recursion as asked
  packet[3] = 0;
  packet[6] = 0;
  packet[7] = is_a ? 1 : 0;
  std::memset(packet + 8, 0, 4);
  if (is_a) {
    const unsigned char record[12] = {0xC0, 12, 0, 1, 0, 1, 0, 0, 0x0E, 0x10, 0, 4};
    const in_addr address = address_of(std::strtoul(number.c_str(), nullptr, 10));
    std::memcpy(packet + end, record, sizeof record);
    std::memcpy(packet + end + sizeof record, &address, 4);
    end += sizeof record + 4;
  }
  sendto(dns_, packet, end, 0, reinterpret_cast<sockaddr*>(&from), from_size);
}

void Sink::report() const {
  Report()
      .number("requests", static_cast<double>(requests_))
      .number("silent_requests", static_cast<double>(silent_requests_))
      .number("connections", static_cast<double>(connections_))
      .number("first_ns", static_cast<double>(first_ns_))
      .number("span_s", static_cast<double>(last_ns_ - first_ns_) * 1e-9)
      .latencies("latency", latencies_)
      .processor(processor_time())
      .print();
}

int run(const Arguments& arguments) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  pin(arguments.text("processors"));
  SSL_CTX* tls = nullptr;
  if (const std::string certificate = arguments.text("certificate"); !certificate.empty()) {
    tls = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(tls, certificate.c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, arguments.text("key").c_str(), SSL_FILETYPE_PEM) != 1) {
      give_up("cannot read the certificate or its key");
    }
  }
  Sink sink(arguments.number("hosts", 1), arguments.number("silent-hosts", 0),
            arguments.number("expect", 0), tls);
  sink.listen();
  sink.run();
  SSL_CTX_free(tls);
  return 0;
}

}  // namespace
}  // namespace outrider::bench

int main(int argc, char** argv) {
  return outrider::bench::run(
      {argc, argv, {"hosts", "silent-hosts", "expect", "certificate", "key", "processors"}});
}
