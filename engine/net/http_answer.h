// An answer as it arrives, line by line: what is kept of it, and when enough is enough.
//
// libcurl parses the message; this watches what libcurl lets pass. It knows the limits, so that no
// receiver can feed us for ever (endless headers, interim answers, trailers, bodies), and the
// framings that two readers could understand differently, which no answer may have that is to count
// as one.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "outrider/types.h"

namespace outrider::net {

inline constexpr std::size_t kMaxHeaderLineBytes = 16 * 1024;
inline constexpr std::size_t kMaxHeaderBytes = 64 * 1024;  // all of them, interim ones and trailers
inline constexpr int kMaxHeaderLines = 500;  // libcurl keeps each, at 25 times its shortest length
inline constexpr int kMaxInterimAnswers = 16;
inline constexpr std::size_t kKeptBodyBytes = 16 * 1024;
inline constexpr std::size_t kMaxBodyBytes = 1024 * 1024;  // read and discarded beyond what is kept

struct AnswerFault {
  ErrorClass error = ErrorClass::kProtocol;
  std::string_view words;  // static text
};

class HttpAnswer {
 public:
  // A line of the head or of the trailers, with its line end. `request_sent`: the peer had all of
  // the request when it came. What says that all is well before that is no answer to it; what
  // refuses it may come early. False: give up, fault() says why.
  [[nodiscard]] bool on_header_line(std::string_view line, bool request_sent);
  // False: give up, fault() says why.
  [[nodiscard]] bool on_body(std::string_view bytes);

  [[nodiscard]] const std::optional<AnswerFault>& fault() const noexcept { return fault_; }
  [[nodiscard]] int status() const noexcept { return status_; }  // of the final answer; 0: none yet
  [[nodiscard]] bool begun() const noexcept { return header_bytes_ > 0; }
  // Its empty line has come. What libcurl calls complete need not have one.
  [[nodiscard]] bool head_complete() const noexcept { return expects_ == Expects::kBodyOrTrailer; }
  [[nodiscard]] const std::optional<std::string>& retry_after() const noexcept {
    return retry_after_;
  }
  [[nodiscard]] std::string& body() noexcept { return body_; }
  [[nodiscard]] bool truncated() const noexcept { return body_bytes_ > body_.size(); }

 private:
  enum class Expects { kStatusLine, kField, kBodyOrTrailer };

  [[nodiscard]] bool give_up(ErrorClass error, std::string_view words);
  [[nodiscard]] bool on_status_line(std::string_view line, bool request_sent);
  [[nodiscard]] bool on_field(std::string_view line);
  [[nodiscard]] bool on_content_length(std::string_view value);

  Expects expects_ = Expects::kStatusLine;
  std::optional<AnswerFault> fault_;
  int status_ = 0;
  bool interim_ = false;
  int interim_answers_ = 0;
  std::size_t header_bytes_ = 0;
  int header_lines_ = 0;
  std::size_t body_bytes_ = 0;
  bool transfer_encoding_ = false;
  std::optional<std::string> content_length_;
  std::optional<std::string> retry_after_;
  std::string body_;
};

}  // namespace outrider::net
