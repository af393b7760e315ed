// The signature rules of six formats, made by hand: the tests of signing stand apart from those of
// reading definitions.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/signature.h"
#include "crypto/mac.h"

namespace outrider::core {

using Variable = Template::Variable;

inline constexpr std::array kInSignedText = {Variable::kBody,  Variable::kId,  Variable::kTimestamp,
                                             Variable::kType,  Variable::kUrl, Variable::kPayload,
                                             Variable::kHeader};
inline constexpr std::array kInSchemeValue = {Variable::kDigest};
inline constexpr std::array kInHeaderValue = {Variable::kId, Variable::kTimestamp, Variable::kType,
                                              Variable::kSignatures};

inline Template parsed(std::string_view text, std::span<const Variable> allowed) {
  auto form = Template::parse(text, allowed);
  EXPECT_TRUE(form.has_value()) << text;
  return form.value_or(Template{});
}

inline SignatureScheme scheme(Algorithm algorithm, KeyForm key_form, std::string key_prefix,
                              std::string_view signed_text, Encoding encoding,
                              std::string_view value) {
  return {.algorithm = algorithm,
          .key_form = key_form,
          .key_prefix = std::move(key_prefix),
          .signed_text = parsed(signed_text, kInSignedText),
          .encoding = encoding,
          .value = parsed(value, kInSchemeValue)};
}

inline HeaderTemplate header(std::string name, std::string_view value) {
  return {std::move(name), parsed(value, kInHeaderValue)};
}

inline SignatureRule hex_rule(std::string name, std::string_view signed_text,
                              std::string_view value) {
  SignatureRule rule;
  rule.schemes.push_back(
      scheme(Algorithm::kHmacSha256, KeyForm::kText, "", signed_text, Encoding::kHex, value));
  rule.headers.push_back(header(std::move(name), "{signatures}"));
  return rule;
}

inline SignatureRule spatie_rule() { return hex_rule("Signature", "{body}", "{digest}"); }
inline SignatureRule lossexpress_rule() {
  return hex_rule("X-LossExpress-Signature", "{body}:{payload:/payoffId}", "{digest}");
}
inline SignatureRule appexport_rule() {
  return hex_rule("X-CREDIT-APP-SIGNATURE", "{body}", "{digest}");
}
inline SignatureRule github_rule() {
  return hex_rule("X-Hub-Signature-256", "{body}", "sha256={digest}");
}

inline SignatureRule stripe_rule() {
  SignatureRule rule;
  rule.schemes.push_back(scheme(Algorithm::kHmacSha256, KeyForm::kText, "", "{timestamp}.{body}",
                                Encoding::kHex, "v1={digest}"));
  rule.headers.push_back(header("Stripe-Signature", "t={timestamp},{signatures}"));
  rule.joins = true;
  rule.join = ",";
  return rule;
}

inline SignatureRule standard_rule() {
  constexpr std::string_view kSignedText = "{id}.{timestamp}.{body}";
  SignatureRule rule;
  rule.schemes.push_back(scheme(Algorithm::kHmacSha256, KeyForm::kBase64, "whsec_", kSignedText,
                                Encoding::kBase64, "v1,{digest}"));
  rule.schemes.push_back(scheme(Algorithm::kEd25519, KeyForm::kBase64, "whsk_", kSignedText,
                                Encoding::kBase64, "v1a,{digest}"));
  rule.headers.push_back(header("webhook-id", "{id}"));
  rule.headers.push_back(header("webhook-timestamp", "{timestamp}"));
  rule.headers.push_back(header("webhook-signature", "{signatures}"));
  rule.joins = true;
  rule.join = " ";
  return rule;
}

inline Result<std::vector<HeaderField>> signed_with(const SignatureRule& rule,
                                                    const SigningContext& context,
                                                    std::vector<std::string> secrets) {
  return sign(rule, context, secrets, crypto::digest);
}

inline std::string value_of(const Result<std::vector<HeaderField>>& fields, std::string_view name) {
  if (!fields) return "error: " + fields.error().to_string();
  for (const HeaderField& field : *fields) {
    if (field.name == name) return field.value;
  }
  return "absent";
}

// A request to sign, where any will do.
inline constexpr std::string_view kBody = R"({"payoffId":"p-1"})";
inline const SigningContext kContext{.body = kBody,
                                     .id = "msg_1",
                                     .timestamp_s = 1'700'000'000,
                                     .type = "payoff",
                                     .url = "https://example.com/hook",
                                     .headers = {}};

}  // namespace outrider::core
