// JSON for people: indented, and with personal data hidden. Names of members stay, so that one sees
// what an event holds; what cannot be read as JSON is hidden whole, because nobody can say where
// the sensitive part is.
//
// Of several pointers that lead to a value, the class that hides most wins, whatever their order. A
// critical value keeps its length (an operator can tell a short number from a whole one), an
// identity does not. `true` and `false` are hidden whole: a first letter would tell. `null` stays:
// there is nothing to hide.
//
// The output goes to terminals. Control characters cannot be raw in JSON, but U+007F to U+009F and
// the marks that turn the direction of writing can; they are written as escapes, which is the same
// JSON.
#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include "core/json_text_reader.h"

namespace outrider::core {
namespace {

constexpr std::string_view kHiddenText = "\"********\"";
constexpr std::string_view kHiddenRest = "***";
constexpr std::string_view kHiddenLiteral = "****";
// Deeper texts are not indented: the blanks alone would grow with the square of the depth.
constexpr int kDeepestShown = 512;

struct Pattern {
  std::vector<std::string> segments;
  SensitiveClass kind;
};

bool covers(const Pattern& pattern, JsonPath path) {
  return pattern.segments.size() <= path.size() &&
         std::equal(pattern.segments.begin(), pattern.segments.end(), path.begin(),
                    [](const std::string& segment, const JsonStep& step) {
                      return segment == "*" || names_step(segment, step);
                    });
}

std::optional<SensitiveClass> strictest(const std::vector<Pattern>& patterns, JsonPath path) {
  std::optional<SensitiveClass> found;
  for (const Pattern& pattern : patterns) {
    if ((!found || pattern.kind < *found) && covers(pattern, path)) found = pattern.kind;
  }
  return found;
}
static_assert(SensitiveClass::kCritical < SensitiveClass::kIdentity &&
              SensitiveClass::kIdentity < SensitiveClass::kFinancial);

// Where each character of UTF-8 text begins, and its end.
std::vector<std::size_t> character_bounds(std::string_view utf8) {
  std::vector<std::size_t> bounds;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    if ((static_cast<unsigned char>(utf8[i]) & 0xC0) != 0x80) bounds.push_back(i);
  }
  bounds.push_back(utf8.size());
  return bounds;
}

std::string mask_critical(std::string_view value) {
  const std::vector<std::size_t> bounds = character_bounds(value);
  const std::size_t count = bounds.size() - 1;
  const std::size_t shown = count <= 4 ? 0 : count < 8 ? 3 : 4;
  return std::string(count - shown, '*').append(value.substr(bounds[count - shown]));
}

std::string mask_identity(std::string_view value) {
  if (value.empty()) return {};
  return std::string(value.substr(0, character_bounds(value)[1])).append(kHiddenRest);
}

std::string masked(const JsonToken& token, SensitiveClass kind) {
  if (token.kind == JsonKind::kLiteral) return std::string(kHiddenLiteral);
  const std::string_view value = token.kind == JsonKind::kString ? token.text : token.raw;
  return kind == SensitiveClass::kCritical ? mask_critical(value) : mask_identity(value);
}

// The escape for a character a terminal might obey, and how many bytes it takes.
struct Obeyed {
  std::string_view utf8;
  std::string_view escape;
};
constexpr std::array kDirectionMarks{
    Obeyed{"\xE2\x80\x8E", "\\u200e"}, Obeyed{"\xE2\x80\x8F", "\\u200f"},
    Obeyed{"\xE2\x80\xA8", "\\u2028"}, Obeyed{"\xE2\x80\xA9", "\\u2029"},
    Obeyed{"\xE2\x80\xAA", "\\u202a"}, Obeyed{"\xE2\x80\xAB", "\\u202b"},
    Obeyed{"\xE2\x80\xAC", "\\u202c"}, Obeyed{"\xE2\x80\xAD", "\\u202d"},
    Obeyed{"\xE2\x80\xAE", "\\u202e"}, Obeyed{"\xE2\x81\xA6", "\\u2066"},
    Obeyed{"\xE2\x81\xA7", "\\u2067"}, Obeyed{"\xE2\x81\xA8", "\\u2068"},
    Obeyed{"\xE2\x81\xA9", "\\u2069"},
};

void append_for_terminal(std::string_view token, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (std::size_t i = 0; i < token.size(); ++i) {
    const std::string_view rest = token.substr(i);
    if (rest[0] == '\x7F') {
      out += "\\u007f";
    } else if (rest[0] == '\xC2' && static_cast<unsigned char>(rest[1]) < 0xA0) {
      const auto low = static_cast<unsigned char>(rest[1]);
      out.append("\\u00").append(1, kHex[low >> 4]).append(1, kHex[low & 0xF]);
      ++i;
    } else if (rest[0] == '\xE2') {
      const auto* mark = std::ranges::find_if(
          kDirectionMarks, [&](const Obeyed& obeyed) { return rest.starts_with(obeyed.utf8); });
      if (mark == kDirectionMarks.end()) {
        out += rest[0];
      } else {
        out += mark->escape;
        i += mark->utf8.size() - 1;
      }
    } else {
      out += rest[0];
    }
  }
}

// Nothing: the text is not JSON.
std::optional<std::string> indented(std::string_view json, const std::vector<Pattern>& patterns) {
  std::string out;
  std::size_t depth = 0;
  bool after_key = false;
  const auto new_line = [&] { out.append("\n").append(2 * depth, ' '); };
  const JsonLimits limits{.max_bytes = std::numeric_limits<std::size_t>::max(),
                          .max_depth = kDeepestShown};
  const auto read = read_json(json, limits, [&](const JsonToken& token, JsonPath path) {
    const bool ends = token.kind == JsonKind::kEndObject || token.kind == JsonKind::kEndArray;
    if (ends) {
      --depth;
      if (!token.first) new_line();
    } else if (!after_key && depth > 0) {
      if (!token.first) out += ',';
      new_line();
    }
    const bool hideable = (token.kind == JsonKind::kString || token.kind == JsonKind::kNumber ||
                           token.kind == JsonKind::kLiteral) &&
                          token.raw != "null";
    const auto kind = hideable ? strictest(patterns, path) : std::nullopt;
    if (kind && *kind != SensitiveClass::kFinancial) {
      append_for_terminal(ecmascript_string(masked(token, *kind)), out);
    } else {
      append_for_terminal(token.raw, out);
    }
    after_key = token.kind == JsonKind::kKey;
    if (after_key) out += ": ";
    if (token.kind == JsonKind::kObject || token.kind == JsonKind::kArray) ++depth;
    return JsonRefusal{};
  });
  if (!read) return std::nullopt;
  return out;
}

}  // namespace

std::string masked_json(std::string_view json, const std::vector<SensitivePointer>& sensitive) {
  std::vector<Pattern> patterns;
  patterns.reserve(sensitive.size());
  for (const SensitivePointer& entry : sensitive) {
    // A pointer that cannot be read might stand for anything.
    if (!is_json_pointer(entry.pointer)) return std::string(kHiddenText);
    patterns.push_back({pointer_segments(entry.pointer), entry.kind});
  }
  return indented(json, patterns).value_or(std::string(kHiddenText));
}

std::string pretty_json(std::string_view json) {
  return indented(json, {}).value_or(std::string(json));
}

}  // namespace outrider::core
