// One easy handle and what happens to the request it carries. Reused for request after request; a
// handle costs 5.5 KB and an eighth of a request's time to make.
//
// The request goes out once or not at all. libcurl would repeat a POST on its own when a kept
// connection dies before answering; the second call of the pre-request callback shows that it is
// about to, and forbids it unless nothing of the request had left.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/target.h"
#include "core/time.h"
#include "net/ca_bundle.h"
#include "net/curl_handle.h"
#include "net/curl_multi.h"
#include "net/egress_proxy.h"
#include "net/http_answer.h"
#include "net/http_sender.h"

namespace outrider::net {

// What all transfers of a sender have in common. Outlives them.
struct TransferSettings {
  core::AddressRules rules;
  std::optional<EgressProxy> proxy;  // all requests leave through it
  std::string user_agent;
  TrustedBundle* trusted = nullptr;  // for those that bring no authorities of their own
  core::Duration connect_timeout{3000};
  long idle_connection_max_s = 60;
  long connection_lifetime_max_s = 600;
};

class CurlTransfer {
 public:
  explicit CurlTransfer(const TransferSettings& settings);
  CurlTransfer(const CurlTransfer&) = delete;
  CurlTransfer& operator=(const CurlTransfer&) = delete;

  // Starts a request on `multi`, which is its identity's. `addresses`: where a new connection may
  // go, vetted; empty where the host is an address itself. Requires: not running.
  void start(CurlMulti& multi, std::uint64_t exchange, HttpRequest request,
             const std::vector<core::Address>& addresses,
             const std::optional<core::Address>& proxy = {});
  // The kept connection could not be trusted, or libcurl has forgotten the name's addresses, and
  // nothing has left: once more, on a new one. Requires: may_start_fresh().
  void start_fresh();
  [[nodiscard]] bool may_start_fresh() const noexcept { return spoiled_ && !fresh_; }

  // After libcurl has finished with `result`.
  [[nodiscard]] HttpOutcome outcome(CURLcode result, core::WallTime now);
  // After stop(), because its time is over.
  [[nodiscard]] HttpOutcome outcome_at_deadline(core::WallTime now);
  // Ends it wherever it is.
  void stop();
  // Forgets the request; keeps the handle.
  void clear();

  // The request before was to the same place, on the same multi: this one costs less.
  [[nodiscard]] bool was_for(const CurlMulti& multi, const HttpRequest& request) const noexcept {
    return multi_ == &multi && to_ == request.to;
  }

  [[nodiscard]] std::uint64_t exchange() const noexcept { return exchange_; }
  // When the request began to leave, on uv_hrtime's clock; 0: it did not.
  [[nodiscard]] std::uint64_t left_at_ns() const noexcept { return left_at_ns_; }
  [[nodiscard]] static CurlTransfer& of(CURL* easy);

 private:
  static curl_socket_t on_open(void* self, curlsocktype purpose, curl_sockaddr* address) noexcept;
  static int on_resolve(void* resolver, void* nothing, void* self) noexcept;
  static int on_before_request(void* self, char* peer_ip, char* local_ip, int peer_port,
                               int local_port) noexcept;
  static CURLcode on_tls_context(CURL* easy, void* ssl_ctx, void* self) noexcept;
  static std::size_t on_header(char* data, std::size_t one, std::size_t size, void* self) noexcept;
  static std::size_t on_body(char* data, std::size_t one, std::size_t size, void* self) noexcept;

  void set_constant_options();
  void set_identity();
  void set_destination(CurlMulti& multi);
  void set_url();
  void set_headers();
  [[nodiscard]] const core::Target& target() const { return to_->target; }
  void set_addresses(const std::vector<core::Address>& addresses);
  void pin();
  void set_proxy_options();
  void set_tunnel(const core::Address& end);
  [[nodiscard]] std::optional<std::string_view> refusal(const std::optional<core::Address>& address,
                                                        bool is_own) const;
  [[nodiscard]] long request_bytes() const;
  void launch(bool fresh);
  [[nodiscard]] long connect_limit_ms() const;
  [[nodiscard]] HttpOutcome outcome_with(CURLcode result, core::Duration limit, core::WallTime now);
  [[nodiscard]] bool is_repeating();
  [[nodiscard]] curl_socket_t open(const curl_sockaddr& wanted);
  [[nodiscard]] bool may_send(std::string_view peer_ip, int peer_port, std::string_view local_ip,
                              int local_port);
  [[nodiscard]] bool own_connection(const std::string& ends, std::string_view local_ip,
                                    int local_port);
  [[nodiscard]] bool is_spoken_to_early();
  [[nodiscard]] bool all_sent() const;   // given to the kernel
  [[nodiscard]] bool all_taken() const;  // by the peer's TCP

  const TransferSettings& settings_;
  CurlMulti* multi_ = nullptr;                 // of the request, or of the last one
  std::shared_ptr<const HttpDestination> to_;  // likewise
  CurlUrl url_;                                // of to_, parsed; easy_ refers to it
  CurlEasy easy_;
  char libcurl_words_[CURL_ERROR_SIZE] = {};

  std::uint64_t exchange_ = 0;
  HttpRequest request_;
  // The request's own header lines, and behind them those of its destination and the sender's.
  std::vector<std::string> header_lines_, common_lines_;
  std::vector<curl_slist> header_list_, common_list_;
  bool has_identity_ = false;             // the handle refers to the texts of request_.identity
  std::vector<core::Address> addresses_;  // vetted; empty where the host is an address
  bool pins_ = false;                     // this request tells libcurl the addresses
  std::string pin_;
  curl_slist pin_list_{};
  // Through a proxy: its address, and where its tunnel leads.
  std::optional<core::Address> proxy_;
  std::string tunnel_;
  curl_slist tunnel_list_{};
  long bytes_before_ = 0;  // that had left before the request, for the tunnel

  bool fresh_ = false;
  int sends_ = 0;  // calls of the pre-request callback for this connection
  std::uint64_t left_at_ns_ = 0;
  bool spoiled_ = false;               // the kept connection had something to read, or was dead
  std::vector<curl_socket_t> opened_;  // by this request, until one of them is its connection
  curl_socket_t connection_ = CURL_SOCKET_BAD;  // that carries the request; valid while it runs
  bool stopped_untaken_ = false;  // when it was stopped, the peer had not taken all of it
  std::string peer_;
  std::string ends_;  // of the connection: the peer's, ours; kept for its room
  std::optional<AnswerFault> fault_;
  std::string fault_detail_;  // where static words do not say enough
  HttpAnswer answer_;
};

}  // namespace outrider::net
