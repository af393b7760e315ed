// The payload stays the bytes that were sent: it is cut out of the body, never written anew.
#include "api/publishing.h"

#include "api/members.h"
#include "core/ascii.h"
#include "core/json_output.h"
#include "view_members.h"

namespace outrider::api {
namespace {

// "application/json; charset=utf-8" -> "application/json", in lower case.
std::string media_type(const Call& call) {
  const std::string* field = call.header("content-type");
  if (field == nullptr) return {};
  std::string type = core::lower_case(field->substr(0, field->find(';')));
  type.erase(type.find_last_not_of(" \t") + 1);
  return type;
}

// A token bound to an account publishes for that account, said or not.
Read<void> settle_account(Event& event, const Principal& who) {
  if (event.account.empty()) event.account = who.account;
  if (who.sees(event.account)) return {};
  return refuse(kForbidden, "the token is bound to another account", "/account");
}

// The body is read as a whole, but what is wrong within the payload is the payload's.
Problem payload_told_apart(Problem problem) {
  if (problem.pointer.starts_with("/payload")) problem.kind = &kind_of(ErrorCode::kInvalidPayload);
  return problem;
}

// Plain, or in quotes as a structured field.
std::string key_of(std::string_view field) {
  if (field.size() >= 2 && field.front() == '"' && field.back() == '"') {
    field = field.substr(1, field.size() - 2);
  }
  return std::string(field);
}

}  // namespace

Read<Event> event_from_json(std::string_view body, const Principal& who) {
  auto members = Members::read(body);
  if (!members) return tl::unexpected(payload_told_apart(std::move(members.error())));
  Event event;
  std::optional<std::string_view> payload;
  members->take("account", event.account);
  members->take("provider", event.provider);
  members->take("type", event.type);
  members->take_raw("payload", payload);
  members->take("idempotency_key", event.idempotency_key);
  members->take("ordering_key", event.ordering_key);
  members->take_time("expires_at", event.expires_at);
  members->take("endpoint_ids", event.endpoints);
  members->take("traceparent", event.traceparent);
  members->take("tracestate", event.tracestate);
  members->require("payload", payload.has_value());
  if (auto done = members->finish(); !done) return tl::unexpected(std::move(done.error()));
  event.payload = *payload;
  if (auto ok = settle_account(event, who); !ok) return tl::unexpected(std::move(ok.error()));
  return event;
}

core::TraceContext trace_of(const Call& call) {
  std::vector<std::string_view> parents, states;
  for (const HeaderField& field : call.headers) {
    if (core::equal_ignoring_case(field.name, "traceparent")) parents.push_back(field.value);
    if (core::equal_ignoring_case(field.name, "tracestate")) states.push_back(field.value);
  }
  return core::propagated_trace(parents, states);
}

void adopt_trace(Event& event, const core::TraceContext& trace) {
  if (event.traceparent || event.tracestate || trace.parent.empty()) return;
  event.traceparent = trace.parent;
  if (!trace.state.empty()) event.tracestate = trace.state;
}

Read<Publication> publication_from(const Call& call) {
  if (is_cloud_event(call)) {
    auto event = event_from_cloud_event(call);
    if (!event) return tl::unexpected(std::move(event.error()));
    if (auto ok = settle_account(*event, call.who); !ok) {
      return tl::unexpected(std::move(ok.error()));
    }
    adopt_trace(*event, trace_of(call));
    const bool binary = call.header("ce-specversion") != nullptr;
    return Publication{.event = std::move(*event), .payload_at = binary ? "" : "/data"};
  }
  const std::string type = media_type(call);
  if (!type.empty() && type != "application/json") {
    return refuse(kUnsupportedMedia, "events are application/json or CloudEvents");
  }
  auto event = event_from_json(call.body, call.who);
  if (!event) return tl::unexpected(std::move(event.error()));
  adopt_trace(*event, trace_of(call));
  if (const std::string* field = call.header("idempotency-key")) {
    std::string key = key_of(*field);
    if (event->idempotency_key && *event->idempotency_key != key) {
      return refuse(kind_of(ErrorCode::kInvalidArgument), "differs from the field Idempotency-Key",
                    "/idempotency_key");
    }
    event->idempotency_key = std::move(key);
  }
  return Publication{.event = std::move(*event), .payload_at = "/payload"};
}

Problem publishing_problem(const Error& error, std::string_view payload_at) {
  Problem problem = problem_of(error, payload_at);
  // What the body names wrongly is a wrong body, not a wrong path.
  if (error.code == ErrorCode::kNotFound) {
    problem.kind = &kind_of(ErrorCode::kInvalidArgument);
    if (problem.pointer.empty()) problem.pointer = "/endpoint_ids";
  }
  return problem;
}

std::string receipt_json(const EventReceipt& receipt) {
  core::JsonOutput json(core::JsonOutput::Layout::kOneLine);
  write_receipt(json, receipt);
  return json.document();
}

}  // namespace outrider::api
