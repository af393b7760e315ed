// SIGINT, SIGTERM and SIGHUP, taken by waiting for them instead of by a handler. They are blocked
// in the thread that makes this object and in every thread started after it, so make it before
// anything that has threads.
#pragma once

#include <csignal>
#include <cstdint>
#include <optional>

namespace outrider::cli {

class StopSignals {
 public:
  StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // The signal that came, or nothing within the time.
  [[nodiscard]] std::optional<int> wait(std::int64_t timeout_ms) const;
  // From now on the next one ends the process at once, with exit code 128 + its number.
  void end_process_at_next() const;

 private:
  sigset_t set_{};
};

}  // namespace outrider::cli
