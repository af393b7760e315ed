// A new description of an endpoint that is there: its place, its work and its health stay.
#include "storage/sqlite/audit.h"
#include "storage/sqlite/transaction.h"

namespace outrider::storage {
namespace {

constexpr const char* kExists =
    "SELECT account FROM outrider_endpoint WHERE id = ? AND removed_at IS NULL";
constexpr const char* kUpdate =
    "UPDATE outrider_endpoint SET url = ?2, types = ?3, description = ?4, rate_per_second = ?5,"
    " max_in_flight = ?6 WHERE id = ?1";
constexpr const char* kSetHeaders = "UPDATE outrider_endpoint SET headers = ?2 WHERE id = ?1";

}  // namespace

Outcome apply(Transaction& tx, const UpdateEndpoint& update) {
  std::string account;
  {
    auto row = tx.db.query(kExists, update.endpoint);
    if (row.next()) account = row.text(0);
  }
  if (account.empty() && !tx.db.failed()) {
    return fail(ErrorCode::kNotFound, "no such endpoint, or it was removed", {},
                "see: outrider endpoint list");
  }
  const EndpointSpec& spec = update.spec;
  const std::string types = encode_types(tx.db, spec.types);
  tx.db.run(kUpdate, update.endpoint, spec.url, types, spec.description, spec.rate_per_second,
            spec.max_in_flight);
  if (update.new_headers) {
    std::string sealed;
    std::optional<Bytes> stored;
    if (!spec.headers.empty()) {
      sealed = tx.sealing.seal(tx.db, KeyUse::kStanding, headers_place(account, update.endpoint),
                               update.now, encode_headers(tx.db, spec.headers));
      stored = Bytes{sealed};
    }
    tx.db.run(kSetHeaders, update.endpoint, stored);
    tx.empty_log = true;
  }
  log_change(tx, ChangeKind::kEndpoint, update.endpoint, update.now);
  audit(tx, {.actor = update.actor,
             .action = "endpoint.update",
             .kind = ObjectKind::kEndpoint,
             .object = update.endpoint,
             .account = account,
             .detail = update.what,
             .now = update.now});
  return Changed{.id = update.endpoint, .count = 1};
}

}  // namespace outrider::storage
