// Marks are moved only when the whole look succeeded, so that a failure loses nothing.
#include "storage/sqlite/follower.h"

#include <algorithm>

namespace outrider::storage {
namespace {

constexpr const char* kDataVersion = "PRAGMA data_version";
constexpr const char* kMarks =
    "SELECT (SELECT coalesce(max(id), 0) FROM outrider_change),"
    " (SELECT coalesce(max(id), 0) FROM outrider_delivery)";
constexpr const char* kChanges =
    "SELECT id, kind, object, (SELECT endpoint FROM outrider_delivery d WHERE d.id = object)"
    " FROM outrider_change WHERE id > ? ORDER BY id";
constexpr const char* kNewDeliveries =
    "SELECT endpoint, max(id) FROM outrider_delivery WHERE id > ? GROUP BY endpoint";
constexpr const char* kInboxHasRows = "SELECT 1 FROM outrider_outbox WHERE state = 'new' LIMIT 1";

std::int64_t data_version(Db& db) {
  auto row = db.query(kDataVersion);
  return row.next() ? row.integer(0) : 0;
}

template <class T>
void sort_unique(std::vector<T>& values) {
  std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

}  // namespace

void Follower::start(Db& writer) {
  auto marks = writer.query(kMarks);
  if (!marks.next()) return;
  last_change_ = marks.integer(0);
  last_delivery_ = marks.integer(1);
}

void Follower::own_commit(const Transaction& tx) {
  if (tx.newest_before && *tx.newest_before == last_delivery_) last_delivery_ = *tx.newest_delivery;
  if (tx.logged_change) data_version_.reset();
}

ForeignChanges Follower::look(Db& writer) {
  ForeignChanges changes;
  const std::int64_t version = data_version(writer);
  if (writer.failed() || data_version_ == version) return changes;
  Follower next = *this;
  next.data_version_ = version;
  next.read_changes(writer, changes);
  next.read_deliveries(writer, changes);
  if (auto row = writer.query(kInboxHasRows); row.next()) changes.inbox = true;
  sort_unique(changes.endpoints);
  sort_unique(changes.work);
  sort_unique(changes.deliveries);
  changes.any = changes.inbox || !changes.endpoints.empty() || !changes.work.empty() ||
                !changes.deliveries.empty();
  if (!writer.failed()) *this = next;
  return changes;
}

void Follower::read_changes(Db& writer, ForeignChanges& changes) {
  auto rows = writer.query(kChanges, last_change_);
  while (rows.next()) {
    last_change_ = rows.integer(0);
    const auto kind = static_cast<ChangeKind>(rows.integer(1));
    if (kind == ChangeKind::kEndpoint) {
      changes.endpoints.push_back(rows.integer(2));
    } else if (kind == ChangeKind::kWork) {
      changes.work.push_back(rows.integer(2));
    } else if (!rows.is_null(3)) {
      changes.deliveries.push_back(rows.integer(2));
      changes.work.push_back(rows.integer(3));  // it, or the next of its ordering key
    }
  }
}

void Follower::read_deliveries(Db& writer, ForeignChanges& changes) {
  auto rows = writer.query(kNewDeliveries, last_delivery_);
  DeliveryRow last = last_delivery_;
  while (rows.next()) {
    changes.work.push_back(rows.integer(0));
    last = std::max(last, rows.integer(1));
  }
  last_delivery_ = last;
}

}  // namespace outrider::storage
