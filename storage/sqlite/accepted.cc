#include "storage/sqlite/accepted.h"

#include <algorithm>

#include "storage/sqlite/transaction.h"

namespace outrider::storage {
namespace {

constexpr const char* kNewest =
    "SELECT id, created_at FROM outrider_event ORDER BY id DESC LIMIT 1";
constexpr const char* kEnd =
    "UPDATE outrider_accepted SET last = ?2 WHERE slot = ?1 AND last IS NULL";
constexpr const char* kBegin = "INSERT INTO outrider_accepted (slot, first) VALUES (?, ?)";
// Of the first rows only, so that a table of young spans is not read through at every step.
constexpr const char* kTrim =
    "DELETE FROM outrider_accepted WHERE (slot, first) IN (SELECT slot, first FROM"
    " (SELECT slot, first, last FROM outrider_accepted ORDER BY slot, first LIMIT ?)"
    " WHERE last < (SELECT min(id) FROM outrider_event))";

NewestEvent read_newest(Db& db) {
  auto row = db.query(kNewest);
  if (!row.next()) return {};
  return {.row = row.integer(0), .slot = accepted_slot(row.integer(1))};
}

}  // namespace

EventRow next_event(Transaction& tx, std::int64_t now) {
  if (!tx.newest_event) tx.newest_event = read_newest(tx.db);
  NewestEvent& newest = *tx.newest_event;
  const std::int64_t slot = accepted_slot(now);
  // Behind all deliveries too, so that its first one can have the same.
  const EventRow next = std::max(newest.row, newest_delivery(tx)) + 1;
  if (newest.slot != slot) {
    if (newest.slot) tx.db.run(kEnd, *newest.slot, newest.row);
    tx.db.run(kBegin, slot, next);
    newest.slot = slot;
  }
  return newest.row = next;
}

std::uint32_t trim_accepted(Db& db, std::uint32_t limit) {
  return db.run(kTrim, limit) ? db.changes() : 0;
}

}  // namespace outrider::storage
