// Notices are rare, so their table has no index but its row id: what filters reads on. There is one
// writer at a time, so ids ascend in the order of the commits, and a reader that goes on after the
// newest one it saw misses none.
#include "storage/sqlite/notices.h"

#include <algorithm>

#include "storage/event_fields.h"
#include "storage/sqlite/transaction.h"

namespace outrider::storage {
namespace {

constexpr std::size_t kMostDetailBytes = 1000;

constexpr const char* kInsert =
    "INSERT INTO outrider_notice (at, kind, account, provider, type, endpoint, delivery, event,"
    " inbox, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr const char* kInsertOfEndpoint =
    "INSERT INTO outrider_notice (at, kind, account, provider, type, endpoint, detail)"
    " SELECT ?2, ?3, account, provider, '', id, ?4 FROM outrider_endpoint WHERE id = ?1";
constexpr const char* kEvent = "SELECT provider, type, flags FROM outrider_event WHERE id = ?";
constexpr const char* kInboxRow =
    "SELECT account, provider, type FROM outrider_outbox WHERE id = ?";
// Of the oldest rows only, so that a table of young rows is not read through at every step.
constexpr const char* kTrim =
    "DELETE FROM outrider_notice WHERE at < ?1 AND id IN"
    " (SELECT id FROM outrider_notice ORDER BY id LIMIT ?2)";

#define OUTRIDER_NOTICES                                                                   \
  "SELECT id, at, kind, account, provider, type, endpoint, delivery, event, inbox, detail" \
  " FROM outrider_notice WHERE id > ?1 AND (?2 IS NULL OR at >= ?2)"                       \
  " AND (?3 IS NULL OR kind = ?3) AND (?4 = '' OR account = ?4)"
constexpr const char* kOldest = OUTRIDER_NOTICES " ORDER BY id LIMIT ?5";
constexpr const char* kNewest = OUTRIDER_NOTICES " ORDER BY id DESC LIMIT ?5";
#undef OUTRIDER_NOTICES
constexpr const char* kLast = "SELECT coalesce(max(id), 0) FROM outrider_notice";
constexpr const char* kForwarded =
    "SELECT max(coalesce((SELECT through FROM outrider_notice_cursor WHERE provider = ?1), 0),"
    " coalesce((SELECT min(notices_after) FROM outrider_endpoint"
    "   WHERE provider = ?1 AND removed_at IS NULL), 0))";

std::string_view bounded(std::string_view text) {
  if (text.size() <= kMostDetailBytes) return text;
  std::size_t end = kMostDetailBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end);
}

NoticeRecord notice_of(const Query& row) {
  return {.row = row.integer(0),
          .at = row.integer(1),
          .kind = static_cast<NoticeKind>(row.integer(2)),
          .account = row.text(3),
          .provider = row.text(4),
          .type = row.text(5),
          .endpoint = row.maybe_integer(6),
          .delivery = row.maybe_integer(7),
          .event = row.maybe_integer(8),
          .inbox = row.maybe_integer(9),
          .detail = row.text(10)};
}

}  // namespace

void note_endpoint(Transaction& tx, NoticeKind kind, EndpointRow endpoint, std::string_view detail,
                   std::int64_t now) {
  tx.db.run(kInsertOfEndpoint, endpoint, now, static_cast<int>(kind), bounded(detail));
}

void note_delivery(Transaction& tx, NoticeKind kind, const StoredDelivery& delivery,
                   std::string_view detail, std::int64_t now) {
  std::string provider, type;
  {
    auto event = tx.db.query(kEvent, delivery.event);
    if (!event.next() || (event.integer(2) & kEventTest) != 0) return;
    provider = event.text(0);
    type = event.text(1);
  }
  tx.db.run(kInsert, now, static_cast<int>(kind), delivery.account, provider, type,
            delivery.endpoint, delivery.id, delivery.event, std::nullopt, bounded(detail));
}

void note_rejection(Transaction& tx, std::int64_t inbox_row, std::string_view reason,
                    std::int64_t now) {
  std::string names[3];
  {
    auto row = tx.db.query(kInboxRow, inbox_row);
    if (!row.next()) return;
    for (int column = 0; column < 3; ++column) {
      if (row.type(column) != SQLITE_TEXT || field_fault(row.text(column))) continue;
      names[column] = row.text(column);
    }
  }
  tx.db.run(kInsert, now, static_cast<int>(NoticeKind::kEventRejected), names[0], names[1],
            names[2], std::nullopt, std::nullopt, std::nullopt, inbox_row, bounded(reason));
}

std::uint32_t trim_notices(Transaction& tx, std::int64_t before, std::uint32_t limit) {
  return tx.db.run(kTrim, before, limit) ? tx.db.changes() : 0;
}

NoticeRows read_notices(Db& db, const NoticeQuery& query) {
  const Snapshot snapshot(db);
  NoticeRows found;
  std::optional<int> kind;
  if (query.kind) kind = static_cast<int>(*query.kind);
  {
    auto rows = db.query(query.newest ? kNewest : kOldest, query.after, query.since, kind,
                         query.account, query.limit);
    while (rows.next()) found.notices.push_back(notice_of(rows));
  }
  if (query.newest) std::ranges::reverse(found.notices);
  if (!query.newest && found.notices.size() == query.limit) {
    found.through = found.notices.back().row;
    return found;
  }
  auto last = db.query(kLast);
  // Where retention took all there was, the cursor stays.
  found.through = std::max(query.after, last.next() ? last.integer(0) : 0);
  return found;
}

NoticeRow read_notices_forwarded(Db& db, const std::string& provider) {
  auto row = db.query(kForwarded, provider);
  return row.next() ? row.integer(0) : 0;
}

}  // namespace outrider::storage
