#include "intake.h"

#include <utility>

#include "core/trace_context.h"
#include "crypto/mac.h"
#include "storage/event_fields.h"

namespace outrider {
namespace {

Result<void> check_field(std::string_view value, const char* name) {
  if (value.empty()) {
    return fail(ErrorCode::kInvalidArgument, std::string("the event has no ") + name, name);
  }
  if (auto fault = storage::field_fault(value)) {
    return fail(ErrorCode::kInvalidArgument, std::move(*fault), name);
  }
  return {};
}

std::string known_providers(const core::ProviderSet& providers) {
  std::string names;
  for (const core::Provider* provider : providers.list()) {
    if (!names.empty()) names += ", ";
    names += provider->name;
  }
  return names;
}

std::string known_types(const core::Provider& provider) {
  std::string names;
  for (const auto& [name, type] : provider.events) {
    if (!names.empty()) names += ", ";
    names += name;
  }
  return names;
}

}  // namespace

Result<storage::Enqueue> Intake::check(const Event& event, std::int64_t now_ms) const {
  const std::pair<const char*, std::string_view> required[] = {
      {"account", event.account}, {"provider", event.provider}, {"type", event.type}};
  for (const auto& [name, value] : required) {
    if (auto ok = check_field(value, name); !ok) return tl::unexpected(ok.error());
  }
  const std::pair<const char*, const std::optional<std::string>*> keys[] = {
      {"idempotency_key", &event.idempotency_key}, {"ordering_key", &event.ordering_key}};
  for (const auto& [name, value] : keys) {
    if (!value->has_value()) continue;
    if (auto ok = check_field(**value, name); !ok) return tl::unexpected(ok.error());
  }

  auto trace = core::read_trace(event.traceparent, event.tracestate);
  if (!trace) return tl::unexpected(std::move(trace.error()));

  const core::Provider* provider = providers_->find(event.provider);
  if (provider == nullptr) {
    return fail(ErrorCode::kNotFound, "no provider is named \"" + event.provider + "\"", "provider",
                "known: " + known_providers(*providers_));
  }
  if (provider->event(event.type) == nullptr) {
    return fail(ErrorCode::kInvalidArgument,
                "provider \"" + provider->name + "\" has no event type \"" + event.type + "\"",
                "type", "known: " + known_types(*provider));
  }

  if (provider->notices && !provider->event(event.type)->is_test) {
    return fail(ErrorCode::kInvalidArgument,
                "the events of provider \"" + provider->name + "\" are Outrider's own notices",
                "provider", "publish with another provider");
  }

  std::optional<std::string_view> ordering_key;
  if (event.ordering_key) ordering_key = *event.ordering_key;
  auto prepared =
      core::prepare(*provider, event.type, event.payload, event.expires_at, ordering_key, now_ms,
                    core::JsonLimits{.max_bytes = limits_.max_payload_bytes});
  if (!prepared) return tl::unexpected(std::move(prepared.error()));

  storage::Enqueue enqueue;
  enqueue.account = event.account;
  enqueue.provider = event.provider;
  enqueue.type = event.type;
  if (event.idempotency_key) enqueue.payload_sha256 = crypto::sha256(prepared->body);
  enqueue.body = std::move(prepared->body);
  enqueue.idempotency_key = event.idempotency_key;
  enqueue.ordering_key = std::move(prepared->ordering_key);
  enqueue.expires_at = prepared->expires_at;
  enqueue.expiry_spares_first = prepared->expiry_spares_first;
  enqueue.is_test = prepared->is_test;
  enqueue.max_attempts = prepared->max_attempts;
  enqueue.rules = {
      .refuse_without_endpoint = provider->no_endpoint == core::NoEndpointRule::kRefuse,
      .refuse_while_deactivated = provider->deactivate.refuse_new_events,
      .cancel_for_deactivated = provider->deactivate.pending == core::PendingRule::kCancel};
  enqueue.now = now_ms;
  enqueue.trace = std::move(*trace);
  for (const std::string& id : event.endpoints) {
    const auto row = ids_.row(crypto::IdKind::kEndpoint, id);
    if (!row) {
      return fail(ErrorCode::kNotFound, "no such endpoint", id, "see: outrider endpoint list");
    }
    enqueue.endpoints.push_back(*row);
  }
  return enqueue;
}

storage::Mutation Intake::check(const storage::InboxRow& row, std::int64_t now_ms) const {
  const auto reject = [&](std::string reason) {
    return storage::RejectInboxRow{.row = row.row, .reason = std::move(reason), .now = now_ms};
  };
  if (!row.malformed.empty()) return reject(row.malformed);
  Event event{.account = row.account,
              .provider = row.provider,
              .type = row.type,
              .payload = row.payload,
              .idempotency_key = row.idempotency_key,
              .ordering_key = row.ordering_key,
              .expires_at = row.expires_at,
              .endpoints = {},
              .traceparent = row.traceparent,
              .tracestate = row.tracestate};
  auto enqueue = check(event, now_ms);
  if (!enqueue) return reject(enqueue.error().to_string());
  enqueue->inbox_row = row.row;
  return std::move(*enqueue);
}

EventReceipt Intake::receipt(const storage::Enqueued& enqueued) const {
  return {.id = ids_.text(crypto::IdKind::kEvent, enqueued.event),
          .deliveries = enqueued.deliveries,
          .duplicate = enqueued.duplicate};
}

}  // namespace outrider
