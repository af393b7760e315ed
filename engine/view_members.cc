#include "view_members.h"

#include "core/time.h"
#include "log.h"

namespace outrider {

ViewMembers& ViewMembers::time(std::string_view name, std::int64_t at) {
  if (form_ == ViewForm::kCommand) {
    json_.member(name, at);
  } else {
    json_.member(name, rfc3339(core::wall_from_ms(at)));
  }
  return *this;
}

ViewMembers& ViewMembers::time(std::string_view name, std::optional<std::int64_t> at) {
  if (at) return time(name, *at);
  json_.key(name).null();
  return *this;
}

ViewMembers& ViewMembers::text(std::string_view name, const std::string& value) {
  if (form_ == ViewForm::kApi && value.empty()) {
    json_.key(name).null();
  } else {
    json_.member(name, value);
  }
  return *this;
}

void ViewMembers::endpoint_target(const EndpointView& endpoint) {
  json_.member("id", endpoint.id)
      .member("account", endpoint.account)
      .member("provider", endpoint.provider)
      .member("url", endpoint.url)
      .member("types", endpoint.types)
      .key("headers");
  write_headers(json_, endpoint.headers);
}

void ViewMembers::endpoint_state(const EndpointView& endpoint) {
  json_.member("description", endpoint.description)
      .member("rate_per_second", endpoint.rate_per_second)
      .member("max_in_flight", endpoint.max_in_flight)
      .member("state", state_name(endpoint.state));
  text("state_reason", endpoint.state_reason);
  time("created_at", endpoint.created_at).time("state_changed_at", endpoint.state_changed_at);
  json_.member("consecutive_failures", endpoint.consecutive_failures)
      .member("recent_failures", endpoint.recent_failures);
}

void ViewMembers::secrets(const std::vector<SecretView>& secrets) {
  json_.key("secrets").begin_array();
  for (const SecretView& secret : secrets) {
    json_.begin_object();
    time("created_at", secret.created_at).time("expires_at", secret.expires_at);
    json_.end_object();
  }
  json_.end_array();
}

void ViewMembers::event(const EventView& event) {
  json_.member("id", event.id)
      .member("account", event.account)
      .member("provider", event.provider)
      .member("type", event.type);
  time("created_at", event.created_at);
  json_.member("has_idempotency_key", event.has_idempotency_key)
      .member("ordering_key", event.ordering_key);
  time("expires_at", event.expires_at);
  json_.member("payload_purged", event.payload_purged)
      .member("traceparent", event.traceparent)
      .member("tracestate", event.tracestate);
}

void ViewMembers::delivery(const DeliveryView& delivery) {
  json_.member("id", delivery.id)
      .member("endpoint", delivery.endpoint)
      .member("url", delivery.url)
      .member("state", state_name(delivery.state));
  text("reason", delivery.reason);
  json_.member("attempts", delivery.attempts);
  time("next_at", delivery.next_at).time("finished_at", delivery.finished_at);
}

void ViewMembers::attempt(const AttemptView& attempt) {
  const bool no_status = form_ == ViewForm::kApi && attempt.status == 0;
  json_.member("number", attempt.number);
  time("started_at", attempt.started_at);
  json_.member("duration_ms", attempt.duration_ms)
      .member("error", error_class_name(attempt.error))
      .member("status", no_status ? std::nullopt : std::optional(attempt.status))
      .member("peer", attempt.peer)
      .member("detail", attempt.detail)
      .member("response", attempt.response);
  text("unreadable", attempt.unreadable);
}

void ViewMembers::notice(const Notice& notice) {
  json_.member("id", notice.id);
  time("at", notice.at);
  json_.member("kind", notice_kind_name(notice.kind));
  text("account", notice.account).text("provider", notice.provider);
  text("endpoint", notice.endpoint).text("delivery", notice.delivery).text("event", notice.event);
  text("event_type", notice.event_type);
  json_.member("row", notice.row).member("detail", notice.detail);
}

void ViewMembers::queue(const QueueView& queue) {
  json_.member("waiting", queue.waiting)
      .member("due", queue.due)
      .member("held", queue.held)
      .member("in_flight", queue.in_flight)
      .member("delivered", queue.delivered)
      .member("exhausted", queue.exhausted)
      .member("expired", queue.expired)
      .member("cancelled", queue.cancelled)
      .member("inbox", queue.inbox)
      .member("rejected", queue.rejected);
  time("oldest_at", queue.oldest_at).time("next_at", queue.next_at);
  json_.key("endpoints").begin_array();
  for (const EndpointQueue& endpoint : queue.endpoints) {
    json_.begin_object()
        .member("endpoint", endpoint.endpoint)
        .member("url", endpoint.url)
        .member("state", state_name(endpoint.state))
        .member("waiting", endpoint.waiting)
        .member("due", endpoint.due)
        .member("held", endpoint.held)
        .member("exhausted", endpoint.exhausted);
    time("oldest_at", endpoint.oldest_at).time("next_at", endpoint.next_at);
    json_.end_object();
  }
  json_.end_array();
}

void ViewMembers::stats(const EndpointStats& stats) {
  json_.member("endpoint", stats.endpoint);
  time("since", stats.since).time("until", stats.until);
  json_.member("attempts", stats.attempts)
      .member("succeeded", stats.succeeded)
      .member("failed", stats.failed)
      .key("errors")
      .begin_object();
  for (const auto& [error, count] : stats.errors) json_.member(error_class_name(error), count);
  json_.end_object()
      .member("success_ratio", stats.success_ratio)
      .member("p50_ms", stats.p50_ms)
      .member("p95_ms", stats.p95_ms)
      .member("p99_ms", stats.p99_ms);
  time("last_success_at", stats.last_success_at).time("last_failure_at", stats.last_failure_at);
  json_.member("waiting", stats.waiting)
      .member("due", stats.due)
      .member("held", stats.held)
      .member("delivered", stats.delivered)
      .member("exhausted", stats.exhausted)
      .member("expired", stats.expired)
      .member("cancelled", stats.cancelled);
  time("oldest_at", stats.oldest_at).time("next_at", stats.next_at);
  json_.member("state", state_name(stats.state))
      .member("consecutive_failures", stats.consecutive_failures)
      .member("window_failures", stats.window_failures)
      .member("window_s", stats.window_s)
      .member("max_in_flight", stats.max_in_flight);
}

void ViewMembers::skipped(const ReplayReport& report) {
  json_.member("waiting", report.waiting)
      .member("expired", report.expired)
      .member("purged", report.purged)
      .member("too_often", report.too_often)
      .member("unknown", report.unknown);
}

void ViewMembers::provider(const ProviderView& provider) {
  json_.member("name", provider.name)
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
  for (const std::int64_t delay : provider.retry_delays_s) json_.number(delay);
  json_.end_array()
      .member("max_attempts", provider.max_attempts)
      .member("deactivation", provider.deactivation);
}

void write_headers(core::JsonOutput& json, const std::vector<HeaderField>& headers) {
  json.begin_array();
  for (const HeaderField& header : headers) {
    json.begin_object().member("name", header.name).member("value", header.value).end_object();
  }
  json.end_array();
}

void write_receipt(core::JsonOutput& json, const EventReceipt& receipt) {
  json.begin_object()
      .member("id", receipt.id)
      .member("deliveries", receipt.deliveries)
      .member("duplicate", receipt.duplicate)
      .end_object();
}

}  // namespace outrider
