// load_provider: one definition file, read section by section. It never stops at a fault, so that a
// file's author sees all of them at once; only what depends on the rest being right (does a test
// event pass its own rules?) waits for it.
//
// The format is schemas/providers/provider.schema.json; that file and this code are held together
// by a test.
#include <algorithm>
#include <array>

#include "core/provider_sections.h"

namespace outrider::core {
namespace {

constexpr std::int64_t kFormat = 1;

bool is_provider_name(std::string_view name) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= 63 && plain(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return plain(c) || c == '-'; });
}

void read_identity(const ObjectReader& root, Provider& provider) {
  root.require("format", "write \"format\": 1");
  (void)root.integer("format", kFormat, kFormat);
  root.require("name");
  if (const auto name = root.text("name", 63)) {
    provider.name = *name;
    if (!is_provider_name(*name)) {
      root.fault("name", "is not a provider's name",
                 "lower-case letters, digits and -, not first; at most 63");
    }
  }
  provider.title = root.text("title", 200).value_or(provider.name);
  (void)root.text("documentation");
}

// A kind of notice that the definition has no event for would be told to nobody.
void check_notices(const Provider& provider, FaultList& faults) {
  constexpr std::array kKinds{NoticeKind::kEndpointDeactivated, NoticeKind::kEndpointActivated,
                              NoticeKind::kDeliveryExhausted, NoticeKind::kDeliveryExpired,
                              NoticeKind::kEventRejected};
  for (const NoticeKind kind : kKinds) {
    const EventType* event = provider.event(notice_kind_name(kind));
    if (event != nullptr && !event->is_test) continue;
    faults.add("/events", "has no event type \"" + std::string(notice_kind_name(kind)) + "\"",
               "a definition with \"notices\" has one for each kind of notice, or \"*\"");
  }
}

// A test event that would be refused at the moment somebody needs it is a fault of the definition.
void check_test_events(const Provider& provider, FaultList& faults) {
  for (const auto& [name, event] : provider.events) {
    if (!event.is_test) continue;
    const auto prepared = prepare(provider, name, event.test_payload, {}, {}, 0, {});
    if (prepared) continue;
    const std::string pointer = child_pointer("/events", name) + "/test/payload";
    const bool inside = prepared.error().where.starts_with('/');
    faults.add(inside ? pointer + prepared.error().where : pointer, prepared.error().message,
               prepared.error().hint);
  }
}

}  // namespace

Lint load_provider(std::string_view text, std::string_view file, const SchemaReader& read_schema) {
  FaultList faults(file);
  rapidjson::Document document;
  if (!parse_definition(text, document, faults)) return {faults.take(), std::nullopt};

  Provider provider;
  provider.origin = file;
  provider.definition = text;
  const ObjectReader root(document, "", faults, {"format",       "name",
                                                 "title",        "documentation",
                                                 "signature",    "body",
                                                 "content_type", "headers",
                                                 "success",      "timeout_ms",
                                                 "retry",        "deactivate",
                                                 "gone",         "endpoints_per_account",
                                                 "no_endpoint",  "events",
                                                 "sensitive",    "expires",
                                                 "ordering",     "notices"});
  read_identity(root, provider);
  read_signature(root, provider);
  read_request(root, provider);
  read_delivery(root, provider);
  read_events(root, file, read_schema, provider);
  provider.notices = root.boolean("notices").value_or(false);
  if (faults.empty() && provider.notices) check_notices(provider, faults);
  if (faults.empty()) check_test_events(provider, faults);
  if (!faults.empty()) return {faults.take(), std::nullopt};
  return {{}, std::move(provider)};
}

}  // namespace outrider::core
