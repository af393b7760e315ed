// Every event (bytes, end, written, deadline, an answer) changes some state and calls settle(),
// which alone decides what happens next. An answer given from within the handler lands in
// settle()'s own loop, so there is no recursion, however many requests are pipelined. What must
// hold: after close() neither the server nor its handler is touched.
#include "net/http_server_connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "core/assert.h"
#include "net/http_server_response.h"

namespace outrider::net {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr std::size_t kWriteBytes = 256 * 1024;

std::uint64_t milliseconds(core::Duration duration) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 1));
}

}  // namespace

HttpConnection::HttpConnection(HttpConnectionHost& host, std::uint64_t id, SocketKind kind)
    : host_(&host),
      id_(id),
      kind_(kind),
      parser_(host.options),
      link_(std::make_shared<Responder::Link>()) {
  link_->connection = this;
  const int made = kind == SocketKind::kTcp ? uv_tcp_init(host.loop, &socket_.tcp)
                                            : uv_pipe_init(host.loop, &socket_.pipe, 0);
  OUTRIDER_ASSERT(made == 0);
  OUTRIDER_ASSERT(uv_timer_init(host.loop, &timer_) == 0);
  socket_.handle.data = this;
  timer_.data = this;
  write_.data = this;
}

HttpConnection* HttpConnection::accept(HttpConnectionHost& host, std::uint64_t id,
                                       uv_stream_t* listener, SocketKind kind,
                                       const crypto::TlsServerContext* tls) {
  auto* connection = new HttpConnection(host, id, kind);  // its own owner: on_closed deletes it
  bool good = uv_accept(listener, &connection->socket_.stream) == 0;
  if (good && tls != nullptr) {
    Result<crypto::TlsSession> session = tls->accept();
    good = session.has_value();
    if (good) connection->tls_.emplace(std::move(*session));
  }
  if (!good) {
    connection->close();
    return nullptr;
  }
  if (kind == SocketKind::kTcp) uv_tcp_nodelay(&connection->socket_.tcp, 1);
  connection->parser_.set_origin({.peer = connection->peer_name(),
                                  .uid = connection->peer_uid(),
                                  .tls = connection->tls_.has_value()});
  return connection;
}

std::string HttpConnection::peer_name() const {
  if (kind_ == SocketKind::kUnix) return "unix";
  sockaddr_storage address{};
  int size = sizeof address;
  if (uv_tcp_getpeername(&socket_.tcp, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return {};
  }
  std::array<char, 64> name{};
  if (uv_ip_name(reinterpret_cast<sockaddr*>(&address), name.data(), name.size()) != 0) return {};
  const bool v6 = address.ss_family == AF_INET6;
  const auto port = v6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                       : reinterpret_cast<sockaddr_in*>(&address)->sin_port;
  const std::string host = v6 ? "[" + std::string(name.data()) + "]" : std::string(name.data());
  return host + ":" + std::to_string(ntohs(port));
}

std::optional<std::uint32_t> HttpConnection::peer_uid() const {
  if (kind_ != SocketKind::kUnix) return std::nullopt;
  uv_os_fd_t descriptor = -1;
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (uv_fileno(&socket_.handle, &descriptor) != 0 ||
      getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return std::nullopt;
  }
  return credentials.uid;
}

// ---- from libuv

void HttpConnection::on_allocate(uv_handle_t* handle, std::size_t, uv_buf_t* buffer) noexcept {
  std::string& bytes = static_cast<HttpConnection*>(handle->data)->host_->read_buffer;
  bytes.resize(kReadBytes);
  *buffer = uv_buf_init(bytes.data(), static_cast<unsigned>(bytes.size()));
}

void HttpConnection::on_read(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) noexcept {
  auto& self = *static_cast<HttpConnection*>(stream->data);
  if (count > 0) {
    self.received({buffer->base, static_cast<std::size_t>(count)});
  } else if (count == UV_EOF) {
    self.received_end();
  } else if (count < 0) {
    self.close();
  }
}

void HttpConnection::on_written(uv_write_t* request, int status) noexcept {
  static_cast<HttpConnection*>(request->data)->written(status);
}

void HttpConnection::on_deadline(uv_timer_t* timer) noexcept {
  static_cast<HttpConnection*>(timer->data)->deadline_passed();
}

void HttpConnection::on_closed(uv_handle_t* handle) noexcept {
  auto* self = static_cast<HttpConnection*>(handle->data);
  if (--self->open_handles_ == 0) delete self;
}

// ---- events

void HttpConnection::serve() { settle(); }

void HttpConnection::turn_away() {
  if (tls_) return close();  // an answer would take a handshake first
  fail({503, "too many connections"});
  exchanges_.back().response->headers.push_back({"Retry-After", "1"});
  settle();
}

void HttpConnection::finish_requests() {
  finishing_ = true;
  const HttpRequestParser::Phase phase = parser_.phase();
  // A request that has begun may still end well; its answer is then the last.
  if (phase != HttpRequestParser::Phase::kHead && phase != HttpRequestParser::Phase::kBody) {
    last_request_ = true;
  }
  settle();
}

void HttpConnection::close() {
  if (closed_) return;
  closed_ = true;
  link_->connection = nullptr;
  forget_body();
  uv_close(&socket_.handle, on_closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), on_closed);
  host_->closed(id_);
}

