// JSON pointers (RFC 6901): `/` before each segment, `~1` for `/` and `~0` for `~` in it. And the
// scalar at one, which signatures ask for on every attempt: reading stops where it is found.
#include <algorithm>
#include <limits>
#include <optional>

#include "core/json_text_reader.h"

namespace outrider::core {
namespace {

constexpr std::size_t kMostPointerBytes = 512;
constexpr std::string_view kEllipsis = "\xE2\x80\xA6";

void append_segment(std::string_view key, std::string& out) {
  for (const char c : key) {
    switch (c) {
      case '~':
        out += "~0";
        break;
      case '/':
        out += "~1";
        break;
      default:
        out += c;
    }
  }
}

bool leads_to(JsonPath path, const std::vector<std::string>& segments) {
  return path.size() == segments.size() &&
         std::equal(segments.rbegin(), segments.rend(), path.rbegin(), names_step);
}

}  // namespace

bool names_step(std::string_view segment, const JsonStep& step) {
  return step.in_array ? segment == std::to_string(step.index) : segment == step.key;
}

std::string json_pointer(JsonPath path) {
  std::string pointer;
  for (const JsonStep& step : path) {
    if (!step.entered) break;
    pointer += '/';
    if (step.in_array) {
      pointer += std::to_string(step.index);
    } else {
      append_segment(step.key, pointer);
    }
  }
  pointer = ecmascript_string(pointer);
  pointer = pointer.substr(1, pointer.size() - 2);
  if (pointer.size() <= kMostPointerBytes) return pointer;
  std::size_t end = kMostPointerBytes;
  while ((static_cast<unsigned char>(pointer[end]) & 0xC0) == 0x80) --end;
  return pointer.substr(0, end).append(kEllipsis);
}

bool is_json_pointer(std::string_view pointer) noexcept {
  if (!pointer.empty() && pointer.front() != '/') return false;
  for (std::size_t i = 0; i < pointer.size(); ++i) {
    if (pointer[i] != '~') continue;
    ++i;
    if (i == pointer.size() || (pointer[i] != '0' && pointer[i] != '1')) return false;
  }
  return true;
}

std::vector<std::string> pointer_segments(std::string_view pointer) {
  std::vector<std::string> segments;
  for (std::size_t i = 0; i < pointer.size(); ++i) {
    if (pointer[i] == '/') {
      segments.emplace_back();
    } else if (pointer[i] == '~') {
      segments.back() += pointer[++i] == '1' ? '/' : '~';
    } else {
      segments.back() += pointer[i];
    }
  }
  return segments;
}

Result<std::string> extract_scalar(std::string_view json, std::string_view pointer) {
  if (!is_json_pointer(pointer)) {
    return fail(ErrorCode::kInvalidPayload, "not a JSON pointer", std::string(pointer));
  }
  const std::vector<std::string> segments = pointer_segments(pointer);
  // Whatever limits the text was accepted under, it was accepted.
  const JsonLimits no_limits{.max_bytes = std::numeric_limits<std::size_t>::max(),
                             .max_depth = std::numeric_limits<int>::max()};
  std::optional<std::string> found;
  const char* unfit = nullptr;
  const Result<void> read = read_json(json, no_limits, [&](const JsonToken& token, JsonPath path) {
    if (token.kind == JsonKind::kKey || !leads_to(path, segments)) return JsonRefusal{};
    if (token.kind == JsonKind::kObject || token.kind == JsonKind::kArray) {
      unfit = "an object or an array where a single value is needed";
    } else if (token.raw == "null") {
      unfit = "null where a value is needed";
    } else {
      found = token.kind == JsonKind::kString ? token.text : token.raw;
    }
    return JsonRefusal{.reason = "seen"};
  });
  if (found) return *std::move(found);
  if (unfit == nullptr && !read) return tl::unexpected(read.error());
  return fail(ErrorCode::kInvalidPayload, unfit != nullptr ? unfit : "required value is absent",
              std::string(pointer));
}

}  // namespace outrider::core
