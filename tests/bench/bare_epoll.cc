// The upper bound: HTTP/1.1 POSTs over a fixed number of keep-alive connections, written by hand on
// epoll. It knows just enough of HTTP for one server that answers with Content-Length; it is also
// the client that loads the engine's API.
//
//   bare_epoll --port P | --unix PATH --requests N [--connections C] [--bytes B] [--lines L]
//   [--path /hook] [--status 200]
//              [--account A] [--provider P] [--processors LIST]
//
// With --account each body is an event for the API; with --lines each request is a batch of so
// many.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "measured.h"

namespace outrider::bench {
namespace {

struct Connection {
  int fd = -1;
  std::string unsent;
  std::string unread;
  std::int64_t begun_ns = 0;
  bool waits_to_write = false;
};

class Client {
 public:
  explicit Client(const Arguments& arguments)
      : requests_(arguments.number("requests", 1000)),
        bytes_(arguments.number("bytes", 600)),
        lines_(arguments.number("lines", 0)),
        port_(static_cast<in_port_t>(arguments.number("port", 0))),
        address_(arguments.text("address", "127.0.0.1")),
        unix_(arguments.text("unix")),
        path_(arguments.text("path", "/hook")),
        status_("HTTP/1.1 " + arguments.text("status", "200")),
        account_(arguments.text("account")),
        provider_(arguments.text("provider")),
        connections_(arguments.number("connections", 64)) {}
  int run();

 private:
  [[nodiscard]] std::string event() const;
  [[nodiscard]] std::string request() const;
  void connect_to_server(Connection& connection) const;
  void begin(Connection& connection);
  void send_rest(Connection& connection) const;
  void read_answer(Connection& connection);
  [[nodiscard]] std::size_t answer_size(std::string_view text) const;

