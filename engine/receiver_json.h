// JSON as a receiver in JavaScript sees it: JSON.parse and JSON.stringify, to the byte. Apart from
// core/json_text.h on purpose, and on the standard library alone, so that one confirms the other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace outrider::receiver {

struct JsonMember;

struct JsonValue {
  enum class Kind : std::uint8_t { kNull, kFalse, kTrue, kNumber, kString, kArray, kObject };
  Kind kind = Kind::kNull;
  // A number's token as it stood there, or a string's characters (UTF-8; a lone surrogate as its
  // three bytes).
  std::string text;
  std::vector<JsonValue> items;
  // In the order read, repeated names too.
  std::vector<JsonMember> members;

  // The member of that name, the last one where it is repeated; null: none, or no object.
  [[nodiscard]] const JsonValue* member(std::string_view name) const;
  // RFC 6901; null: nothing there.
  [[nodiscard]] const JsonValue* at(std::string_view pointer) const;
};
struct JsonMember {
  std::string name;
  JsonValue value;
};

// An array index, 0 to 2^32 - 2, in its canonical spelling: "0", "17", not "017".
[[nodiscard]] std::optional<std::uint64_t> array_index(std::string_view name);

// Nothing when the text is not JSON, is not UTF-8, or nests deeper than 512.
[[nodiscard]] std::optional<JsonValue> parse_json(std::string_view text);

// What JSON.stringify(JSON.parse(text)) gives for the text that `value` was read from.
[[nodiscard]] std::string stringify(const JsonValue& value);

// What String(value) gives in JavaScript for a string, number or boolean; nothing for the rest.
[[nodiscard]] std::optional<std::string> scalar_text(const JsonValue& value);

}  // namespace outrider::receiver
