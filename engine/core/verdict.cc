// One answer, or none, judged. The order of the questions is the rule: how the exchange went, then
// success, then the rest.
#include "core/verdict.h"

#include <algorithm>

namespace outrider::core {
namespace {

bool is_status(int status) { return status >= 100 && status <= 599; }

}  // namespace

bool SuccessRule::contains(int status) const noexcept {
  if (!is_status(status)) return false;
  return std::find(codes.begin(), codes.end(), status) != codes.end() ||
         std::find(classes.begin(), classes.end(), status / 100) != classes.end();
}

Verdict judge(ErrorClass transport, int status, const SuccessRule& success,
              const std::vector<int>& gone) noexcept {
  // A status line that came before the exchange broke proves nothing: a 200 whose body never ended
  // is a failure.
  if (transport != ErrorClass::kNone) return {VerdictKind::kRetry, transport};
  if (!is_status(status)) return {VerdictKind::kRetry, ErrorClass::kProtocol};
  if (success.contains(status)) return {VerdictKind::kDelivered, ErrorClass::kNone};
  const ErrorClass error = status / 100 == 3 ? ErrorClass::kRedirect : ErrorClass::kStatus;
  const bool for_good = std::find(gone.begin(), gone.end(), status) != gone.end();
  return {for_good ? VerdictKind::kGone : VerdictKind::kRetry, error};
}

std::string words_of(const Verdict& verdict, int status) {
  std::string answered = "the receiver answered " + std::to_string(status);
  if (verdict.error == ErrorClass::kRedirect) return answered + ", a redirect: not followed";
  if (verdict.error == ErrorClass::kProtocol) return answered + ", which is no HTTP status";
  if (verdict.kind == VerdictKind::kGone) return answered + ": it is gone for good";
  return answered;
}

}  // namespace outrider::core
