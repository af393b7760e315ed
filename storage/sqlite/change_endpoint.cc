// What operators do to endpoints: add, pause, activate, remove, new TLS settings and new secrets.
// Each leaves a row in outrider_change, by which a running engine hears of it.
#include <limits>

#include "core/assert.h"
#include "crypto/mac.h"
#include "storage/sqlite/audit.h"
#include "storage/sqlite/notices.h"
#include "storage/sqlite/transaction.h"

namespace outrider::storage {
namespace {

constexpr std::uint32_t kMostSecrets = 10;

constexpr const char* kCountOfAccount =
    "SELECT count(*) FROM outrider_endpoint"
    " WHERE account = ? AND provider = ? AND removed_at IS NULL";
constexpr const char* kInsertEndpoint =
    "INSERT INTO outrider_endpoint (account, provider, url, types, description, rate_per_second,"
    " max_in_flight, created_at, state_changed_at, tls_min, tls_ca, tls_certificate, notices_after)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9, ?10, ?11,"
    " (SELECT coalesce(max(id), 0) FROM outrider_notice))";
constexpr const char* kSetSealed =
    "UPDATE outrider_endpoint SET headers = ?2, tls_key = ?3 WHERE id = ?1";
constexpr const char* kSetTlsMin = "UPDATE outrider_endpoint SET tls_min = ?2 WHERE id = ?1";
constexpr const char* kSetTlsCa = "UPDATE outrider_endpoint SET tls_ca = ?2 WHERE id = ?1";
constexpr const char* kSetTlsPair =
    "UPDATE outrider_endpoint SET tls_certificate = ?2, tls_key = ?3 WHERE id = ?1";
constexpr const char* kInsertSecret =
    "INSERT INTO outrider_secret (endpoint, secret, created_at) VALUES (?, x'', ?)";
constexpr const char* kSetSecret = "UPDATE outrider_secret SET secret = ?2 WHERE id = ?1";
constexpr const char* kAccountOf = "SELECT account FROM outrider_endpoint WHERE id = ?";
constexpr const char* kState =
    "SELECT state FROM outrider_endpoint WHERE id = ? AND removed_at IS NULL";
constexpr const char* kSetState =
    "UPDATE outrider_endpoint SET state = ?2, state_reason = ?3, state_changed_at = ?4"
    " WHERE id = ?1";
constexpr const char* kClearHealth =
    "UPDATE outrider_endpoint SET consecutive = 0, failures = '[]', epoch = epoch + 1"
    " WHERE id = ?";
constexpr const char* kClearAccountHealth =
    "INSERT INTO outrider_account (provider, account, epoch)"
    " SELECT provider, account, 1 FROM outrider_endpoint WHERE id = ?"
    " ON CONFLICT (provider, account)"
    " DO UPDATE SET consecutive = 0, failures = '[]', epoch = epoch + 1";
constexpr const char* kSetRemoved =
    "UPDATE outrider_endpoint SET removed_at = ?2, headers = NULL, tls_key = NULL WHERE id = ?1";
constexpr const char* kEraseSecrets = "DELETE FROM outrider_secret WHERE endpoint = ?";
constexpr const char* kLiveSecrets =
    "SELECT count(*) FROM outrider_secret"
    " WHERE endpoint = ?1 AND (expires_at IS NULL OR expires_at > ?2)";
constexpr const char* kEraseEnded =
    "DELETE FROM outrider_secret WHERE endpoint = ?1 AND expires_at <= ?2";
constexpr const char* kEndOthers =
    "UPDATE outrider_secret SET expires_at = min(coalesce(expires_at, ?2), ?2)"
    " WHERE endpoint = ?1";
constexpr const char* kQuote = "SELECT json_quote(?)";

// The JSON text of a string; SQLite writes it, since it is SQLite that reads it again.
std::string quoted(Db& db, const std::string& text) {
  auto row = db.query(kQuote, text);
  return row.next() ? row.text(0) : std::string();
}

Result<void> check_spec(Transaction& tx, const AddEndpoint& add) {
  const std::pair<const char*, const std::string*> required[] = {{"account", &add.spec.account},
                                                                 {"provider", &add.spec.provider},
                                                                 {"url", &add.spec.url},
                                                                 {"secret", &add.spec.secret}};
  for (const auto& [name, value] : required) {
    if (value->empty()) {
      return fail(ErrorCode::kInvalidArgument, std::string("the endpoint has no ") + name, name);
    }
  }
  if (!add.max_per_account) return {};
  auto row = tx.db.query(kCountOfAccount, add.spec.account, add.spec.provider);
  if (row.next() && row.count(0) >= *add.max_per_account) {
    return fail(ErrorCode::kRefused,
                "the account has " + std::to_string(row.count(0)) +
                    " endpoints already, the provider's limit is " +
                    std::to_string(*add.max_per_account),
                "account", "remove one first");
  }
  return {};
}

Result<EndpointState> state_of(Transaction& tx, EndpointRow endpoint) {
  auto row = tx.db.query(kState, endpoint);
  if (row.next()) return static_cast<EndpointState>(row.integer(0));
  return fail(ErrorCode::kNotFound, "no such endpoint, or it was removed", {},
              "see: outrider endpoint list");
}

std::optional<std::string_view> maybe(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return text;
}

std::string account_of(Transaction& tx, EndpointRow endpoint) {
  auto row = tx.db.query(kAccountOf, endpoint);
  return row.next() ? row.text(0) : std::string();
}

// The row first: what is sealed is bound to its id.
std::int64_t insert_secret(Transaction& tx, const std::string& account, EndpointRow endpoint,
                           const std::string& secret, std::int64_t now) {
  tx.db.run(kInsertSecret, endpoint, now);
  const std::int64_t row = tx.db.last_row_id();
  const std::string sealed =
      tx.sealing.seal(tx.db, KeyUse::kStanding, secret_place(account, row), now, secret);
  tx.db.run(kSetSecret, row, Bytes{sealed});
  return row;
}

void seal_headers_and_key(Transaction& tx, EndpointRow row, const AddEndpoint& add) {
  const EndpointSpec& spec = add.spec;
  std::string headers, key;
  std::optional<Bytes> stored_headers, stored_key;
  if (!spec.headers.empty()) {
    headers = tx.sealing.seal(tx.db, KeyUse::kStanding, headers_place(spec.account, row), add.now,
                              encode_headers(tx.db, spec.headers));
    stored_headers = Bytes{headers};
  }
  if (!spec.tls.key.empty()) {
    key = tx.sealing.seal(tx.db, KeyUse::kStanding, tls_key_place(spec.account, row), add.now,
                          spec.tls.key);
    stored_key = Bytes{key};
  }
  if (stored_headers || stored_key) tx.db.run(kSetSealed, row, stored_headers, stored_key);
  crypto::wipe(key);  // of a database that is kept plain it is not sealed
}

Result<void> check_change(const TlsChange& change) {
  if (!change.ca && !change.certificate && !change.key && !change.at_least) {
    return fail(ErrorCode::kInvalidArgument, "nothing is to be changed", "tls");
  }
  const bool together = change.certificate.has_value() == change.key.has_value() &&
                        (!change.key || change.certificate->empty() == change.key->empty());
  if (!together) {
    return fail(ErrorCode::kInvalidArgument, "a certificate and its key go together",
                change.certificate ? "tls_key" : "tls_certificate");
  }
  return {};
}

void set_pair(Transaction& tx, const SetTls& set, const std::string& account) {
  std::string sealed;
  std::optional<Bytes> stored_key;
  if (!set.change.key->empty()) {
    sealed = tx.sealing.seal(tx.db, KeyUse::kStanding, tls_key_place(account, set.endpoint),
                             set.now, *set.change.key);
    stored_key = Bytes{sealed};
  }
  tx.db.run(kSetTlsPair, set.endpoint, maybe(*set.change.certificate), stored_key);
  crypto::wipe(sealed);  // of a database that is kept plain it is the key
  tx.empty_log = true;   // the old key is not to stay there
}

// For the audit trail: which settings, and never what is in them.
std::string names_of(const TlsChange& change) {
  std::string names;
  const auto add = [&names](std::string_view name) {
    if (!names.empty()) names += ", ";
    names += name;
  };
  if (change.certificate) add(change.certificate->empty() ? "no certificate" : "certificate");
  if (change.ca) add(change.ca->empty() ? "no authorities" : "authorities");
  if (change.at_least) add(*change.at_least == TlsVersion::k13 ? "TLS 1.3" : "TLS 1.2");
  return names;
}

std::string_view action_of(ChangeEndpoint::Kind kind) {
  switch (kind) {
    case ChangeEndpoint::Kind::kPause:
      return "endpoint.pause";
    case ChangeEndpoint::Kind::kActivate:
      return "endpoint.activate";
    case ChangeEndpoint::Kind::kRemove:
      return "endpoint.remove";
  }
  return {};
}

void activate(Transaction& tx, const ChangeEndpoint& change) {
  // What the deactivation cancelled stays cancelled; only then may new work be due.
  std::uint32_t budget = std::numeric_limits<std::uint32_t>::max();
  sweep(tx, change.endpoint, change.now, budget);
  tx.db.run(kClearHealth, change.endpoint);
  if (change.scope == core::DeactivationScope::kAccount) {
    tx.db.run(kClearAccountHealth, change.endpoint);
  }
}

}  // namespace

std::string encode_types(Db& db, const std::vector<std::string>& types) {
  std::string text = "[";
  for (const std::string& type : types) {
    if (text.size() > 1) text += ',';
    text += quoted(db, type);
  }
  return text + "]";
}

std::string encode_headers(Db& db, const std::vector<HeaderField>& headers) {
  std::string text = "[";
  for (const HeaderField& header : headers) {
    if (text.size() > 1) text += ',';
    text += '[' + quoted(db, header.name) + ',' + quoted(db, header.value) + ']';
  }
  return text + "]";
}

void remove_endpoint(Transaction& tx, EndpointRow endpoint, const std::string& reason,
                     std::int64_t now) {
  tx.db.run(kSetState, endpoint, static_cast<int>(EndpointState::kDeactivated), reason, now);
  tx.db.run(kSetRemoved, endpoint, now);
  tx.db.run(kEraseSecrets, endpoint);
  cancel_all_pending(tx, endpoint);
  std::uint32_t budget = kSweepAtOnce;
  sweep(tx, endpoint, now, budget);
  tx.empty_log = true;
  log_change(tx, ChangeKind::kEndpoint, endpoint, now);
}

Outcome apply(Transaction& tx, const AddEndpoint& add) {
  if (auto ok = check_spec(tx, add); !ok) return tl::unexpected(std::move(ok.error()));
  const std::string types = encode_types(tx.db, add.spec.types);
  tx.db.run(kInsertEndpoint, add.spec.account, add.spec.provider, add.spec.url, types,
            add.spec.description, add.spec.rate_per_second, add.spec.max_in_flight, add.now,
            static_cast<int>(add.spec.tls.at_least), maybe(add.spec.tls.ca),
            maybe(add.spec.tls.certificate));
  const EndpointRow row = tx.db.last_row_id();
  seal_headers_and_key(tx, row, add);
  insert_secret(tx, add.spec.account, row, add.spec.secret, add.now);
  log_change(tx, ChangeKind::kEndpoint, row, add.now);
  audit(tx, {.actor = add.actor,
             .action = "endpoint.add",
             .kind = ObjectKind::kEndpoint,
             .object = row,
             .account = add.spec.account,
             .detail = add.spec.provider,
             .now = add.now});
  return Changed{.id = row, .count = 1};
}

Outcome apply(Transaction& tx, const ChangeEndpoint& change) {
  auto state = state_of(tx, change.endpoint);
  if (!state) return tl::unexpected(std::move(state.error()));
  if (change.kind == ChangeEndpoint::Kind::kRemove) {
    const std::string reason = change.reason.empty() ? "the endpoint was removed" : change.reason;
    remove_endpoint(tx, change.endpoint, reason, change.now);
  } else {
    const bool pause = change.kind == ChangeEndpoint::Kind::kPause;
    const auto wanted = pause ? EndpointState::kPaused : EndpointState::kActive;
    if (*state == wanted) return Changed{.id = change.endpoint, .count = 0};
    const auto after = core::next_state(
        *state, pause ? core::EndpointStep::kPause : core::EndpointStep::kActivate);
    if (!after) {
      return fail(ErrorCode::kConflict,
                  "the endpoint is " + std::string(state_name(*state)) + " and cannot be paused",
                  {}, "it sends nothing until it is activated");
    }
    if (!pause) activate(tx, change);
    tx.db.run(kSetState, change.endpoint, static_cast<int>(*after), change.reason, change.now);
    if (!pause) {
      note_endpoint(tx, NoticeKind::kEndpointActivated, change.endpoint,
                    "it was " + std::string(state_name(*state)), change.now);
    }
    log_change(tx, ChangeKind::kEndpoint, change.endpoint, change.now);
  }
  audit(tx, {.actor = change.actor,
             .action = action_of(change.kind),
             .kind = ObjectKind::kEndpoint,
             .object = change.endpoint,
             .account = {},
             .detail = change.reason,
             .now = change.now});
  return Changed{.id = change.endpoint, .count = 1};
}

Outcome apply(Transaction& tx, const SetTls& set) {
  if (auto ok = check_change(set.change); !ok) return tl::unexpected(std::move(ok.error()));
  if (auto state = state_of(tx, set.endpoint); !state) {
    return tl::unexpected(std::move(state.error()));
  }
  const std::string account = account_of(tx, set.endpoint);
  const TlsChange& change = set.change;
  if (change.at_least) tx.db.run(kSetTlsMin, set.endpoint, static_cast<int>(*change.at_least));
  if (change.ca) tx.db.run(kSetTlsCa, set.endpoint, maybe(*change.ca));
  if (change.certificate) set_pair(tx, set, account);
  log_change(tx, ChangeKind::kEndpoint, set.endpoint, set.now);
  audit(tx, {.actor = set.actor,
             .action = "endpoint.set-tls",
             .kind = ObjectKind::kEndpoint,
             .object = set.endpoint,
             .account = account,
             .detail = names_of(change),
             .now = set.now});
  return Changed{.id = set.endpoint, .count = 1};
}

Outcome apply(Transaction& tx, const RotateSecret& rotation) {
  if (rotation.secret.empty()) {
    return fail(ErrorCode::kInvalidArgument, "the new secret is empty", "secret");
  }
  if (rotation.overlap_ms < 0 ||
      rotation.overlap_ms > std::numeric_limits<std::int64_t>::max() / 2) {
    return fail(ErrorCode::kInvalidArgument, "the overlap must not be negative or absurd",
                "overlap_ms");
  }
  if (auto state = state_of(tx, rotation.endpoint); !state) {
    return tl::unexpected(std::move(state.error()));
  }
  if (rotation.overlap_ms > 0) {
    auto live = tx.db.query(kLiveSecrets, rotation.endpoint, rotation.now);
    if (live.next() && live.count(0) >= kMostSecrets) {
      return fail(ErrorCode::kRefused, "the endpoint has 10 live secrets already", {},
                  "wait until one ends, or rotate with no overlap");
    }
  }
  tx.db.run(kEndOthers, rotation.endpoint, rotation.now + rotation.overlap_ms);
  tx.db.run(kEraseEnded, rotation.endpoint, rotation.now);
  if (tx.db.changes() > 0) tx.empty_log = true;
  const std::string account = account_of(tx, rotation.endpoint);
  const std::int64_t id =
      insert_secret(tx, account, rotation.endpoint, rotation.secret, rotation.now);
  log_change(tx, ChangeKind::kEndpoint, rotation.endpoint, rotation.now);
  const std::string detail =
      rotation.overlap_ms == 0
          ? "the old ones ended"
          : "the old ones end after " + std::to_string(rotation.overlap_ms / 1000) + " s";
  audit(tx, {.actor = rotation.actor,
             .action = "endpoint.rotate-secret",
             .kind = ObjectKind::kEndpoint,
             .object = rotation.endpoint,
             .account = account,
             .detail = detail,
             .now = rotation.now});
  return Changed{.id = id, .count = 1};
}

}  // namespace outrider::storage
