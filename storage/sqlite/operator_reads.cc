// What operators read: events, their deliveries, every attempt.
#include <algorithm>

#include "storage/sqlite/of_event.h"
#include "storage/sqlite/peer.h"
#include "storage/sqlite/reads.h"
#include "storage/sqlite/transaction.h"

namespace outrider::storage {
namespace {

#define OUTRIDER_EVENT_COLUMNS                                                   \
  "SELECT e.id, e.account, e.provider, e.type, e.created_at, e.idempotency_key," \
  " e.ordering_key, e.expires_at, e.flags, e.trace"
#define OUTRIDER_EVENT_FILTER                                           \
  " WHERE (?1 = '' OR e.account = ?1) AND (?2 = '' OR e.provider = ?2)" \
  " AND (?3 = '' OR e.type = ?3) AND (?4 IS NULL OR e.id < ?4)"

constexpr const char* kEvent =
    OUTRIDER_EVENT_COLUMNS ", e.body FROM outrider_event e WHERE e.id = ?";
constexpr const char* kEvents = OUTRIDER_EVENT_COLUMNS
    " FROM outrider_event e" OUTRIDER_EVENT_FILTER " ORDER BY e.id DESC LIMIT ?5";
// With a delivery in a state or to an endpoint. What people see as held or cancelled is derived,
// see transaction.h.
constexpr const char* kEventsByDelivery = OUTRIDER_EVENT_COLUMNS
    " FROM outrider_event e" OUTRIDER_EVENT_FILTER
    " AND EXISTS (SELECT 1 FROM outrider_delivery d JOIN outrider_endpoint n ON n.id = d.endpoint"
    "   WHERE " OUTRIDER_OF_EVENT("e.id") " AND (?6 IS NULL OR d.endpoint = ?6)"
    "   AND (?7 IS NULL OR ?7 = CASE WHEN d.state <> 0 THEN d.state"
    "     WHEN d.id <= n.cancel_through THEN 5 WHEN n.state <> 0 THEN 1 ELSE 0 END))"
    " ORDER BY e.id DESC LIMIT ?5";
// The same for the states that are few among many and have an index.
constexpr const char* kEventsFailed = OUTRIDER_EVENT_COLUMNS
    " FROM outrider_event e" OUTRIDER_EVENT_FILTER
    " AND e.id IN (SELECT event FROM outrider_delivery d WHERE d.state > 2 AND d.state = ?7"
    "   AND (?4 IS NULL OR d.event < ?4) AND (?6 IS NULL OR d.endpoint = ?6))"
    " ORDER BY e.id DESC LIMIT ?5";

#define OUTRIDER_DELIVERY_COLUMNS                                                   \
  "SELECT d.id, d.event, d.endpoint, n.url, d.state, n.state, n.cancel_through,"    \
  " d.reason, n.state_reason, d.attempts, d.next_at, d.finished_at, d.ordering_key" \
  " FROM outrider_delivery d JOIN outrider_endpoint n ON n.id = d.endpoint"

constexpr const char* kDelivery = OUTRIDER_DELIVERY_COLUMNS " WHERE d.id = ?";
constexpr const char* kDeliveries =
    OUTRIDER_DELIVERY_COLUMNS " WHERE " OUTRIDER_OF_EVENT("?1") " ORDER BY d.id";
#undef OUTRIDER_EVENT_COLUMNS
#undef OUTRIDER_EVENT_FILTER
#undef OUTRIDER_DELIVERY_COLUMNS
constexpr const char* kAttempts =
    "SELECT id, started_at, duration_ms, error, status, peer, detail, response"
    " FROM outrider_attempt WHERE id >= ? AND id < ? ORDER BY id";
constexpr const char* kAccountOf =
    "SELECT e.account FROM outrider_delivery d JOIN outrider_event e ON e.id = d.event"
    " WHERE d.id = ?";
constexpr const char* kByKey =
    "SELECT event FROM outrider_idempotency WHERE account = ? AND provider = ? AND key = ?";
constexpr const char* kRejected =
    "SELECT id, account, provider, type, reason, created_at FROM outrider_outbox"
    " WHERE state = 'rejected' ORDER BY id DESC LIMIT ?";

EventRecord event_of(const Query& row) {
  return {.row = row.integer(0),
          .account = row.text(1),
          .provider = row.text(2),
          .type = row.text(3),
          .created_at = row.integer(4),
          .has_idempotency_key = !row.is_null(5),
          .ordering_key = row.maybe_text(6),
          .expires_at = row.maybe_integer(7),
          .body = {},
          .purged = (row.integer(8) & kEventPurged) != 0,
          .unreadable = {},
          .trace = decode_trace(row.text(9))};
}

DeliveryRecord delivery_of(const Query& row) {
  const auto stored = static_cast<DeliveryState>(row.integer(4));
  const bool pending = stored == DeliveryState::kPending;
  const bool unswept = pending && row.integer(0) <= row.integer(6);
  DeliveryRecord record;
  record.row = row.integer(0);
  record.event = row.integer(1);
  record.endpoint = row.integer(2);
  record.url = row.text(3);
  record.state = unswept ? DeliveryState::kCancelled
                         : core::visible_state(stored, static_cast<EndpointState>(row.integer(5)));
  record.attempts = row.count(9);
  record.finished_at = row.maybe_integer(11);
  if (record.state == DeliveryState::kHeld || unswept) {
    record.reason = row.text(8);  // why the endpoint is as it is
  } else if (pending && row.is_null(10)) {
    record.reason = "waits for an earlier delivery with the same ordering key";
  } else if (!pending) {
    record.reason = row.text(7);
  }
  if (record.state == DeliveryState::kPending) record.next_at = row.maybe_integer(10);
  return record;
}

std::optional<EventRecord> read_event_by_key(Db& db, Sealing& sealing, const EventQuery& query) {
  sealing.begin(db);
  const auto key = sealing.known_digest(db, query.account, kIdempotencyDigest,
                                        idempotency_text(query.provider, query.idempotency_key));
  if (!key) return std::nullopt;
  EventRow row = 0;
  {
    auto found = db.query(kByKey, query.account, query.provider, Bytes{*key});
    if (found.next()) row = found.integer(0);
  }
  auto found = db.query(kEvent, row);
  if (!found.next()) return std::nullopt;
  return event_of(found);
}

}  // namespace

std::vector<EventRecord> read_events(Db& db, Sealing& sealing, const EventQuery& query) {
  if (!query.idempotency_key.empty()) {
    auto found = read_event_by_key(db, sealing, query);
    return found ? std::vector{std::move(*found)} : std::vector<EventRecord>();
  }
  const bool failed =
      query.state == DeliveryState::kExhausted || query.state == DeliveryState::kExpired;
  std::optional<int> state;
  if (query.state) state = static_cast<int>(*query.state);
  std::vector<EventRecord> found;
  const auto collect = [&found](Query rows) {
    while (rows.next()) found.push_back(event_of(rows));
  };
  if (!query.state && !query.endpoint) {
    collect(
        db.query(kEvents, query.account, query.provider, query.type, query.before, query.limit));
  } else {
    collect(db.query(failed ? kEventsFailed : kEventsByDelivery, query.account, query.provider,
                     query.type, query.before, query.limit, query.endpoint, state));
  }
  return found;
}

std::optional<EventRecord> read_event(Db& db, Sealing& sealing, EventRow row) {
  const Snapshot snapshot(db);
  sealing.begin(db);
  auto found = db.query(kEvent, row);
  if (!found.next()) return std::nullopt;
  EventRecord event = event_of(found);
  if (found.is_null(10)) return event;
  auto body = sealing.open(db, body_place(event.account, row), found.text(10));
  if (body) {
    event.body = std::move(*body);
  } else {
    event.unreadable = std::move(body.error().message);
  }
  return event;
}

std::optional<DeliveryRecord> read_delivery(Db& db, DeliveryRow row) {
  auto found = db.query(kDelivery, row);
  if (!found.next()) return std::nullopt;
  return delivery_of(found);
}

std::vector<DeliveryRecord> read_deliveries(Db& db, EventRow event) {
  std::vector<DeliveryRecord> found;
  auto rows = db.query(kDeliveries, event);
  while (rows.next()) found.push_back(delivery_of(rows));
  return found;
}

std::vector<AttemptRecord> read_attempts(Db& db, Sealing& sealing, DeliveryRow delivery) {
  const Snapshot snapshot(db);
  sealing.begin(db);
  std::string account;
  {
    auto row = db.query(kAccountOf, delivery);
    if (row.next()) account = row.text(0);
  }
  std::vector<AttemptRecord> found;
  auto rows =
      db.query(kAttempts, delivery * kAttemptsPerDelivery, (delivery + 1) * kAttemptsPerDelivery);
  while (rows.next()) {
    found.push_back({.number = static_cast<std::uint32_t>(rows.integer(0) % kAttemptsPerDelivery),
                     .started_at = rows.integer(1),
                     .duration_ms = rows.integer(2),
                     .error = static_cast<ErrorClass>(rows.integer(3)),
                     .status = static_cast<int>(rows.integer(4)),
                     .peer = rows.type(5) == SQLITE_BLOB ? peer_text(rows.text(5)) : rows.text(5),
                     .detail = rows.text(6),
                     .response = {},
                     .unreadable = {}});
    if (rows.is_null(7)) continue;
    auto response = sealing.open(db, response_place(account, rows.integer(0)), rows.text(7));
    if (response) {
      found.back().response = std::move(*response);
    } else {
      found.back().unreadable = std::move(response.error().message);
    }
  }
  return found;
}

std::vector<RejectedRecord> read_rejected(Db& db, std::uint32_t limit) {
  std::vector<RejectedRecord> found;
  auto rows = db.query(kRejected, limit);
  while (rows.next()) {
    found.push_back({.row = rows.integer(0),
                     .account = rows.text(1),
                     .provider = rows.text(2),
                     .type = rows.text(3),
                     .reason = rows.text(4),
                     .created_at = rows.integer(5)});
  }
  return found;
}

}  // namespace outrider::storage
