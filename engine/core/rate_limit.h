// A token bucket of one second's worth, at least one token, kept as one number: the moment at which
// the bucket would be full again (GCRA). Integers only, so that the moment it names and the moment
// at which it allows are the same one.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "core/time.h"

namespace outrider::core {

class RateLimit {
 public:
  // Starts full. 0, or anything that is not a positive number: unlimited.
  explicit RateLimit(double per_second = 0) : per_second_(per_second) {
    if (!(per_second > 0) || std::isinf(per_second)) return;
    interval_ns_ = static_cast<std::int64_t>(
        std::clamp(kSecondNs / per_second, 1.0, static_cast<double>(kLongestNs)));
    burst_ns_ = std::max<std::int64_t>(0, static_cast<std::int64_t>(kSecondNs) - interval_ns_);
  }

  // Whether it is the bucket for this rate.
  [[nodiscard]] bool is_for(double per_second) const { return per_second == per_second_; }

  // The first moment at which a token is there.
  [[nodiscard]] Instant allowed_at() const {
    if (interval_ns_ == 0 || full_at_ns_ == kNeverUsed) return Instant::min();
    const std::int64_t at = full_at_ns_ - burst_ns_;
    const std::int64_t whole_ms = at / kMsNs + (at % kMsNs > 0 ? 1 : 0);
    return Instant(Duration(whole_ms));
  }

  // Takes one token; now >= allowed_at().
  void take(Instant now) {
    if (interval_ns_ == 0) return;
    full_at_ns_ = std::max(full_at_ns_, now.time_since_epoch().count() * kMsNs) + interval_ns_;
  }

 private:
  static constexpr double kSecondNs = 1e9;
  static constexpr std::int64_t kMsNs = 1'000'000;
  static constexpr std::int64_t kLongestNs = 1'000'000'000'000'000;  // eleven days a token
  static constexpr std::int64_t kNeverUsed = std::numeric_limits<std::int64_t>::min();

  double per_second_;
  std::int64_t interval_ns_ = 0;  // 0: unlimited
  std::int64_t burst_ns_ = 0;
  std::int64_t full_at_ns_ = kNeverUsed;
};

}  // namespace outrider::core
