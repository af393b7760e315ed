// What waits, by endpoint: one walk over the narrow table of waiting work, one over what stands
// behind an ordering key. The finished are not counted, their sums are kept (tally.h).
#include <algorithm>
#include <map>

#include "storage/sqlite/reads.h"
#include "storage/sqlite/tally.h"

namespace outrider::storage {
namespace {

constexpr const char* kEndpoints =
    "SELECT id, state, cancel_through, removed_at IS NULL FROM outrider_endpoint"
    " WHERE removed_at IS NULL OR cancel_through > 0 ORDER BY id";
// Without a join: a backlog of millions is one walk along the key.
constexpr const char* kWaiting =
    "SELECT count(*), sum(next_at <= ?3), min(delivery), min(next_at) FROM outrider_due"
    " WHERE endpoint = ?1 AND delivery > ?2";
constexpr const char* kCancelling =
    "SELECT count(*) FROM outrider_due WHERE endpoint = ? AND delivery <= ?";
// Behind another delivery with their ordering key.
constexpr const char* kBehind =
    "SELECT l.endpoint, sum(l.delivery > e.cancel_through), sum(l.delivery <= e.cancel_through),"
    " min(CASE WHEN l.delivery > e.cancel_through THEN l.delivery END)"
    " FROM outrider_lane l JOIN outrider_delivery d ON d.id = l.delivery"
    " JOIN outrider_endpoint e ON e.id = l.endpoint WHERE d.next_at IS NULL GROUP BY l.endpoint";
constexpr const char* kOneEndpoint =
    "SELECT state, cancel_through FROM outrider_endpoint WHERE id = ?";
constexpr const char* kBehindOfOne =
    "SELECT sum(l.delivery > ?2), sum(l.delivery <= ?2),"
    " min(CASE WHEN l.delivery > ?2 THEN l.delivery END)"
    " FROM outrider_lane l JOIN outrider_delivery d ON d.id = l.delivery"
    " WHERE l.endpoint = ?1 AND d.next_at IS NULL";
constexpr const char* kTotalsOfOne =
    "SELECT error, count FROM outrider_tally WHERE slot = ? AND endpoint = ?";
constexpr const char* kAcceptedAt =
    "SELECT e.created_at FROM outrider_delivery d JOIN outrider_event e ON e.id = d.event"
    " WHERE d.id = ?";
constexpr const char* kTotals = "SELECT endpoint, error, count FROM outrider_tally WHERE slot = ?";
constexpr const char* kInbox =
    "SELECT (SELECT count(*) FROM outrider_outbox WHERE state = 'new'),"
    " (SELECT count(*) FROM outrider_outbox WHERE state = 'rejected')";

struct Waiting {
  EndpointState state = EndpointState::kDeactivated;  // a removed endpoint's rows are cancelled
  bool listed = false;
  std::uint64_t waiting = 0, due = 0, cancelled = 0;
  std::optional<DeliveryRow> oldest;
  std::optional<std::int64_t> next_at;
};

std::uint64_t tally(const Query& row, int column) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, row.integer(column)));
}

void keep_earlier(std::optional<std::int64_t>& kept, std::optional<std::int64_t> other) {
  if (other && (!kept || *other < *kept)) kept = other;
}

void count_waiting(Db& db, EndpointRow row, std::int64_t cancel_through, std::int64_t now,
                   Waiting& endpoint) {
  {
    auto counts = db.query(kWaiting, row, cancel_through, now);
    if (!counts.next()) return;
    endpoint.waiting = tally(counts, 0);
    endpoint.due = tally(counts, 1);
    endpoint.oldest = counts.maybe_integer(2);
    endpoint.next_at = counts.maybe_integer(3);
  }
  if (cancel_through == 0) return;
  auto cancelling = db.query(kCancelling, row, cancel_through);
  if (cancelling.next()) endpoint.cancelled = tally(cancelling, 0);
}

std::map<EndpointRow, Waiting> read_waiting(Db& db, std::int64_t now) {
  std::map<EndpointRow, Waiting> found;
  auto endpoints = db.query(kEndpoints);
  while (endpoints.next()) {
    Waiting& endpoint = found[endpoints.integer(0)];
    endpoint.state = static_cast<EndpointState>(endpoints.integer(1));
    endpoint.listed = endpoints.integer(3) != 0;
    count_waiting(db, endpoints.integer(0), endpoints.integer(2), now, endpoint);
  }
  auto behind = db.query(kBehind);
  while (behind.next()) {
    Waiting& endpoint = found[behind.integer(0)];
    endpoint.waiting += tally(behind, 1);
    endpoint.cancelled += tally(behind, 2);
    keep_earlier(endpoint.oldest, behind.maybe_integer(3));
  }
  for (auto& [row, endpoint] : found) {
    if (endpoint.state == EndpointState::kActive) continue;
    endpoint.due = 0;
    endpoint.next_at.reset();
  }
  return found;
}

