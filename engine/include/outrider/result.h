// Result<T>: how every fallible call of Outrider answers.
//
// A bug is an assertion; an operating failure is a Result with an Error that names what was wrong,
// where, and what to do about it; an expected outcome (a 500, a timeout) is a value. Nothing here
// throws, and nothing in Outrider throws across one of its own interfaces.
//
// The one dependency of the public headers beside the standard library is tl::expected (Debian:
// libexpected-dev), a single header that becomes std::expected in C++23.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace outrider {

enum class ErrorCode : std::uint8_t {
  kInvalidArgument,  // an option, field or spelling is wrong: mend the call
  kInvalidPayload,   // the event's body is refused; `where` is the JSON pointer
  kNotFound,         // no such endpoint, event, provider, file
  kConflict,        // same idempotency key with another payload; a change against the present state
  kRefused,         // the provider's rules say no (11th endpoint, no endpoint, deactivated account)
  kOverloaded,      // a bounded queue is full: try again later
  kBusy,            // the database stayed locked by another process past the limit
  kLocked,          // another engine runs on this file
  kCorrupt,         // the database, a provider file or a schema is not what it should be
  kTooNew,          // the database was written by a newer version
  kIo,              // disk full, read-only, permission
  kUnknownOutcome,  // the commit's outcome is unknown: reopen, then look the event up by its
                    // idempotency key
  kStopped,         // the engine is stopping or stopped
  kInternal,        // a library failed in a way that has no better name
  kKey,             // the key file is missing, wrong, too old or open to others
};

// The stable, lower-case name of a code ("invalid_argument"), as printed in JSON output.
[[nodiscard]] std::string_view error_code_name(ErrorCode code) noexcept;

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;  // what was wrong, one sentence, no secrets and no payload bytes
  std::string where;    // JSON pointer, file, option or column; may be empty
  std::string hint;     // what to do; may be empty

  // One line: "what (where): what to do".
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(const Error&, const Error&) = default;
};

template <class T>
using Result = tl::expected<T, Error>;

// The short way to fail: `return fail(ErrorCode::kNotFound, "no such endpoint", "ep_x", "see:
// endpoint list")`.
[[nodiscard]] inline tl::unexpected<Error> fail(ErrorCode code, std::string message,
                                                std::string where = {}, std::string hint = {}) {
  return tl::unexpected<Error>(Error{code, std::move(message), std::move(where), std::move(hint)});
}

}  // namespace outrider
