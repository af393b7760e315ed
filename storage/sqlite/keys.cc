// What operators do to keys and to what they seal: forget an account, rotate, and the record that a
// payload was shown.
#include "core/assert.h"
#include "storage/sqlite/audit.h"
#include "storage/sqlite/transaction.h"

namespace outrider::storage {
namespace {

constexpr const char* kEndpointsOf =
    "SELECT id FROM outrider_endpoint WHERE account = ? AND removed_at IS NULL ORDER BY id";
constexpr const char* kEraseInbox =
    "UPDATE outrider_outbox SET state = 'rejected', payload = NULL, idempotency_key = NULL,"
    " reason = 'the account was forgotten' WHERE account = ? AND state = 'new'";
constexpr const char* kEraseDigests = "DELETE FROM outrider_idempotency WHERE account = ?";
constexpr const char* kEventExists = "SELECT 1 FROM outrider_event WHERE id = ?";

}  // namespace

Outcome apply(Transaction& tx, const RecordReveal& reveal) {
  auto row = tx.db.query(kEventExists, reveal.event);
  if (!row.next()) return fail(ErrorCode::kNotFound, "no such event", {});
  audit(tx, {.actor = reveal.actor,
             .action = "event.reveal",
             .kind = ObjectKind::kEvent,
             .object = reveal.event,
             .account = {},
             .detail = {},
             .now = reveal.now});
  return Changed{.id = reveal.event, .count = 1};
}

Outcome apply(Transaction& tx, const ForgetAccount& forget) {
  if (auto done = tx.sealing.forget(tx.db, forget.account); !done) {
    return tl::unexpected(std::move(done.error()));
  }
  std::vector<EndpointRow> endpoints;
  {
    auto rows = tx.db.query(kEndpointsOf, forget.account);
    while (rows.next()) endpoints.push_back(rows.integer(0));
  }
  for (const EndpointRow endpoint : endpoints) {
    remove_endpoint(tx, endpoint, "the account was forgotten", forget.now);
  }
  tx.db.run(kEraseInbox, forget.account);
  tx.db.run(kEraseDigests, forget.account);
  tx.empty_log = true;
  const std::string detail = std::to_string(endpoints.size()) + " endpoints removed";
  audit(tx, {.actor = forget.actor,
             .action = "account.forget",
             .account = forget.account,
             .detail = detail,
             .now = forget.now});
  return Changed{.id = 0, .count = static_cast<std::uint32_t>(endpoints.size())};
}

Outcome apply(Transaction& tx, const RotateKeys& rotation) {
  OUTRIDER_ASSERT(rotation.limit > 0);
  const std::uint32_t before = tx.sealing.generation();
  auto wrapped = tx.sealing.rotate(tx.db, rotation.limit);
  if (!wrapped) return tl::unexpected(std::move(wrapped.error()));
  const std::uint32_t generation = tx.sealing.generation();
  const auto record = [&](const char* what) {
    const std::string detail = "generation " + std::to_string(generation) + what;
    audit(tx, {.actor = rotation.actor,
               .action = "key.rotate",
               .account = {},
               .detail = detail,
               .now = rotation.now});
  };
  if (generation != before) record(" begun");
  if (*wrapped == 0) record(" complete");
  return Changed{.id = 0, .count = *wrapped};
}

}  // namespace outrider::storage
