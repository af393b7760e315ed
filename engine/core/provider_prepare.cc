// From what a publisher says to what is stored: the last place where an event can be refused. What
// passes here can be signed and sent at any later time, so nothing about a payload may be left to
// find out then.
#include <algorithm>
#include <limits>

#include "core/json_text_reader.h"
#include "core/provider.h"
#include "core/provider_reader.h"
#include "core/provider_sections.h"

namespace outrider::core {
namespace {

constexpr std::size_t kMaxKeyBytes = 255;
// A body was accepted under its caller's limits already.
constexpr JsonLimits kAccepted{.max_bytes = std::numeric_limits<std::size_t>::max(),
                               .max_depth = std::numeric_limits<int>::max()};

tl::unexpected<Error> no_such_type(const Provider& provider, std::string_view type) {
  const bool fits = event_type_fits(provider, type);
  const std::string shown = fits ? " \"" + std::string(type) + "\"" : "";
  std::string known;
  for (const auto& [name, event] : provider.events) {
    known += (known.empty() ? "known: " : ", ") + name;
  }
  return fail(ErrorCode::kInvalidArgument,
              "provider \"" + provider.name + "\" has no event type" + shown, "type",
              std::move(known));
}

bool is_key(std::string_view key) {
  return !key.empty() && key.size() <= kMaxKeyBytes &&
         std::all_of(key.begin(), key.end(), [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return byte >= 0x20 && byte != 0x7f;
         });
}

bool is_container(std::string_view body, const std::string& pointer) {
  const std::string wanted = shown_pointer(pointer);
  bool found = false;
  (void)read_json(body, kAccepted, [&](const JsonToken& token, JsonPath path) {
    const bool opens = token.kind == JsonKind::kObject || token.kind == JsonKind::kArray;
    found = found || (opens && json_pointer(path) == wanted);
    return JsonRefusal{.reason = found ? "seen" : nullptr};
  });
  return found;
}

// What stands at a pointer that the provider reads, where anything does: null is nothing.
Result<std::optional<std::string>> optional_scalar(std::string_view body,
                                                   const std::string& pointer) {
  auto found = extract_scalar(body, pointer);
  if (found) return std::optional<std::string>(std::move(*found));
  if (is_container(body, pointer)) return tl::unexpected(std::move(found.error()));
  return std::optional<std::string>();
}

// Every value that a signature takes from the payload is there.
Result<void> check_signable(const SignatureRule& rule, std::string_view body) {
  for (const SignatureScheme& scheme : rule.schemes) {
    for (const Template::Part& part : scheme.signed_text.parts()) {
      if (part.variable != Template::Variable::kPayload) continue;
      if (extract_scalar(body, part.text)) continue;
      return fail(ErrorCode::kInvalidPayload,
                  "the signature covers this value, which the payload has not", part.text,
                  "send it as a string, number or boolean");
    }
  }
  return {};
}

Result<void> read_expiry(const Provider& provider, std::int64_t now_ms, PreparedEvent& prepared) {
  auto text = optional_scalar(prepared.body, provider.expires_pointer);
  if (!text) return tl::unexpected(std::move(text.error()));
  if (!*text) return {};
  const auto expires_at = parse_time(**text);
  if (!expires_at) {
    return fail(ErrorCode::kInvalidPayload, "is not a date or time", provider.expires_pointer,
                "write it as 2020-08-22T00:00:00.000Z or 2020-08-22");
  }
  if (*expires_at <= now_ms) return {};
  prepared.expires_at = expires_at;
  prepared.expiry_spares_first = true;
  return {};
}

Result<void> read_ordering_key(const Provider& provider, PreparedEvent& prepared) {
  auto key = optional_scalar(prepared.body, provider.ordering_pointer);
  if (!key) return tl::unexpected(std::move(key.error()));
  if (!*key) return {};
  if (!is_key(**key)) {
    return fail(ErrorCode::kInvalidPayload, "cannot be an ordering key", provider.ordering_pointer,
                "1 to 255 bytes without control characters");
  }
  prepared.ordering_key = std::move(**key);
  return {};
}

}  // namespace

Result<PreparedEvent> prepare(const Provider& provider, std::string_view type,
                              std::string_view payload, std::optional<std::int64_t> expires_at,
                              std::optional<std::string_view> ordering_key, std::int64_t now_ms,
                              const JsonLimits& limits) {
  const EventType* event = provider.event(type);
  if (event == nullptr || type == "*") return no_such_type(provider, type);
  if (!event_type_fits(provider, type)) {
    return fail(ErrorCode::kInvalidArgument, "this event type cannot be sent", "type",
                "1 to 255 printable characters; ASCII without blanks where a header carries it");
  }
  auto body = canonical_json(payload, provider.body, limits);
  if (!body) return tl::unexpected(std::move(body.error()));

  PreparedEvent prepared;
  prepared.body = std::move(*body);
  prepared.is_test = event->is_test;
  prepared.max_attempts = event->max_attempts;
  if (event->schema) {
    if (auto valid = event->schema->validate(prepared.body); !valid) {
      return tl::unexpected(std::move(valid.error()));
    }
  }
  if (auto signable = check_signable(provider.signature, prepared.body); !signable) {
    return tl::unexpected(std::move(signable.error()));
  }
  if (expires_at) {
    prepared.expires_at = expires_at;
  } else if (!provider.expires_pointer.empty()) {
    if (auto read = read_expiry(provider, now_ms, prepared); !read) {
      return tl::unexpected(std::move(read.error()));
    }
  }
  if (ordering_key) {
    if (!is_key(*ordering_key)) {
      return fail(ErrorCode::kInvalidArgument, "is not an ordering key", "ordering_key",
                  "1 to 255 bytes without control characters");
    }
    prepared.ordering_key = *ordering_key;
  } else if (!provider.ordering_pointer.empty()) {
    if (auto read = read_ordering_key(provider, prepared); !read) {
      return tl::unexpected(std::move(read.error()));
    }
  }
  return prepared;
}

}  // namespace outrider::core
