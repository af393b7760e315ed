// Who started us and waits to hear how we are: systemd (Type=notify, WatchdogSec=) or whatever
// speaks its protocol, one datagram of "NAME=value" lines to the socket in NOTIFY_SOCKET. Written
// here in a few lines rather than taken from libsystemd, which would bring four compression
// libraries into the process for it.
#pragma once

#include <sys/un.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "outrider/result.h"

namespace outrider::cli {

class Supervisor {
 public:
  // From NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. Nobody there: it tells nobody. Error:
  // kInvalidArgument (a variable means nothing).
  [[nodiscard]] static Result<Supervisor> from_environment();

  // "READY=1", "STOPPING=1", "WATCHDOG=1". Waits for a full socket up to a second; what cannot be
  // told is not told.
  void tell(std::string_view state) const;
  // The longest silence that is allowed; none: no watchdog.
  [[nodiscard]] std::optional<std::int64_t> watchdog_ms() const { return watchdog_ms_; }

 private:
  sockaddr_un address_{};
  unsigned length_ = 0;  // of the address; 0: nobody to tell
  std::optional<std::int64_t> watchdog_ms_;
};

// When to tell the watchdog that all is well: four times in its interval, and never unless the
// engine's thread has taken a turn since the last time. One thread; the answer may come on another.
class Heartbeat {
 public:
  // Makes its argument be called on the next turn of the thread that is watched.
  using Ask = std::function<void(std::function<void()> answer)>;

  // Must outlive whatever may still answer.
  explicit Heartbeat(std::optional<std::int64_t> watchdog_ms);
  // How often to look; none: never.
  [[nodiscard]] std::optional<std::int64_t> interval_ms() const { return interval_ms_; }
  // Whether to tell the watchdog now.
  [[nodiscard]] bool due(std::int64_t monotonic_ms, const Ask& ask);

 private:
  std::optional<std::int64_t> interval_ms_;
  std::int64_t next_ms_ = 0;
  bool asked_ = false;
  std::atomic<bool> answered_ = false;
};

}  // namespace outrider::cli
