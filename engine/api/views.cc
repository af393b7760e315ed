// Payloads come masked from the Database, unless it was asked to reveal them; nothing here unmasks.
#include "api/views.h"

#include "core/time.h"
#include "log.h"

namespace outrider::api {
namespace {

using core::JsonOutput;

std::string time_text(std::int64_t at) { return rfc3339(core::wall_from_ms(at)); }

std::optional<std::string> time_text(std::optional<std::int64_t> at) {
  if (!at) return std::nullopt;
  return time_text(*at);
}

std::optional<std::string> unless_empty(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return text;
}

void write_attempt(JsonOutput& json, const DeliveryView& delivery, const AttemptView& attempt) {
  std::optional<int> status;
  if (attempt.status != 0) status = attempt.status;
  json.begin_object()
      .member("delivery", delivery.id)
      .member("endpoint", delivery.endpoint)
      .member("number", attempt.number)
      .member("started_at", time_text(attempt.started_at))
      .member("duration_ms", attempt.duration_ms)
      .member("error", error_class_name(attempt.error))
      .member("status", status)
      .member("peer", attempt.peer)
      .member("detail", attempt.detail)
      .member("response", attempt.response)
      .member("unreadable", unless_empty(attempt.unreadable))
      .end_object();
}

void write_delivery(JsonOutput& json, const DeliveryView& delivery) {
  json.begin_object()
      .member("id", delivery.id)
      .member("endpoint", delivery.endpoint)
      .member("url", delivery.url)
      .member("state", state_name(delivery.state))
      .member("reason", unless_empty(delivery.reason))
      .member("attempts", delivery.attempts)
      .member("next_at", time_text(delivery.next_at))
      .member("finished_at", time_text(delivery.finished_at))
      .end_object();
}

}  // namespace

void write(JsonOutput& json, const EndpointView& endpoint) {
  json.begin_object()
      .member("id", endpoint.id)
      .member("account", endpoint.account)
      .member("provider", endpoint.provider)
      .member("url", endpoint.url)
      .member("types", endpoint.types)
      .key("headers")
      .begin_array();
  for (const HeaderField& header : endpoint.headers) {
    json.begin_object().member("name", header.name).member("value", header.value).end_object();
  }
  json.end_array().key("tls").begin_object();
  json.member("minimum", endpoint.tls.at_least == TlsVersion::k13 ? "1.3" : "1.2")
      .member("ca", unless_empty(endpoint.tls.ca))
      .member("certificate", unless_empty(endpoint.tls.certificate))
      .end_object();
  json.member("description", endpoint.description)
      .member("rate_per_second", endpoint.rate_per_second)
      .member("max_in_flight", endpoint.max_in_flight)
      .member("state", state_name(endpoint.state))
      .member("state_reason", unless_empty(endpoint.state_reason))
      .member("created_at", time_text(endpoint.created_at))
      .member("state_changed_at", time_text(endpoint.state_changed_at))
      .member("consecutive_failures", endpoint.consecutive_failures)
      .member("recent_failures", endpoint.recent_failures)
      .key("secrets")
      .begin_array();
  for (const SecretView& secret : endpoint.secrets) {
    json.begin_object()
        .member("created_at", time_text(secret.created_at))
        .member("expires_at", time_text(secret.expires_at))
        .end_object();
  }
  json.end_array().member("unreadable", unless_empty(endpoint.unreadable)).end_object();
}

void write(JsonOutput& json, const EventView& event, Detail detail) {
  json.begin_object()
      .member("id", event.id)
      .member("account", event.account)
      .member("provider", event.provider)
      .member("type", event.type)
      .member("created_at", time_text(event.created_at))
      .member("has_idempotency_key", event.has_idempotency_key)
      .member("ordering_key", event.ordering_key)
      .member("expires_at", time_text(event.expires_at))
      .member("payload_purged", event.payload_purged);
  if (detail == Detail::kFull) {
    json.member("payload", unless_empty(event.payload))
        .member("unreadable", unless_empty(event.unreadable));
  }
  json.key("deliveries").begin_array();
  for (const DeliveryView& delivery : event.deliveries) write_delivery(json, delivery);
  json.end_array().end_object();
}

void write_attempts(JsonOutput& json, const EventView& event) {
  json.begin_object().key("items").begin_array();
  for (const DeliveryView& delivery : event.deliveries) {
    for (const AttemptView& attempt : delivery.log) write_attempt(json, delivery, attempt);
  }
  json.end_array().end_object();
}

void write(JsonOutput& json, const QueueView& queue) {
  json.begin_object()
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
      .member("oldest_at", time_text(queue.oldest_at))
      .member("next_at", time_text(queue.next_at))
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
        .member("oldest_at", time_text(endpoint.oldest_at))
        .member("next_at", time_text(endpoint.next_at))
        .end_object();
  }
  json.end_array().end_object();
}

void write(JsonOutput& json, const ProviderView& provider) {
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
      .member("deactivation", provider.deactivation)
      .end_object();
}

}  // namespace outrider::api
