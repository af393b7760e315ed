// JSON as text: one parse that refuses what receivers would read differently, and writes the exact
// bytes that are signed and sent. RapidJSON is used for parsing only; numbers and strings are
// written by our own ECMAScript rules, because a receiver that verifies over
// JSON.stringify(JSON.parse(body)) must get the same bytes back.
//
// Refused in every mode, with the JSON pointer (Error::where) and the reason: invalid UTF-8, a byte
// order mark, duplicate keys, lone surrogates, depth over the limit, size over the limit, anything
// that is not one JSON text.
// Refused for ecmascript bodies also: canonical array-index keys 0..4294967294 (JavaScript moves
// them first), `__proto__`, integers beyond 2^53 in magnitude (written without fraction or
// exponent, digits that a double cannot hold), numbers that overflow.
//
// Error::where is the pointer as the content of a JSON string (RFC 6901, section 5), so that it
// stays on one line; beyond 512 bytes it is cut. A syntax error names the innermost value known and
// the byte. Pure; any thread. Never copies payload bytes into an error beyond key names in the
// pointer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "outrider/result.h"

namespace outrider::core {

enum class BodyMode : std::uint8_t {
  kRaw,         // the bytes as given (checked, not changed)
  kCompact,     // insignificant whitespace removed, tokens verbatim
  kEcmascript,  // the fixed point of JSON.parse / JSON.stringify
};

struct JsonLimits {
  std::size_t max_bytes = 256 * 1024;  // of the text given, and of the text written
  int max_depth = 64;                  // arrays and objects open at once
};

// The body for `text` in `mode`.
[[nodiscard]] Result<std::string> canonical_json(std::string_view text, BodyMode mode,
                                                 const JsonLimits& limits);

// A double as ECMAScript's Number::toString writes it. Requires: finite.
[[nodiscard]] std::string ecmascript_number(double value);
// A string as JSON.stringify writes it, quotes included. Requires: valid UTF-8.
[[nodiscard]] std::string ecmascript_string(std::string_view utf8);

// The scalar at `pointer` (RFC 6901) of a JSON text that canonical_json accepted: a string's
// characters, or the token of a number, true, false. Errors: kInvalidPayload (where = pointer) when
// it is absent, null, an object or an array.
[[nodiscard]] Result<std::string> extract_scalar(std::string_view json, std::string_view pointer);

// Is `pointer` well-formed RFC 6901 ("" or "/a~1b/0")?
[[nodiscard]] bool is_json_pointer(std::string_view pointer) noexcept;

enum class SensitiveClass : std::uint8_t {
  kCritical,   // shows the last four characters at most (three where the value is under 8)
  kIdentity,   // shows the first letter
  kFinancial,  // shown to operators
};
struct SensitivePointer {
  std::string pointer;  // RFC 6901, where a segment `*` stands for every array element or member
  SensitiveClass kind = SensitiveClass::kCritical;
};
// The same JSON, indented for people, with every value at or below a sensitive pointer masked by
// its class (financial values stay). Masked numbers become strings; null stays; true and false are
// masked whole. Where several pointers lead to a value, the class that hides most wins. A text that
// is not JSON, or nests deeper than 512, is masked whole. Characters that a terminal obeys become
// escapes.
[[nodiscard]] std::string masked_json(std::string_view json,
                                      const std::vector<SensitivePointer>& sensitive);
// The same without masks. A text that is not JSON is given back as it is.
[[nodiscard]] std::string pretty_json(std::string_view json);

}  // namespace outrider::core
