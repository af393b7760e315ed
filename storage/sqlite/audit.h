// The audit trail: a row for each thing an operator did, written in the transaction that did it.
// What changed nothing leaves none, and neither does what the engine does by itself.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "storage/audit_records.h"
#include "storage/sqlite/db.h"

namespace outrider::storage {

struct Transaction;

struct Audited {
  std::string_view actor;
  std::string_view action;  // "endpoint.add", "event.reveal", …
  ObjectKind kind = ObjectKind::kNone;
  std::int64_t object = 0;
  std::string_view account;  // empty: none, or known from the object
  std::string_view detail;   // a reason or counts; never a secret, never payload
  std::int64_t now = 0;
};
// After every check of the mutation: it is a write.
void audit(Transaction& tx, const Audited& what);

[[nodiscard]] std::vector<AuditRecord> read_audit(Db& db, const AuditQuery& query);

}  // namespace outrider::storage
