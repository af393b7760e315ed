#include "views_json.h"

#include "endpoint_tls.h"
#include "view_members.h"

namespace outrider::cli {
namespace {

ViewMembers members(JsonOutput& json) { return {json, ViewForm::kCommand}; }

void write_delivery(JsonOutput& json, const DeliveryView& delivery, Payload payload) {
  json.begin_object();
  members(json).delivery(delivery);
  if (payload == Payload::kShow) {
    json.key("log").begin_array();
    for (const AttemptView& attempt : delivery.log) {
      json.begin_object();
      members(json).attempt(attempt);
      json.end_object();
    }
    json.end_array();
  }
  json.end_object();
}

}  // namespace

void write_json(JsonOutput& json, const EndpointView& endpoint) {
  json.begin_object();
  members(json).endpoint_target(endpoint);
  json.key("tls");
  write_json(json, endpoint.tls);
  members(json).endpoint_state(endpoint);
  json.member("live_secrets", endpoint.live_secrets);
  members(json).secrets(endpoint.secrets);
  json.end_object();
}

void write_json(JsonOutput& json, const EventReceipt& receipt) { write_receipt(json, receipt); }

void write_json(JsonOutput& json, const EventView& event, Payload payload) {
  json.begin_object();
  members(json).event(event);
  json.member("unreadable", event.unreadable);
  if (payload == Payload::kShow) json.member("payload", event.payload);
  json.key("deliveries").begin_array();
  for (const DeliveryView& delivery : event.deliveries) write_delivery(json, delivery, payload);
  json.end_array().end_object();
}

void write_json(JsonOutput& json, const EndpointStats& stats) {
  json.begin_object();
  members(json).stats(stats);
  json.end_object();
}

void write_json(JsonOutput& json, const QueueView& queue,
                const std::vector<Database::RejectedRow>& rejected) {
  json.begin_object().member("engine_running", queue.engine_running);
  members(json).queue(queue);
  json.key("rejected_rows").begin_array();
  for (const Database::RejectedRow& row : rejected) {
    json.begin_object()
        .member("row", row.row)
        .member("account", row.account)
        .member("provider", row.provider)
        .member("type", row.type)
        .member("reason", row.reason)
        .member("created_at", row.created_at)
        .end_object();
  }
  json.end_array().end_object();
}

void write_json(JsonOutput& json, const ProviderView& provider, bool definition) {
  json.begin_object();
  members(json).provider(provider);
  if (definition) json.member("definition", provider.definition);
  json.end_object();
}

void write_json(JsonOutput& json, const Error& error) {
  json.begin_object()
      .member("code", error_code_name(error.code))
      .member("message", error.message)
      .member("where", error.where)
      .member("hint", error.hint)
      .end_object();
}

}  // namespace outrider::cli
