// The head of a request, byte by byte, beside llhttp: everything about its shape that two readers
// could take differently. It copies nothing and keeps nothing but its place, so it can be fed one
// byte at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace outrider::net {

// Why a request is refused: the status to answer, and a reason that quotes nothing of what was
// sent.
struct HttpFault {
  int status = 0;  // 0: no fault
  std::string_view reason;
};

class HttpHeadScanner {
 public:
  HttpHeadScanner(std::size_t max_bytes, std::size_t max_fields)
      : max_bytes_(max_bytes), max_fields_(max_fields) {}

  // Takes bytes up to and with the one that ends the head or is at fault; returns how many it took.
  std::size_t scan(std::string_view bytes);

  [[nodiscard]] bool started()
      const noexcept;  // saw more than the one empty line a client may send first
  [[nodiscard]] bool done() const noexcept { return state_ == State::kDone; }
  [[nodiscard]] const HttpFault& fault() const noexcept { return fault_; }

 private:
  enum class State : std::uint8_t {
    kStart,
    kLeadingCr,
    kAfterLeadingLine,
    kMethod,
    kTarget,
    kVersion,
    kLineCr,
    kFieldStart,
    kFieldName,
    kFieldValue,
    kFieldCr,
    kEndCr,
    kDone,
  };
  void step(unsigned char byte);
  void step_request_line(unsigned char byte);
  void step_field(unsigned char byte);
  void refuse(int status, std::string_view reason) { fault_ = {status, reason}; }

  std::size_t max_bytes_;
  std::size_t max_fields_;
  std::size_t bytes_ = 0;
  std::size_t fields_ = 0;
  std::size_t in_part_ = 0;  // bytes of the method, target or version so far
  State state_ = State::kStart;
  HttpFault fault_;
};

// RFC 9110's tchar.
[[nodiscard]] bool is_token_byte(unsigned char byte) noexcept;
// Visible characters, spaces, tabs and obs-text: what a field value may hold.
[[nodiscard]] bool is_field_value_byte(unsigned char byte) noexcept;

}  // namespace outrider::net
