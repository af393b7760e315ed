// The breaker. Both rules are counted at each failure; the streak is named first where both hold.
#include "core/deactivation_policy.h"

#include <algorithm>
#include <cstddef>
#include <limits>

namespace outrider::core {
namespace {

std::string in_words(Duration window) {
  const bool whole_seconds = window.count() % 1000 == 0;
  return whole_seconds ? std::to_string(window.count() / 1000) + " s"
                       : std::to_string(window.count()) + " ms";
}

}  // namespace

DeactivationReason record_failure(const DeactivationRule& rule, WallTime now, Health& health) {
  if (health.consecutive < std::numeric_limits<std::uint32_t>::max()) ++health.consecutive;

  auto& failures = health.failures;
  // The schedule's clock may step back by up to a second; the memory stays in order all the same.
  failures.push_back(failures.empty() ? now : std::max(now, failures.back()));
  const auto keep = static_cast<std::size_t>(rule.window_count);
  if (failures.size() > keep) {
    failures.erase(failures.begin(),
                   failures.end() - static_cast<std::vector<WallTime>::difference_type>(keep));
  }

  if (rule.consecutive != 0 && health.consecutive >= rule.consecutive) {
    return DeactivationReason::kConsecutive;
  }
  if (keep != 0 && failures.size() == keep && failures.back() - failures.front() <= rule.window) {
    return DeactivationReason::kWindow;
  }
  return DeactivationReason::kNone;
}

void record_success(Health& health) { health.consecutive = 0; }

std::string describe(DeactivationReason reason, const DeactivationRule& rule) {
  switch (reason) {
    case DeactivationReason::kNone:
      return {};
    case DeactivationReason::kConsecutive:
      return std::to_string(rule.consecutive) + " failures in a row";
    case DeactivationReason::kWindow:
      return std::to_string(rule.window_count) + " failures within " + in_words(rule.window);
    case DeactivationReason::kGone:
      return "the receiver says that it is gone for good";
  }
  return {};
}

}  // namespace outrider::core
