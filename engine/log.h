// Structured log lines: one JSON object per line, and only fields of a closed list. What is not
// listed cannot be logged, so no body, secret, header or URL query gets into a line by accident.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "core/time.h"
#include "outrider/result.h"

namespace outrider {

enum class LogField : std::uint8_t {
  kEndpoint,  // ep_…
  kEvent,     // evt_…
  kDelivery,  // dlv_…
  kProvider,
  kAttempt,
  kStatus,
  kError,   // error class or code
  kDetail,  // our own words
  kReason,
  kDurationMs,
  kNextAt,  // RFC 3339
  kCount,
  kPid,
  kNet,  // an allowed CIDR
  kVersion,
  kFile,     // a path of ours: the key file
  kTraceId,  // of a W3C traceparent
};

struct LogValue {
  LogField field;
  std::variant<std::string_view, std::int64_t> value;
};

class Log {
 public:
  using Sink = std::function<void(std::string_view line)>;
  explicit Log(Sink sink = {}) : sink_(std::move(sink)) {}
  // Empty texts are left out.
  // {"time":"2026-01-02T03:04:05.678Z","event":"attempt","endpoint":"ep_…",…}. Any thread, if the
  // sink allows it.
  void line(core::WallTime at, std::string_view event,
            std::initializer_list<LogValue> values) const;
  [[nodiscard]] bool enabled() const { return static_cast<bool>(sink_); }

 private:
  Sink sink_;
};

// "2026-01-02T03:04:05.678Z"
[[nodiscard]] std::string rfc3339(core::WallTime at);

}  // namespace outrider
