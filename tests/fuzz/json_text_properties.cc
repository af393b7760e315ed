#include "tests/fuzz/json_text_properties.h"

#include <limits>
#include <vector>

#include "core/json_text.h"

namespace outrider::core {
namespace {

constexpr JsonLimits kLimits{};
// Indented and canonical text may be longer than what it was made from.
constexpr JsonLimits kWide{.max_bytes = std::numeric_limits<std::size_t>::max(), .max_depth = 512};

bool one_line(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) return false;
  }
  return true;
}

std::string broken_by_refusal(const Error& error) {
  if (error.code != ErrorCode::kInvalidPayload) return "a refusal has another code";
  if (error.message.empty() || error.hint.empty()) return "a refusal does not explain itself";
  if (error.message.size() > 100) return "a refusal's reason is not bounded";
  if (error.where.size() > 515) return "a refusal's pointer is not bounded";
  if (!one_line(error.message) || !one_line(error.where)) return "a refusal has more than one line";
  return {};
}

// 1e20 becomes an integer that its spelling would have been refused for; nothing else may be.
bool is_fixed_point(const std::string& body) {
  const Result<std::string> again = canonical_json(body, BodyMode::kEcmascript, kWide);
  if (again) return *again == body;
  return again.error().message.starts_with("integer beyond 2^53");
}

std::string broken_by_ecmascript(std::string_view text, const std::string& body) {
  if (!canonical_json(text, BodyMode::kCompact, kLimits)) return "ecmascript is not the stricter";
  if (!is_fixed_point(body)) return "an ecmascript body is no fixed point";
  const Result<std::string> indented =
      canonical_json(pretty_json(text), BodyMode::kEcmascript, kWide);
  if (!indented || *indented != body) return "indented text means something else";
  if (body.find_first_of("\n\r\t") != std::string::npos) return "a body has blanks";
  return {};
}

std::string broken_by_masks(std::string_view text) {
  for (const SensitiveClass kind : {SensitiveClass::kCritical, SensitiveClass::kIdentity}) {
    const std::string masked = masked_json(text, {{"", kind}, {"/*/a", kind}});
    if (!canonical_json(masked, BodyMode::kCompact, kWide)) return "masked text is no JSON";
  }
  return {};
}

}  // namespace

std::string broken_json_property(std::string_view text) {
  const Result<std::string> compact = canonical_json(text, BodyMode::kCompact, kLimits);
  const Result<std::string> raw = canonical_json(text, BodyMode::kRaw, kLimits);
  if (compact.has_value() != raw.has_value()) return "raw and compact refuse differently";
  const Result<std::string> body = canonical_json(text, BodyMode::kEcmascript, kLimits);
  if (!body) {
    if (std::string broken = broken_by_refusal(body.error()); !broken.empty()) return broken;
  }
  if (compact) {
    if (*raw != text) return "raw text changed";
    const Result<std::string> again = canonical_json(*compact, BodyMode::kCompact, kLimits);
    if (!again || *again != *compact) return "compact text is no fixed point";
    const Result<std::string> from_compact =
        canonical_json(*compact, BodyMode::kEcmascript, kLimits);
    if (from_compact.has_value() != body.has_value()) return "blanks decide about a refusal";
    if (body && *from_compact != *body) return "blanks decide about a body";
    // No value, but not a refusal of the text either.
    const Result<std::string> root = extract_scalar(*compact, "");
    if (!root && !root.error().where.empty()) return "extraction names another place";
  }
  if (body) {
    if (std::string broken = broken_by_ecmascript(text, *body); !broken.empty()) return broken;
  }
  return broken_by_masks(text);
}

}  // namespace outrider::core