void HttpConnection::respond(std::uint64_t exchange, ServerResponse response) {
  if (exchange < first_exchange_ || exchange - first_exchange_ >= exchanges_.size()) return;
  Exchange& answered = exchanges_[exchange - first_exchange_];
  if (answered.response) return;  // we have answered it ourselves: its body went wrong
  if (held_by_ == exchange) held_by_.reset();
  answered.response = std::move(response);
  if (slot_open_ && &answered == &exchanges_.back()) {  // the rest of its body is not wanted
    answered.keep_alive = false;
    last_request_ = true;
    slot_open_ = false;
    forget_body();
  }
  settle();
}

void HttpConnection::resume_body(std::uint64_t exchange) {
  if (held_by_ != exchange) return;
  held_by_.reset();
  settle();
}

void HttpConnection::received(std::string_view bytes) {
  if (lingering_) return;
  if (!tls_) {
    input_.append(bytes);
    return settle();
  }
  const Result<void> fed = tls_->feed(bytes);
  input_.append(tls_->take_plaintext());
  pending_.append(tls_->take_ciphertext());
  client_ended_ = client_ended_ || tls_->closed();
  if (!fed) {  // nothing can be answered but the alert
    input_.clear();
    first_exchange_ += exchanges_.size();
    exchanges_.clear();
    slot_open_ = false;
    last_request_ = last_answer_ = true;
    forget_body();
  }
  settle();
}

void HttpConnection::received_end() {
  reading_ = false;  // libuv has stopped by itself
  socket_ended_ = client_ended_ = true;
  if (lingering_) return close();
  settle();
}

void HttpConnection::written(int status) {
  writing_ = false;
  write_deadline_ = 0;
  if (closed_) return;
  if (status < 0) return close();
  outgoing_at_ += in_write_;
  settle();
}

void HttpConnection::deadline_passed() {
  const std::uint64_t now = uv_now(host_->loop);
  if (write_deadline_ != 0 && now >= write_deadline_) return close();
  if (read_deadline_ != 0 && now >= read_deadline_) {
    if (lingering_ || owed_.first == Awaiting::kHandshake) return close();
    if (owed_.first == Awaiting::kRequest) {
      last_request_ = true;
    } else {
      fail({408, "the request did not arrive in time"});
    }
  }
  settle();
}

// ---- settle() and its steps

void HttpConnection::settle() {
  if (settling_ || closed_) return;
  settling_ = true;
  do {
    read_requests();
  } while (!closed_ && flush() && !input_.empty() && may_read_requests());
  settling_ = false;
  if (closed_) return;
  if (client_ended_ && input_.empty() && !last_request_) {
    last_request_ = true;
    if (slot_open_) exchanges_.pop_back();  // its body will never be whole
    slot_open_ = false;
    forget_body();
  }
  if (last_request_ && exchanges_.empty()) last_answer_ = true;
  write_some();
  if (!closed_ && last_answer_ && unsent() == 0 && !lingering_) begin_end();
  if (closed_) return;
  update_reading();
  if (!closed_) update_deadline();
}

bool HttpConnection::may_read_requests() const {
  return !last_request_ && !last_answer_ && !closed_ && !held_by_ &&
         (slot_open_ || exchanges_.size() < host_->options.max_pipelined) &&
         unsent() < host_->options.max_unsent_bytes;
}