  std::uint64_t requests_, begun_ = 0, ended_ = 0;
  std::size_t bytes_, lines_;
  in_port_t port_;
  std::string address_, unix_, path_, status_, account_, provider_;
  std::vector<Connection> connections_;
  Latencies latencies_;
  int epoll_ = epoll_create1(EPOLL_CLOEXEC);
};

std::string Client::event() const {
  const std::string inner = payload(begun_, now_ns(), bytes_);
  if (account_.empty()) return inner;
  return "{\"account\":\"" + account_ + "\",\"provider\":\"" + provider_ +
         "\",\"type\":\"loan.paid\",\"payload\":" + inner + "}";
}

std::string Client::request() const {
  std::string body;
  if (lines_ == 0) body = event();
  for (std::size_t line = 0; line < lines_; ++line) body += event() + "\n";
  const char* const type = lines_ == 0 ? "application/json" : "application/x-ndjson";
  return "POST " + path_ + " HTTP/1.1\r\nHost: h0.bench.test\r\nContent-Type: " + type +
         "\r\nX-Signature: " + std::string(64, '0') +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

void Client::begin(Connection& connection) {
  if (begun_ == requests_) return;
  connection.unsent = request();
  ++begun_;
  connection.begun_ns = now_ns();
  send_rest(connection);
}

void Client::send_rest(Connection& connection) const {
  const ssize_t size = send(connection.fd, connection.unsent.data(), connection.unsent.size(),
                            MSG_NOSIGNAL | MSG_DONTWAIT);
  if (size < 0 && errno != EAGAIN) give_up("send: " + std::string(std::strerror(errno)));
  if (size > 0) connection.unsent.erase(0, static_cast<std::size_t>(size));
  if (connection.unsent.empty() != connection.waits_to_write) return;
  connection.waits_to_write = !connection.unsent.empty();
  epoll_event event{.events = EPOLLIN | (connection.waits_to_write ? EPOLLOUT : 0U),
                    .data = {.fd = connection.fd}};
  epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
}

// 0: not all here yet.
std::size_t Client::answer_size(std::string_view text) const {
  const std::size_t head = text.find("\r\n\r\n");
  if (head == std::string_view::npos) return 0;
  if (!text.starts_with(status_))
    give_up("answered: " + std::string(text.substr(0, text.find('\r'))));
  std::size_t at = text.find("ontent-Length: ");
  if (at == std::string_view::npos) at = text.find("ontent-length: ");
  if (at != std::string_view::npos && at < head) {
    const std::size_t all = head + 4 + std::strtoul(text.data() + at + 15, nullptr, 10);
    return text.size() < all ? 0 : all;
  }
  const std::size_t last =
      text.find("\r\n0\r\n\r\n", head);  // chunked; our payloads hold no line ends
  return last == std::string_view::npos ? 0 : last + 7;
}

void Client::read_answer(Connection& connection) {
  static char bytes[64 * 1024];
  const ssize_t size = recv(connection.fd, bytes, sizeof bytes, MSG_DONTWAIT);
  if (size < 0 && errno == EAGAIN) return;
  if (size <= 0) give_up("the server closed the connection");
  connection.unread.append(bytes, static_cast<std::size_t>(size));
  const std::size_t answer = answer_size(connection.unread);
  if (answer == 0) return;
  connection.unread.erase(0, answer);
  latencies_.add_ns(now_ns() - connection.begun_ns);
  ++ended_;
  begin(connection);
}

void Client::connect_to_server(Connection& connection) const {
  connection.fd = socket(unix_.empty() ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int connected = 0;
  if (unix_.empty()) {
    sockaddr_in place{
        .sin_family = AF_INET, .sin_port = htons(port_), .sin_addr = {}, .sin_zero = {}};
    inet_pton(AF_INET, address_.c_str(), &place.sin_addr);
    connected = connect(connection.fd, reinterpret_cast<sockaddr*>(&place), sizeof place);
    const int on = 1;
    setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  } else {
    sockaddr_un place{.sun_family = AF_UNIX, .sun_path = {}};
    if (unix_.size() >= sizeof place.sun_path) give_up("too long: " + unix_);
    unix_.copy(place.sun_path, unix_.size());
    connected = connect(connection.fd, reinterpret_cast<sockaddr*>(&place), sizeof place);
  }
  if (connected != 0) give_up("cannot connect: " + std::string(std::strerror(errno)));
}

int Client::run() {
  std::vector<Connection*> by_fd;
  for (Connection& connection : connections_) {
    connect_to_server(connection);
    by_fd.resize(std::max(by_fd.size(), static_cast<std::size_t>(connection.fd) + 1));
    by_fd[static_cast<std::size_t>(connection.fd)] = &connection;
    epoll_event event{.events = EPOLLIN, .data = {.fd = connection.fd}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event);
  }
  const double before = processor_time().all;
  const std::int64_t begun = now_ns();
  for (Connection& connection : connections_) begin(connection);
  epoll_event events[256];
  while (ended_ < requests_) {
    const int ready = epoll_wait(epoll_, events, 256, -1);
    for (int at = 0; at < ready; ++at) {
      Connection& connection = *by_fd[static_cast<std::size_t>(events[at].data.fd)];
      if ((events[at].events & EPOLLOUT) != 0) send_rest(connection);
      if ((events[at].events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) read_answer(connection);
    }
  }
  const double seconds = static_cast<double>(now_ns() - begun) * 1e-9;
  const auto count = static_cast<double>(requests_);
  const double events_sent = count * static_cast<double>(std::max<std::size_t>(lines_, 1));
  Report()
      .number("per_s", events_sent / seconds)
      .number("seconds", seconds)
      .number("cpu_us", 1e6 * (processor_time().all - before) / events_sent)
      .latencies("exchange", latencies_)
      .print();
  return 0;
}

}  // namespace
}  // namespace outrider::bench

int main(int argc, char** argv) {
  using namespace outrider::bench;
  const Arguments arguments(argc, argv,
                            {"port", "address", "unix", "requests", "connections", "bytes", "lines",
                             "path", "status", "account", "provider", "processors"});
  pin(arguments.text("processors"));
  Client client(arguments);
  return client.run();
}
