// The regular expressions a schema may use: those on which RapidJSON's engine and every other one
// agree.
//
// That engine takes a pattern it cannot parse (\d, (?:…), a{0}) for "anything matches", follows a
// repetition of something empty ((a*)*) for ever, anchors the whole pattern for a ^ or $ anywhere
// in it, and lets `.` match line breaks. So a pattern is held to a small language first:
//
//   pattern      ^ alternatives $          both anchors, and only there; a top-level | needs a
//   group around it alternatives sequence | sequence …     none of them able to match nothing
//   sequence     atom [quantifier] …       at least one atom
//   atom         printable ASCII character, \ before one of ^$|()?*+.[]{}\ , [class], [^class],
//   (alternatives) class        characters and ranges a-z; a literal - comes first or last
//   quantifier   ? * + {n} {n,} {n,m}      one per atom, n..m within 0-256 and not {0}; not on what
//   can match nothing
//
// Limits: 512 bytes, 16 levels of groups, 4096 states once the counted repetitions are written out.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace outrider::core {

// What is wrong with `pattern`, and what to write instead; nothing when it is inside the language.
struct PatternFault {
  std::string message;
  std::string hint;
};
[[nodiscard]] std::optional<PatternFault> pattern_fault(std::string_view pattern);

}  // namespace outrider::core
