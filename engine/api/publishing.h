// From a request to events: one as JSON, one as a CloudEvent, or thousands as lines.
#pragma once

#include <string>
#include <string_view>

#include "api/call.h"
#include "core/trace_context.h"
#include "outrider/types.h"

namespace outrider::api {

// The JSON form. Members that are not known are refused, so that a misspelt one is not lost.
[[nodiscard]] Read<Event> event_from_json(std::string_view body, const Principal& who);

// CloudEvents 1.0: structured (application/cloudevents+json) and binary (fields ce-…). Context
// attributes become: type, the event's type; source and id together, its idempotency key;
// `account`, `provider` (extensions), the same here; partitionkey, the ordering key; expirytime,
// its end; traceparent, tracestate, its trace. Other attributes are theirs who sent them and are
// not kept. Data must be JSON.
[[nodiscard]] bool is_cloud_event(const Call& call);
[[nodiscard]] Read<Event> event_from_cloud_event(const Call& call);

// The trace that the request is part of, from its header; the event's own where it has one.
[[nodiscard]] core::TraceContext trace_of(const Call& call);
void adopt_trace(Event& event, const core::TraceContext& trace);

struct Publication {
  Event event;
  std::string payload_at;  // where in the body the payload lies, as a JSON pointer
};
// By the content type, with Idempotency-Key.
[[nodiscard]] Read<Publication> publication_from(const Call& call);

// A problem about the event itself, seen from the request's body.
[[nodiscard]] Problem publishing_problem(const Error& error, std::string_view payload_at);
[[nodiscard]] std::string receipt_json(const EventReceipt& receipt);

}  // namespace outrider::api
