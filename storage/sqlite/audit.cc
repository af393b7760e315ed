#include "storage/sqlite/audit.h"

#include "storage/sqlite/chain.h"
#include "storage/sqlite/transaction.h"

namespace outrider::storage {
namespace {

// Rows are never taken away, so that an id is never given twice.
constexpr const char* kNextId = "SELECT coalesce(max(id), 0) + 1 FROM outrider_audit";
constexpr const char* kInsert =
    "INSERT INTO outrider_audit (id, at, actor, action, kind, object, account, detail, link)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr const char* kAccountOfEndpoint = "SELECT account FROM outrider_endpoint WHERE id = ?";
constexpr const char* kAccountOfDelivery =
    "SELECT e.account FROM outrider_delivery d JOIN outrider_event e ON e.id = d.event"
    " WHERE d.id = ?";
constexpr const char* kAccountOfEvent = "SELECT account FROM outrider_event WHERE id = ?";
constexpr const char* kRead =
    "SELECT id, at, actor, action, kind, object, account, detail FROM outrider_audit"
    " WHERE (?1 = '' OR account = ?1) AND (?2 = '' OR action = ?2) AND (?3 IS NULL OR at >= ?3)"
    " AND (?4 IS NULL OR id < ?4) ORDER BY id DESC LIMIT ?5";

std::string account_of(Db& db, ObjectKind kind, std::int64_t object) {
  const char* sql = nullptr;
  switch (kind) {
    case ObjectKind::kNone:
      return {};
    case ObjectKind::kEndpoint:
      sql = kAccountOfEndpoint;
      break;
    case ObjectKind::kDelivery:
      sql = kAccountOfDelivery;
      break;
    case ObjectKind::kEvent:
      sql = kAccountOfEvent;
      break;
  }
  auto row = db.query(sql, object);
  return row.next() ? row.text(0) : std::string();
}

}  // namespace

void audit(Transaction& tx, const Audited& what) {
  std::string account(what.account);
  if (account.empty()) account = account_of(tx.db, what.kind, what.object);
  std::int64_t id = 0;
  {
    auto row = tx.db.query(kNextId);
    if (row.next()) id = row.integer(0);
  }
  const int kind = static_cast<int>(what.kind);
  RowText row;
  row.integer(id).integer(what.now).text(what.actor).text(what.action);
  row.integer(kind).integer(what.object).text(account).text(what.detail);
  const std::int64_t link = add_link(tx, LinkKind::kAudit, id, row);
  tx.db.run(kInsert, id, what.now, what.actor, what.action, kind, what.object, account, what.detail,
            link);
}

std::vector<AuditRecord> read_audit(Db& db, const AuditQuery& query) {
  std::vector<AuditRecord> found;
  auto rows = db.query(kRead, query.account, query.action, query.since, query.before, query.limit);
  while (rows.next()) {
    found.push_back({.row = rows.integer(0),
                     .at = rows.integer(1),
                     .actor = rows.text(2),
                     .action = rows.text(3),
                     .kind = static_cast<ObjectKind>(rows.integer(4)),
                     .object = rows.integer(5),
                     .account = rows.text(6),
                     .detail = rows.text(7)});
  }
  return found;
}

}  // namespace outrider::storage
