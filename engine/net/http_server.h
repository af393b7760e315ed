// A small strict HTTP/1.1 server on the loop: for `outrider listen` and the sidecar's API. It
// trusts no client.
//
// What it refuses. llhttp in strict mode reads the message; beside it stands a scanner of our own
// for what llhttp lets through. A request that two readers could understand differently is answered
// with 400 and the connection is closed: Content-Length with Transfer-Encoding, either of them
// twice, a transfer coding other than `chunked`, Transfer-Encoding in HTTP/1.0, bare CR or LF,
// obs-fold, control characters, a missing, repeated or impossible Host, anything but single spaces
// in the request line, HTTP/0.9, chunk extensions and trailer fields (nothing here reads them),
// targets other than origin-form (and `*` of OPTIONS), CONNECT. `Upgrade` is ignored, as a server
// may.
//
// Other answers of its own: 408 (a request that does not arrive in time), 413 (body), 417 (an
// Expect it does not know), 431 (header block), 503 (more connections than allowed), 500 (a
// Responder dropped without an answer, or an answer whose header fields are not HTTP). After any of
// them but 500 the connection is closed; what the client sent behind the refused request is never
// read as another one.
//
// Slow, silent or hostile clients cost one connection each, for a bounded time, and bounded memory:
// see the options.
//
// Threads: everything on the loop's thread.
#pragma once

#include <any>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.h"
#include "outrider/result.h"
#include "outrider/types.h"

namespace outrider::crypto {
class TlsServerContext;
}

namespace outrider::net {

class Loop;

// A complete request.
struct ServerRequest {
  std::string method;                // "POST"
  std::string target;                // origin-form as sent, "/a?b=c"; or "*"
  std::vector<HeaderField> headers;  // in the order sent; values without outer whitespace
  std::string body;                  // without its transfer coding
  std::string peer;                  // "127.0.0.1:4711", "[::1]:4711"; "unix" for a Unix socket
  std::optional<std::uint32_t> peer_uid;  // of a Unix socket: who connected, as the kernel says
  bool tls = false;
  std::any admitted = {};  // what the body rule left for the handler; empty: it was not asked

