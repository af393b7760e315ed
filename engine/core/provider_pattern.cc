// A recursive descent over the little language of provider_pattern.h. Each construct answers two
// questions on the way up: can it match nothing, and how many states does it cost.
#include "core/provider_pattern.h"

#include <cstddef>
#include <cstdint>
#include <utility>

namespace outrider::core {
namespace {

constexpr std::size_t kMaxPatternBytes = 512;
constexpr int kMaxGroupDepth = 16;
constexpr std::uint64_t kMaxStates = 4096;
constexpr std::uint32_t kMaxRepeat = 256;
constexpr std::string_view kSpecial = "^$|()?*+.[]{}\\";
constexpr std::string_view kEscapable = kSpecial;

struct Shape {
  bool nullable = false;
  std::uint64_t states = 0;
};

class PatternParser {
 public:
  explicit PatternParser(std::string_view body) : rest_(body) {}

  std::optional<PatternFault> check() {
    const Shape shape = alternatives(0);
    if (!fault_ && !rest_.empty()) fail("has a ) without its (", "write \\) for the character");
    if (!fault_ && top_level_bar_) {
      fail("has alternatives outside a group", "write ^(a|b)$: anchors bind differently elsewhere");
    }
    if (!fault_ && shape.states > kMaxStates) fail("is too large", "use smaller repetitions");
    return std::move(fault_);
  }

 private:
  [[nodiscard]] bool at(char c) const { return !rest_.empty() && rest_.front() == c; }
  void skip() { rest_.remove_prefix(1); }
  Shape fail(std::string message, std::string hint) {
    if (!fault_) fault_ = PatternFault{std::move(message), std::move(hint)};
    rest_ = {};
    return {};
  }

  Shape alternatives(int depth) {
    Shape all = sequence(depth);
    while (!fault_ && at('|')) {
      skip();
      if (depth == 0) top_level_bar_ = true;
      const Shape next = sequence(depth);
      if (all.nullable || next.nullable) {
        return fail("has an alternative that can be empty",
                    "make the whole group optional: (a|b)?");
      }
      all.states += next.states + 1;
    }
    return all;
  }

  Shape sequence(int depth) {
    Shape whole{.nullable = true, .states = 0};
    bool empty = true;
    while (!fault_ && !rest_.empty() && !at('|') && !at(')')) {
      const Shape next = repeated(depth);
      whole.nullable = whole.nullable && next.nullable;
      whole.states += next.states;
      if (whole.states > kMaxStates) return fail("is too large", "use smaller repetitions");
      empty = false;
    }
    if (!fault_ && empty)
      return fail("has an empty part", "every alternative and group says something");
    return whole;
  }

  Shape repeated(int depth) {
    Shape shape = atom(depth);
    if (fault_ || !(at('?') || at('*') || at('+') || at('{'))) return shape;
    if (shape.nullable)
      return fail("repeats what can be empty", "drop the inner or the outer quantifier");
    if (at('{')) {
      shape = counted(shape);
    } else {
      shape.nullable = !at('+');
      shape.states += 1;
      skip();
    }
    if (!fault_ && (at('?') || at('*') || at('+') || at('{'))) {
      return fail("has two quantifiers in a row",
                  "lazy and possessive quantifiers are not supported");
    }
    return shape;
  }

  Shape counted(Shape shape) {
    skip();
    const auto least = count();
    auto most = least;
    bool unbounded = false;
    if (at(',')) {
      skip();
      unbounded = at('}');
      if (!unbounded) most = count();
    }
    if (!least || !most || !at('}')) {
      return fail("has a { that is not a repetition up to 256",
                  "write {2}, {2,} or {2,5}; \\{ for the character");
    }
    skip();
    if (!unbounded && (*most == 0 || *most < *least)) {
      return fail("repeats from more to less, or zero times", "write {n,m} with n <= m and m > 0");
    }
    shape.nullable = *least == 0;
    shape.states = (shape.states + 1) * (*most > 0 ? *most : 1);
    return shape;
  }

  std::optional<std::uint32_t> count() {
    std::uint32_t value = 0;
    std::size_t digits = 0;
    for (; !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9' && digits < 4; ++digits) {
      value = value * 10 + static_cast<std::uint32_t>(rest_.front() - '0');
      skip();
    }
    if (digits == 0 || value > kMaxRepeat) return std::nullopt;
    return value;
  }