void HttpConnection::read_requests() {
  std::size_t taken = 0;
  while (taken < input_.size() && may_read_requests()) {
    taken += parser_.consume(std::string_view(input_).substr(taken));
    request_phase_changed();
  }
  if (closed_ || last_request_) taken = input_.size();  // what follows is not read as a request
  input_.erase(0, taken);
}

void HttpConnection::request_phase_changed() {
  switch (parser_.phase()) {
    case HttpRequestParser::Phase::kIdle:
    case HttpRequestParser::Phase::kHead:
      return;
    case HttpRequestParser::Phase::kBody:
      if (!slot_open_) begin_body();
      return pass_body_on();
    case HttpRequestParser::Phase::kComplete:
      return hand_over();
    case HttpRequestParser::Phase::kFailed:
      return fail(parser_.fault());
  }
}

void HttpConnection::begin_body() {
  slot_open_ = true;
  exchanges_.push_back({});
  exchanges_.back().wants_continue = parser_.expects_continue();
  if (parser_.streamed()) {
    ServerRequest head = std::move(parser_.request());
    Exchange& exchange = exchanges_.back();
    exchange.head_only = head.method == "HEAD";
    exchange.http_1_0 = parser_.http_1_0();
    const std::uint64_t number = first_exchange_ + exchanges_.size() - 1;
    sink_ = host_->options.stream_handler(std::move(head), Responder(link_, number));
    if (!slot_open_) forget_body();  // it was answered at once
  }
  flush();  // 100 Continue, where it is this one's turn
}

void HttpConnection::pass_body_on() {
  if (!sink_) return;
  const std::string piece = parser_.take_body();
  if (!piece.empty() && !sink_->take(piece)) held_by_ = first_exchange_ + exchanges_.size() - 1;
}

void HttpConnection::forget_body() {
  held_by_.reset();
  sink_.reset();
}

void HttpConnection::hand_over() {
  if (!slot_open_) exchanges_.push_back({});
  slot_open_ = false;
  Exchange& exchange = exchanges_.back();
  if (sink_) {
    pass_body_on();
    exchange.keep_alive = parser_.keep_alive() && !finishing_;
    exchange.wants_continue = false;
    if (!exchange.keep_alive) last_request_ = true;
    parser_.next();
    ++requests_;
    const std::unique_ptr<BodySink> sink = std::move(sink_);
    return sink->end();
  }
  ServerRequest request = std::move(parser_.request());
  exchange.head_only = request.method == "HEAD";
  exchange.http_1_0 = parser_.http_1_0();
  exchange.keep_alive = parser_.keep_alive() && !finishing_;
  exchange.wants_continue = false;
  if (!exchange.keep_alive) last_request_ = true;
  parser_.next();
  ++requests_;
  const std::uint64_t number = first_exchange_ + exchanges_.size() - 1;
  host_->handler(std::move(request), Responder(link_, number));
}

void HttpConnection::fail(const HttpFault& fault) {
  if (!slot_open_) exchanges_.push_back({});
  slot_open_ = false;
  forget_body();
  std::optional<ServerResponse>& response = exchanges_.back().response;
  if (parser_.refusal()) {
    response = std::move(parser_.refusal());
  } else if (host_->options.fault_answer) {
    response = host_->options.fault_answer(fault.status, fault.reason);
    response->status = fault.status;
  } else {
    response = plain_answer(fault.status, fault.reason);
  }
  exchanges_.back().keep_alive = false;
  last_request_ = true;
}

bool HttpConnection::flush() {
  bool sent = false;
  while (!exchanges_.empty() && !last_answer_ && !closed_) {
    Exchange& front = exchanges_.front();
    if (!front.response) {
      if (front.wants_continue) emit("HTTP/1.1 100 Continue\r\n\r\n");
      front.wants_continue = false;
      break;
    }
    ResponseFraming framing;
    framing.head_only = front.head_only;
    framing.http_1_0 = front.http_1_0;
    framing.date = host_->date();
    framing.close =
        front.response->close || !front.keep_alive || (last_request_ && exchanges_.size() == 1);
    std::optional<std::string> bytes = serialize(*front.response, framing);
    if (!bytes) bytes = serialize(plain_answer(500, "the answer could not be sent"), framing);
    first_exchange_ += framing.close ? exchanges_.size() : 1;
    if (framing.close) {
      exchanges_.clear();
      slot_open_ = false;
      last_request_ = last_answer_ = true;
    } else {
      exchanges_.pop_front();
    }
    emit(*bytes);
    sent = true;
  }
  return sent;
}

