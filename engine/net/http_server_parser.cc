// llhttp is started anew for every request, so nothing of one can colour the next, and stopped at
// the end of each, so that its position tells where the next begins. All faults, llhttp's too, end
// in `fault_`, set once.
#include "net/http_server_parser.h"

#include <algorithm>

#include "core/ascii.h"
#include "core/assert.h"

namespace outrider::net {
namespace {

using core::equal_ignoring_case;

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

// uri-host [ ":" port ] of RFC 9110, by its characters: a name, an IPv4 address or an IPv6 one in
// brackets.
bool is_host(std::string_view host) noexcept {
  std::string_view port;
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end == std::string_view::npos || end < 3) return false;
    const std::string_view inside = host.substr(1, end - 1);
    port = host.substr(end + 1);
    if (inside.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos)
      return false;
  } else {
    const std::size_t colon = host.find(':');
    if (colon != std::string_view::npos) port = host.substr(colon);
    host = host.substr(0, colon);
    if (host.empty()) return false;
    const auto plain = [](char c) {
      return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
             c == '-' || c == '_' || c == '~';
    };
    if (!std::all_of(host.begin(), host.end(), plain)) return false;
  }
  if (port.empty()) return true;
  port.remove_prefix(1);
  return port.size() <= 5 && std::all_of(port.begin(), port.end(), is_digit);
}

}  // namespace

const std::string* ServerRequest::header(std::string_view name) const noexcept {
  for (const HeaderField& field : headers) {
    if (equal_ignoring_case(field.name, name)) return &field.value;
  }
  return nullptr;
}

HttpRequestParser& HttpRequestParser::self(llhttp_t* parser) noexcept {
  return *static_cast<HttpRequestParser*>(parser->data);
}

const llhttp_settings_t& HttpRequestParser::settings() noexcept {
  static const llhttp_settings_t table = [] {
    llhttp_settings_t s;
    llhttp_settings_init(&s);
    s.on_url = [](llhttp_t* p, const char* at, std::size_t length) noexcept {
      self(p).request_.target.append(at, length);
      return 0;
    };
    s.on_header_field = [](llhttp_t* p, const char* at, std::size_t length) noexcept {
      HttpRequestParser& parser = self(p);
      if (parser.head_done_) {
        parser.refuse(400, "a trailer field");
        return static_cast<int>(HPE_USER);
      }
      parser.field_.name.append(at, length);
      return 0;
    };
    s.on_header_value = [](llhttp_t* p, const char* at, std::size_t length) noexcept {
      self(p).field_.value.append(at, length);
      return 0;
    };
    s.on_header_value_complete = [](llhttp_t* p) noexcept {
      HttpRequestParser& parser = self(p);
      std::string& value = parser.field_.value;
      value.erase(value.find_last_not_of(" \t") + 1);
      parser.request_.headers.push_back(std::move(parser.field_));
      parser.field_ = {};
      return 0;
    };
    s.on_headers_complete = [](llhttp_t* p) noexcept {
      // 0: go on by the message's own framing; the field is cleared because llhttp would stop for
      // another protocol.
      const bool good = self(p).check_head();
      p->upgrade = 0;
      return good ? 0 : static_cast<int>(HPE_USER);
    };
    s.on_chunk_extension_name = [](llhttp_t* p, const char*, std::size_t) noexcept {
      self(p).refuse(400, "a chunk extension");
      return static_cast<int>(HPE_USER);
    };
    s.on_body = [](llhttp_t* p, const char* at, std::size_t length) noexcept {
      HttpRequestParser& parser = self(p);
      if (length > parser.max_body_bytes_ - parser.body_bytes_) {
        parser.refuse(413, "the body is too large");
        return static_cast<int>(HPE_USER);
      }
      parser.request_.body.append(at, length);
      parser.body_bytes_ += length;
      return 0;
    };
    s.on_message_complete = [](llhttp_t* p) noexcept {
      self(p).complete_ = true;
      return static_cast<int>(HPE_PAUSED);
    };
    return s;
  }();
  return table;
}

HttpRequestParser::HttpRequestParser(const HttpServerOptions& options)
    : options_(options), scanner_(options.max_head_bytes, options.max_fields) {
  next();
}

void HttpRequestParser::next() {
  llhttp_init(&parser_, HTTP_REQUEST, &settings());
  parser_.data = this;
  scanner_ = HttpHeadScanner(options_.max_head_bytes, options_.max_fields);
  fault_ = {};
  refusal_.reset();
  request_ = {};
  request_.peer = origin_.peer;
  request_.peer_uid = origin_.uid;
  request_.tls = origin_.tls;
  max_body_bytes_ = options_.max_body_bytes;
  field_ = {};
  framing_bytes_ = body_bytes_ = 0;
  streamed_ = false;
  head_done_ = complete_ = keep_alive_ = http_1_0_ = expects_continue_ = false;
}

void HttpRequestParser::set_origin(Origin origin) {
  origin_ = std::move(origin);
  next();
}

HttpRequestParser::Phase HttpRequestParser::phase() const noexcept {
  if (fault_.status != 0) return Phase::kFailed;
  if (complete_) return Phase::kComplete;
  if (head_done_) return Phase::kBody;
  return scanner_.started() ? Phase::kHead : Phase::kIdle;
}

