#include "database_views.h"

#include <utility>

#include "core/json_text.h"
#include "crypto/mac.h"

namespace outrider {
namespace {

using crypto::IdKind;

std::uint64_t count_of(const storage::QueueCounts& counts, DeliveryState state) {
  const auto found = counts.finished.find(state);
  return found == counts.finished.end() ? 0 : found->second;
}

std::optional<std::string> maybe(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return text;
}

// A receiver's answer may echo what it was sent, so it is shown by the payload's rules: unknown
// text is masked whole, and so is all of a provider whose definition does not say what is
// sensitive.
std::string shown(const std::string& text, const core::Provider* provider, bool reveal) {
  if (text.empty() || reveal) return text;
  if (provider == nullptr || provider->sensitive.empty()) return core::masked_json("", {});
  return core::masked_json(text, provider->sensitive);
}

}  // namespace

EndpointView DatabaseViews::endpoint(const storage::EndpointRecord& record) const {
  // Custom headers often carry the receiver's own tokens: their names are shown, their values
  // never.
  std::vector<HeaderField> headers = record.spec.headers;
  for (HeaderField& header : headers) header.value = "********";
  std::vector<SecretView> secrets;
  secrets.reserve(record.secrets.size());
  for (const Secret& secret : record.secrets) {
    secrets.push_back({.created_at = secret.created_at, .expires_at = secret.expires_at});
  }
  return {.id = ids_.text(IdKind::kEndpoint, record.row),
          .account = record.spec.account,
          .provider = record.spec.provider,
          .url = record.spec.url,
          .types = record.spec.types,
          .headers = std::move(headers),
          .description = record.spec.description,
          .rate_per_second = record.spec.rate_per_second,
          .max_in_flight = record.spec.max_in_flight,
          .state = record.state,
          .state_reason = record.state_reason,
          .created_at = record.created_at,
          .state_changed_at = record.state_changed_at,
          .consecutive_failures = record.health.consecutive,
          .recent_failures = static_cast<std::uint32_t>(record.health.failures.size()),
          .live_secrets = static_cast<std::uint32_t>(record.secrets.size()),
          .tls = {.ca = record.spec.tls.ca,
                  .certificate = record.spec.tls.certificate,
                  .key = {},
                  .at_least = record.spec.tls.at_least},
          .unreadable = record.unreadable,
          .secrets = std::move(secrets)};
}

EventView DatabaseViews::event_view(const storage::EventRecord& record) const {
  return {.id = ids_.text(IdKind::kEvent, record.row),
          .account = record.account,
          .provider = record.provider,
          .type = record.type,
          .created_at = record.created_at,
          .has_idempotency_key = record.has_idempotency_key,
          .ordering_key = record.ordering_key,
          .expires_at = record.expires_at,
          .payload = {},
          .payload_purged = record.purged,
          .unreadable = record.unreadable,
          .deliveries = {},
          .traceparent = maybe(record.trace.parent),
          .tracestate = maybe(record.trace.state)};
}

Result<DeliveryView> DatabaseViews::delivery_view(const storage::DeliveryRecord& record,
                                                  const core::Provider* provider, bool reveal) {
  DeliveryView view{.id = ids_.text(IdKind::kDelivery, record.row),
                    .event = ids_.text(IdKind::kEvent, record.event),
                    .endpoint = ids_.text(IdKind::kEndpoint, record.endpoint),
                    .url = record.url,
                    .state = record.state,
                    .reason = record.reason,
                    .attempts = record.attempts,
                    .next_at = record.next_at,
                    .finished_at = record.finished_at,
                    .log = {}};
  auto attempts = outbox_.attempts(record.row);
  if (!attempts) return tl::unexpected(std::move(attempts.error()));
  for (storage::AttemptRecord& attempt : *attempts) {
    view.log.push_back({.number = attempt.number,
                        .started_at = attempt.started_at,
                        .duration_ms = attempt.duration_ms,
                        .error = attempt.error,
                        .status = attempt.status,
                        .peer = std::move(attempt.peer),
                        .detail = std::move(attempt.detail),
                        .response = shown(attempt.response, provider, reveal),
                        .unreadable = std::move(attempt.unreadable)});
  }
  return view;
}

Result<DatabaseViews::Object> DatabaseViews::event_or_delivery(const std::string& id) const {
  if (const auto row = ids_.row(IdKind::kEvent, id)) return Object{.event = row, .delivery = {}};
  if (const auto row = ids_.row(IdKind::kDelivery, id)) return Object{.event = {}, .delivery = row};
  return fail(ErrorCode::kNotFound, "no such event or delivery", id, "see: outrider event list");
}

Result<std::vector<EventView>> DatabaseViews::events(const EventFilter& filter) {
  if (filter.limit < 1 || filter.limit > 1000) {
    return fail(ErrorCode::kInvalidArgument, "must be 1 to 1000", "limit");
  }
  storage::EventQuery query{.account = filter.account,
                            .provider = filter.provider,
                            .type = filter.type,
                            .state = filter.state,
                            .endpoint = {},
                            .idempotency_key = filter.idempotency_key,
                            .before = {},
                            .limit = filter.limit};
  if (!filter.idempotency_key.empty() && (filter.account.empty() || filter.provider.empty())) {
    return fail(ErrorCode::kInvalidArgument,
                "an idempotency key belongs to an account and provider", "idempotency_key",
                "name both");
  }
  if (!filter.endpoint.empty()) {
    query.endpoint = ids_.row(IdKind::kEndpoint, filter.endpoint);
    if (!query.endpoint) {
      return fail(ErrorCode::kNotFound, "no such endpoint", filter.endpoint,
                  "see: outrider endpoint list");
    }
  }
  if (!filter.before.empty()) {
    query.before = ids_.row(IdKind::kEvent, filter.before);
    if (!query.before) return fail(ErrorCode::kNotFound, "no such event", filter.before);
  }
  auto records = outbox_.events(query);
  if (!records) return tl::unexpected(std::move(records.error()));
  std::vector<EventView> views;
  for (const storage::EventRecord& record : *records) {
    EventView view = event_view(record);
    auto deliveries = outbox_.deliveries(record.row);
    if (!deliveries) return tl::unexpected(std::move(deliveries.error()));
    for (const storage::DeliveryRecord& delivery : *deliveries) {
      view.deliveries.push_back({.id = ids_.text(IdKind::kDelivery, delivery.row),
                                 .event = view.id,
                                 .endpoint = ids_.text(IdKind::kEndpoint, delivery.endpoint),
                                 .url = delivery.url,
                                 .state = delivery.state,
                                 .reason = delivery.reason,
                                 .attempts = delivery.attempts,
                                 .next_at = delivery.next_at,
                                 .finished_at = delivery.finished_at,
                                 .log = {}});
    }
    views.push_back(std::move(view));
  }
  return views;
}

Result<DatabaseViews::FoundEvent> DatabaseViews::find(const std::string& id,
                                                      const std::string& account) {
  auto object = event_or_delivery(id);
  if (!object) return tl::unexpected(std::move(object.error()));
  if (!object->event) {
    auto delivery = outbox_.delivery(*object->delivery);
    if (!delivery) return tl::unexpected(std::move(delivery.error()));
    if (!delivery->has_value()) return fail(ErrorCode::kNotFound, "no such delivery", id);
    object->event = (*delivery)->event;
  }
  auto record = outbox_.event(*object->event);
  if (!record) return tl::unexpected(std::move(record.error()));
  if (!record->has_value() || (!account.empty() && (*record)->account != account)) {
    if (record->has_value()) crypto::wipe((*record)->body);
    return fail(ErrorCode::kNotFound, "no such event", id, "see: outrider event list");
  }
  return FoundEvent{.record = std::move(**record), .delivery = object->delivery, .id = id};
}

Result<void> DatabaseViews::revealable(const FoundEvent& found) {
  if (found.record.unreadable.empty()) return {};
  auto keys = outbox_.key_status();
  if (!keys) return tl::unexpected(std::move(keys.error()));
  const bool by_key_file = !keys->problem.empty();
  return fail(by_key_file ? ErrorCode::kKey : ErrorCode::kRefused,
              "the payload cannot be revealed: " + found.record.unreadable, found.id,
              by_key_file ? "see: outrider key status" : "");
}

Result<EventView> DatabaseViews::event(FoundEvent found, bool reveal) {
  EventView view = event_view(found.record);
  const core::Provider* provider = providers_.find(found.record.provider);
  if (!view.payload_purged && view.unreadable.empty()) {
    view.payload = shown(found.record.body, provider, reveal);
  }
  crypto::wipe(found.record.body);
  auto deliveries = outbox_.deliveries(found.record.row);
  if (!deliveries) return tl::unexpected(std::move(deliveries.error()));
  for (const storage::DeliveryRecord& delivery : *deliveries) {
    if (found.delivery && delivery.row != *found.delivery) continue;
    auto shown_delivery = delivery_view(delivery, provider, reveal);
    if (!shown_delivery) return tl::unexpected(std::move(shown_delivery.error()));
    view.deliveries.push_back(std::move(*shown_delivery));
  }
  return view;
}

Result<QueueView> DatabaseViews::queue(std::int64_t now, bool with_endpoints,
                                       std::optional<EngineStatus> engine) {
  auto counts = outbox_.queue(now);
  if (!counts) return tl::unexpected(std::move(counts.error()));
  QueueView view{.waiting = counts->waiting,
                 .due = counts->due,
                 .held = counts->held,
                 .exhausted = count_of(*counts, DeliveryState::kExhausted),
                 .delivered = count_of(*counts, DeliveryState::kDelivered),
                 .cancelled = count_of(*counts, DeliveryState::kCancelled),
                 .expired = count_of(*counts, DeliveryState::kExpired),
                 .inbox = counts->inbox,
                 .rejected = counts->rejected,
                 .in_flight = {},
                 .engine_running = engine.has_value(),
                 .oldest_at = counts->oldest_at,
                 .next_at = counts->next_at,
                 .endpoints = {}};
  if (engine) view.in_flight = engine->in_flight;
  if (!with_endpoints) return view;

  auto records = outbox_.endpoints(now);
  if (!records) return tl::unexpected(std::move(records.error()));
  auto rows = outbox_.queue_by_endpoint(now);
  if (!rows) return tl::unexpected(std::move(rows.error()));
  for (const storage::EndpointRecord& record : *records) {
    EndpointQueue line{.endpoint = ids_.text(IdKind::kEndpoint, record.row),
                       .url = record.spec.url,
                       .state = record.state};
    for (const storage::EndpointCounts& row : *rows) {
      if (row.endpoint != record.row) continue;
      line.waiting = row.waiting;
      line.due = row.due;
      line.held = row.held;
      line.exhausted = row.exhausted;
      line.oldest_at = row.oldest_at;
      line.next_at = row.next_at;
    }
    view.endpoints.push_back(std::move(line));
  }
  return view;
}

}  // namespace outrider
