// Strict: the grammar of the standard and nothing beside it. Keys of a tracestate are those of
// Level 2, which contains Level 1's.
#include "core/trace_context.h"

#include <algorithm>
#include <vector>

#include "core/ascii.h"

namespace outrider::core {
namespace {

constexpr std::size_t kLength = 55;  // of version 00
constexpr std::size_t kIdAt = 3, kParentAt = 36, kFlagsAt = 53;
constexpr std::size_t kIdDigits = 32, kParentDigits = 16;
constexpr std::size_t kMostMembers = 32;
constexpr std::size_t kMostKey = 256, kMostValue = 256;
constexpr std::size_t kLongMember = 128;  // these go first where something must go

bool is_hex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}
bool is_zero(std::string_view text) { return text.find_first_not_of('0') == text.npos; }

// Of a later version only what 00 knows is kept: sampled and random.
char known_flags(char low_digit) {
  const int value = low_digit <= '9' ? low_digit - '0' : low_digit - 'a' + 10;
  return static_cast<char>('0' + (value & 3));
}

std::optional<std::string> parent_from(std::string_view text) {
  if (text.size() < kLength || text[2] != '-' || text[kParentAt - 1] != '-' ||
      text[kFlagsAt - 1] != '-') {
    return std::nullopt;
  }
  const std::string_view version = text.substr(0, 2);
  const std::string_view id = text.substr(kIdAt, kIdDigits);
  const std::string_view parent = text.substr(kParentAt, kParentDigits);
  const std::string_view flags = text.substr(kFlagsAt, 2);
  if (!is_hex(version) || !is_hex(id) || !is_hex(parent) || !is_hex(flags) || version == "ff" ||
      is_zero(id) || is_zero(parent)) {
    return std::nullopt;
  }
  if (version == "00") {
    if (text.size() != kLength) return std::nullopt;
    return std::string(text);
  }
  if (text.size() > kLength && text[kLength] != '-') return std::nullopt;
  std::string known = "00" + std::string(text.substr(2, kLength - 3));
  known.back() = '0';
  return known + known_flags(flags[1]);
}

bool is_key(std::string_view key) {
  const auto starts = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  constexpr std::string_view kMarks = "_-*/@";
  return !key.empty() && key.size() <= kMostKey && starts(key.front()) &&
         std::ranges::all_of(key,
                             [&](char c) { return starts(c) || kMarks.find(c) != kMarks.npos; });
}

bool is_value(std::string_view value) {
  return !value.empty() && value.size() <= kMostValue && value.back() != ' ' &&
         std::ranges::all_of(value, [](char c) { return c >= 0x20 && c <= 0x7e && c != '='; });
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// The members of a list; nothing where one is wrong, is there twice, or there are too many.
std::optional<std::vector<std::string_view>> members_of(std::string_view text) {
  std::vector<std::string_view> members, keys;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view member = trimmed(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
    if (member.empty()) continue;
    const std::size_t equals = member.find('=');
    if (equals == member.npos || !is_key(member.substr(0, equals)) ||
        !is_value(member.substr(equals + 1))) {
      return std::nullopt;
    }
    const std::string_view key = member.substr(0, equals);
    if (members.size() == kMostMembers || std::ranges::find(keys, key) != keys.end()) {
      return std::nullopt;
    }
    keys.push_back(key);
    members.push_back(member);
  }
  return members;
}

std::string joined(const std::vector<std::string_view>& members) {
  std::string text;
  for (const std::string_view member : members) {
    if (!text.empty()) text += ',';
    text.append(member);
  }
  return text;
}

std::string shortened(std::vector<std::string_view> members) {
  std::string text = joined(members);
  if (text.size() > kMaxTracestateBytes) {
    std::erase_if(members, [](std::string_view member) { return member.size() > kLongMember; });
    text = joined(members);
  }
  while (text.size() > kMaxTracestateBytes) {
    members.pop_back();
    text = joined(members);
  }
  return text;
}

}  // namespace

Result<TraceContext> read_trace(const std::optional<std::string>& traceparent,
                                const std::optional<std::string>& tracestate) {
  TraceContext trace;
  if (!traceparent && tracestate) {
    return fail(ErrorCode::kInvalidArgument, "needs a traceparent", "tracestate");
  }
  if (!traceparent) return trace;
  auto parent = parent_from(*traceparent);
  if (!parent) {
    return fail(ErrorCode::kInvalidArgument, "is not a W3C traceparent", "traceparent",
                "as in 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  }
  trace.parent = std::move(*parent);
  if (!tracestate) return trace;
  const auto members = members_of(*tracestate);
  if (!members) {
    return fail(ErrorCode::kInvalidArgument, "is not a W3C tracestate", "tracestate",
                "at most 32 members, as in vendor=value,other=value");
  }
  trace.state = joined(*members);
  if (trace.state.size() > kMaxTracestateBytes) {
    return fail(ErrorCode::kInvalidArgument, "is longer than 512 bytes", "tracestate");
  }
  return trace;
}

TraceContext propagated_trace(std::span<const std::string_view> traceparent,
                              std::span<const std::string_view> tracestate) {
  TraceContext trace;
  if (traceparent.size() != 1) return trace;
  auto parent = parent_from(trimmed(traceparent.front()));
  if (!parent) return trace;
  trace.parent = std::move(*parent);
  std::string list;
  for (const std::string_view part : tracestate) list.append(part).append(",");
  if (auto members = members_of(list)) trace.state = shortened(std::move(*members));
  return trace;
}

bool is_trace_header(std::string_view name) noexcept {
  return equal_ignoring_case(name, "traceparent") || equal_ignoring_case(name, "tracestate");
}

std::string_view trace_id(const TraceContext& trace) noexcept {
  return std::string_view(trace.parent).substr(kIdAt, kIdDigits);
}

}  // namespace outrider::core
