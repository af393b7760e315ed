// The arithmetic of waiting. Longest and actual delay go through the same function, so that no roll
// can exceed the longest.
#include "core/retry_policy.h"

#include <algorithm>
#include <cstddef>

#include "core/assert.h"

namespace outrider::core {
namespace {

Duration stretched(Duration delay, double factor) {
  return Duration(static_cast<std::int64_t>(static_cast<double>(delay.count()) * factor));
}

}  // namespace

std::vector<Duration> RetryPolicy::default_delays() {
  using std::chrono::seconds;
  return {seconds(10), seconds(100), seconds(1000), seconds(10'000), seconds(100'000)};
}

Duration RetryPolicy::longest_delay() const {
  if (delays.empty()) return Duration{0};
  return stretched(*std::max_element(delays.begin(), delays.end()), 1.0 + jitter);
}

std::optional<WallTime> next_attempt_at(const RetryPolicy& policy, std::uint32_t attempt,
                                        std::optional<Duration> retry_after, WallTime now,
                                        double roll) {
  OUTRIDER_ASSERT(attempt >= 1);
  if (attempt >= policy.max_attempts) return std::nullopt;

  Duration delay{0};
  if (!policy.delays.empty()) {
    const std::size_t index = std::min<std::size_t>(attempt, policy.delays.size()) - 1;
    delay = stretched(policy.delays[index], 1.0 + policy.jitter * std::clamp(roll, 0.0, 1.0));
  }
  if (policy.honour_retry_after && retry_after) {
    delay = std::max(delay, std::clamp(*retry_after, Duration{0}, policy.longest_delay()));
  }
  return now + delay;
}

}  // namespace outrider::core
