// The one JSON parser behind json_text.h, for this directory's json_text*.cc only: RapidJSON's
// reader turned into tokens that know how they were written, with every check that holds for all
// body modes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/json_text.h"
#include "outrider/result.h"

namespace outrider::core {

// One step from a container to the value inside it.
struct JsonStep {
  bool in_array = false;
  bool entered = false;   // an object's step has no key before its first member and between members
  std::size_t index = 0;  // arrays: of the present element
  std::string_view key;   // objects: of the present member, unescaped
};
// Does a pointer's segment, unescaped, name the step? An index has one spelling ("01" and "-" do
// not).
[[nodiscard]] bool names_step(std::string_view segment, const JsonStep& step);
// From the root to the value at hand.
using JsonPath = std::span<const JsonStep>;

// The JSON pointer of a path, as the content of a JSON string (RFC 6901, section 5): a key with a
// line break or a terminal escape stays on its line. One that is longer than 512 bytes is cut and
// ends with an ellipsis.
[[nodiscard]] std::string json_pointer(JsonPath path);
// The segments of a pointer, unescaped. Requires: is_json_pointer(pointer).
[[nodiscard]] std::vector<std::string> pointer_segments(std::string_view pointer);

enum class JsonKind : std::uint8_t {
  kObject,
  kEndObject,
  kArray,
  kEndArray,
  kKey,
  kString,
  kNumber,
  kLiteral,  // true, false, null
};

struct JsonToken {
  JsonKind kind = JsonKind::kLiteral;
  // No comma stands before it: first in its container, or a member's value. Of an end: the
  // container is empty.
  bool first = true;
  std::string_view raw;   // as written, a string's quotes included
  std::string_view text;  // keys and strings: the characters, valid UTF-8
};

// Why a visitor will not have a token. Without a reason, it will.
struct JsonRefusal {
  const char* reason = nullptr;
  const char* hint = "";
};
// The path leads to the token's value; for a key, to its member; for an end, to the container.
using JsonVisitor = std::function<JsonRefusal(const JsonToken& token, JsonPath path)>;

// Gives the tokens of `text` to `visit`, in order. The views live for the length of the call of
// `visit`. Errors: kInvalidPayload for what json_text.h refuses in every mode, and for the
// visitor's own refusals; parsing stops at the first. What was visited until then is void.
[[nodiscard]] Result<void> read_json(std::string_view text, const JsonLimits& limits,
                                     const JsonVisitor& visit);

// A number's token as ECMAScript writes its value, appended to `out`, or why not.
[[nodiscard]] JsonRefusal append_ecmascript_number(std::string_view token, std::string& out);
// The JSON number that starts at `begin` (of "01" that is "0"), or nothing where there is none
// ("-", "1.", "1e").
[[nodiscard]] std::string_view number_token(std::string_view text, std::size_t begin) noexcept;

}  // namespace outrider::core
