// What must hold:
//
// 1. No connection is used, new or kept, whose peer address the rules refuse. Checked when the
//    socket is made, and again before every request.
// 2. A kept connection with something to read while it is idle is never used: libcurl would take it
//    for the answer to the next request. It may wait in the socket or, with TLS, in OpenSSL. The
//    same for a connection that has ended, or on which an earlier request was not taken whole.
// 3. The request leaves at most once.
// 4. An answer that is read before the peer's TCP has acknowledged all of the request is early: it
//    answers something else, or a request nobody can have read. So is one that crossed the request
//    on its way. (What comes after the acknowledgement is the receiver's word, whatever it has
//    read.)
#include "net/curl_transfer.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <uv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/assert.h"
#include "crypto/tls_client.h"
#include "net/curl_outcome.h"
#include "net/own_addresses.h"
#include "net/retry_after.h"
#include "net/socket_state.h"
#include "net/tunnel_outcome.h"

namespace outrider::net {
namespace {

[[nodiscard]] std::optional<core::Address> address_of(const sockaddr& from) {
  core::Address address;
  if (from.sa_family == AF_INET) {
    std::memcpy(address.bytes.data(), &reinterpret_cast<const sockaddr_in&>(from).sin_addr, 4);
    return address;
  }
  if (from.sa_family == AF_INET6) {
    address.v6 = true;
    std::memcpy(address.bytes.data(), &reinterpret_cast<const sockaddr_in6&>(from).sin6_addr, 16);
    return address;
  }
  return std::nullopt;
}

void append_endpoint(std::string_view ip, int port, std::string& text) {
  const bool v6 = ip.find(':') != std::string_view::npos;
  if (v6) text += '[';
  text += ip;
  if (v6) text += ']';
  (text += ':') += std::to_string(port);
}

[[nodiscard]] std::string endpoint_text(std::string_view ip, int port) {
  std::string text;
  append_endpoint(ip, port, text);
  return text;
}

template <class T>
[[nodiscard]] T info(CURL* easy, CURLINFO what) {
  T value{};
  const CURLcode code = curl_easy_getinfo(easy, what, &value);
  OUTRIDER_ASSERT(code == CURLE_OK);
  return value;
}

// What came in one TLS record with the end of the last answer is no longer in the socket.
[[nodiscard]] bool has_unread_tls(CURL* easy) {
  const auto* tls = info<curl_tlssessioninfo*>(easy, CURLINFO_TLS_SSL_PTR);
  return tls != nullptr && tls->backend == CURLSSLBACKEND_OPENSSL && tls->internals != nullptr &&
         crypto::has_unread_bytes(tls->internals);
}

// Not copied; empty takes it away.
void set_text(CURL* easy, CURLoption option, const std::string& text) {
  curl_blob blob{const_cast<char*>(text.data()), text.size(), CURL_BLOB_NOCOPY};  // only read
  set_option(easy, option, text.empty() ? nullptr : &blob);
}

// "Name:" would tell libcurl to leave the header out; "Name;" sends it empty.
void write_line(const HeaderField& field, std::string& line) {
  line.assign(field.name);
  field.value.empty() ? line.append(";") : line.append(": ").append(field.value);
}

// One list of all lines, which goes on with `next`.
void link_lines(std::vector<std::string>& lines, curl_slist* next, std::vector<curl_slist>& list) {
  list.resize(lines.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    list[i].data = lines[i].data();
    list[i].next = i + 1 < list.size() ? &list[i + 1] : next;
  }
}

}  // namespace

CurlTransfer::CurlTransfer(const TransferSettings& settings)
    : settings_(settings), url_(curl_url()), easy_(curl_easy_init()) {
  OUTRIDER_ASSERT(easy_ != nullptr && url_ != nullptr);
  set_constant_options();
}

CurlTransfer& CurlTransfer::of(CURL* easy) {
  auto* self = info<char*>(easy, CURLINFO_PRIVATE);
  return *reinterpret_cast<CurlTransfer*>(self);
}

// The same for every request. The TLS options set here are those of the default identity.
void CurlTransfer::set_constant_options() {
  CURL* const easy = easy_.get();
  set_option(easy, CURLOPT_PRIVATE, this);
  set_option(easy, CURLOPT_ERRORBUFFER, libcurl_words_);
  set_option(easy, CURLOPT_OPENSOCKETFUNCTION, &CurlTransfer::on_open);
  set_option(easy, CURLOPT_OPENSOCKETDATA, this);
  set_option(easy, CURLOPT_CLOSESOCKETFUNCTION, &CurlMulti::close_socket);
  set_option(easy, CURLOPT_RESOLVER_START_FUNCTION, &CurlTransfer::on_resolve);
  set_option(easy, CURLOPT_RESOLVER_START_DATA, this);
  set_option(easy, CURLOPT_PREREQFUNCTION, &CurlTransfer::on_before_request);
  set_option(easy, CURLOPT_PREREQDATA, this);
  set_option(easy, CURLOPT_HEADERFUNCTION, &CurlTransfer::on_header);
  set_option(easy, CURLOPT_HEADERDATA, this);
  set_option(easy, CURLOPT_WRITEFUNCTION, &CurlTransfer::on_body);
  set_option(easy, CURLOPT_WRITEDATA, this);

  set_option(easy, CURLOPT_POST, 1L);
  set_option(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set_option(easy, CURLOPT_HTTP09_ALLOWED, 0L);
  set_option(easy, CURLOPT_FOLLOWLOCATION, 0L);
  set_option(easy, CURLOPT_PATH_AS_IS, 1L);
  set_option(easy, CURLOPT_PROXY, "");
  set_option(easy, CURLOPT_NOPROXY, "*");
  if (settings_.proxy) set_proxy_options();
  set_option(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set_option(easy, CURLOPT_NOSIGNAL, 1L);
  // Addresses are pinned for each request. The default would look through the whole cache for old
  // ones each time.
  set_option(easy, CURLOPT_DNS_CACHE_TIMEOUT, -1L);
  set_option(easy, CURLOPT_MAXAGE_CONN, settings_.idle_connection_max_s);
  set_option(easy, CURLOPT_MAXLIFETIME_CONN, settings_.connection_lifetime_max_s);

  set_option(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set_option(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  set_option(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  // libcurl reads no certificates: on_tls_context() gives those that were read once. Where it
  // should not be called, nothing is trusted.
  set_option(easy, CURLOPT_CAPATH, static_cast<char*>(nullptr));
  set_option(easy, CURLOPT_CAINFO, static_cast<char*>(nullptr));
  set_option(easy, CURLOPT_SSL_CTX_FUNCTION, &CurlTransfer::on_tls_context);
  set_option(easy, CURLOPT_SSL_CTX_DATA, this);
  // Sessions are kept per handle, and handles move from receiver to receiver: memory without a use.
  set_option(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
}

// A tunnel for plain http too. The request's own headers are not for the proxy, and the proxy's
// answer is not the receiver's.
void CurlTransfer::set_proxy_options() {
  CURL* const easy = easy_.get();
  set_option(easy, CURLOPT_NOPROXY, "");
  set_option(easy, CURLOPT_PROXYTYPE, static_cast<long>(CURLPROXY_HTTP));
  set_option(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
  set_option(easy, CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));
  set_option(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set_option(easy, CURLOPT_USERAGENT, settings_.user_agent.c_str());  // for the proxy
  if (settings_.proxy->user.empty()) return;
  set_option(easy, CURLOPT_PROXYAUTH, static_cast<long>(CURLAUTH_BASIC));
  set_option(easy, CURLOPT_PROXYUSERNAME, settings_.proxy->user.c_str());
  set_option(easy, CURLOPT_PROXYPASSWORD, settings_.proxy->password.c_str());
}

void CurlTransfer::start(CurlMulti& multi, std::uint64_t exchange, HttpRequest request,
                         const std::vector<core::Address>& addresses,
                         const std::optional<core::Address>& proxy) {
  OUTRIDER_ASSERT(exchange_ == 0);
  exchange_ = exchange;
  request_ = std::move(request);
  CURL* const easy = easy_.get();
  if (!was_for(multi, request_)) set_destination(multi);
  set_option(easy, CURLOPT_POSTFIELDS, request_.body.data());
  set_option(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
  set_option(easy, CURLOPT_CONNECTTIMEOUT_MS, connect_limit_ms());
  set_identity();
  set_headers();
  proxy_ = proxy;
  if (proxy_) {
    OUTRIDER_ASSERT(settings_.proxy && !addresses.empty());
    set_addresses({});  // the tunnel's end is an address
    set_tunnel(addresses.front());
  } else {
    set_addresses(addresses);
  }
  launch(false);
}

// What the last request left in the handle is right for the next to the same destination.
void CurlTransfer::set_destination(CurlMulti& multi) {
  CURL* const easy = easy_.get();
  multi_ = &multi;
  to_ = request_.to;
  // A connection outlives the request that opened it; so its socket is closed by the multi.
  set_option(easy, CURLOPT_CLOSESOCKETDATA, multi_);
  set_url();
  set_option(easy, CURLOPT_PROTOCOLS_STR, target().tls ? "https" : "http");
  common_lines_.resize(to_->headers.size());
  for (std::size_t i = 0; i < common_lines_.size(); ++i) {
    write_line(to_->headers[i], common_lines_[i]);
  }
  common_lines_.push_back("User-Agent: " + settings_.user_agent);
  // What libcurl would add on its own, unless a line before says it.
  for (const char* name : {"Accept:", "Content-Type:", "Expect:"}) common_lines_.emplace_back(name);
  link_lines(common_lines_, nullptr, common_list_);
}

// Of a text, libcurl would parse it and write it anew for each request: a twelfth of what a request
// costs it. It wants the text as well, to tell where it was.
void CurlTransfer::set_url() {
  const char* const text = target().url.c_str();
  const bool parsed = curl_url_set(url_.get(), CURLUPART_URL, text, CURLU_PATH_AS_IS) == CURLUE_OK;
  set_option(easy_.get(), CURLOPT_URL, text);
  set_option(easy_.get(), CURLOPT_CURLU, parsed ? url_.get() : nullptr);
}

// libcurl knows no way to have no limit; one beyond our own deadline comes to the same.
long CurlTransfer::connect_limit_ms() const {
  const auto limit = std::min(settings_.connect_timeout, request_.timeout + core::Duration(1000));
  return static_cast<long>(std::max<std::int64_t>(1, limit.count()));
}

void CurlTransfer::start_fresh() {
  OUTRIDER_ASSERT(may_start_fresh());
  pin();
  launch(true);
}

void CurlTransfer::launch(bool fresh) {
  fresh_ = fresh;
  spoiled_ = false;
  sends_ = 0;
  left_at_ns_ = 0;
  opened_.clear();
  connection_ = CURL_SOCKET_BAD;
  stopped_untaken_ = false;
  peer_.clear();
  fault_.reset();
  fault_detail_.clear();
  libcurl_words_[0] = '\0';
  answer_ = HttpAnswer();
  set_option(easy_.get(), CURLOPT_FRESH_CONNECT, fresh ? 1L : 0L);
  multi_->add(easy_.get());
}

void CurlTransfer::clear() {
  exchange_ = 0;
  request_ = HttpRequest();
  set_identity();
  for (std::string& line : header_lines_) line.clear();
  answer_ = HttpAnswer();
}

// The TLS options are the same for all of a multi: its connections are shared, and libcurl does not
// look at all of them when it picks one. The texts stay where they are, so that the key is nowhere
// else.
void CurlTransfer::set_identity() {
  if (request_.identity == nullptr && !has_identity_) return;
  static const TlsIdentity kDefault;
  has_identity_ = request_.identity != nullptr;
  const TlsIdentity& identity = has_identity_ ? *request_.identity : kDefault;
  CURL* const easy = easy_.get();
  set_option(easy, CURLOPT_SSLVERSION,
             static_cast<long>(identity.at_least == TlsVersion::k13 ? CURL_SSLVERSION_TLSv1_3
                                                                    : CURL_SSLVERSION_TLSv1_2));
  set_text(easy, CURLOPT_CAINFO_BLOB, identity.ca);
  set_text(easy, CURLOPT_SSLCERT_BLOB, identity.certificate);
  set_text(easy, CURLOPT_SSLKEY_BLOB, identity.key);
}

// libcurl reads the list while it builds the request and does not copy it; so the nodes are ours.
void CurlTransfer::set_headers() {
  header_lines_.resize(request_.headers.size());
  for (std::size_t i = 0; i < header_lines_.size(); ++i) {
    write_line(request_.headers[i], header_lines_[i]);
  }
  link_lines(header_lines_, common_list_.data(), header_list_);
  set_option(easy_.get(), CURLOPT_HTTPHEADER,
             header_list_.empty() ? common_list_.data() : header_list_.data());
}

// libcurl reads the pinned addresses of each request anew and replaces what its multi knows; so
// only those that are new to the multi are given. Should it have forgotten them, on_resolve() is
// asked.
void CurlTransfer::set_addresses(const std::vector<core::Address>& addresses) {
  pins_ = false;
  addresses_.assign(addresses.begin(), addresses.end());
  if (addresses.empty() || multi_->is_pinned(target().host, target().port, addresses)) {
    set_option(easy_.get(), CURLOPT_RESOLVE, nullptr);
  } else {
    pin();
  }
}

void CurlTransfer::pin() {
  if (addresses_.empty()) return;
  pins_ = true;
  pin_ = "+" + target().host + ":" + std::to_string(target().port) + ":";
  for (std::size_t i = 0; i < addresses_.size(); ++i) {
    const std::string text = core::to_string(addresses_[i]);
    if (i > 0) pin_ += ',';
    pin_ += addresses_[i].v6 ? "[" + text + "]" : text;
  }
  pin_list_ = {pin_.data(), nullptr};
  set_option(easy_.get(), CURLOPT_RESOLVE, &pin_list_);
}

// Whatever libcurl takes for the host, the tunnel leads to the vetted address; that is what the two
// leading colons say. A tunnel to another address is another connection.
void CurlTransfer::set_tunnel(const core::Address& end) {
  const EgressProxy& proxy = settings_.proxy.value();
  tunnel_ = "::" + endpoint_text(core::to_string(end), target().port);
  tunnel_list_ = {tunnel_.data(), nullptr};
  set_option(easy_.get(), CURLOPT_CONNECT_TO, &tunnel_list_);
  const std::string place = "http://" + endpoint_text(core::to_string(*proxy_), proxy.port);
  set_option(easy_.get(), CURLOPT_PROXY, place.c_str());
}

// Why a connection may not lead there. Through a proxy it leads to the proxy and nowhere else.
std::optional<std::string_view> CurlTransfer::refusal(const std::optional<core::Address>& address,
                                                      bool is_own) const {
  if (!address) return "unknown";
  if (!proxy_) return settings_.rules.refuses(*address, is_own);
  return *address == *proxy_ ? std::nullopt : std::optional<std::string_view>("not the proxy");
}

// libcurl finds every name among the pinned ones. One it does not find, though it was pinned for
// this very request, is not the one that was vetted; looking it up would also take a thread for
// each.
int CurlTransfer::on_resolve(void* /*resolver*/, void* /*nothing*/, void* self) noexcept {
  auto& transfer = *static_cast<CurlTransfer*>(self);
  if (transfer.target().host_is_address || transfer.proxy_) return 0;
  transfer.spoiled_ = true;
  transfer.fault_ = AnswerFault{ErrorClass::kBlocked, "the target's name is not the vetted one"};
  return 1;
}

curl_socket_t CurlTransfer::on_open(void* self, curlsocktype /*purpose*/,
                                    curl_sockaddr* address) noexcept {
  return static_cast<CurlTransfer*>(self)->open(*address);
}

// libcurl is about to send the request a second time, because the kept connection has died.
bool CurlTransfer::is_repeating() {
  if (sends_ == 0 || request_bytes() == 0) return false;
  fault_ =
      AnswerFault{ErrorClass::kReset,
                  "the connection died without an answer; the request may have been processed"};
  return true;
}

curl_socket_t CurlTransfer::open(const curl_sockaddr& wanted) {
  if (is_repeating()) return CURL_SOCKET_BAD;
  sends_ = 0;  // a new connection, which has carried nothing yet
  const auto address = address_of(wanted.addr);
  const auto refused = refusal(address, !proxy_ && leads_to_this_host(wanted.addr, wanted.addrlen));
  if (refused) {
    fault_ = AnswerFault{ErrorClass::kBlocked, "the target has a refused address: "};
    fault_detail_ = *refused;
    return CURL_SOCKET_BAD;
  }
  const int fd = socket(wanted.family, wanted.socktype | SOCK_CLOEXEC, wanted.protocol);
  if (fd < 0) {
    fault_ = AnswerFault{ErrorClass::kAborted, "cannot make a socket: "};
    fault_detail_ = std::strerror(errno);
    return CURL_SOCKET_BAD;
  }
  multi_->opened(fd);
  opened_.push_back(fd);
  return fd;
}

int CurlTransfer::on_before_request(void* self, char* peer_ip, char* local_ip, int peer_port,
                                    int local_port) noexcept {
  auto& transfer = *static_cast<CurlTransfer*>(self);
  if (!transfer.may_send(peer_ip, peer_port, local_ip, local_port)) return CURL_PREREQFUNC_ABORT;
  transfer.left_at_ns_ = uv_hrtime();
  return CURL_PREREQFUNC_OK;
}

bool CurlTransfer::may_send(std::string_view peer_ip, int peer_port, std::string_view local_ip,
                            int local_port) {
  if (is_repeating()) return false;
  ++sends_;
  bytes_before_ = info<long>(easy_.get(), CURLINFO_REQUEST_SIZE);
  peer_.clear();
  append_endpoint(peer_ip, peer_port, peer_);
  const auto refused = refusal(core::parse_address(peer_ip), false);
  if (refused) {
    fault_ = AnswerFault{ErrorClass::kBlocked, "connected to a refused address: "};
    fault_detail_ = *refused;
    return false;
  }
  (ends_ = peer_) += ' ';
  append_endpoint(local_ip, local_port, ends_);
  if (proxy_) peer_ = tunnel_.substr(2) + " via " + peer_;
  if (own_connection(ends_, local_ip, local_port)) return !is_spoken_to_early();
  const auto kept = multi_->connection(ends_);
  spoiled_ = !kept || unread(*kept) != Unread::kNothing || !is_acknowledged(*kept) ||
             has_unread_tls(easy_.get());
  if (spoiled_) {
    fault_ = AnswerFault{ErrorClass::kAborted, "the connection could not be trusted"};
    return false;
  }
  connection_ = *kept;
  return true;
}

// With TLS there may be session tickets to read on a new connection; without, nothing is due.
bool CurlTransfer::is_spoken_to_early() {
  if (target().tls || unread(connection_) != Unread::kBytes) return false;
  fault_ = AnswerFault{ErrorClass::kProtocol, "the receiver spoke before it was asked"};
  return true;
}

// Is it a connection this transfer has made just now? Then it is given its name.
bool CurlTransfer::own_connection(const std::string& ends, std::string_view local_ip,
                                  int local_port) {
  const bool v6 = local_ip.find(':') != std::string_view::npos;
  const auto mine = std::find_if(
      opened_.begin(), opened_.end(),
      [v6, local_port](curl_socket_t fd) { return is_at_local_port(fd, v6, local_port); });
  if (mine == opened_.end()) return false;
  multi_->name_connection(*mine, ends);
  connection_ = *mine;
  opened_.clear();
  return true;
}

// Of the request's head; libcurl counts what it said to the proxy too.
long CurlTransfer::request_bytes() const {
  return info<long>(easy_.get(), CURLINFO_REQUEST_SIZE) - bytes_before_;
}

bool CurlTransfer::all_sent() const {
  return sends_ > 0 && request_bytes() > 0 &&
         info<curl_off_t>(easy_.get(), CURLINFO_SIZE_UPLOAD_T) >=
             static_cast<curl_off_t>(request_.body.size());
}

// Only while libcurl has the connection.
bool CurlTransfer::all_taken() const { return all_sent() && is_acknowledged(connection_); }

void CurlTransfer::stop() {
  if (pins_ && sends_ == 0) multi_->forget_pin(target().host);
  stopped_untaken_ = sends_ > 0 && connection_ != CURL_SOCKET_BAD && !all_taken();
  multi_->remove(easy_.get());
}

CURLcode CurlTransfer::on_tls_context(CURL* /*easy*/, void* ssl_ctx, void* self) noexcept {
  const auto& transfer = *static_cast<CurlTransfer*>(self);
  const auto& identity = transfer.request_.identity;
  if (identity != nullptr && !identity->ca.empty()) return CURLE_OK;  // libcurl has loaded these
  return transfer.settings_.trusted->use_in(ssl_ctx) ? CURLE_OK : CURLE_SSL_CACERT_BADFILE;
}

std::size_t CurlTransfer::on_header(char* data, std::size_t /*one*/, std::size_t size,
                                    void* self) noexcept {
  auto& transfer = *static_cast<CurlTransfer*>(self);
  const bool sent = transfer.answer_.status() != 0 || transfer.all_taken();
  return transfer.answer_.on_header_line({data, size}, sent) ? size : 0;
}

std::size_t CurlTransfer::on_body(char* data, std::size_t /*one*/, std::size_t size,
                                  void* self) noexcept {
  return static_cast<CurlTransfer*>(self)->answer_.on_body({data, size}) ? size : 0;
}

HttpOutcome CurlTransfer::outcome_at_deadline(core::WallTime now) {
  return outcome_with(CURLE_OPERATION_TIMEDOUT, request_.timeout, now);
}

// A time limit of libcurl's own can only be the one for connecting.
HttpOutcome CurlTransfer::outcome(CURLcode result, core::WallTime now) {
  return outcome_with(result, core::Duration(connect_limit_ms()), now);
}

HttpOutcome CurlTransfer::outcome_with(CURLcode result, core::Duration limit, core::WallTime now) {
  CURL* const easy = easy_.get();
  HttpOutcome out;
  out.status = answer_.status();
  if (answer_.retry_after()) out.retry_after = parse_retry_after(*answer_.retry_after(), now);
  out.response_truncated = answer_.truncated();
  out.response = std::move(answer_.body());
  // Without a request there was no one to tell us the peer; libcurl knows it once TCP is connected.
  const auto* ip = info<char*>(easy, CURLINFO_PRIMARY_IP);
  if (peer_.empty() && !opened_.empty() && ip != nullptr && *ip != '\0') {
    peer_ = endpoint_text(ip, static_cast<int>(info<long>(easy, CURLINFO_PRIMARY_PORT)));
  }
  out.peer = peer_;

  if (const auto& fault = fault_ ? fault_ : answer_.fault(); fault && result != CURLE_OK) {
    out.error = fault->error;
    out.detail = std::string(fault->words) + fault_detail_;
  } else if (const long tunnel = info<long>(easy, CURLINFO_HTTP_CONNECTCODE);
             result != CURLE_OK && proxy_ && sends_ == 0 && tunnel / 100 != 2) {
    auto failure = tunnel_failure({.result = result,
                                   .connected = !peer_.empty(),
                                   .status = tunnel,
                                   .os_errno = info<long>(easy, CURLINFO_OS_ERRNO),
                                   .limit = limit});
    out.error = failure.error;
    out.detail = std::move(failure.words);
  } else if (result != CURLE_OK) {
    auto failure = failure_of({.result = result,
                               .libcurl_words = libcurl_words_,
                               .verify_result = info<long>(easy, CURLINFO_SSL_VERIFYRESULT),
                               .tls = target().tls,
                               .connected = !peer_.empty(),
                               .ready = sends_ > 0,
                               .any_sent = sends_ > 0 && request_bytes() > 0,
                               .all_sent = all_sent() && !stopped_untaken_,
                               .answer_begun = answer_.begun(),
                               .os_errno = info<long>(easy, CURLINFO_OS_ERRNO),
                               .limit = limit});
    out.error = failure.error;
    out.detail = std::move(failure.words);
  } else if (answer_.begun() && !answer_.head_complete()) {
    // libcurl takes the end of the connection for the end of the head.
    out.error = ErrorClass::kReset;
    out.detail = "the connection died in the middle of the answer";
  } else if (answer_.status() == 0) {
    out.error = ErrorClass::kProtocol;
    out.detail = "the answer is not HTTP";
  }
  return out;
}

}  // namespace outrider::net
