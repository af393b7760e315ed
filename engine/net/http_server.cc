// Listeners, the table of connections, and the right to answer. A connection or listener that has
// been told to close owns itself until libuv has let go of it, so the server can be destroyed at
// any time between two turns of the loop.
#include "net/http_server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <utility>

#include "core/assert.h"
#include "net/http_server_connection.h"
#include "net/http_server_response.h"
#include "net/loop.h"
#include "net/uv_handle.h"

namespace outrider::net {
namespace {

constexpr int kBacklog = 511;
// Connections beyond the limit that are told so; any more are dropped without a word.
constexpr std::size_t kTurnedAway = 64;

// Makes room for a socket at `path`: removes one that nobody listens on.
Result<void> clear_stale_socket(const std::string& path) {
  struct stat status{};
  if (lstat(path.c_str(), &status) != 0) return {};
  if (!S_ISSOCK(status.st_mode)) {
    return fail(ErrorCode::kIo, "a file that is not a socket is in the way", path,
                "choose another path");
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return fail(ErrorCode::kIo, std::strerror(errno), path);
  const bool dead = connect(probe, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 &&
                    errno == ECONNREFUSED;
  ::close(probe);
  if (!dead) {
    return fail(ErrorCode::kIo, "another process listens on this socket", path,
                "stop it, or choose another path");
  }
  if (unlink(path.c_str()) != 0) return fail(ErrorCode::kIo, std::strerror(errno), path);
  return {};
}

}  // namespace

Responder& Responder::operator=(Responder&& other) noexcept {
  std::swap(link_, other.link_);
  std::swap(exchange_, other.exchange_);
  return *this;
}

Responder::~Responder() {
  if (link_) send(plain_answer(500, "no answer was given"));
}

void Responder::send(ServerResponse response) {
  OUTRIDER_ASSERT(link_ != nullptr);
  const std::shared_ptr<Link> link = std::move(link_);
  if (link->connection != nullptr) link->connection->respond(exchange_, std::move(response));
}

void Responder::resume_body() noexcept {
  if (link_ && link_->connection != nullptr) link_->connection->resume_body(exchange_);
}

bool Responder::connected() const noexcept { return link_ && link_->connection != nullptr; }

class HttpServer::Impl {
 public:
  Impl(Loop& loop, const HttpServerOptions& options, Handler handler) : loop_(loop) {
    host_.loop = loop.raw();
    host_.options = options;
    host_.handler = std::move(handler);
    host_.date = [this] { return http_date(core::to_ms(loop_.wall()) / 1000); };
    host_.closed = [this](std::uint64_t id) { connection_closed(id); };
  }

  ~Impl() {
    stopping_ = false;  // nobody is left to tell
    cut_connections();
    if (timer_ != 0) loop_.cancel(timer_);
    if (stopped_timer_ != 0) loop_.cancel(stopped_timer_);
  }

  Result<std::uint16_t> listen_tcp(const std::string& address, std::uint16_t port,
                                   const crypto::TlsServerContext* tls) {
    if (stopping_) return fail(ErrorCode::kStopped, "the server is stopping");
    sockaddr_storage where{};
    auto* const v4 = reinterpret_cast<sockaddr_in*>(&where);
    auto* const v6 = reinterpret_cast<sockaddr_in6*>(&where);
    if (uv_ip4_addr(address.c_str(), port, v4) != 0 &&
        uv_ip6_addr(address.c_str(), port, v6) != 0) {
      return fail(ErrorCode::kInvalidArgument, "not an IPv4 or IPv6 address", "address",
                  "give an address such as 127.0.0.1");
    }
    UvOwned<Listener> listener = new_listener(SocketKind::kTcp, tls);
    int error = uv_tcp_bind(&listener->uv.tcp, reinterpret_cast<sockaddr*>(&where), 0);
    if (error == 0) error = uv_listen(&listener->uv.stream, kBacklog, on_connection);
    int size = sizeof where;
    if (error == 0) {
      error = uv_tcp_getsockname(&listener->uv.tcp, reinterpret_cast<sockaddr*>(&where), &size);
    }
    const std::string place = address + " port " + std::to_string(port);
    if (auto done = keep(std::move(listener), error, place); !done)
      return tl::unexpected(done.error());
    return ntohs(where.ss_family == AF_INET6 ? v6->sin6_port : v4->sin_port);
  }

  Result<void> listen_unix(const std::string& path, unsigned mode) {
    if (stopping_) return fail(ErrorCode::kStopped, "the server is stopping");
    if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path)) {
      return fail(ErrorCode::kInvalidArgument, "a socket's path has 1 to 107 bytes", path);
    }
    if (auto cleared = clear_stale_socket(path); !cleared) return cleared;
    UvOwned<Listener> listener = new_listener(SocketKind::kUnix, nullptr);
    int error = uv_pipe_bind(&listener->uv.pipe, path.c_str());
    // Nobody can connect before listen, so there is no moment with a wider mode.
    if (error == 0 && chmod(path.c_str(), mode) != 0) error = uv_translate_sys_error(errno);
    if (error == 0) error = uv_listen(&listener->uv.stream, kBacklog, on_connection);
    return keep(std::move(listener), error, path);
  }

