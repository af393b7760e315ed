// Built on the one reader: what it calls out at the first level begins or ends a part.
#include "core/json_text_parts.h"

#include "core/assert.h"
#include "core/json_text_reader.h"

namespace outrider::core {
namespace {

JsonType type_of(const JsonToken& token) {
  switch (token.kind) {
    case JsonKind::kObject:
      return JsonType::kObject;
    case JsonKind::kArray:
      return JsonType::kArray;
    case JsonKind::kNumber:
      return JsonType::kNumber;
    case JsonKind::kLiteral:
      return token.raw == "null" ? JsonType::kNull : JsonType::kBoolean;
    default:
      return JsonType::kString;
  }
}

bool ends(const JsonToken& token) {
  return token.kind == JsonKind::kEndObject || token.kind == JsonKind::kEndArray;
}

}  // namespace

Result<std::vector<JsonPart>> json_parts(std::string_view text, JsonType wanted,
                                         const JsonLimits& limits) {
  OUTRIDER_ASSERT(wanted == JsonType::kObject || wanted == JsonType::kArray);
  std::vector<JsonPart> parts;
  const auto visit = [&](const JsonToken& token, JsonPath path) -> JsonRefusal {
    if (token.kind == JsonKind::kKey) return {};
    if (path.empty()) {
      if (ends(token) || type_of(token) == wanted) return {};
      return {wanted == JsonType::kObject ? "not a JSON object" : "not a JSON array"};
    }
    if (path.size() != 1) return {};
    if (ends(token)) {
      JsonPart& part = parts.back();
      const char* const end = token.raw.data() + token.raw.size();
      part.raw = {part.raw.data(), static_cast<std::size_t>(end - part.raw.data())};
      return {};
    }
    JsonPart part{.name = std::string(path.front().key),
                  .type = type_of(token),
                  .raw = token.raw,
                  .text = {}};
    if (part.type == JsonType::kString) part.text = token.text;
    parts.push_back(std::move(part));
    return {};
  };
  if (auto read = read_json(text, limits, visit); !read) return tl::unexpected(read.error());
  for (JsonPart& part : parts) {
    const bool scalar = part.type == JsonType::kNumber || part.type == JsonType::kBoolean;
    if (scalar) part.text = part.raw;
  }
  return parts;
}

}  // namespace outrider::core
