// What must hold: status() only ever comes from a line where a status line belongs, never from a
// field or a trailer that looks like one.
#include "net/http_answer.h"

#include <algorithm>

#include "core/ascii.h"

namespace outrider::net {
namespace {

[[nodiscard]] bool is_digit(char c) { return c >= '0' && c <= '9'; }

[[nodiscard]] std::string_view without_line_end(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  return line;
}

[[nodiscard]] std::string_view trimmed(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// "HTTP/1.1 200 OK" -> 200; 0 where it is anything else.
[[nodiscard]] int status_of(std::string_view line) {
  constexpr std::string_view kVersion = "HTTP/1.";
  if (!line.starts_with(kVersion) || line.size() < kVersion.size() + 5) return 0;
  line.remove_prefix(kVersion.size());
  if (!is_digit(line[0]) || line[1] != ' ') return 0;
  line.remove_prefix(2);
  if (!is_digit(line[0]) || !is_digit(line[1]) || !is_digit(line[2])) return 0;
  if (line.size() > 3 && line[3] != ' ') return 0;
  const int status = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  return status >= 100 ? status : 0;
}

}  // namespace

bool HttpAnswer::give_up(ErrorClass error, std::string_view words) {
  if (!fault_) fault_ = AnswerFault{error, words};
  return false;
}

bool HttpAnswer::on_header_line(std::string_view line, bool request_sent) {
  header_bytes_ += line.size();
  if (line.size() > kMaxHeaderLineBytes) {
    return give_up(ErrorClass::kTooLarge, "a header line of the answer is over 16 KiB");
  }
  if (header_bytes_ > kMaxHeaderBytes) {
    return give_up(ErrorClass::kTooLarge, "the headers of the answer are over 64 KiB");
  }
  const std::string_view text = without_line_end(line);
  if (++header_lines_ > kMaxHeaderLines) {
    return give_up(ErrorClass::kTooLarge, "the answer has over 500 header lines");
  }
  switch (expects_) {
    case Expects::kStatusLine:
      return on_status_line(text, request_sent);
    case Expects::kField:
      if (!text.empty()) return on_field(text);
      expects_ = interim_ ? Expects::kStatusLine : Expects::kBodyOrTrailer;
      return true;
    case Expects::kBodyOrTrailer:
      return true;
  }
  return true;
}

bool HttpAnswer::on_status_line(std::string_view line, bool request_sent) {
  const int status = status_of(line);
  if (status == 0) return give_up(ErrorClass::kProtocol, "the answer's status line is not HTTP/1");
  if (status == 101) {
    return give_up(ErrorClass::kProtocol, "the receiver switched protocols without being asked");
  }
  expects_ = Expects::kField;
  interim_ = status < 200;
  if (interim_) {
    if (++interim_answers_ > kMaxInterimAnswers) {
      return give_up(ErrorClass::kTooLarge, "too many interim (1xx) answers");
    }
    return true;
  }
  status_ = status;
  if (!request_sent && status < 400) {
    return give_up(ErrorClass::kProtocol, "the receiver answered before the request was sent");
  }
  return true;
}

bool HttpAnswer::on_field(std::string_view line) {
  if (interim_) return true;
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return true;
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (core::equal_ignoring_case(name, "content-length")) return on_content_length(value);
  if (core::equal_ignoring_case(name, "transfer-encoding")) {
    if (transfer_encoding_ || !core::equal_ignoring_case(value, "chunked")) {
      return give_up(ErrorClass::kProtocol, "the answer has a transfer coding other than chunked");
    }
    transfer_encoding_ = true;
  } else if (core::equal_ignoring_case(name, "retry-after") && !retry_after_) {
    retry_after_ = std::string(value);
  }
  if (transfer_encoding_ && content_length_) {
    return give_up(ErrorClass::kProtocol,
                   "the answer has both Content-Length and Transfer-Encoding");
  }
  return true;
}

bool HttpAnswer::on_content_length(std::string_view value) {
  if (value.empty() || !std::all_of(value.begin(), value.end(), is_digit)) {
    return give_up(ErrorClass::kProtocol, "the answer's Content-Length is not a number");
  }
  if (content_length_ && *content_length_ != value) {
    return give_up(ErrorClass::kProtocol, "the answer has two different Content-Lengths");
  }
  content_length_ = std::string(value);
  if (transfer_encoding_) {
    return give_up(ErrorClass::kProtocol,
                   "the answer has both Content-Length and Transfer-Encoding");
  }
  return true;
}

bool HttpAnswer::on_body(std::string_view bytes) {
  body_bytes_ += bytes.size();
  const std::size_t space = kKeptBodyBytes - body_.size();
  body_.append(bytes.substr(0, space));
  if (body_bytes_ > kMaxBodyBytes) {
    return give_up(ErrorClass::kTooLarge, "the answer's body is over 1 MiB");
  }
  return true;
}

}  // namespace outrider::net
