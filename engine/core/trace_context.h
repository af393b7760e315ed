// W3C Trace Context (https://www.w3.org/TR/trace-context/), as far as it is taken in and sent on.
//
// The engine exports no spans of its own, so it passes on what it got: a parent-id that no tracing
// system ever heard of would tear the receiver's spans from the publisher's. What the standard
// wants of whoever passes on is here: a later version is taken down to 00, a malformed traceparent
// is as if it were not there, and a tracestate is worth nothing without one.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "outrider/result.h"

namespace outrider::core {

inline constexpr std::size_t kMaxTracestateBytes = 512;

struct TraceContext {
  std::string parent;  // "00-TRACEID-PARENTID-FLAGS"; empty: none
  std::string state;   // members of a valid tracestate, without blanks between them; may be empty
  friend bool operator==(const TraceContext&, const TraceContext&) = default;
};

// As somebody wrote them on purpose: what is wrong is said. Errors: kInvalidArgument, where is
// "traceparent" or "tracestate".
[[nodiscard]] Result<TraceContext> read_trace(const std::optional<std::string>& traceparent,
                                              const std::optional<std::string>& tracestate);

// As they came in a request's header, each field as often as it was there: what is wrong is left
// out, as the standard has it, and a long tracestate is cut between its members.
[[nodiscard]] TraceContext propagated_trace(std::span<const std::string_view> traceparent,
                                            std::span<const std::string_view> tracestate);

[[nodiscard]] bool is_trace_header(std::string_view name) noexcept;

// Requires: parent is not empty. 32 hexadecimal digits.
[[nodiscard]] std::string_view trace_id(const TraceContext& trace) noexcept;

}  // namespace outrider::core
