// What an HTTP outcome means under a provider's success rule.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "outrider/types.h"

namespace outrider::core {

// Statuses that count as success: exact codes and whole classes (2 for 2xx). The default is 2xx.
struct SuccessRule {
  std::vector<int> codes;    // 100-599
  std::vector<int> classes;  // 1-5
  [[nodiscard]] bool contains(int status) const noexcept;
};

enum class VerdictKind : std::uint8_t {
  kDelivered,
  kRetry,  // failed; the retry policy decides whether there is another attempt
  kGone,   // failed, and the receiver says for good: the endpoint is deactivated at once
};

struct Verdict {
  VerdictKind kind = VerdictKind::kRetry;
  ErrorClass error = ErrorClass::kNone;  // kNone exactly when delivered
};

// `transport` is kNone when a complete, well-formed answer arrived within the limits; only then
// does `status` count. 3xx is kRedirect unless the rule lists it; anything else outside the rule is
// kStatus.
[[nodiscard]] Verdict judge(ErrorClass transport, int status, const SuccessRule& success,
                            const std::vector<int>& gone) noexcept;

// A complete answer that was no success, in words for the attempt's record.
[[nodiscard]] std::string words_of(const Verdict& verdict, int status);

}  // namespace outrider::core
