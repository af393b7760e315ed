// Housekeeping in bounded steps. Each step walks on from where the last one stopped, from the
// oldest event on; what cannot be dealt with yet (an unfinished delivery) is stepped over and
// looked at again in the next round, which starts there.
//
// "Finished" is: no delivery pending, and the last one ended before the cut-off. An event that
// never had an endpoint is finished too: personal data is not kept for ever because nobody asked
// for it. The newest event and the newest delivery always stay: their row ids must not be given out
// again, since public ids, and the webhook-id that receivers tell duplicates by, are made of them.
#include <algorithm>

#include "core/assert.h"
#include "storage/sqlite/accepted.h"
#include "storage/sqlite/notices.h"
#include "storage/sqlite/of_event.h"
#include "storage/sqlite/transaction.h"

namespace outrider::storage {
namespace {

constexpr std::uint32_t kMostPerStep = 100'000;
constexpr std::uint32_t kLooksPerRow = 4;  // events looked at per row that may be changed
constexpr std::int64_t kChangesKeptMs = 3'600'000;

constexpr const char* kCancelling =
    "SELECT id FROM outrider_endpoint WHERE cancel_through > 0 ORDER BY id LIMIT ?";
constexpr const char* kEraseEndedSecrets =
    "DELETE FROM outrider_secret WHERE id IN"
    " (SELECT id FROM outrider_secret WHERE expires_at <= ? LIMIT ?)";
// Of the oldest rows only, so that a table of young rows is not read through at every step.
constexpr const char* kTrimChanges =
    "DELETE FROM outrider_change WHERE at <= ?1 AND id IN"
    " (SELECT id FROM outrider_change WHERE id <= ?3 ORDER BY id LIMIT ?2)";
constexpr const char* kTrimInbox =
    "DELETE FROM outrider_outbox WHERE state <> 'new' AND created_at < ?1 AND id IN"
    " (SELECT id FROM outrider_outbox ORDER BY id LIMIT ?2)";
constexpr const char* kWalk =
    "SELECT id, created_at, flags, EXISTS (SELECT 1 FROM outrider_delivery d"
    "   WHERE " OUTRIDER_OF_EVENT("e.id") " AND (d.state = 0 OR d.finished_at >= ?2))"
    " FROM outrider_event e WHERE id > ?1 ORDER BY id LIMIT ?3";
constexpr const char* kPurge =
    "UPDATE outrider_event SET body = NULL, flags = flags | 4 WHERE id = ?";
constexpr const char* kPurgedThrough =
    "SELECT CAST(value AS INTEGER) FROM outrider_meta WHERE name = 'purged_through'";
constexpr const char* kSetPurgedThrough =
    "INSERT INTO outrider_meta (name, value) VALUES ('purged_through', ?1)"
    " ON CONFLICT (name) DO UPDATE SET value = ?1";
constexpr const char* kNewest =
    "SELECT (SELECT max(id) FROM outrider_event), (SELECT max(id) FROM outrider_delivery)";
constexpr const char* kDeliveriesOf =
    "SELECT id, endpoint, state FROM outrider_delivery d WHERE " OUTRIDER_OF_EVENT(
        "?1") " ORDER BY id";
constexpr const char* kEraseAttempts = "DELETE FROM outrider_attempt WHERE id >= ? AND id < ?";
constexpr const char* kEraseDeliveries =
    "DELETE FROM outrider_delivery AS d WHERE " OUTRIDER_OF_EVENT("?1");
constexpr const char* kEraseKey =
    "DELETE FROM outrider_idempotency WHERE (account, provider, key) IN"
    " (SELECT account, provider, idempotency_key FROM outrider_event WHERE id = ?)";
constexpr const char* kOldestEvent = "SELECT created_at FROM outrider_event ORDER BY id LIMIT 1";
constexpr const char* kEraseEvent = "DELETE FROM outrider_event WHERE id = ?";

struct Step {
  std::uint32_t changed = 0;
  bool more = false;  // the round has not reached its end
};

struct Seen {
  EventRow event = 0;
  std::int64_t created_at = 0;
  int flags = 0;
  bool unfinished = false;
};

std::vector<Seen> look(Transaction& tx, std::int64_t after, std::int64_t before,
                       std::uint32_t limit) {
  std::vector<Seen> seen;
  auto rows = tx.db.query(kWalk, after, before, limit);
  while (rows.next()) {
    seen.push_back({.event = rows.integer(0),
                    .created_at = rows.integer(1),
                    .flags = static_cast<int>(rows.integer(2)),
                    .unfinished = rows.integer(3) != 0});
  }
  return seen;
}

// One step of a round. `deal_with` returns false for an event that has to wait for a later round,
// and counts in `step`.
template <class DealWith>
Step walk(Transaction& tx, RetentionWalk& at, std::int64_t before, std::uint32_t limit,
          const DealWith& deal_with) {
  Step step;
  const std::uint32_t looks = limit * kLooksPerRow;
  const std::vector<Seen> page = look(tx, at.position, before, looks);
  step.more = page.size() == looks;
  for (const Seen& seen : page) {
    if (step.changed == limit) {
      step.more = true;
      break;
    }
    if (seen.created_at >= before) {
      step.more = false;
      break;
    }
    if (seen.unfinished || !deal_with(seen, step)) {
      if (at.stuck == 0) at.stuck = seen.event;
    }
    at.position = seen.event;
  }
  if (!step.more) {  // the next round begins at what had to wait
    if (at.stuck != 0) at.position = at.stuck - 1;
    at.stuck = 0;
  }
  return step;
}

Step purge_payloads(Transaction& tx, const Maintain& maintain) {
  Retention& retention = tx.retention;
  if (!retention.purged_through) {
    auto row = tx.db.query(kPurgedThrough);
    retention.purged_through = row.next() ? row.integer(0) : 0;
    retention.purge.position = *retention.purged_through;
  }
  const Step step = walk(tx, retention.purge, maintain.payloads_before, maintain.limit,
                         [&tx](const Seen& seen, Step& done) {
                           if ((seen.flags & kEventPurged) != 0) return true;
                           tx.db.run(kPurge, seen.event);
                           ++done.changed;
                           return true;
                         });
  if (!step.more && retention.purge.position > *retention.purged_through) {
    retention.purged_through = retention.purge.position;
    tx.db.run(kSetPurgedThrough, *retention.purged_through);
  }
  return step;
}

void remove_event(Transaction& tx, EventRow event, const std::vector<StoredDelivery>& deliveries) {
  for (const StoredDelivery& delivery : deliveries) {
    mark_removed(tx, delivery.id);
    tx.db.run(kEraseAttempts, delivery.id * kAttemptsPerDelivery,
              (delivery.id + 1) * kAttemptsPerDelivery);
    count_finished(tx.tallies, delivery.endpoint, delivery.state, -1);
  }
  tx.db.run(kEraseDeliveries, event);
  tx.db.run(kEraseKey, event);
  tx.db.run(kEraseEvent, event);
}

std::vector<StoredDelivery> deliveries_of(Transaction& tx, EventRow event) {
  std::vector<StoredDelivery> found;
  auto rows = tx.db.query(kDeliveriesOf, event);
  while (rows.next()) {
    StoredDelivery delivery;
    delivery.id = rows.integer(0);
    delivery.endpoint = rows.integer(1);
    delivery.state = static_cast<DeliveryState>(rows.integer(2));
    found.push_back(std::move(delivery));
  }
  return found;
}

Step remove_history(Transaction& tx, const Maintain& maintain) {
  EventRow newest_event = 0;
  DeliveryRow newest_delivery = 0;
  {
    auto row = tx.db.query(kNewest);
    if (row.next()) {
      newest_event = row.integer(0);
      newest_delivery = row.integer(1);
    }
  }
  return walk(tx, tx.retention.removal, maintain.attempts_before, maintain.limit,
              [&](const Seen& seen, Step& done) {
                const auto deliveries = deliveries_of(tx, seen.event);
                const bool newest = seen.event == newest_event ||
                                    std::ranges::find(deliveries, newest_delivery,
                                                      &StoredDelivery::id) != deliveries.end();
                // Attempts that do not fit their links stay, for `audit verify` to find.
                const bool fit = std::ranges::all_of(deliveries, [&](const StoredDelivery& one) {
                  return attempts_fit(tx, one.id, maintain.attempts_before);
                });
                if (newest || !fit) return false;
                remove_event(tx, seen.event, deliveries);
                ++done.changed;
                return true;
              });
}

std::uint32_t finish_cancellations(Transaction& tx, const Maintain& maintain) {
  std::vector<EndpointRow> endpoints;
  {
    auto rows = tx.db.query(kCancelling, maintain.limit);
    while (rows.next()) endpoints.push_back(rows.integer(0));
  }
  std::uint32_t budget = maintain.limit;
  for (const EndpointRow endpoint : endpoints) {
    if (budget > 0) sweep(tx, endpoint, maintain.now, budget);
  }
  // An endpoint whose last rows went in this very step is only unmarked by the next one.
  return maintain.limit - budget;
}

// Of days before the oldest event that is left, less a month, since clocks have been known to step.
std::uint32_t erase_old_keys(Transaction& tx, const Maintain& maintain) {
  constexpr std::int64_t kDayMs = 86'400'000;
  constexpr std::int64_t kSpareDays = 31;
  std::int64_t oldest = maintain.now;
  {
    auto row = tx.db.query(kOldestEvent);
    if (row.next()) oldest = std::min(oldest, row.integer(0));
  }
  return tx.sealing.erase_keys_before(tx.db, oldest / kDayMs - kSpareDays, maintain.limit);
}

}  // namespace

Outcome apply(Transaction& tx, const Maintain& maintain) {
  OUTRIDER_ASSERT(maintain.limit > 0 && maintain.limit <= kMostPerStep);
  std::uint32_t changed = finish_cancellations(tx, maintain);
  bool more = false;
  std::uint32_t erased = 0;
  const auto rows_of = [&tx](bool ran) { return ran ? tx.db.changes() : 0; };
  erased += rows_of(tx.db.run(kEraseEndedSecrets, maintain.now, maintain.limit));
  // Not what the engine on this connection has yet to read, nor what one in another process may
  // have.
  changed += rows_of(
      tx.db.run(kTrimChanges, maintain.now - kChangesKeptMs, maintain.limit, tx.followed_through));
  if (maintain.payloads_before > 0) {
    const Step step = purge_payloads(tx, maintain);
    erased += step.changed;
    more = more || step.more;
  }
  if (maintain.attempts_before > 0) {
    const Step step = remove_history(tx, maintain);
    erased += step.changed;
    more = more || step.more;
    changed += rows_of(tx.db.run(kTrimInbox, maintain.attempts_before, maintain.limit));
    changed += trim_chain(tx, maintain.limit);
    changed += trim_notices(tx, maintain.attempts_before, maintain.limit);
    changed += trim_accepted(tx.db, maintain.limit);
    changed += trim_tallies(tx.db, maintain.attempts_before, maintain.limit);
  }
  tx.maintained_at = maintain.now;
  if (maintain.payloads_before > 0 || maintain.attempts_before > 0)
    erased += erase_old_keys(tx, maintain);
  changed += erased;
  tx.retention.erased = tx.retention.erased || erased > 0;
  if (!more && changed == 0 && tx.retention.erased) {
    tx.retention.erased = false;
    tx.empty_log = true;
  }
  if (changed == 0 && more) changed = 1;
  return Changed{.count = changed};
}

}  // namespace outrider::storage
