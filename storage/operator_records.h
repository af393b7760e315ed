// What operators read of an outbox: events and their deliveries, what waits and what happened,
// notices, and the state of the keys.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/trace_context.h"
#include "outrider/types.h"
#include "storage/rows.h"

namespace outrider::storage {

struct EventRecord {
  EventRow row = 0;
  std::string account, provider, type;
  std::int64_t created_at = 0;
  bool has_idempotency_key = false;
  std::optional<std::string> ordering_key;
  std::optional<std::int64_t> expires_at;
  std::string body;
  bool purged = false;
  std::string unreadable;  // not empty: why the body cannot be opened
  core::TraceContext trace = {};
};
struct DeliveryRecord {
  DeliveryRow row = 0;
  EventRow event = 0;
  EndpointRow endpoint = 0;
  std::string url;
  DeliveryState state = DeliveryState::kPending;  // visible: held is derived
  std::string reason;
  std::uint32_t attempts = 0;
  std::optional<std::int64_t> next_at;
  std::optional<std::int64_t> finished_at;
};
struct EventQuery {
  std::string account, provider, type;
  std::optional<DeliveryState> state;
  std::optional<EndpointRow> endpoint;
  std::string idempotency_key;  // not empty: of this account and provider
  std::optional<EventRow> before;
  std::uint32_t limit = 50;
};
// A page of what ReplayEvents would take, in the order of acceptance.
struct ReplayPlace {
  std::int64_t at = 0;  // of acceptance
  EventRow event = 0;
};
struct ReplayQuery {
  EndpointRow endpoint = 0;
  std::optional<ReplayPlace> after;        // goes on behind it
  std::int64_t since = 0, until = 0;       // [since, until)
  std::vector<std::string> types;          // empty: all
  std::vector<DeliveryState> states = {};  // ended ones
  bool missed = false;
  std::vector<EventRow> events;            // not empty: these, whatever else lies in the range
  std::uint32_t limit = 250, scan = 5000;  // events to be taken, and looked at
  std::int64_t now = 0;
};
struct ReplayPage {
  std::vector<EventRow> events;
  std::uint32_t waiting = 0, expired = 0, purged = 0, too_often = 0, unknown = 0;  // left alone
  std::uint32_t scanned = 0;
  std::optional<ReplayPlace> next;  // not the end: the last one looked at
};

struct QueueCounts {
  std::uint64_t waiting = 0, due = 0, held = 0;
  std::map<DeliveryState, std::uint64_t> finished;  // by terminal state
  std::uint64_t inbox = 0, rejected = 0;
  std::map<EndpointState, std::uint64_t> endpoints;  // that are not removed
  std::optional<std::int64_t> oldest_at, next_at;
};
struct EndpointCounts {
  EndpointRow endpoint = 0;
  std::uint64_t waiting = 0, due = 0, held = 0, exhausted = 0;
  std::optional<std::int64_t> oldest_at, next_at;
};
// Attempts of one endpoint that ended within a time, which is widened at its beginning to the full
// five minutes. Percentiles of their duration are at most an eighth too high; unset: there was
// none.
struct AttemptTally {
  std::int64_t since = 0, until = 0;
  std::map<ErrorClass, std::uint64_t> by_error;
  std::optional<std::int64_t> p50_ms, p95_ms, p99_ms;
  std::optional<std::int64_t> last_success_at, last_failure_at;
};
struct EndpointCensus {
  AttemptTally attempts;
  EndpointCounts waiting;
  std::map<DeliveryState, std::uint64_t> finished;  // all that are on record, by terminal state
};
struct RejectedRecord {
  std::int64_t row = 0;
  std::string account, provider, type, reason;
  std::int64_t created_at = 0;
};

// What is told of in the commit that does it: an endpoint that is switched off by its provider's
// rules or activated, a delivery (of no test) that is exhausted or expired, a row of
// outrider_outbox that is rejected. Row ids ascend in the order of the commits and are never given
// out again.
struct NoticeRecord {
  NoticeRow row = 0;
  std::int64_t at = 0;
  NoticeKind kind = NoticeKind::kEndpointDeactivated;
  std::string account, provider, type;
  std::optional<EndpointRow> endpoint;
  std::optional<DeliveryRow> delivery;
  std::optional<EventRow> event;
  std::optional<std::int64_t> inbox;
  std::string detail;
};
struct NoticeQuery {
  NoticeRow after = 0;
  std::optional<std::int64_t> since;
  std::optional<NoticeKind> kind;
  std::string account;
  bool newest = false;  // the last ones instead of the first; ascending all the same
  std::uint32_t limit = 50;
};
struct NoticeRows {
  std::vector<NoticeRecord> notices;
  NoticeRow through = 0;  // all up to this one were looked at: go on after it
};

struct KeyStatus {
  bool sealed = false;            // false: the database is kept plain
  std::string key_file;           // its path
  std::string problem;            // not empty: why the key file cannot be used
  std::uint32_t generation = 0;   // current
  bool rotating = false;          // a rotation was begun and not finished
  std::uint64_t keys = 0;         // data keys
  std::uint64_t keys_behind = 0;  // of them still wrapped with an older generation
  std::uint64_t accounts = 0;
};

}  // namespace outrider::storage
