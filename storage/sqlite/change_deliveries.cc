// What operators do to deliveries: send again, or end.
#include <limits>

#include "core/assert.h"
#include "storage/sqlite/audit.h"
#include "storage/sqlite/of_event.h"
#include "storage/sqlite/transaction.h"

namespace outrider::storage {
namespace {

constexpr const char* kOfEvent =
    "SELECT id FROM outrider_delivery d WHERE " OUTRIDER_OF_EVENT("?1") " ORDER BY id";
constexpr const char* kEvent =
    "SELECT account, provider, type, flags, ordering_key FROM outrider_event WHERE id = ?";

constexpr std::string_view kRetryAction = "event.retry";
constexpr std::string_view kCancelAction = "event.cancel";

// The deliveries a request is about, as stored; or that there is no such event or delivery.
Result<std::vector<StoredDelivery>> named(Transaction& tx, std::optional<EventRow> event,
                                          std::optional<DeliveryRow> delivery) {
  OUTRIDER_ASSERT(event.has_value() != delivery.has_value());
  std::vector<DeliveryRow> ids;
  if (delivery) {
    ids.push_back(*delivery);
  } else {
    auto rows = tx.db.query(kOfEvent, *event);
    while (rows.next()) ids.push_back(rows.integer(0));
    if (auto found = tx.db.query(kEvent, *event); !found.next()) {
      return fail(ErrorCode::kNotFound, "no such event", {}, "see: outrider event list");
    }
  }
  std::vector<StoredDelivery> found;
  for (const DeliveryRow id : ids) {
    auto stored = load_delivery(tx, id);
    if (!stored)
      return fail(ErrorCode::kNotFound, "no such delivery", {}, "see: outrider event show");
    found.push_back(std::move(*stored));
  }
  return found;
}

enum class Retry { kNothing, kRevive, kMove, kRemoved, kTooOften };

Retry what_to_do(const StoredDelivery& delivery, const RetryDeliveries& request) {
  const bool finished = !delivery.pending() || delivery.cancelled_unswept();
  if (finished && delivery.state == DeliveryState::kDelivered && request.failed_only) {
    return Retry::kNothing;
  }
  if (!finished && (!delivery.next_at || *delivery.next_at <= request.now)) {
    return Retry::kNothing;  // due already, or behind another with its ordering key
  }
  if (delivery.endpoint_removed) return Retry::kRemoved;
  if (delivery.attempts >= kMostAttempts) return Retry::kTooOften;
  return finished ? Retry::kRevive : Retry::kMove;
}

// Reason to refuse when nothing at all can be done; a few that cannot among others that can are
// left.
Result<void> check_retry(Transaction& tx, const std::vector<StoredDelivery>& deliveries,
                         const RetryDeliveries& request) {
  bool removed = false, too_often = false, possible = false;
  for (const StoredDelivery& delivery : deliveries) {
    const Retry what = what_to_do(delivery, request);
    removed = removed || what == Retry::kRemoved;
    too_often = too_often || what == Retry::kTooOften;
    possible = possible || what == Retry::kRevive || what == Retry::kMove;
  }
  if (!possible && removed) {
    return fail(ErrorCode::kRefused, "its endpoint was removed", {}, "add the endpoint again");
  }
  if (!possible && too_often) {
    return fail(ErrorCode::kRefused, "it was tried too often to be tried again");
  }
  if (!possible && !deliveries.empty()) return {};
  const EventRow event = deliveries.empty() ? *request.event : deliveries.front().event;
  auto row = tx.db.query(kEvent, event);
  if (row.next() && (row.integer(3) & kEventPurged) != 0) {
    return fail(ErrorCode::kRefused, "its payload was purged by retention");
  }
  return {};
}

// An event that was kept without an endpoint goes to those that would get it today.
std::uint32_t match_again(Transaction& tx, const RetryDeliveries& request) {
  std::string account, provider, type;
  std::string ordering_key;
  {
    auto row = tx.db.query(kEvent, *request.event);
    if (!row.next() || (row.integer(3) & kEventTest) != 0) return 0;
    account = row.text(0);
    provider = row.text(1);
    type = row.text(2);
    ordering_key = row.text(4);
  }
  std::vector<DueRow> due;
  std::uint32_t count = 0;
  for (const Candidate& endpoint : candidates(tx, account, provider, type)) {
    if (!endpoint.matches) continue;
    insert_delivery(tx,
                    {.event = *request.event,
                     .endpoint = endpoint.row,
                     .endpoint_state = endpoint.state,
                     .ordering_key = ordering_key,
                     .now = request.now},
                    due);
    log_change(tx, ChangeKind::kDelivery, *tx.newest_delivery, request.now);
    ++count;
  }
  return count;
}

bool retry(Transaction& tx, StoredDelivery& delivery, const RetryDeliveries& request) {
  std::vector<DueRow> due;
  switch (what_to_do(delivery, request)) {
    case Retry::kRevive:
      OUTRIDER_ASSERT(core::next_state(delivery.state, core::DeliveryStep::kRetry).has_value());
      revive_delivery(tx, delivery, request.now, due);
      break;
    case Retry::kMove:
      remove_due(tx, delivery);
      delivery.attempts_base = delivery.attempts;
      make_due(tx, delivery, request.now, due);
      break;
    case Retry::kNothing:
    case Retry::kRemoved:
    case Retry::kTooOften:
      return false;
  }
  log_change(tx, ChangeKind::kDelivery, delivery.id, request.now);
  return true;
}

// What changed nothing is not on record.
template <class Request>
void audit_count(Transaction& tx, std::string_view action, const Request& request,
                 std::uint32_t count, const std::string& reason) {
  if (count == 0) return;
  std::string detail = std::to_string(count) + (count == 1 ? " delivery" : " deliveries");
  if (!reason.empty()) detail += ": " + reason;
  audit(tx, {.actor = request.actor,
             .action = action,
             .kind = request.event ? ObjectKind::kEvent : ObjectKind::kDelivery,
             .object = request.event ? *request.event : *request.delivery,
             .account = {},
             .detail = detail,
             .now = request.now});
}

}  // namespace

Outcome apply(Transaction& tx, const RetryDeliveries& request) {
  auto deliveries = named(tx, request.event, request.delivery);
  if (!deliveries) return tl::unexpected(std::move(deliveries.error()));
  if (auto ok = check_retry(tx, *deliveries, request); !ok) {
    return tl::unexpected(std::move(ok.error()));
  }
  if (deliveries->empty()) {
    const std::uint32_t matched = match_again(tx, request);
    audit_count(tx, kRetryAction, request, matched, "matched again");
    return Changed{.count = matched};
  }
  std::uint32_t count = 0;
  for (StoredDelivery& delivery : *deliveries) {
    if (delivery.cancelled_unswept() && what_to_do(delivery, request) == Retry::kRevive) {
      // Whatever else was cancelled with it stays cancelled.
      std::uint32_t budget = std::numeric_limits<std::uint32_t>::max();
      sweep(tx, delivery.endpoint, request.now, budget);
      auto swept = load_delivery(tx, delivery.id);
      if (!swept) break;  // the database failed
      delivery = std::move(*swept);
    }
    if (retry(tx, delivery, request)) ++count;
  }
  audit_count(tx, kRetryAction, request, count, request.failed_only ? "" : "delivered ones too");
  return Changed{.id = deliveries->front().id, .count = count};
}

Outcome apply(Transaction& tx, const CancelDeliveries& request) {
  auto deliveries = named(tx, request.event, request.delivery);
  if (!deliveries) return tl::unexpected(std::move(deliveries.error()));
  std::vector<DueRow> due;
  std::uint32_t count = 0;
  for (StoredDelivery& delivery : *deliveries) {
    if (!delivery.pending() || delivery.cancelled_unswept()) continue;
    end_delivery(tx, delivery, DeliveryState::kCancelled, request.reason, request.now, due);
    log_change(tx, ChangeKind::kDelivery, delivery.id, request.now);
    ++count;
  }
  audit_count(tx, kCancelAction, request, count, request.reason);
  return Changed{.id = deliveries->empty() ? 0 : deliveries->front().id, .count = count};
}

}  // namespace outrider::storage
