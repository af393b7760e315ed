// What the engine reads of an outbox: whom it sends to, what is to be sent, what came in, and what
// changed behind its back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/deactivation_policy.h"
#include "core/trace_context.h"
#include "outrider/types.h"
#include "storage/rows.h"

namespace outrider::storage {

struct EndpointRecord {
  EndpointRow row = 0;
  EndpointSpec spec;  // spec.secret is empty
  EndpointState state = EndpointState::kActive;
  std::string state_reason;
  std::int64_t state_changed_at = 0;
  std::int64_t created_at = 0;
  bool removed = false;
  std::vector<Secret> secrets;  // not expired at the time of reading, newest first
  core::Health health;          // of its own breaker
  std::uint64_t epoch = 0;
  std::string unreadable;  // not empty: why its headers, secrets or TLS key cannot be opened
};
struct AccountHealth {
  core::Health health;
  std::uint64_t epoch = 0;
};

struct DeliveryJob {
  DeliveryRow delivery = 0;
  EventRow event = 0;
  EndpointRow endpoint = 0;
  DeliveryState state = DeliveryState::kPending;          // as stored
  EndpointState endpoint_state = EndpointState::kActive;  // as of this read
  std::string provider;
  std::string type;
  std::string body;
  std::string unreadable;           // not empty: why the body cannot be opened
  bool unreadable_for_now = false;  // the key file is at fault, not the row
  std::optional<std::int64_t> expires_at;
  bool expiry_spares_first = false;
  bool is_test = false;
  bool is_ordered = false;  // another may wait for it
  std::uint32_t max_attempts = 0;
  std::uint32_t attempts_base =
      0;  // attempts made before the last operator's retry: the retry policy counts from here
  std::int64_t created_at = 0;
  core::TraceContext trace = {};
};

struct InboxRow {
  std::int64_t row = 0;
  std::string account, provider, type, payload;
  std::optional<std::string> idempotency_key, ordering_key;
  std::optional<std::int64_t> expires_at;
  std::string malformed;  // not empty: a column has an impossible value; says which and why
  std::optional<std::string> traceparent = {}, tracestate = {};
};

// What happened since the last call that the caller's own batches did not tell it: what other
// connections enqueued, and what operators changed through whichever connection, this one included.
// Cheap when nothing was. The first call reports the inbox only: the rest is read at the start.
struct ForeignChanges {
  bool any = false;
  std::vector<EndpointRow> endpoints;   // added or changed by an operator: read them again
  std::vector<EndpointRow> work;        // have new due rows
  std::vector<DeliveryRow> deliveries;  // retried or cancelled by an operator
  bool inbox = false;                   // outrider_outbox has rows to pick up
};

}  // namespace outrider::storage
