// One client of the HTTP server. It reads requests, hands them over, keeps the answers in the order
// of the requests, and watches the clock.
//
// It belongs to itself: made by accept(), deleted when libuv has let go of its socket and timer.
// Until close() it is in the server's table; after it nothing outside can reach it.
//
//   reading ──fault, "close", client's end──► answering ──last answer sent──► lingering ──► closed
//      └────────────────── any socket error, any other deadline ──────────────────────────────┘
//
// Lingering: our side is shut down and the client's bytes are thrown away, so that a client still
// sending reads the answer before it learns of the end; closing at once would reset the connection
// and lose the answer.
#pragma once

#include <uv.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "crypto/tls_session.h"
#include "net/http_server.h"
#include "net/http_server_parser.h"

namespace outrider::net {

// What a connection needs of its server. Must outlive every connection's close(), and nothing of it
// is used after that.
struct HttpConnectionHost {
  uv_loop_t* loop = nullptr;
  HttpServerOptions options;
  HttpServer::Handler handler;
  std::function<std::string()> date;             // for the Date field
  std::function<void(std::uint64_t id)> closed;  // take it out of the table
  std::string read_buffer;                       // shared by all: libuv reads and reports in one go
};

enum class SocketKind : std::uint8_t { kTcp, kUnix };

class HttpConnection {
 public:
  // Takes one connection from `listener`; null when it is gone already, or TLS cannot start.
  static HttpConnection* accept(HttpConnectionHost& host, std::uint64_t id, uv_stream_t* listener,
                                SocketKind kind, const crypto::TlsServerContext* tls);
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  void serve();            // starts reading
  void turn_away();        // instead of serve(): 503, then the end
  void finish_requests();  // no new ones; ends when those under way are answered
  void close();            // at once
  void respond(std::uint64_t exchange, ServerResponse response);
  void resume_body(std::uint64_t exchange);

 private:
  // One request and its answer. The front one's answer is the next to go out.
  struct Exchange {
    std::optional<ServerResponse> response;
    bool head_only = false;  // a HEAD request
    bool http_1_0 = false;
    bool keep_alive = true;
    bool wants_continue = false;  // 100 Continue is due once it is at the front
  };
  // What the client owes us. A change of it, or of the count of requests, starts a new deadline.
  enum class Awaiting : std::uint8_t { kNothing, kHandshake, kRequest, kHead, kBody };

  HttpConnection(HttpConnectionHost& host, std::uint64_t id, SocketKind kind);
  ~HttpConnection() = default;

  static void on_allocate(uv_handle_t* handle, std::size_t size, uv_buf_t* buffer) noexcept;
  static void on_read(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) noexcept;
  static void on_written(uv_write_t* request, int status) noexcept;
  static void on_deadline(uv_timer_t* timer) noexcept;
  static void on_closed(uv_handle_t* handle) noexcept;

  // Events.
  void received(std::string_view bytes);
  void received_end();
  void written(int status);
  void deadline_passed();
  // What every event ends in: reads requests, sends answers, and sets what to wait for next.
  void settle();

  // The steps of settle().
  void read_requests();
  void request_phase_changed();
  void hand_over();
  void fail(const HttpFault& fault);
  void begin_body();
  void pass_body_on();  // what has come of it, to the sink
  void forget_body();   // it will not be whole
  bool flush();         // true: an answer left the queue
  void emit(std::string_view plaintext);
  void write_some();
  void begin_end();
  void update_reading();
  void update_deadline();
  [[nodiscard]] bool may_read_requests() const;
  [[nodiscard]] Awaiting awaiting() const;
  [[nodiscard]] std::uint64_t timeout_of(Awaiting awaiting) const;
  [[nodiscard]] std::size_t unsent() const;
  [[nodiscard]] std::string peer_name() const;
  [[nodiscard]] std::optional<std::uint32_t> peer_uid() const;

  HttpConnectionHost* host_;
  std::uint64_t id_;
  SocketKind kind_;
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } socket_{};
  uv_timer_t timer_{};
  uv_write_t write_{};
  uv_shutdown_t shutdown_{};
  int open_handles_ = 2;

  std::optional<crypto::TlsSession> tls_;
  HttpRequestParser parser_;
  std::string input_;  // plaintext read and not yet taken by the parser
  std::deque<Exchange> exchanges_;
  std::uint64_t first_exchange_ = 0;  // the front one's number
  std::shared_ptr<Responder::Link> link_;
  std::unique_ptr<BodySink> sink_;  // of the last exchange, while its body is under way
  // The exchange whose sink has had enough; nothing is read until it wants more, or is answered.
  std::optional<std::uint64_t> held_by_;

  std::string outgoing_;  // libuv reads from it while writing_
  std::size_t outgoing_at_ = 0;
  std::size_t in_write_ = 0;
  std::string pending_;  // to follow it

  std::pair<Awaiting, std::uint64_t> owed_{Awaiting::kNothing, 0};
  std::uint64_t requests_ = 0;       // taken so far; tells one wait for a request from the next
  std::uint64_t read_deadline_ = 0;  // of the loop's clock, ms; 0: none
  std::uint64_t write_deadline_ = 0;
  bool reading_ = false;  // uv_read_start is on
  bool writing_ = false;
  bool settling_ = false;
  bool slot_open_ = false;     // the last exchange is of a request whose body is under way
  bool socket_ended_ = false;  // the end of the stream was read
  bool client_ended_ = false;  // it will send no more requests: that, or TLS's close_notify
  bool finishing_ = false;     // the server is stopping
  bool last_request_ = false;  // no further request is read
  bool last_answer_ = false;   // nothing follows what is in the output
  bool lingering_ = false;
  bool closed_ = false;
};

}  // namespace outrider::net
