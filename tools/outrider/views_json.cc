#include "views_json.h"

#include "endpoint_tls.h"

namespace outrider::cli {
namespace {

void write_attempt(JsonOutput& json, const AttemptView& attempt) {
  json.begin_object()
      .member("number", attempt.number)
      .member("started_at", attempt.started_at)
      .member("duration_ms", attempt.duration_ms)
      .member("error", error_class_name(attempt.error))
      .member("status", attempt.status)
      .member("peer", attempt.peer)
      .member("detail", attempt.detail)
      .member("response", attempt.response)
      .member("unreadable", attempt.unreadable)
      .end_object();
}

void write_delivery(JsonOutput& json, const DeliveryView& delivery, Payload payload) {
  json.begin_object()
      .member("id", delivery.id)
      .member("endpoint", delivery.endpoint)
      .member("url", delivery.url)
      .member("state", state_name(delivery.state))
      .member("reason", delivery.reason)
      .member("attempts", delivery.attempts)
      .member("next_at", delivery.next_at)
      .member("finished_at", delivery.finished_at);
  if (payload == Payload::kShow) {
    json.key("log").begin_array();
    for (const AttemptView& attempt : delivery.log) write_attempt(json, attempt);
    json.end_array();
  }
  json.end_object();
}

}  // namespace

void write_json(JsonOutput& json, const std::vector<HeaderField>& headers) {
  json.begin_array();
  for (const HeaderField& header : headers) {
    json.begin_object().member("name", header.name).member("value", header.value).end_object();
  }
  json.end_array();
}

void write_json(JsonOutput& json, const EndpointView& endpoint) {
  json.begin_object()
      .member("id", endpoint.id)
      .member("account", endpoint.account)
      .member("provider", endpoint.provider)
      .member("url", endpoint.url)
      .member("types", endpoint.types)
      .key("headers");
  write_json(json, endpoint.headers);
  json.key("tls");
  write_json(json, endpoint.tls);
  json.member("description", endpoint.description)
      .member("rate_per_second", endpoint.rate_per_second)
      .member("max_in_flight", endpoint.max_in_flight)
      .member("state", state_name(endpoint.state))
      .member("state_reason", endpoint.state_reason)
      .member("created_at", endpoint.created_at)
      .member("state_changed_at", endpoint.state_changed_at)
      .member("consecutive_failures", endpoint.consecutive_failures)
      .member("recent_failures", endpoint.recent_failures)
      .member("live_secrets", endpoint.live_secrets)
      .key("secrets")
      .begin_array();
  for (const SecretView& secret : endpoint.secrets) {
    json.begin_object()
        .member("created_at", secret.created_at)
        .member("expires_at", secret.expires_at)
        .end_object();
  }
  json.end_array().end_object();
}

void write_json(JsonOutput& json, const EventReceipt& receipt) {
  json.begin_object()
      .member("id", receipt.id)
      .member("deliveries", receipt.deliveries)
      .member("duplicate", receipt.duplicate)
      .end_object();
}

void write_json(JsonOutput& json, const EventView& event, Payload payload) {
  json.begin_object()
      .member("id", event.id)
      .member("account", event.account)
      .member("provider", event.provider)
      .member("type", event.type)
      .member("created_at", event.created_at)
      .member("has_idempotency_key", event.has_idempotency_key)
      .member("ordering_key", event.ordering_key)
      .member("expires_at", event.expires_at)
      .member("payload_purged", event.payload_purged)
      .member("unreadable", event.unreadable);
  if (payload == Payload::kShow) json.member("payload", event.payload);
  json.key("deliveries").begin_array();
  for (const DeliveryView& delivery : event.deliveries) write_delivery(json, delivery, payload);
  json.end_array().end_object();
}

void write_json(JsonOutput& json, const QueueView& queue,
                const std::vector<Database::RejectedRow>& rejected) {
  json.begin_object()
      .member("engine_running", queue.engine_running)
      .member("waiting", queue.waiting)
      .member("due", queue.due)
      .member("held", queue.held)
      .member("in_flight", queue.in_flight)
      .member("delivered", queue.delivered)
      .member("exhausted", queue.exhausted)
      .member("expired", queue.expired)
      .member("cancelled", queue.cancelled)
      .member("inbox", queue.inbox)
      .member("rejected", queue.rejected)
      .member("oldest_at", queue.oldest_at)
      .member("next_at", queue.next_at)
      .key("endpoints")
      .begin_array();
  for (const EndpointQueue& endpoint : queue.endpoints) {
    json.begin_object()
        .member("endpoint", endpoint.endpoint)
        .member("url", endpoint.url)
        .member("state", state_name(endpoint.state))
        .member("waiting", endpoint.waiting)
        .member("due", endpoint.due)
        .member("held", endpoint.held)
        .member("exhausted", endpoint.exhausted)
        .member("oldest_at", endpoint.oldest_at)
        .member("next_at", endpoint.next_at)
        .end_object();
  }
  json.end_array().key("rejected_rows").begin_array();
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
  json.begin_object()
      .member("name", provider.name)
      .member("title", provider.title)
      .member("source", provider.source)
      .member("events", provider.events)
      .member("signature_headers", provider.signature_headers)
      .member("algorithm", provider.algorithm)
      .member("body", provider.body)
      .member("success", provider.success)
      .member("timeout_ms", provider.timeout_ms)
      .key("retry_delays_s")
      .begin_array();
  for (const std::int64_t delay : provider.retry_delays_s) json.number(delay);
  json.end_array()
      .member("max_attempts", provider.max_attempts)
      .member("deactivation", provider.deactivation);
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