  void stop(std::function<void()> stopped) {
    if (stopping_) return;
    stopping_ = true;
    stopped_ = std::move(stopped);
    listeners_.clear();
    for_each([](HttpConnection& connection) { connection.finish_requests(); });
    if (connections_.empty()) return announce_stopped();
    timer_ = loop_.start(host_.options.stop_timeout, [this] {
      timer_ = 0;
      cut_connections();
    });
  }

  [[nodiscard]] std::size_t connections() const noexcept { return connections_.size(); }

 private:
  struct Listener {
    union {
      uv_handle_t handle;
      uv_stream_t stream;
      uv_tcp_t tcp;
      uv_pipe_t pipe;
    } uv{};
    SocketKind kind = SocketKind::kTcp;
    const crypto::TlsServerContext* tls = nullptr;
    Impl* server = nullptr;
  };

  UvOwned<Listener> new_listener(SocketKind kind, const crypto::TlsServerContext* tls) {
    UvOwned<Listener> listener(new Listener);
    listener->kind = kind;
    listener->tls = tls;
    listener->server = this;
    const int made = kind == SocketKind::kTcp ? uv_tcp_init(loop_.raw(), &listener->uv.tcp)
                                              : uv_pipe_init(loop_.raw(), &listener->uv.pipe, 0);
    OUTRIDER_ASSERT(made == 0);
    listener->uv.handle.data = listener.get();
    return listener;
  }

  Result<void> keep(UvOwned<Listener> listener, int error, const std::string& place) {
    if (error == 0) {
      listeners_.push_back(std::move(listener));
      return {};
    }
    return fail(ErrorCode::kIo, std::string("cannot listen: ") + uv_strerror(error), place,
                error == UV_EADDRINUSE ? "another program listens there" : "");
  }

  static void on_connection(uv_stream_t* stream, int status) noexcept {
    auto& listener = from_uv<Listener>(stream);
    if (status == 0) listener.server->connected(listener);
  }

  void connected(Listener& listener) {
    const std::uint64_t id = ++last_id_;
    const std::size_t before = connections_.size();
    HttpConnection* connection =
        HttpConnection::accept(host_, id, &listener.uv.stream, listener.kind, listener.tls);
    if (connection == nullptr) return;
    connections_.emplace(id, connection);
    if (before < host_.options.max_connections) {
      connection->serve();
    } else if (before < host_.options.max_connections + kTurnedAway) {
      connection->turn_away();
    } else {
      connection->close();
    }
  }

  void connection_closed(std::uint64_t id) {
    connections_.erase(id);
    if (stopping_ && connections_.empty()) announce_stopped();
  }

  // Later, because the caller may destroy the server in it, and we may be deep inside a connection
  // now.
  void announce_stopped() {
    if (stopped_timer_ != 0) return;
    stopped_timer_ = loop_.start(core::Duration(0), [this] {
      const std::function<void()> stopped = std::move(stopped_);
      if (stopped) stopped();
    });
  }

  // In the order they came; a connection may leave the table in its turn.
  template <class Action>
  void for_each(Action action) {
    for (auto it = connections_.begin(); it != connections_.end();) action(*(it++)->second);
  }

  void cut_connections() {
    for_each([](HttpConnection& connection) { connection.close(); });
  }

  Loop& loop_;
  HttpConnectionHost host_;
  std::vector<UvOwned<Listener>> listeners_;
  std::map<std::uint64_t, HttpConnection*> connections_;  // open ones, by age
  std::uint64_t last_id_ = 0;
  bool stopping_ = false;
  std::function<void()> stopped_;
  core::Timers::Id timer_ = 0;
  core::Timers::Id stopped_timer_ = 0;
};

HttpServer::HttpServer(Loop& loop, const HttpServerOptions& options, Handler handler)
    : impl_(std::make_unique<Impl>(loop, options, std::move(handler))) {}
HttpServer::~HttpServer() = default;

Result<std::uint16_t> HttpServer::listen_tcp(const std::string& address, std::uint16_t port,
                                             const crypto::TlsServerContext* tls) {
  return impl_->listen_tcp(address, port, tls);
}

Result<void> HttpServer::listen_unix(const std::string& path, unsigned mode) {
  return impl_->listen_unix(path, mode);
}
void HttpServer::stop(std::function<void()> stopped) { impl_->stop(std::move(stopped)); }
std::size_t HttpServer::connections() const noexcept { return impl_->connections(); }

}  // namespace outrider::net
