// How many requests to keep on the wire while more wait to be sent: the fewest that keep the loop
// busy. Each one in flight makes every other a little dearer (libcurl looks through its connections
// for each request), and more than the loop can serve gain nothing. So the window shrinks while
// answers come faster than they are handled, and opens at once when the loop would have to wait.
#pragma once

#include <algorithm>
#include <cstdint>

namespace outrider::core {

class SendWindow {
 public:
  static constexpr std::uint32_t kFewest = 64;
  static constexpr std::uint32_t kStep = 8;

  explicit SendWindow(std::uint32_t maximum)
      : maximum_(maximum), limit_(std::min(maximum, kFewest)) {}
  [[nodiscard]] std::uint32_t limit() const noexcept { return limit_; }
  [[nodiscard]] std::uint32_t maximum() const noexcept { return maximum_; }
  // The loop looked for what is ready, and there were answers; or there was none.
  void was_busy() noexcept { limit_ = std::max(std::min(maximum_, kFewest), limit_ - 1); }
  void was_idle() noexcept { limit_ = std::min(maximum_, limit_ + kStep); }

 private:
  std::uint32_t maximum_;
  std::uint32_t limit_;
};

}  // namespace outrider::core
