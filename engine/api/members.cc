// Strict on purpose: what a client misspells must not become a default.
#include "api/members.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/provider.h"

namespace outrider::api {
namespace {

// What surrounds a payload: its own limit is the engine's.
constexpr core::JsonLimits kLimits{.max_bytes = 32 * 1024 * 1024, .max_depth = 66};

template <class T>
std::optional<T> number_from(const core::JsonPart& part) {
  T value{};
  const char* const end = part.text.data() + part.text.size();
  const auto [rest, error] = std::from_chars(part.text.data(), end, value);
  if (part.type != core::JsonType::kNumber || error != std::errc() || rest != end) {
    return std::nullopt;
  }
  return value;
}

// RFC 6901 of a name, for a pointer.
std::string escaped(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

Read<Members> Members::read(std::string_view body, std::string at) {
  auto parts = core::json_parts(body, core::JsonType::kObject, kLimits);
  if (!parts) {
    Problem problem = problem_of(parts.error(), at);
    problem.kind = &kBadRequest;
    return tl::unexpected(std::move(problem));
  }
  Members members;
  members.at_ = std::move(at);
  members.parts_ = std::move(*parts);
  return members;
}

std::optional<core::JsonPart> Members::take_part(std::string_view name) {
  const auto found = std::ranges::find(parts_, name, &core::JsonPart::name);
  if (found == parts_.end()) return std::nullopt;
  core::JsonPart part = std::move(*found);
  parts_.erase(found);
  return part;
}

void Members::wrong(std::string_view name, std::string detail) {
  if (problem_) return;
  problem_ =
      refuse(kind_of(ErrorCode::kInvalidArgument), std::move(detail), at_ + "/" + escaped(name))
          .value();
}

void Members::require(std::string_view name, bool given) {
  if (!given) wrong(name, "is required");
}

void Members::take(std::string_view name, std::optional<std::string>& into) {
  auto part = take_part(name);
  if (!part || part->type == core::JsonType::kNull) return;
  if (part->type != core::JsonType::kString) return wrong(name, "not a string");
  into = std::move(part->text);
}

void Members::take(std::string_view name, std::string& into) {
  std::optional<std::string> text;
  take(name, text);
  if (text) into = std::move(*text);
}

void Members::take(std::string_view name, std::vector<std::string>& into) {
  auto part = take_part(name);
  if (!part || part->type == core::JsonType::kNull) return;
  if (part->type != core::JsonType::kArray) return wrong(name, "not an array of strings");
  auto elements = core::json_parts(part->raw, core::JsonType::kArray, kLimits);
  into.clear();
  if (!elements) return wrong(name, "not an array of strings");
  for (core::JsonPart& element : *elements) {
    if (element.type != core::JsonType::kString) return wrong(name, "not an array of strings");
    into.push_back(std::move(element.text));
  }
}

void Members::take(std::string_view name, bool& into) {
  const auto part = take_part(name);
  if (!part || part->type == core::JsonType::kNull) return;
  if (part->type != core::JsonType::kBoolean) return wrong(name, "neither true nor false");
  into = part->text == "true";
}

void Members::take(std::string_view name, double& into) {
  const auto part = take_part(name);
  if (!part || part->type == core::JsonType::kNull) return;
  const auto value = number_from<double>(*part);
  if (!value || !std::isfinite(*value)) return wrong(name, "not a number");
  into = *value;
}

void Members::take(std::string_view name, std::int64_t& into, std::int64_t least,
                   std::int64_t most) {
  const auto part = take_part(name);
  if (!part || part->type == core::JsonType::kNull) return;
  const auto value = number_from<std::int64_t>(*part);
  if (!value || *value < least || *value > most) {
    return wrong(
        name, "not a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  into = *value;
}

void Members::take(std::string_view name, std::optional<std::uint32_t>& into, std::uint32_t least,
                   std::uint32_t most) {
  std::int64_t value = -1;
  take(name, value, least, most);
  if (value >= 0) into = static_cast<std::uint32_t>(value);
}

bool Members::has(std::string_view name) const {
  return std::ranges::find(parts_, name, &core::JsonPart::name) != parts_.end();
}

void Members::take_time(std::string_view name, std::optional<std::int64_t>& into) {
  std::optional<std::string> text;
  take(name, text);
  if (!text) return;
  into = timestamp(*text);
  if (!into) wrong(name, kNotATime);
}

void Members::take_raw(std::string_view name, std::optional<std::string_view>& into) {
  if (const auto part = take_part(name)) into = part->raw;
}

Read<void> Members::finish() {
  if (!problem_ && !parts_.empty()) wrong(parts_.front().name, "not a member that is known here");
  if (problem_) return tl::unexpected(std::move(*problem_));
  return {};
}

}  // namespace outrider::api