  // The first field of that name (case does not matter); null: none.
  [[nodiscard]] const std::string* header(std::string_view name) const noexcept;
};

struct ServerResponse {
  int status = 200;                  // 200-599
  std::vector<HeaderField> headers;  // without Content-Length, Connection, Date, Transfer-Encoding
  std::string body;                  // not sent for HEAD, 204, 304
  bool close = false;                // close the connection after this answer
};

// What is decided about a body from its request's head.
struct BodyRule {
  std::size_t max_bytes = 0;
  std::optional<ServerResponse> refusal;  // the answer instead; then the connection is closed
  bool streamed = false;   // the body goes to a BodySink as it arrives, see stream_handler
  std::any admitted = {};  // for the handler
};

// Takes one request's body piece by piece. Loop thread. Destroyed after end(), or without it when
// the body will never be whole: the client has gone, was too slow, broke the framing or a limit, or
// was answered before.
class BodySink {
 public:
  virtual ~BodySink() = default;
  // A piece of at most 64 KiB. False: enough for now; nothing more is read from the client, and its
  // time does not run, until Responder::resume_body(). Must not answer.
  [[nodiscard]] virtual bool take(std::string_view piece) = 0;
  virtual void end() = 0;  // that was all of it
};

class Responder;

struct HttpServerOptions {
  std::size_t max_head_bytes = 16 * 1024;  // request line and header fields together: 431
  std::size_t max_fields = 64;             // header fields: 431
  // Without its transfer coding: 413. Chunk sizes and line ends may add a quarter of it.
  std::size_t max_body_bytes = 1024 * 1024;
  // Asked when the head of a request that has a body is whole, before any of the body is taken.
  // Must not throw. Unset: max_body_bytes for all. What it allows beyond max_body_bytes should be
  // streamed: a body that is not is kept whole.
  std::function<BodyRule(const ServerRequest& head)> body_rule;
  // Of a request whose body is streamed, instead of the handler: called with its head alone, when
  // that is whole. An answer before the body's end closes the connection. Must not throw, nor
  // return null.
  std::function<std::unique_ptr<BodySink>(ServerRequest head, Responder responder)> stream_handler;
  // What the server's own refusals look like; unset: plain text. The status is kept.
  std::function<ServerResponse(int status, std::string_view reason)> fault_answer;
  std::size_t max_connections = 1024;  // one more is answered 503 and closed
  std::size_t max_pipelined = 16;      // unanswered requests of one connection; then it is not read
  std::size_t max_unsent_bytes =
      256 * 1024;                       // of answers the client does not read; then it is not read
  core::Duration head_timeout{5'000};   // from the first byte (TLS: also for the handshake)
  core::Duration body_timeout{30'000};  // from the end of the head
  core::Duration idle_timeout{60'000};  // between requests, and before the first
  core::Duration write_timeout{
      30'000};  // for the client to take 256 KiB, or the rest, of an answer
  core::Duration linger_timeout{1'000};  // after the last answer, for the client to close
  core::Duration stop_timeout{3'000};    // for stop() to be graceful
};

class HttpConnection;

// The right to answer one request, once, now or later. A client that has gone away makes send() do
// nothing. Dropped unanswered, it answers 500, so that no client waits for a handler's mistake.
class Responder {
 public:
  Responder(Responder&&) noexcept = default;
  Responder& operator=(Responder&& other) noexcept;
  ~Responder();
  // Requires: not called before.
  void send(ServerResponse response);
  // After a BodySink has said that it has enough: more may come. Not from within take().
  void resume_body() noexcept;
  // Is there still a client to answer?
  [[nodiscard]] bool connected() const noexcept;

 private:
  friend class HttpConnection;
  struct Link {
    HttpConnection* connection = nullptr;  // null once it is closed
  };
  Responder(std::shared_ptr<Link> link, std::uint64_t exchange)
      : link_(std::move(link)), exchange_(exchange) {}
  // Shared with the connection, because either may end first.
  std::shared_ptr<Link> link_;
  std::uint64_t exchange_ = 0;
};

class HttpServer {
 public:
  // May answer before it returns. Requests of one connection may be handed over before earlier ones
  // are answered; answers go out in the order of the requests, whatever the order of the calls.
  // Must not throw, nor destroy the server.
  using Handler = std::function<void(ServerRequest, Responder)>;

  // `loop` must outlive the server, and run once more (its destructor does) after it.
  HttpServer(Loop& loop, const HttpServerOptions& options, Handler handler);
  // Ends everything at once, without answers.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // `address`: an IPv4 or IPv6 address, no name; `port` 0: a free one. The port listened on is
  // returned. With `tls`, which must outlive the server, every connection speaks TLS. Several
  // listeners are fine. Errors: kInvalidArgument (where = "address"), kIo (in use, not allowed),
  // kStopped.
  [[nodiscard]] Result<std::uint16_t> listen_tcp(const std::string& address, std::uint16_t port,
                                                 const crypto::TlsServerContext* tls = nullptr);
  // A Unix socket of that mode. A socket file that nobody listens on is replaced; it is removed at
  // the end. Errors: kInvalidArgument (path too long), kIo (in use, no such folder, not a socket),
  // kStopped.
  [[nodiscard]] Result<void> listen_unix(const std::string& path, unsigned mode = 0600);

  // No new connections; requests under way are answered with `Connection: close`; what is still
  // open after `stop_timeout` is cut. `stopped` is called once, later, when the last connection is
  // gone. Twice: the second call is ignored.
  void stop(std::function<void()> stopped);

  [[nodiscard]] std::size_t connections() const noexcept;

 private:
  friend class HttpConnection;
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrider::net
