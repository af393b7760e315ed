// A state machine over RFC 9112's grammar of a head, with the lenient alternatives left out: one
// space between the parts of the request line, CRLF and nothing else at line ends, no line folding,
// no space before a colon. What must hold: no byte reaches llhttp that this scanner has not passed.
#include "net/http_server_head.h"

namespace outrider::net {
namespace {

constexpr std::string_view kVersionPrefix = "HTTP/1.";

}  // namespace

bool is_token_byte(unsigned char byte) noexcept {
  if ((byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
      (byte >= 'A' && byte <= 'Z')) {
    return true;
  }
  return byte != 0 && std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(byte)) !=
                          std::string_view::npos;
}

bool is_field_value_byte(unsigned char byte) noexcept {
  return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

bool HttpHeadScanner::started() const noexcept {
  return state_ != State::kStart && state_ != State::kLeadingCr &&
         state_ != State::kAfterLeadingLine;
}

std::size_t HttpHeadScanner::scan(std::string_view bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && !done() && fault_.status == 0) {
    step(static_cast<unsigned char>(bytes[taken]));
    ++taken;
    if (++bytes_ > max_bytes_ && fault_.status == 0) {
      refuse(431, "the header block is too large");
    }
  }
  return taken;
}

void HttpHeadScanner::step(unsigned char byte) {
  if (state_ >= State::kFieldStart) {
    step_field(byte);
  } else {
    step_request_line(byte);
  }
}

void HttpHeadScanner::step_request_line(unsigned char byte) {
  switch (state_) {
    case State::kStart:
      if (byte == '\r') {
        state_ = State::kLeadingCr;
        return;
      }
      [[fallthrough]];
    case State::kAfterLeadingLine:
      if (!is_token_byte(byte)) return refuse(400, "the request line does not start with a method");
      state_ = State::kMethod;
      return;
    case State::kLeadingCr:
      if (byte != '\n') return refuse(400, "a CR without LF");
      state_ = State::kAfterLeadingLine;
      return;
    case State::kMethod:
      if (is_token_byte(byte)) return;
      if (byte != ' ') return refuse(400, "the method is not followed by one space");
      state_ = State::kTarget;
      in_part_ = 0;
      return;
    case State::kTarget:
      if (byte > ' ' && byte < 0x7f && byte != '#') {
        ++in_part_;
        return;
      }
      if (byte == '\r' || byte == '\n') return refuse(400, "a request line without a version");
      if (byte != ' ') return refuse(400, "a byte that no request target may hold");
      if (in_part_ == 0) return refuse(400, "repeated spaces in the request line");
      state_ = State::kVersion;
      in_part_ = 0;
      return;
    case State::kVersion:
      if (in_part_ < kVersionPrefix.size()) {
        if (byte != static_cast<unsigned char>(kVersionPrefix[in_part_])) {
          return refuse(400, "not HTTP/1.1 or HTTP/1.0");
        }
      } else if (in_part_ == kVersionPrefix.size()) {
        if (byte != '0' && byte != '1') return refuse(400, "not HTTP/1.1 or HTTP/1.0");
      } else {
        if (byte != '\r') return refuse(400, "the request line does not end after its version");
        state_ = State::kLineCr;
      }
      ++in_part_;
      return;
    case State::kLineCr:
      if (byte != '\n') return refuse(400, "a CR without LF");
      state_ = State::kFieldStart;
      return;
    default:
      return;
  }
}

void HttpHeadScanner::step_field(unsigned char byte) {
  switch (state_) {
    case State::kFieldStart:
      if (byte == '\r') {
        state_ = State::kEndCr;
        return;
      }
      if (byte == ' ' || byte == '\t') return refuse(400, "a folded header line");
      if (!is_token_byte(byte)) return refuse(400, "a header line without a name");
      if (++fields_ > max_fields_) return refuse(431, "too many header fields");
      state_ = State::kFieldName;
      return;
    case State::kFieldName:
      if (is_token_byte(byte)) return;
      if (byte != ':') return refuse(400, "a byte that no header name may hold");
      state_ = State::kFieldValue;
      return;
    case State::kFieldValue:
      if (byte == '\r') {
        state_ = State::kFieldCr;
      } else if (!is_field_value_byte(byte)) {
        refuse(400, "a byte that no header value may hold");
      }
      return;
    case State::kFieldCr:
      if (byte != '\n') return refuse(400, "a CR without LF");
      state_ = State::kFieldStart;
      return;
    case State::kEndCr:
      if (byte != '\n') return refuse(400, "a CR without LF");
      state_ = State::kDone;
      return;
    default:
      return;
  }
}

}  // namespace outrider::net