void HttpRequestParser::refuse(int status, std::string_view reason) {
  if (fault_.status == 0) fault_ = {status, reason};
}

std::size_t HttpRequestParser::consume(std::string_view bytes) {
  if (fault_.status != 0 || complete_ || bytes.empty()) return 0;
  return head_done_ ? consume_body(bytes) : consume_head(bytes);
}

std::size_t HttpRequestParser::consume_head(std::string_view bytes) {
  const std::size_t taken = scanner_.scan(bytes);
  if (scanner_.fault().status != 0) {
    fault_ = scanner_.fault();
    return taken;
  }
  const llhttp_errno_t error = llhttp_execute(&parser_, bytes.data(), taken);
  if (error != HPE_OK && error != HPE_PAUSED) refuse(400, "not a well-formed request head");
  // Both readers must see the head end at the same byte.
  if (scanner_.done() != head_done_) refuse(400, "not a well-formed request head");
  return taken;
}

std::size_t HttpRequestParser::consume_body(std::string_view bytes) {
  const std::size_t before = body_bytes_;
  const llhttp_errno_t error = llhttp_execute(&parser_, bytes.data(), bytes.size());
  if (error == HPE_OK || error == HPE_PAUSED) {
    const std::size_t taken =
        error == HPE_OK ? bytes.size()
                        : static_cast<std::size_t>(llhttp_get_error_pos(&parser_) - bytes.data());
    OUTRIDER_ASSERT(taken <= bytes.size());
    // A limit that does not depend on how the bytes were cut. Zeros before a chunk's size have no
    // other.
    framing_bytes_ += taken - (body_bytes_ - before);
    if (framing_bytes_ > options_.max_head_bytes + max_body_bytes_ / 4) {
      refuse(400, "chunks with too much around them");
    }
    return taken;
  }
  refuse(400, "not a well-formed request body");
  return bytes.size();
}

std::size_t HttpRequestParser::count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::count_if(request_.headers.begin(), request_.headers.end(),
                    [&](const HeaderField& f) { return equal_ignoring_case(f.name, name); }));
}

bool HttpRequestParser::check_head() {
  head_done_ = true;
  http_1_0_ = parser_.http_minor == 0;
  keep_alive_ = llhttp_should_keep_alive(&parser_) != 0;
  request_.method = llhttp_method_name(static_cast<llhttp_method_t>(parser_.method));
  return check_target() && check_host() && check_framing() && check_expect() && check_body();
}

bool HttpRequestParser::check_target() {
  if (parser_.method == HTTP_CONNECT) {
    refuse(400, "CONNECT is for proxies");
  } else if (!request_.target.starts_with('/') &&
             !(request_.target == "*" && parser_.method == HTTP_OPTIONS)) {
    refuse(400, "the request target does not start with a slash");
  }
  return fault_.status == 0;
}

bool HttpRequestParser::check_host() {
  const std::size_t hosts = count("host");
  if (hosts > 1) {
    refuse(400, "several Host fields");
  } else if (hosts == 0) {
    if (!http_1_0_) refuse(400, "no Host field");
  } else if (!is_host(*request_.header("host"))) {
    refuse(400, "an impossible Host");
  }
  return fault_.status == 0;
}

bool HttpRequestParser::check_framing() {
  const std::size_t lengths = count("content-length");
  const std::size_t codings = count("transfer-encoding");
  if (lengths + codings > 1) {
    refuse(400, "more than one of Content-Length and Transfer-Encoding");
  } else if (codings == 1 && http_1_0_) {
    refuse(400, "Transfer-Encoding in HTTP/1.0");
  } else if (codings == 1 &&
             !equal_ignoring_case(*request_.header("transfer-encoding"), "chunked")) {
    refuse(400, "a transfer coding other than chunked");
  } else if (lengths == 1) {
    const std::string& text = *request_.header("content-length");
    if (text.empty() || text.size() > 19 || !std::all_of(text.begin(), text.end(), is_digit)) {
      refuse(400, "a Content-Length that is not a number");
    }
  }
  return fault_.status == 0;
}

bool HttpRequestParser::check_body() {
  const bool chunked = request_.header("transfer-encoding") != nullptr;
  if (!chunked && parser_.content_length == 0) return true;
  if (options_.body_rule) {
    BodyRule rule = options_.body_rule(request_);
    max_body_bytes_ = rule.max_bytes;
    streamed_ = rule.streamed;
    request_.admitted = std::move(rule.admitted);
    if (rule.refusal) {
      refuse(rule.refusal->status, "refused by its head");
      refusal_ = std::move(rule.refusal);
      return false;
    }
  }
  if (!chunked && parser_.content_length > max_body_bytes_) refuse(413, "the body is too large");
  return fault_.status == 0;
}

bool HttpRequestParser::check_expect() {
  const std::string* expect = request_.header("expect");
  if (expect == nullptr || http_1_0_) return true;  // a 1.0 client cannot be waiting for it
  if (count("expect") != 1 || !equal_ignoring_case(*expect, "100-continue")) {
    refuse(417, "an expectation other than 100-continue");
    return false;
  }
  expects_continue_ = true;
  return true;
}

}  // namespace outrider::net