  Shape atom(int depth) {
    const char c = rest_.front();
    skip();
    switch (c) {
      case '(':
        return group(depth);
      case '[':
        return character_class();
      case '\\':
        return escape() ? Shape{.nullable = false, .states = 1} : Shape{};
      case '.':
        return fail("uses . , which matches line breaks only in some engines",
                    "write a class such as [^\\n]; \\. for the character");
      case '^':
      case '$':
        return fail("has an anchor inside", "^ and $ stand at the two ends only");
      case '?':
      case '*':
      case '+':
      case '{':
        return fail("has a quantifier with nothing before it", "escape it with \\");
      case ']':
      case '}':
        return fail("has an unescaped ] or }", "escape it with \\");
      default:
        return {.nullable = false, .states = 1};
    }
  }

  Shape group(int depth) {
    if (depth >= kMaxGroupDepth) return fail("nests groups too deeply", "at most 16 levels");
    if (at('?')) return fail("uses (? , which is not supported", "write a plain group");
    const Shape inside = alternatives(depth + 1);
    if (fault_) return {};
    if (!at(')')) return fail("has a ( without its )", "write \\( for the character");
    skip();
    return inside;
  }

  // After a backslash. In the language of patterns, not in a class.
  bool escape() {
    if (rest_.empty() || (kEscapable.find(rest_.front()) == std::string_view::npos &&
                          rest_.front() != 'n' && rest_.front() != 'r' && rest_.front() != 't')) {
      fail("uses an escape that is not supported",
           "write [0-9] for \\d, [A-Za-z0-9_] for \\w, [ \\t] for \\s; / and - need no escape");
      return false;
    }
    skip();
    return true;
  }

  // One member of a class: its character, for the order of ranges.
  std::optional<char> class_character() {
    if (rest_.empty()) return std::nullopt;
    char c = rest_.front();
    skip();
    if (c == '[') {
      fail("has an unescaped [ in a class", "write \\[");
    } else if (c == '\\') {
      const char named = rest_.empty() ? '\0' : rest_.front();
      if (!escape()) return std::nullopt;
      c = named == 'n' ? '\n' : named == 'r' ? '\r' : named == 't' ? '\t' : named;
    }
    return c;
  }

  Shape character_class() {
    if (at('^')) skip();
    bool first = true;
    while (!fault_ && !at(']')) {
      if (at('-') && !first && !(rest_.size() > 1 && rest_[1] == ']')) {
        return fail("has a - in the middle of a class", "put it first or last");
      }
      const auto low = class_character();
      if (!low) return fail("has a [ without its ]", "write \\[ for the character");
      first = false;
      if (*low == '-' || !at('-') || (rest_.size() > 1 && rest_[1] == ']')) continue;
      skip();
      const auto high = class_character();
      if (!high) return fail("has a [ without its ]", "write \\[ for the character");
      if (*high < *low) return fail("has a range from high to low", "write it as [a-z]");
    }
    if (fault_) return {};
    if (first) return fail("has an empty class", "write at least one character between [ and ]");
    skip();
    return {.nullable = false, .states = 1};
  }

  std::string_view rest_;
  bool top_level_bar_ = false;
  std::optional<PatternFault> fault_;
};

// Does the last $ end the pattern, or is it an escaped character?
bool ends_anchored(std::string_view pattern) {
  if (!pattern.ends_with('$')) return false;
  pattern.remove_suffix(1);
  const std::size_t other = pattern.find_last_not_of('\\');
  const std::size_t backslashes =
      other == std::string_view::npos ? pattern.size() : pattern.size() - 1 - other;
  return backslashes % 2 == 0;
}

}  // namespace

std::optional<PatternFault> pattern_fault(std::string_view pattern) {
  if (pattern.size() > kMaxPatternBytes) return PatternFault{"is too long", "at most 512 bytes"};
  for (const char c : pattern) {
    if (c < 0x20 || c > 0x7e) return PatternFault{"holds more than printable ASCII", "use a class"};
  }
  if (pattern.size() < 2 || !pattern.starts_with('^') || !ends_anchored(pattern)) {
    return PatternFault{"must begin with ^ and end with $",
                        "an open end can be written as a class, such as [^\\n]*"};
  }
  return PatternParser(pattern.substr(1, pattern.size() - 2)).check();
}

}  // namespace outrider::core
