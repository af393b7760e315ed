// Bytes in, whole requests out, one at a time. Pure: no socket, no clock. llhttp reads the message,
// HttpHeadScanner stands before it, and check_head() settles what only the whole head can tell.
#pragma once

#include <llhttp.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "net/http_server.h"
#include "net/http_server_head.h"

namespace outrider::net {

class HttpRequestParser {
 public:
  enum class Phase : std::uint8_t {
    kIdle,      // nothing of a request yet
    kHead,      // within the request line and header fields
    kBody,      // the head is good; its body is under way
    kComplete,  // request() is whole, but for what take_body() took of it: call next()
    kFailed,    // fault() says why; no byte more is taken
  };
  // `options` must outlive the parser.
  explicit HttpRequestParser(const HttpServerOptions& options);
  HttpRequestParser(const HttpRequestParser&) = delete;  // llhttp holds its address
  HttpRequestParser& operator=(const HttpRequestParser&) = delete;

  // Takes bytes until they end or the phase becomes kBody, kComplete or kFailed; returns how many
  // it took.
  std::size_t consume(std::string_view bytes);

  [[nodiscard]] Phase phase() const noexcept;
  [[nodiscard]] const HttpFault& fault() const noexcept { return fault_; }
  // The answer that the body rule gave instead of a limit; the fault is then its status.
  [[nodiscard]] std::optional<ServerResponse>& refusal() noexcept { return refusal_; }
  [[nodiscard]] ServerRequest& request() noexcept { return request_; }
  // Once the body is under way: it is to be taken piece by piece.
  [[nodiscard]] bool streamed() const noexcept { return streamed_; }
  // What has come of the body since the last call.
  [[nodiscard]] std::string take_body() { return std::exchange(request_.body, {}); }
  [[nodiscard]] bool keep_alive() const noexcept { return keep_alive_; }
  [[nodiscard]] bool http_1_0() const noexcept { return http_1_0_; }
  [[nodiscard]] bool expects_continue() const noexcept { return expects_continue_; }
  // Ready for the next request.
  void next();
  // What every request of this connection says of its client.
  struct Origin {
    std::string peer;
    std::optional<std::uint32_t> uid;
    bool tls = false;
  };
  void set_origin(Origin origin);  // before the first byte

 private:
  static const llhttp_settings_t& settings() noexcept;
  static HttpRequestParser& self(llhttp_t* parser) noexcept;
  std::size_t consume_head(std::string_view bytes);
  std::size_t consume_body(std::string_view bytes);
  void refuse(int status, std::string_view reason);
  // Adopts the head; false: refused.
  bool check_head();
  bool check_host();
  bool check_framing();
  bool check_body();
  bool check_target();
  bool check_expect();
  [[nodiscard]] std::size_t count(std::string_view name) const;

  const HttpServerOptions& options_;
  llhttp_t parser_{};
  HttpHeadScanner scanner_;
  Origin origin_;
  HttpFault fault_;
  std::optional<ServerResponse> refusal_;
  std::size_t max_body_bytes_ = 0;  // of this request
  std::size_t body_bytes_ = 0;      // that have come
  ServerRequest request_;
  HeaderField field_;              // the one being read
  std::size_t framing_bytes_ = 0;  // of the body's chunk sizes and line ends
  bool head_done_ = false;
  bool complete_ = false;
  bool keep_alive_ = false;
  bool http_1_0_ = false;
  bool expects_continue_ = false;
  bool streamed_ = false;
};

}  // namespace outrider::net
