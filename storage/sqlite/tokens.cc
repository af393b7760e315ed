// The API's tokens: found by prefix, kept as digests. And the small durable write by which
// readiness is told.
#include "storage/sqlite/audit.h"
#include "storage/sqlite/reads.h"
#include "storage/sqlite/transaction.h"

namespace outrider::storage {
namespace {

constexpr std::uint32_t kMostOfName = 2;
constexpr std::uint32_t kMostTokens = 1000;

constexpr const char* kInsert =
    "INSERT INTO outrider_token (name, prefix, digest, role, account, created_at)"
    " VALUES (?, ?, ?, ?, ?, ?)";
constexpr const char* kCounts =
    "SELECT count(*), coalesce(sum(name = ?1), 0), coalesce(sum(prefix = ?2), 0)"
    " FROM outrider_token";
constexpr const char* kMatching =
    "SELECT count(*) FROM outrider_token WHERE name = ?1 AND (?2 = '' OR prefix = ?2)";
constexpr const char* kDelete =
    "DELETE FROM outrider_token WHERE name = ?1 AND (?2 = '' OR prefix = ?2)";
constexpr const char* kTokens =
    "SELECT name, prefix, digest, role, account, created_at FROM outrider_token"
    " ORDER BY name, id";
constexpr const char* kTouch =
    "INSERT INTO outrider_meta (name, value) VALUES ('touched_at', ?)"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value";

}  // namespace

Outcome apply(Transaction& tx, const AddToken& add) {
  {
    auto counts = tx.db.query(kCounts, add.token.name, add.token.id);
    if (counts.next()) {
      if (counts.count(0) >= kMostTokens) {
        return fail(ErrorCode::kRefused, "there are 1000 tokens already", "name");
      }
      if (counts.count(1) >= kMostOfName) {
        return fail(ErrorCode::kRefused, "two tokens have this name already", "name",
                    "remove the older one first");
      }
      if (counts.count(2) != 0) return fail(ErrorCode::kBusy, "the prefix is taken: try again");
    }
  }
  tx.db.run(kInsert, add.token.name, add.token.id, Bytes{add.token.sha256},
            static_cast<int>(add.token.role), add.token.account, add.now);
  const std::int64_t row = tx.db.last_row_id();
  const std::string detail = add.token.name + ", " + std::string(role_name(add.token.role));
  audit(tx, {.actor = add.actor,
             .action = "token.add",
             .account = add.token.account,
             .detail = detail,
             .now = add.now});
  return Changed{.id = row, .count = 1};
}

Outcome apply(Transaction& tx, const RemoveToken& remove) {
  std::uint32_t count = 0;
  {
    auto row = tx.db.query(kMatching, remove.name, remove.id);
    if (row.next()) count = row.count(0);
  }
  if (count == 0 && !tx.db.failed()) {
    return fail(ErrorCode::kNotFound, "no such token", remove.name, "see: outrider token list");
  }
  tx.db.run(kDelete, remove.name, remove.id);
  audit(tx, {.actor = remove.actor,
             .action = "token.remove",
             .account = {},
             .detail = remove.name,
             .now = remove.now});
  return Changed{.id = 0, .count = count};
}

Outcome apply(Transaction& tx, const Touch& touch) {
  tx.db.run(kTouch, touch.now);
  return Changed{.id = 0, .count = 1};
}

std::vector<TokenView> read_tokens(Db& db) {
  std::vector<TokenView> found;
  auto rows = db.query(kTokens);
  while (rows.next()) {
    found.push_back({.id = rows.text(1),
                     .name = rows.text(0),
                     .role = static_cast<Role>(rows.integer(3)),
                     .account = rows.text(4),
                     .created_at = rows.integer(5),
                     .sha256 = rows.text(2)});
  }
  return found;
}

}  // namespace outrider::storage
