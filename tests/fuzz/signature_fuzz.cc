// libFuzzer's way into templates, secrets and headers. The input is template, NUL, secret, NUL,
// body. What must hold: no text crashes; a decoded key has one spelling; no signed header has a
// control character in it.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/assert.h"
#include "core/signature.h"

namespace outrider::core {
namespace {

using Variable = Template::Variable;

constexpr std::array kAll = {Variable::kBody,   Variable::kId,     Variable::kTimestamp,
                             Variable::kType,   Variable::kUrl,    Variable::kPayload,
                             Variable::kHeader, Variable::kDigest, Variable::kSignatures};

std::string_view next_field(std::string_view& input) {
  const std::string_view field = input.substr(0, input.find('\0'));
  input.remove_prefix(std::min(input.size(), field.size() + 1));
  return field;
}

Result<std::string> echo(Algorithm, std::string_view key, std::string_view message) {
  return std::string(key.substr(0, 8)) + std::string(message.substr(0, 8));
}

void check_decoding(std::string_view text) {
  if (const auto bytes = decode_base64(text)) {
    OUTRIDER_ASSERT(encode(Encoding::kBase64, *bytes) == text);
  }
  if (const auto bytes = decode_hex(text)) {
    OUTRIDER_ASSERT(encode(Encoding::kHex, *bytes).size() == text.size());
  }
}

void check_signing(const Template& form, std::string_view secret, std::string_view body) {
  SignatureRule rule;
  for (const KeyForm key_form : {KeyForm::kBase64, KeyForm::kHex, KeyForm::kText}) {
    SignatureScheme scheme;
    scheme.key_form = key_form;
    scheme.key_prefix = key_form == KeyForm::kBase64 ? "b_" : key_form == KeyForm::kHex ? "h_" : "";
    scheme.signed_text = form;
    scheme.value = form;
    rule.schemes.push_back(std::move(scheme));
  }
  rule.headers.push_back({"X-Signature", form});
  rule.joins = true;
  const std::array<std::string, 1> secrets = {std::string(secret)};
  const std::array<HeaderField, 1> headers = {HeaderField{"X-A", std::string(secret)}};
  const auto fields =
      sign(rule, {.body = body, .id = secret, .type = body, .headers = headers}, secrets, echo);
  if (!fields) return;
  for (const unsigned char c : fields->front().value) OUTRIDER_ASSERT(c >= 0x20 && c != 0x7f);
}

}  // namespace
}  // namespace outrider::core

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace outrider::core;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view text = next_field(input);
  const std::string_view secret = next_field(input);
  check_decoding(text);
  if (const auto form = Template::parse(text, kAll)) check_signing(*form, secret, input);
  return 0;
}
