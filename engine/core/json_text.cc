// From a publisher's JSON to the bytes that are signed and sent.
//
// Compact writes each token as it was written. Ecmascript writes each as JSON.stringify would after
// JSON.parse, and refuses what JavaScript would not give back: it moves keys that are array indices
// to the front, treats `__proto__` apart in many libraries, and rounds integers beyond 2^53.
#include "core/json_text.h"

#include <algorithm>

#include "core/json_text_reader.h"

namespace outrider::core {
namespace {

constexpr JsonRefusal kArrayIndexKey{"key is an array index, which JavaScript moves to the front",
                                     "name the member with a letter first, or use an array"};
constexpr JsonRefusal kProtoKey{"key __proto__ means something else to JavaScript",
                                "name the member otherwise"};

// "0", or digits without a leading zero, up to 2^32 - 2.
bool is_array_index(std::string_view key) {
  constexpr std::string_view kLargest = "4294967294";
  if (key.empty() || key.find_first_not_of("0123456789") != std::string_view::npos) return false;
  if (key.front() == '0') return key.size() == 1;
  return key.size() < kLargest.size() || (key.size() == kLargest.size() && key <= kLargest);
}

void append_verbatim(const JsonToken& token, std::string& out) { out += token.raw; }

void append_string(std::string_view utf8, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (const char c : utf8) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += "\\u00";
          out += kHex[static_cast<unsigned char>(c) >> 4];
          out += kHex[static_cast<unsigned char>(c) & 0xF];
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

JsonRefusal append_ecmascript(const JsonToken& token, std::string& out) {
  switch (token.kind) {
    case JsonKind::kKey:
      if (is_array_index(token.text)) return kArrayIndexKey;
      if (token.text == "__proto__") return kProtoKey;
      append_string(token.text, out);
      return {};
    case JsonKind::kString:
      append_string(token.text, out);
      return {};
    case JsonKind::kNumber:
      return append_ecmascript_number(token.raw, out);
    default:
      append_verbatim(token, out);
      return {};
  }
}

bool is_end(JsonKind kind) { return kind == JsonKind::kEndObject || kind == JsonKind::kEndArray; }

}  // namespace

std::string ecmascript_string(std::string_view utf8) {
  std::string out;
  out.reserve(utf8.size() + 2);
  append_string(utf8, out);
  return out;
}

Result<std::string> canonical_json(std::string_view text, BodyMode mode, const JsonLimits& limits) {
  std::string body;
  if (mode != BodyMode::kRaw) body.reserve(std::min(text.size(), limits.max_bytes));
  const Result<void> read = read_json(text, limits, [&](const JsonToken& token, JsonPath) {
    if (mode == BodyMode::kRaw) return JsonRefusal{};
    if (!token.first && !is_end(token.kind)) body += ',';
    JsonRefusal refusal;
    if (mode == BodyMode::kEcmascript) {
      refusal = append_ecmascript(token, body);
    } else {
      append_verbatim(token, body);
    }
    if (token.kind == JsonKind::kKey) body += ':';
    return refusal;
  });
  if (!read) return tl::unexpected(read.error());
  if (mode == BodyMode::kRaw) return std::string(text);
  if (body.size() > limits.max_bytes) {
    return fail(ErrorCode::kInvalidPayload,
                "larger than " + std::to_string(limits.max_bytes) + " bytes once canonical", {},
                "send less, or raise the payload limit");
  }
  return body;
}

}  // namespace outrider::core
