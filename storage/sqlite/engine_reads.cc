// What a running engine reads: its endpoints, their earliest work, the payloads it is about to
// send, and the inbox.
#include <algorithm>

#include "storage/event_fields.h"
#include "storage/sqlite/reads.h"
#include "storage/sqlite/transaction.h"

namespace outrider::storage {
namespace {

constexpr std::size_t kMostInboxBytes = 8 * 1024 * 1024;  // payloads in one page

#define OUTRIDER_ENDPOINT_COLUMNS                                                              \
  "SELECT id, account, provider, url, types, headers, description, rate_per_second,"           \
  " max_in_flight, created_at, state, state_reason, state_changed_at, removed_at IS NOT NULL," \
  " consecutive, failures, epoch, tls_min, tls_ca, tls_certificate, tls_key"                   \
  " FROM outrider_endpoint "

constexpr const char* kEndpoints = OUTRIDER_ENDPOINT_COLUMNS "WHERE removed_at IS NULL ORDER BY id";
constexpr const char* kEndpoint = OUTRIDER_ENDPOINT_COLUMNS "WHERE id = ?";
#undef OUTRIDER_ENDPOINT_COLUMNS
constexpr const char* kSecrets =
    "SELECT id, secret, created_at, expires_at FROM outrider_secret"
    " WHERE endpoint = ?1 AND (expires_at IS NULL OR expires_at > ?2) ORDER BY id DESC";
constexpr const char* kStrings = "SELECT value FROM json_each(?)";
constexpr const char* kPairs =
    "SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?)";
constexpr const char* kAccountHealth =
    "SELECT consecutive, failures, epoch FROM outrider_account"
    " WHERE provider = ? AND account = ?";
constexpr const char* kDue =
    "SELECT next_at, delivery, attempt FROM outrider_due"
    " WHERE endpoint = ?1"
    "   AND delivery > coalesce((SELECT cancel_through FROM outrider_endpoint WHERE id = ?1), 0)"
    " ORDER BY next_at, delivery LIMIT ?2";
constexpr const char* kJob =
    "SELECT d.event, d.endpoint, d.state, d.attempts_base, n.state, n.cancel_through,"
    " e.provider, e.type, e.created_at, e.flags, e.max_attempts, e.expires_at, e.body,"
    " e.account, e.trace, d.ordering_key IS NOT NULL"
    " FROM outrider_delivery d JOIN outrider_endpoint n ON n.id = d.endpoint"
    " JOIN outrider_event e ON e.id = d.event WHERE d.id = ?";
constexpr const char* kInbox =
    "SELECT id, account, provider, type, payload, idempotency_key, ordering_key, expires_at,"
    " traceparent, tracestate"
    " FROM outrider_outbox WHERE state = 'new' ORDER BY id LIMIT ?";

EndpointRecord endpoint_of(const Query& row) {
  EndpointRecord record;
  record.row = row.integer(0);
  record.spec.account = row.text(1);
  record.spec.provider = row.text(2);
  record.spec.url = row.text(3);
  record.spec.description = row.text(6);
  record.spec.rate_per_second = row.real(7);
  record.spec.max_in_flight = row.count(8);
  record.created_at = row.integer(9);
  record.state = static_cast<EndpointState>(row.integer(10));
  record.state_reason = row.text(11);
  record.state_changed_at = row.integer(12);
  record.removed = row.integer(13) != 0;
  record.health.consecutive = row.count(14);
  record.health.failures = decode_times(row.text(15));
  record.epoch = static_cast<std::uint64_t>(row.integer(16));
  record.spec.tls.at_least = row.integer(17) >= 13 ? TlsVersion::k13 : TlsVersion::k12;
  record.spec.tls.ca = row.text(18);
  record.spec.tls.certificate = row.text(19);
  return record;
}

// The plain value; what cannot be opened is empty, and the record says why.
template <class Record>
std::string opened(Db& db, Sealing& sealing, const crypto::SealedPlace& place,
                   const std::string& stored, Record& record) {
  auto plain = sealing.open(db, place, stored);
  if (plain) return std::move(*plain);
  record.unreadable = plain.error().message;
  if constexpr (requires { record.unreadable_for_now; }) {
    record.unreadable_for_now = plain.error().code == ErrorCode::kKey;
  }
  return {};
}

void add_lists(Db& db, Sealing& sealing, EndpointRecord& record, const std::string& types,
               const std::optional<std::string>& headers) {
  if (types != "[]") {
    auto rows = db.query(kStrings, types);
    while (rows.next()) record.spec.types.push_back(rows.text(0));
  }
  if (!headers) return;
  const std::string plain =
      opened(db, sealing, headers_place(record.spec.account, record.row), *headers, record);
  if (plain.empty()) return;
  auto rows = db.query(kPairs, plain);
  while (rows.next()) record.spec.headers.push_back({rows.text(0), rows.text(1)});
}

void add_secrets(Db& db, Sealing& sealing, EndpointRecord& record, std::int64_t now) {
  auto rows = db.query(kSecrets, record.row, now);
  while (rows.next()) {
    record.secrets.push_back(
        {.text = opened(db, sealing, secret_place(record.spec.account, rows.integer(0)),
                        rows.text(1), record),
         .created_at = rows.integer(2),
         .expires_at = rows.maybe_integer(3)});
  }
}

std::vector<EndpointRecord> endpoints_of(Db& db, Sealing& sealing, Query rows, std::int64_t now) {
  std::vector<EndpointRecord> records;
  while (rows.next()) {
    EndpointRecord record = endpoint_of(rows);
    add_lists(db, sealing, record, rows.text(4), rows.maybe_text(5));
    add_secrets(db, sealing, record, now);
    if (!rows.is_null(20)) {
      record.spec.tls.key = opened(db, sealing, tls_key_place(record.spec.account, record.row),
                                   rows.text(20), record);
    }
    records.push_back(std::move(record));
  }
  return records;
}

// Why a column cannot be what the host meant. Only types and sizes: what the text says is the
// engine's to judge.
std::string fault_of(const Query& row) {
  const std::pair<const char*, int> names[] = {{"account", 1}, {"provider", 2}, {"type", 3}};
  const std::pair<const char*, int> keys[] = {{"idempotency_key", 5}, {"ordering_key", 6}};
  const auto text_fault = [&row](int column) -> std::optional<std::string> {
    if (row.type(column) != SQLITE_TEXT) return "is not text";
    return field_fault(row.text(column));
  };
  for (const auto& [name, column] : names) {
    if (auto fault = text_fault(column)) return std::string(name) + " " + *fault;
  }
  for (const auto& [name, column] : keys) {
    if (row.is_null(column)) continue;
    if (auto fault = text_fault(column)) return std::string(name) + " " + *fault;
  }
  const int payload = row.type(4);  // bytes are welcome: many languages bind UTF-8 that way
  if (payload != SQLITE_TEXT && payload != SQLITE_BLOB) return "payload is not text";
  if (row.text(4).size() > kMaxPayloadBytes) return "payload is larger than 16 MiB";
  const int expiry = row.type(7);
  if (expiry != SQLITE_NULL && expiry != SQLITE_INTEGER) {
    return "expires_at is not an integer of UTC milliseconds";
  }
  const std::pair<const char*, int> trace[] = {{"traceparent", 8}, {"tracestate", 9}};
  for (const auto& [name, column] : trace) {
    if (!row.is_null(column) && row.type(column) != SQLITE_TEXT) {
      return std::string(name) + " is not text";
    }
  }
  return {};
}

}  // namespace

std::vector<EndpointRecord> read_endpoints(Db& db, Sealing& sealing, std::int64_t now) {
  const Snapshot snapshot(db);
  sealing.begin(db);
  return endpoints_of(db, sealing, db.query(kEndpoints), now);
}

std::optional<EndpointRecord> read_endpoint(Db& db, Sealing& sealing, EndpointRow row,
                                            std::int64_t now) {
  const Snapshot snapshot(db);
  sealing.begin(db);
  auto found = endpoints_of(db, sealing, db.query(kEndpoint, row), now);
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

AccountHealth read_account_health(Db& db, const std::string& provider, const std::string& account) {
  AccountHealth found;
  auto row = db.query(kAccountHealth, provider, account);
  if (!row.next()) return found;
  found.health.consecutive = row.count(0);
  found.health.failures = decode_times(row.text(1));
  found.epoch = static_cast<std::uint64_t>(row.integer(2));
  return found;
}

std::vector<DueRow> read_due(Db& db, EndpointRow endpoint, std::size_t limit) {
  std::vector<DueRow> found;
  auto rows = db.query(kDue, endpoint, static_cast<std::int64_t>(limit));
  while (rows.next()) {
    found.push_back({.endpoint = endpoint,
                     .next_at = rows.integer(0),
                     .delivery = rows.integer(1),
                     .attempt = rows.count(2)});
  }
  return found;
}

std::vector<DeliveryJob> read_jobs(Db& db, Sealing& sealing, std::vector<DeliveryRow> deliveries) {
  std::ranges::sort(deliveries);
  const Snapshot snapshot(db);
  sealing.begin(db);
  std::vector<DeliveryJob> jobs;
  jobs.reserve(deliveries.size());
  for (const DeliveryRow id : deliveries) {
    auto row = db.query(kJob, id);
    if (!row.next()) continue;
    DeliveryJob job;
    job.delivery = id;
    job.event = row.integer(0);
    job.endpoint = row.integer(1);
    job.state = static_cast<DeliveryState>(row.integer(2));
    if (job.state == DeliveryState::kPending && id <= row.integer(5)) {
      job.state = DeliveryState::kCancelled;  // its row follows
    }
    job.attempts_base = row.count(3);
    job.endpoint_state = static_cast<EndpointState>(row.integer(4));
    job.provider = row.text(6);
    job.type = row.text(7);
    job.created_at = row.integer(8);
    job.is_test = (row.integer(9) & kEventTest) != 0;
    job.expiry_spares_first = (row.integer(9) & kEventExpirySparesFirst) != 0;
    job.is_ordered = row.integer(15) != 0;
    job.max_attempts = row.count(10);
    job.expires_at = row.maybe_integer(11);
    if (!row.is_null(14)) job.trace = decode_trace(row.text(14));
    if (!row.is_null(12)) {
      job.body = opened(db, sealing, body_place(row.text(13), job.event), row.text(12), job);
    }
    jobs.push_back(std::move(job));
  }
  return jobs;
}

std::vector<InboxRow> read_inbox(Db& db, std::size_t limit) {
  std::vector<InboxRow> found;
  std::size_t bytes = 0;
  auto rows = db.query(kInbox, static_cast<std::int64_t>(limit));
  while (bytes < kMostInboxBytes && rows.next()) {
    InboxRow row;
    row.row = rows.integer(0);
    row.malformed = fault_of(rows);
    if (row.malformed.empty()) {
      row.account = rows.text(1);
      row.provider = rows.text(2);
      row.type = rows.text(3);
      row.payload = rows.text(4);
      row.idempotency_key = rows.maybe_text(5);
      row.ordering_key = rows.maybe_text(6);
      row.expires_at = rows.maybe_integer(7);
      row.traceparent = rows.maybe_text(8);
      row.tracestate = rows.maybe_text(9);
      bytes += row.payload.size();
    }
    found.push_back(std::move(row));
  }
  return found;
}

}  // namespace outrider::storage
