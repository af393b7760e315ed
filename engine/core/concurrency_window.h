// How many requests one endpoint may have in flight. A new endpoint starts at 1 and earns one more
// with each success; after a failure it is back at 1 until a success. So a broken endpoint costs
// few requests beside those under way.
#pragma once

#include <algorithm>
#include <cstdint>

namespace outrider::core {

class ConcurrencyWindow {
 public:
  explicit ConcurrencyWindow(std::uint32_t maximum) : maximum_(std::max(1U, maximum)) {}
  [[nodiscard]] std::uint32_t limit() const noexcept { return limit_; }
  // It has answered well since it was created or last failed.
  [[nodiscard]] bool proven() const noexcept { return proven_; }
  void on_success() noexcept {
    proven_ = true;
    limit_ = std::min(maximum_, limit_ + 1);
  }
  void on_failure() noexcept {
    proven_ = false;
    limit_ = 1;
  }
  void set_maximum(std::uint32_t maximum) noexcept {
    maximum_ = std::max(1U, maximum);
    limit_ = std::min(limit_, maximum_);
  }

 private:
  std::uint32_t maximum_;
  std::uint32_t limit_ = 1;
  bool proven_ = false;
};

}  // namespace outrider::core
