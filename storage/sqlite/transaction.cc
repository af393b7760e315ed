// The rows of deliveries, waiting work, lanes and totals: the only code that writes them, so that
// their invariants (transaction.h) are kept in one place.
#include "storage/sqlite/transaction.h"

#include <charconv>
#include <limits>

#include "core/assert.h"
#include "storage/sqlite/notices.h"

namespace outrider::storage {
namespace {

constexpr const char* kLoadDelivery =
    "SELECT event, endpoint, state, attempts, attempts_base, next_at, ordering_key"
    " FROM outrider_delivery WHERE id = ?";
constexpr const char* kInsertDelivery =
    "INSERT INTO outrider_delivery (id, event, endpoint, state, next_at, finished_at,"
    " ordering_key, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
// While it is pending a delivery's reason is a blank: the byte that its end needs for the state. So
// the row keeps its size when it ends, and pages that were filled to their end need not be split.
constexpr std::string_view kBlank = " ";
constexpr const char* kSetPending =
    "UPDATE outrider_delivery SET state = 0, attempts = ?2, attempts_base = ?3, next_at = ?4,"
    " finished_at = NULL, reason = ' ' WHERE id = ?1";
constexpr const char* kSetFinished =
    "UPDATE outrider_delivery SET state = ?2, attempts = ?3, next_at = NULL, finished_at = ?4,"
    " reason = ?5 WHERE id = ?1";
constexpr const char* kInsertDue =
    "INSERT INTO outrider_due (endpoint, next_at, delivery, attempt) VALUES (?, ?, ?, ?)";
constexpr const char* kDeleteDue =
    "DELETE FROM outrider_due WHERE endpoint = ? AND next_at = ? AND delivery = ?";
constexpr const char* kInsertLane =
    "INSERT INTO outrider_lane (endpoint, key, delivery) VALUES (?, ?, ?)";
constexpr const char* kDeleteLane =
    "DELETE FROM outrider_lane WHERE endpoint = ? AND key = ? AND delivery = ?";
constexpr const char* kFirstOfLane =
    "SELECT delivery FROM outrider_lane WHERE endpoint = ? AND key = ? ORDER BY delivery LIMIT 1";
constexpr const char* kMarkCancelled =
    "UPDATE outrider_endpoint"
    " SET cancel_through = (SELECT coalesce(max(id), 0) FROM outrider_delivery) WHERE id = ?";
constexpr const char* kMarked = "SELECT cancel_through FROM outrider_endpoint WHERE id = ?";
constexpr const char* kUnmark = "UPDATE outrider_endpoint SET cancel_through = 0 WHERE id = ?";
constexpr const char* kSweepPage =
    "SELECT delivery FROM outrider_due WHERE endpoint = ? AND delivery <= ?"
    " ORDER BY next_at, delivery LIMIT ?";
constexpr const char* kInsertChange =
    "INSERT INTO outrider_change (kind, object, at) VALUES (?, ?, ?)";
constexpr const char* kNewest = "SELECT coalesce(max(id), 0) FROM outrider_delivery";

int stored(DeliveryState state) { return static_cast<int>(state); }

std::optional<std::string_view> maybe(std::string_view text) {
  if (text.empty()) return std::nullopt;
  return text;
}

bool lane_is_empty(Transaction& tx, EndpointRow endpoint, std::string_view key) {
  auto first = tx.db.query(kFirstOfLane, endpoint, key);
  return !first.next();
}

// The delivery that had the lane's due row has left: the earliest of the others gets one.
void promote_next(Transaction& tx, const StoredDelivery& left, std::int64_t now,
                  std::vector<DueRow>& due) {
  std::optional<DeliveryRow> id;
  {
    auto first = tx.db.query(kFirstOfLane, left.endpoint, *left.ordering_key);
    if (first.next()) id = first.integer(0);
  }
  if (!id) return;
  auto next = load_delivery(tx, *id);
  if (next) make_due(tx, *next, now, due);
}

DeliveryRow put_delivery(Transaction& tx, const NewDelivery& row, DeliveryState state,
                         std::optional<std::int64_t> next_at, std::string_view reason) {
  const bool finished = state != DeliveryState::kPending;
  const DeliveryRow newest = newest_delivery(tx);
  const DeliveryRow id = row.is_first && row.event > newest ? row.event : newest + 1;
  tx.db.run(kInsertDelivery, id, row.event, row.endpoint, stored(state), next_at,
            finished ? std::optional(row.now) : std::nullopt, maybe(row.ordering_key),
            finished ? maybe(reason) : kBlank);
  tx.newest_delivery = id;
  return id;
}

}  // namespace

DeliveryRow newest_delivery(Transaction& tx) {
  if (!tx.newest_delivery) {
    auto row = tx.db.query(kNewest);
    tx.newest_delivery = tx.newest_before = row.next() ? row.integer(0) : 0;
  }
  return *tx.newest_delivery;
}

std::optional<StoredDelivery> load_delivery(Transaction& tx, DeliveryRow id) {
  std::optional<StoredDelivery> found;
  {
    auto row = tx.db.query(kLoadDelivery, id);
    if (!row.next()) return std::nullopt;
    StoredDelivery& delivery = found.emplace();
    delivery.id = id;
    delivery.event = row.integer(0);
    delivery.endpoint = row.integer(1);
    delivery.state = static_cast<DeliveryState>(row.integer(2));
    delivery.attempts = row.count(3);
    delivery.attempts_base = row.count(4);
    delivery.next_at = row.maybe_integer(5);
    delivery.ordering_key = row.maybe_text(6);
  }
  const EndpointFacts* endpoint = endpoint_facts(tx, found->endpoint);
  if (endpoint == nullptr) return std::nullopt;
  found->endpoint_state = endpoint->state;
  found->endpoint_reason = endpoint->state_reason;
  found->cancel_through = endpoint->cancel_through;
  found->endpoint_removed = endpoint->removed;
  found->account = endpoint->account;
  return found;
}

void insert_delivery(Transaction& tx, const NewDelivery& row, std::vector<DueRow>& due) {
  const bool keyed = !row.ordering_key.empty();
  const bool waits = keyed && !lane_is_empty(tx, row.endpoint, row.ordering_key);
  const std::optional<std::int64_t> next_at = waits ? std::nullopt : std::optional(row.now);
  const DeliveryRow id = put_delivery(tx, row, DeliveryState::kPending, next_at, {});
  if (keyed) tx.db.run(kInsertLane, row.endpoint, row.ordering_key, id);
  if (waits) return;
  const DueRow first{.endpoint = row.endpoint, .next_at = row.now, .delivery = id, .attempt = 1};
  tx.db.run(kInsertDue, first.endpoint, first.next_at, first.delivery, first.attempt);
  if (row.endpoint_state == EndpointState::kActive) due.push_back(first);
}

void insert_cancelled(Transaction& tx, const NewDelivery& row, std::string_view reason) {
  put_delivery(tx, row, DeliveryState::kCancelled, std::nullopt, reason);
  count_finished(tx.tallies, row.endpoint, DeliveryState::kCancelled, 1);
}

void make_due(Transaction& tx, StoredDelivery& delivery, std::int64_t at,
              std::vector<DueRow>& due) {
  const DueRow row{.endpoint = delivery.endpoint,
                   .next_at = at,
                   .delivery = delivery.id,
                   .attempt = delivery.attempts + 1};
  tx.db.run(kInsertDue, row.endpoint, row.next_at, row.delivery, row.attempt);
  tx.db.run(kSetPending, delivery.id, delivery.attempts, delivery.attempts_base, at);
  delivery.state = DeliveryState::kPending;
  delivery.next_at = at;
  if (delivery.endpoint_state == EndpointState::kActive) due.push_back(row);
}

void remove_due(Transaction& tx, StoredDelivery& delivery) {
  if (!delivery.next_at) return;
  tx.db.run(kDeleteDue, delivery.endpoint, *delivery.next_at, delivery.id);
  delivery.next_at.reset();
}

void end_delivery(Transaction& tx, StoredDelivery& delivery, DeliveryState state,
                  std::string_view reason, std::int64_t now, std::vector<DueRow>& due) {
  OUTRIDER_ASSERT(core::is_terminal(state));
  const bool was_pending = delivery.pending();
  const bool had_due_row = delivery.next_at.has_value();
  remove_due(tx, delivery);
  tx.db.run(kSetFinished, delivery.id, stored(state), delivery.attempts, now, maybe(reason));
  if (!was_pending) count_finished(tx.tallies, delivery.endpoint, delivery.state, -1);
  count_finished(tx.tallies, delivery.endpoint, state, 1);
  delivery.state = state;
  if (state == DeliveryState::kExhausted) {
    note_delivery(tx, NoticeKind::kDeliveryExhausted, delivery, reason, now);
  } else if (state == DeliveryState::kExpired) {
    note_delivery(tx, NoticeKind::kDeliveryExpired, delivery, reason, now);
  }
  if (!delivery.ordering_key || !was_pending) return;
  tx.db.run(kDeleteLane, delivery.endpoint, *delivery.ordering_key, delivery.id);
  if (had_due_row) promote_next(tx, delivery, now, due);
}

void revive_delivery(Transaction& tx, StoredDelivery& delivery, std::int64_t now,
                     std::vector<DueRow>& due) {
  OUTRIDER_ASSERT(core::is_terminal(delivery.state));
  count_finished(tx.tallies, delivery.endpoint, delivery.state, -1);
  delivery.attempts_base = delivery.attempts;
  bool waits = false;
  if (delivery.ordering_key) {
    waits = !lane_is_empty(tx, delivery.endpoint, *delivery.ordering_key);
    tx.db.run(kInsertLane, delivery.endpoint, *delivery.ordering_key, delivery.id);
  }
  if (!waits) {
    make_due(tx, delivery, now, due);
    return;
  }
  // The one at work keeps its turn: it may be on the wire. This one, being earlier, is the next.
  tx.db.run(kSetPending, delivery.id, delivery.attempts, delivery.attempts_base, std::nullopt);
  delivery.state = DeliveryState::kPending;
}

void cancel_all_pending(Transaction& tx, EndpointRow endpoint) {
  tx.db.run(kMarkCancelled, endpoint);
  tx.endpoints.forget();
}

void sweep(Transaction& tx, EndpointRow endpoint, std::int64_t now, std::uint32_t& budget) {
  std::int64_t through = 0;
  {
    auto marked = tx.db.query(kMarked, endpoint);
    if (marked.next()) through = marked.integer(0);
  }
  if (through == 0) return;
  std::vector<DueRow>
      promoted;  // marked too, or of an endpoint that does not send: nobody waits for it
  while (budget > 0 && !tx.db.failed()) {
    std::vector<DeliveryRow> page;
    {
      auto rows = tx.db.query(kSweepPage, endpoint, through, std::min(budget, kSweepAtOnce));
      while (rows.next()) page.push_back(rows.integer(0));
    }
    if (page.empty()) {
      tx.db.run(kUnmark, endpoint);
      tx.endpoints.forget();
      return;
    }
    for (const DeliveryRow id : page) {
      auto delivery = load_delivery(tx, id);
      if (!delivery) return;  // the database failed
      const std::string reason = delivery->endpoint_reason;
      end_delivery(tx, *delivery, DeliveryState::kCancelled, reason, now, promoted);
    }
    budget -= static_cast<std::uint32_t>(page.size());
  }
}

void log_change(Transaction& tx, ChangeKind kind, std::int64_t object, std::int64_t now) {
  tx.db.run(kInsertChange, static_cast<int>(kind), object, now);
  tx.logged_change = true;
}

std::optional<std::string> encode_trace(const core::TraceContext& trace) {
  if (trace.parent.empty()) return std::nullopt;
  return trace.state.empty() ? trace.parent : trace.parent + ' ' + trace.state;
}

core::TraceContext decode_trace(std::string_view text) {
  const std::size_t blank = std::min(text.find(' '), text.size());
  return {.parent = std::string(text.substr(0, blank)),
          .state = std::string(text.substr(std::min(blank + 1, text.size())))};
}

std::string encode_times(const std::vector<core::WallTime>& times) {
  std::string text = "[";
  for (const core::WallTime time : times) {
    if (text.size() > 1) text += ',';
    text += std::to_string(core::to_ms(time));
  }
  return text + "]";
}

std::vector<core::WallTime> decode_times(std::string_view text) {
  std::vector<core::WallTime> times;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    std::int64_t ms = 0;
    const auto [rest, error] = std::from_chars(at, end, ms);
    if (error == std::errc()) times.push_back(core::wall_from_ms(ms));
    at = error == std::errc() ? rest : at + 1;
  }
  return times;
}

}  // namespace outrider::storage