void HttpConnection::emit(std::string_view plaintext) {
  if (!tls_) {
    pending_.append(plaintext);
    return;
  }
  const Result<void> written = tls_->write(plaintext);
  pending_.append(tls_->take_ciphertext());
  if (!written) close();
}

std::size_t HttpConnection::unsent() const {
  return outgoing_.size() - outgoing_at_ + pending_.size();
}

void HttpConnection::write_some() {
  if (writing_ || closed_) return;
  if (outgoing_at_ == outgoing_.size()) {
    outgoing_ = std::move(pending_);  // moved: a large answer's memory goes with it
    outgoing_at_ = 0;
    pending_ = {};
  }
  in_write_ = std::min(outgoing_.size() - outgoing_at_, kWriteBytes);
  if (in_write_ == 0) return;
  const uv_buf_t buffer =
      uv_buf_init(outgoing_.data() + outgoing_at_, static_cast<unsigned>(in_write_));
  if (uv_write(&write_, &socket_.stream, &buffer, 1, on_written) != 0) return close();
  writing_ = true;
  write_deadline_ = uv_now(host_->loop) + milliseconds(host_->options.write_timeout);
}

void HttpConnection::begin_end() {
  if (tls_) {
    tls_->shutdown();
    pending_.append(tls_->take_ciphertext());
    if (!pending_.empty()) return write_some();  // once that is written, settle() comes back here
  }
  if (socket_ended_) return close();
  lingering_ = true;
  read_deadline_ = uv_now(host_->loop) + milliseconds(host_->options.linger_timeout);
  const auto ignored = [](uv_shutdown_t*, int) noexcept {};
  if (uv_shutdown(&shutdown_, &socket_.stream, ignored) != 0) close();
}

void HttpConnection::update_reading() {
  const bool wanted = !socket_ended_ && (lingering_ || may_read_requests());
  if (wanted == reading_) return;
  reading_ = wanted;
  if (!wanted) {
    uv_read_stop(&socket_.stream);
  } else if (uv_read_start(&socket_.stream, on_allocate, on_read) != 0) {
    close();
  }
}

HttpConnection::Awaiting HttpConnection::awaiting() const {
  if (!may_read_requests()) return Awaiting::kNothing;
  if (tls_ && !tls_->handshake_done()) return Awaiting::kHandshake;
  switch (parser_.phase()) {
    case HttpRequestParser::Phase::kHead:
      return Awaiting::kHead;
    case HttpRequestParser::Phase::kBody:
      return Awaiting::kBody;
    default:
      return exchanges_.empty() && unsent() == 0 ? Awaiting::kRequest : Awaiting::kNothing;
  }
}

std::uint64_t HttpConnection::timeout_of(Awaiting awaiting) const {
  switch (awaiting) {
    case Awaiting::kNothing:
      return 0;
    case Awaiting::kRequest:
      return milliseconds(host_->options.idle_timeout);
    case Awaiting::kBody:
      return milliseconds(host_->options.body_timeout);
    case Awaiting::kHandshake:
    case Awaiting::kHead:
      return milliseconds(host_->options.head_timeout);
  }
  return 0;
}

void HttpConnection::update_deadline() {
  const std::uint64_t now = uv_now(host_->loop);
  if (!lingering_) {
    const std::pair<Awaiting, std::uint64_t> owed{awaiting(), requests_};
    if (owed != owed_) {
      owed_ = owed;
      const std::uint64_t timeout = timeout_of(owed.first);
      read_deadline_ = timeout == 0 ? 0 : now + timeout;
    }
  }
  std::uint64_t next = read_deadline_;
  if (write_deadline_ != 0 && (next == 0 || write_deadline_ < next)) next = write_deadline_;
  if (next == 0) {
    uv_timer_stop(&timer_);
  } else {
    uv_timer_start(&timer_, on_deadline, next > now ? next - now : 0, 0);
  }
}

}  // namespace outrider::net
