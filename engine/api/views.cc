// Payloads come masked from the Database, unless it was asked to reveal them; nothing here unmasks.
#include "api/views.h"

#include "view_members.h"

namespace outrider::api {
namespace {

using core::JsonOutput;

ViewMembers members(JsonOutput& json) { return {json, ViewForm::kApi}; }

}  // namespace

void write(JsonOutput& json, const EndpointView& endpoint) {
  json.begin_object();
  members(json).endpoint_target(endpoint);
  json.key("tls").begin_object().member("minimum",
                                        endpoint.tls.at_least == TlsVersion::k13 ? "1.3" : "1.2");
  members(json).text("ca", endpoint.tls.ca).text("certificate", endpoint.tls.certificate);
  json.end_object();
  members(json).endpoint_state(endpoint);
  members(json).secrets(endpoint.secrets);
  members(json).text("unreadable", endpoint.unreadable);
  json.end_object();
}

void write(JsonOutput& json, const EventView& event, Detail detail) {
  json.begin_object();
  members(json).event(event);
  if (detail == Detail::kFull) {
    members(json).text("payload", event.payload).text("unreadable", event.unreadable);
  }
  json.key("deliveries").begin_array();
  for (const DeliveryView& delivery : event.deliveries) {
    json.begin_object();
    members(json).delivery(delivery);
    json.end_object();
  }
  json.end_array().end_object();
}

void write_attempts(JsonOutput& json, const EventView& event) {
  json.begin_object().key("items").begin_array();
  for (const DeliveryView& delivery : event.deliveries) {
    for (const AttemptView& attempt : delivery.log) {
      json.begin_object().member("delivery", delivery.id).member("endpoint", delivery.endpoint);
      members(json).attempt(attempt);
      json.end_object();
    }
  }
  json.end_array().end_object();
}

void write(JsonOutput& json, const Notice& notice) {
  json.begin_object();
  members(json).notice(notice);
  json.end_object();
}

void write(JsonOutput& json, const EndpointStats& stats) {
  json.begin_object();
  members(json).stats(stats);
  json.end_object();
}

void write(JsonOutput& json, const QueueView& queue) {
  json.begin_object();
  members(json).queue(queue);
  json.end_object();
}

void write(JsonOutput& json, const ProviderView& provider) {
  json.begin_object();
  members(json).provider(provider);
  json.end_object();
}

void write(JsonOutput& json, const ReplayReport& report, bool dry_run) {
  json.begin_object().member("replayed", report.replayed).member("dry_run", dry_run);
  json.key("skipped").begin_object();
  members(json).skipped(report);
  json.end_object();
  members(json).time("until", report.until);
  json.member("next_cursor", report.cursor).end_object();
}

}  // namespace outrider::api