std::optional<std::int64_t> accepted_at(Db& db, std::optional<DeliveryRow> delivery) {
  if (!delivery) return std::nullopt;
  auto row = db.query(kAcceptedAt, *delivery);
  if (!row.next()) return std::nullopt;
  return row.integer(0);
}

}  // namespace

QueueCounts read_queue(Db& db, std::int64_t now) {
  const Snapshot snapshot(db);
  QueueCounts counts;
  std::uint64_t cancelled = 0;
  for (const auto& [row, endpoint] : read_waiting(db, now)) {
    counts.waiting += endpoint.waiting;
    counts.due += endpoint.due;
    cancelled += endpoint.cancelled;
    if (endpoint.listed) ++counts.endpoints[endpoint.state];
    if (endpoint.state != EndpointState::kActive) counts.held += endpoint.waiting;
    keep_earlier(counts.oldest_at, accepted_at(db, endpoint.oldest));
    keep_earlier(counts.next_at, endpoint.next_at);
  }
  for (const auto state : {DeliveryState::kDelivered, DeliveryState::kExhausted,
                           DeliveryState::kExpired, DeliveryState::kCancelled}) {
    counts.finished[state] = 0;
  }
  auto totals = db.query(kTotals, kFinishedSlot);
  while (totals.next()) {
    counts.finished[static_cast<DeliveryState>(totals.integer(1))] += tally(totals, 2);
  }
  counts.finished[DeliveryState::kCancelled] += cancelled;
  if (auto inbox = db.query(kInbox); inbox.next()) {
    counts.inbox = tally(inbox, 0);
    counts.rejected = tally(inbox, 1);
  }
  return counts;
}

std::vector<EndpointCounts> read_queue_by_endpoint(Db& db, std::int64_t now) {
  const Snapshot snapshot(db);
  std::map<EndpointRow, std::uint64_t> exhausted;
  {
    auto totals = db.query(kTotals, kFinishedSlot);
    while (totals.next()) {
      if (static_cast<DeliveryState>(totals.integer(1)) == DeliveryState::kExhausted) {
        exhausted[totals.integer(0)] = tally(totals, 2);
      }
    }
  }
  std::vector<EndpointCounts> found;
  for (const auto& [row, endpoint] : read_waiting(db, now)) {
    if (!endpoint.listed) continue;
    const bool active = endpoint.state == EndpointState::kActive;
    found.push_back({.endpoint = row,
                     .waiting = endpoint.waiting,
                     .due = endpoint.due,
                     .held = active ? 0 : endpoint.waiting,
                     .exhausted = exhausted[row],
                     .oldest_at = accepted_at(db, endpoint.oldest),
                     .next_at = endpoint.next_at});
  }
  return found;
}

EndpointCensus read_endpoint_census(Db& db, EndpointRow row, std::int64_t since, std::int64_t until,
                                    std::int64_t now) {
  const Snapshot snapshot(db);
  EndpointCensus census{
      .attempts = read_tally(db, row, since, until), .waiting = {}, .finished = {}};
  Waiting found;
  std::int64_t cancel_through = 0;
  if (auto endpoint = db.query(kOneEndpoint, row); endpoint.next()) {
    found.state = static_cast<EndpointState>(endpoint.integer(0));
    cancel_through = endpoint.integer(1);
  }
  count_waiting(db, row, cancel_through, now, found);
  if (auto behind = db.query(kBehindOfOne, row, cancel_through); behind.next()) {
    found.waiting += tally(behind, 0);
    found.cancelled += tally(behind, 1);
    keep_earlier(found.oldest, behind.maybe_integer(2));
  }
  const bool active = found.state == EndpointState::kActive;
  census.waiting.endpoint = row;
  census.waiting.waiting = found.waiting;
  census.waiting.due = active ? found.due : 0;
  census.waiting.held = active ? 0 : found.waiting;
  census.waiting.oldest_at = accepted_at(db, found.oldest);
  if (active) census.waiting.next_at = found.next_at;
  auto totals = db.query(kTotalsOfOne, kFinishedSlot, row);
  while (totals.next()) {
    census.finished[static_cast<DeliveryState>(totals.integer(0))] += tally(totals, 1);
  }
  census.finished[DeliveryState::kCancelled] += found.cancelled;
  census.waiting.exhausted = census.finished[DeliveryState::kExhausted];
  return census;
}

}  // namespace outrider::storage
