// One level of a JSON text: the members of an object or the elements of an array, each as it was
// written, so that a value inside (an event's payload) can be handed on without being rewritten.
// For request bodies; everything that json_text.h refuses in every mode is refused here too.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/json_text.h"
#include "outrider/result.h"

namespace outrider::core {

enum class JsonType : std::uint8_t { kObject, kArray, kString, kNumber, kBoolean, kNull };

struct JsonPart {
  std::string name;  // the member's name, unescaped; empty in an array
  JsonType type = JsonType::kNull;
  std::string_view raw;  // as written; a view of the text that was read
  std::string text;      // a string's characters; a number or boolean as written; else empty
};

// Requires of the caller: `text` outlives the parts. Errors: kInvalidPayload with the JSON pointer,
// also where `text` is neither an object nor an array, as `wanted` says.
[[nodiscard]] Result<std::vector<JsonPart>> json_parts(std::string_view text, JsonType wanted,
                                                       const JsonLimits& limits);

}  // namespace outrider::core
