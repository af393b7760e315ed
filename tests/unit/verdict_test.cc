// What an answer means: every error class, every kind of status, every kind of rule.
#include "core/verdict.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

namespace outrider::core {
namespace {

const SuccessRule kAny2xx{.codes = {}, .classes = {2}};
const SuccessRule kOnly200{.codes = {200}, .classes = {}};
const std::vector<int> kGone410{410};

struct Case {
  const char* what;
  int status;
  const SuccessRule* rule;
  VerdictKind kind;
  ErrorClass error;
};

TEST(Verdict, a_complete_answer_is_judged_by_its_status) {
  const SuccessRule redirect_is_fine{.codes = {304}, .classes = {2}};
  const SuccessRule gone_is_fine{.codes = {410}, .classes = {}};
  const SuccessRule nothing{};
  using enum VerdictKind;
  const std::vector<Case> cases{
      {"200 of 2xx", 200, &kAny2xx, kDelivered, ErrorClass::kNone},
      {"204 of 2xx", 204, &kAny2xx, kDelivered, ErrorClass::kNone},
      {"299 of 2xx", 299, &kAny2xx, kDelivered, ErrorClass::kNone},
      {"199 is below 2xx", 199, &kAny2xx, kRetry, ErrorClass::kStatus},
      {"300 is above 2xx", 300, &kAny2xx, kRetry, ErrorClass::kRedirect},
      {"exactly 200", 200, &kOnly200, kDelivered, ErrorClass::kNone},
      {"201 where exactly 200 counts", 201, &kOnly200, kRetry, ErrorClass::kStatus},
      {"204 where exactly 200 counts", 204, &kOnly200, kRetry, ErrorClass::kStatus},
      {"101", 101, &kAny2xx, kRetry, ErrorClass::kStatus},
      {"302", 302, &kAny2xx, kRetry, ErrorClass::kRedirect},
      {"308", 308, &kAny2xx, kRetry, ErrorClass::kRedirect},
      {"399", 399, &kAny2xx, kRetry, ErrorClass::kRedirect},
      {"a redirect that the rule lists", 304, &redirect_is_fine, kDelivered, ErrorClass::kNone},
      {"400", 400, &kAny2xx, kRetry, ErrorClass::kStatus},
      {"401", 401, &kAny2xx, kRetry, ErrorClass::kStatus},
      {"429", 429, &kAny2xx, kRetry, ErrorClass::kStatus},
      {"500", 500, &kAny2xx, kRetry, ErrorClass::kStatus},
      {"599", 599, &kAny2xx, kRetry, ErrorClass::kStatus},
      {"410 is gone", 410, &kAny2xx, kGone, ErrorClass::kStatus},
      {"410 that the rule lists", 410, &gone_is_fine, kDelivered, ErrorClass::kNone},
      {"200 of no rule", 200, &nothing, kRetry, ErrorClass::kStatus},
      {"no status at all", 0, &kAny2xx, kRetry, ErrorClass::kProtocol},
      {"a negative status", -200, &kAny2xx, kRetry, ErrorClass::kProtocol},
      {"a status beyond HTTP", 600, &kAny2xx, kRetry, ErrorClass::kProtocol},
  };
  for (const auto& c : cases) {
    const Verdict verdict = judge(ErrorClass::kNone, c.status, *c.rule, kGone410);
    EXPECT_EQ(verdict.kind, c.kind) << c.what;
    EXPECT_EQ(verdict.error, c.error) << c.what;
  }
}

TEST(Verdict, gone_is_for_good_only_where_the_provider_says_so) {
  EXPECT_EQ(judge(ErrorClass::kNone, 410, kAny2xx, {}).kind, VerdictKind::kRetry);
  EXPECT_EQ(judge(ErrorClass::kNone, 404, kAny2xx, kGone410).kind, VerdictKind::kRetry);
  const Verdict redirect = judge(ErrorClass::kNone, 301, kAny2xx, {301});
  EXPECT_EQ(redirect.kind, VerdictKind::kGone);
  EXPECT_EQ(redirect.error, ErrorClass::kRedirect);
}

TEST(Verdict, a_broken_exchange_is_a_failure_whatever_status_line_came_first) {
  for (const ErrorClass transport :
       {ErrorClass::kDns, ErrorClass::kConnect, ErrorClass::kTls, ErrorClass::kTimeout,
        ErrorClass::kReset, ErrorClass::kProtocol, ErrorClass::kTooLarge, ErrorClass::kBlocked,
        ErrorClass::kAborted}) {
    for (const int status : {0, 200, 204, 302, 410, 500}) {
      const Verdict verdict = judge(transport, status, kAny2xx, kGone410);
      EXPECT_EQ(verdict.kind, VerdictKind::kRetry) << error_class_name(transport) << status;
      EXPECT_EQ(verdict.error, transport) << error_class_name(transport) << status;
    }
  }
}

TEST(Verdict, the_error_is_none_exactly_when_it_was_delivered) {
  for (int status = 0; status < 700; ++status) {
    const Verdict verdict = judge(ErrorClass::kNone, status, kAny2xx, kGone410);
    EXPECT_EQ(verdict.error == ErrorClass::kNone, verdict.kind == VerdictKind::kDelivered)
        << status;
    EXPECT_EQ(verdict.kind == VerdictKind::kDelivered, status >= 200 && status <= 299) << status;
  }
}

TEST(Verdict, a_complete_answer_that_is_no_success_is_put_into_words) {
  const auto words = [](int status) {
    return words_of(judge(ErrorClass::kNone, status, kAny2xx, kGone410), status);
  };
  EXPECT_EQ(words(503), "the receiver answered 503");
  EXPECT_EQ(words(302), "the receiver answered 302, a redirect: not followed");
  EXPECT_EQ(words(410), "the receiver answered 410: it is gone for good");
  EXPECT_EQ(words(999), "the receiver answered 999, which is no HTTP status");
}

// | 4 | `timeout` | ...
TEST(ErrorClasses, are_the_ones_that_are_documented_number_by_number) {
  std::ifstream document(OUTRIDER_SOURCE_DIR "/schemas/errors.md");
  int next = 0;
  for (std::string line; std::getline(document, line);) {
    const std::string number = "| " + std::to_string(next) + " | `";
    if (!line.starts_with(number)) continue;
    const std::string name =
        line.substr(number.size(), line.find('`', number.size()) - number.size());
    EXPECT_EQ(name, error_class_name(static_cast<ErrorClass>(next)));
    EXPECT_EQ(error_class_from(name), static_cast<ErrorClass>(next));
    ++next;
  }
  EXPECT_EQ(next, static_cast<int>(ErrorClass::kAborted) + 1) << "kAborted is the last";
}

}  // namespace
}  // namespace outrider::core
