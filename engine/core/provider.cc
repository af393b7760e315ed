// What a loaded definition answers: which event types it knows, which headers are taken. Lookups
// only; the values were checked when the file was read.
#include "core/provider.h"

#include <algorithm>
#include <array>

#include "core/ascii.h"
#include "core/provider_sections.h"

namespace outrider::core {
namespace {

// RFC 9110 section 7.6.1 and what the HTTP client writes itself; and the trace, which is each
// event's own. `webhook-id` is the engine's: it
// is sent with every request, so that a receiver can recognise a repetition.
constexpr std::array<std::string_view, 19> kEngineHeaders = {
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
};

bool uses_type(const Provider& provider) noexcept {
  const auto uses = [](const Template& text) { return text.uses(Template::Variable::kType); };
  return std::any_of(provider.signature.headers.begin(), provider.signature.headers.end(),
                     [&](const HeaderTemplate& header) { return uses(header.value); }) ||
         std::any_of(provider.signature.schemes.begin(), provider.signature.schemes.end(),
                     [&](const SignatureScheme& scheme) { return uses(scheme.signed_text); });
}

}  // namespace

bool is_engine_header(std::string_view name) noexcept {
  return std::any_of(kEngineHeaders.begin(), kEngineHeaders.end(),
                     [&](std::string_view taken) { return equal_ignoring_case(name, taken); });
}

bool is_header_name(std::string_view name) noexcept {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !name.empty() && name.size() <= 128 && std::all_of(name.begin(), name.end(), [&](char c) {
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

bool is_header_value(std::string_view value) noexcept {
  if (value.starts_with(' ') || value.ends_with(' ')) return false;
  return std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

bool event_type_fits(const Provider& provider, std::string_view type) noexcept {
  if (type.empty() || type.size() > 255) return false;
  const bool visible_only = uses_type(provider);
  return std::all_of(type.begin(), type.end(), [&](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return visible_only ? byte > 0x20 && byte < 0x7f : byte >= 0x20 && byte != 0x7f;
  });
}

const EventType* Provider::event(std::string_view type) const {
  auto found = events.find(type);
  if (found == events.end()) found = events.find(std::string_view("*"));
  return found == events.end() ? nullptr : &found->second;
}

bool Provider::reserves_header(std::string_view header) const {
  if (is_engine_header(header) || equal_ignoring_case(header, "webhook-id")) return true;
  const auto has_name = [&](const auto& field) { return equal_ignoring_case(header, field.name); };
  return std::any_of(signature.headers.begin(), signature.headers.end(), has_name) ||
         std::any_of(headers.begin(), headers.end(), has_name);
}

void ProviderSet::put(Provider provider) {
  std::string name = provider.name;
  providers_.insert_or_assign(std::move(name), std::move(provider));
}

const Provider* ProviderSet::find(std::string_view name) const {
  const auto found = providers_.find(name);
  return found == providers_.end() ? nullptr : &found->second;
}

std::vector<const Provider*> ProviderSet::list() const {
  std::vector<const Provider*> all;
  all.reserve(providers_.size());
  for (const auto& [name, provider] : providers_) all.push_back(&provider);
  return all;
}

}  // namespace outrider::core
