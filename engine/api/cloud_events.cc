// The CloudEvents 1.0 JSON format and HTTP binding, as far as they say what an event here is.

#include "api/members.h"
#include "api/publishing.h"
#include "core/ascii.h"
#include "core/provider.h"

namespace outrider::api {
namespace {

constexpr std::size_t kMostKeyBytes = 255;

bool starts_with_ignoring_case(std::string_view text, std::string_view start) {
  return core::equal_ignoring_case(text.substr(0, start.size()), start);
}

bool is_structured(const Call& call) {
  const std::string* type = call.header("content-type");
  return type != nullptr && starts_with_ignoring_case(*type, "application/cloudevents");
}

bool is_json(std::string_view media_type) {
  const std::string_view type = media_type.substr(0, media_type.find(';'));
  return type.empty() || type == "application/json" || type == "text/json" ||
         type.ends_with("+json");
}

struct Attributes {
  std::string spec, id, source, content_type;
};

Read<void> settle(Event& event, const Attributes& attributes) {
  const auto missing = [](std::string_view name) {
    return refuse(kind_of(ErrorCode::kInvalidArgument), "the CloudEvent lacks this attribute",
                  "/" + std::string(name));
  };
  if (attributes.spec != "1.0") {
    return refuse(kind_of(ErrorCode::kInvalidArgument), "only CloudEvents 1.0 are read here",
                  "/specversion");
  }
  if (attributes.id.empty()) return missing("id");
  if (attributes.source.empty()) return missing("source");
  if (event.type.empty()) return missing("type");
  if (!is_json(attributes.content_type)) {
    return refuse(kUnsupportedMedia, "the data of an event must be JSON", "/datacontenttype");
  }
  event.idempotency_key = attributes.source + " " + attributes.id;
  if (event.idempotency_key->size() > kMostKeyBytes) {
    return refuse(kind_of(ErrorCode::kInvalidArgument),
                  "source and id together are longer than 254 bytes", "/id");
  }
  return {};
}

Read<Event> from_structured(const Call& call) {
  const std::string* type = call.header("content-type");
  if (!starts_with_ignoring_case(*type, "application/cloudevents+json")) {
    return refuse(kUnsupportedMedia, "of CloudEvents, only application/cloudevents+json", {},
                  "for many at once: POST /v1/events:batch");
  }
  auto members = Members::read(call.body);
  if (!members) return tl::unexpected(std::move(members.error()));
  Event event;
  Attributes attributes;
  std::optional<std::string_view> data, base64;
  members->take("specversion", attributes.spec);
  members->take("id", attributes.id);
  members->take("source", attributes.source);
  members->take("type", event.type);
  members->take("datacontenttype", attributes.content_type);
  members->take("account", event.account);
  members->take("provider", event.provider);
  members->take("partitionkey", event.ordering_key);
  members->take_time("expirytime", event.expires_at);
  members->take("traceparent", event.traceparent);
  members->take("tracestate", event.tracestate);
  members->take_raw("data", data);
  members->take_raw("data_base64", base64);
  if (base64) members->wrong("data_base64", "the data of an event must be JSON");
  members->require("data", data.has_value());
  members->ignore_rest();
  if (auto done = members->finish(); !done) return tl::unexpected(std::move(done.error()));
  event.payload = *data;
  if (auto ok = settle(event, attributes); !ok) return tl::unexpected(std::move(ok.error()));
  return event;
}

// The HTTP binding writes what is not plain ASCII as %XX.
std::string unescaped(const std::string* field) {
  if (field == nullptr) return {};
  std::string target = "/?v=";
  for (const char c : *field) {
    if (c == '+' || c == '&') {
      target += c == '+' ? "%2B" : "%26";
    } else {
      target += c;
    }
  }
  const auto read = read_target(target);
  return read && read->parameter("v") != nullptr ? *read->parameter("v") : *field;
}

Read<Event> from_binary(const Call& call) {
  Event event;
  const auto attribute = [&call](std::string_view name) {
    return unescaped(call.header("ce-" + std::string(name)));
  };
  const std::string* content_type = call.header("content-type");
  const Attributes attributes{
      .spec = attribute("specversion"),
      .id = attribute("id"),
      .source = attribute("source"),
      .content_type = content_type == nullptr ? std::string() : *content_type};
  event.type = attribute("type");
  event.account = attribute("account");
  event.provider = attribute("provider");
  event.payload = call.body;
  if (call.header("ce-partitionkey") != nullptr) event.ordering_key = attribute("partitionkey");
  if (call.header("ce-traceparent") != nullptr) event.traceparent = attribute("traceparent");
  if (call.header("ce-tracestate") != nullptr) event.tracestate = attribute("tracestate");
  if (call.header("ce-expirytime") != nullptr) {
    event.expires_at = timestamp(attribute("expirytime"));
    if (!event.expires_at) {
      return refuse(kind_of(ErrorCode::kInvalidArgument), kNotATime, "/expirytime");
    }
  }
  if (auto ok = settle(event, attributes); !ok) return tl::unexpected(std::move(ok.error()));
  return event;
}

}  // namespace

bool is_cloud_event(const Call& call) {
  return is_structured(call) || call.header("ce-specversion") != nullptr;
}

Read<Event> event_from_cloud_event(const Call& call) {
  const bool binary = call.header("ce-specversion") != nullptr;
  if (binary && is_structured(call)) {
    return refuse(kBadRequest, "both a structured and a binary CloudEvent");
  }
  return binary ? from_binary(call) : from_structured(call);
}

}  // namespace outrider::api
