// outrider::enqueue: one INSERT on the host's connection, inside whatever transaction the host has
// open. Nothing is begun, committed or configured here; the connection is left as it was.
#include <sqlite3.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/json_text.h"
#include "core/trace_context.h"
#include "outrider/outrider.h"
#include "storage/event_fields.h"
#include "storage/sqlite/db.h"

namespace outrider {
namespace {

constexpr std::string_view kInsert =
    "INSERT INTO outrider_outbox (account, provider, type, payload, idempotency_key, ordering_key,"
    " expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)";
// Tables of before there were these two take events without a trace.
constexpr std::string_view kInsertTraced =
    "INSERT INTO outrider_outbox (account, provider, type, payload, idempotency_key, ordering_key,"
    " expires_at, traceparent, tracestate) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";

struct Finalize {
  void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

Result<void> check(const Event& event) {
  const std::pair<const char*, const std::string*> fields[] = {
      {"account", &event.account},
      {"provider", &event.provider},
      {"type", &event.type},
      {"idempotency_key", event.idempotency_key ? &*event.idempotency_key : nullptr},
      {"ordering_key", event.ordering_key ? &*event.ordering_key : nullptr}};
  for (const auto& [name, value] : fields) {
    if (value == nullptr) continue;
    if (auto fault = storage::field_fault(*value)) {
      return fail(ErrorCode::kInvalidArgument, std::string(name) + " " + *fault, name,
                  "1-255 bytes of printable UTF-8");
    }
  }
  if (!event.endpoints.empty()) {
    // A row of outrider_outbox goes to all that match; sending it to more than was asked would be
    // worse than not at all.
    return fail(ErrorCode::kInvalidArgument, "enqueue() cannot name endpoints", "endpoints",
                "use Engine::publish, or leave them out");
  }
  if (auto trace = core::read_trace(event.traceparent, event.tracestate); !trace) {
    return tl::unexpected(std::move(trace.error()));
  }
  auto payload = core::canonical_json(event.payload, core::BodyMode::kRaw,
                                      {.max_bytes = storage::kMaxPayloadBytes, .max_depth = 64});
  if (!payload) return tl::unexpected(std::move(payload.error()));
  return {};
}

tl::unexpected<Error> failed(sqlite3* db, int code) {
  return tl::unexpected(
      storage::sqlite_error(code, sqlite3_errmsg(db), "insert the event", "outrider_outbox"));
}

int bind_text(sqlite3_stmt* statement, int index, std::string_view text) {
  return sqlite3_bind_text64(statement, index, text.data(), text.size(), SQLITE_STATIC,
                             SQLITE_UTF8);
}
int bind_maybe(sqlite3_stmt* statement, int index, const std::optional<std::string>& text) {
  return text ? bind_text(statement, index, std::string_view(*text))
              : sqlite3_bind_null(statement, index);
}

}  // namespace

Result<std::int64_t> enqueue(sqlite3* db, const Event& event) {
  if (db == nullptr) return fail(ErrorCode::kInvalidArgument, "no database connection", "db");
  if (auto ok = check(event); !ok) return tl::unexpected(std::move(ok.error()));

  sqlite3_stmt* prepared = nullptr;
  const std::string_view sql = event.traceparent ? kInsertTraced : kInsert;
  int code = sqlite3_prepare_v2(db, sql.data(), static_cast<int>(sql.size()), &prepared, nullptr);
  const Statement statement(prepared);
  if (code == SQLITE_ERROR) {  // the SQL is right, so the table is not there
    return fail(ErrorCode::kNotFound, "no table outrider_outbox on this connection",
                "outrider_outbox", "open this file once with Outrider, which adds its tables");
  }
  if (code != SQLITE_OK) return failed(db, code);

  for (const int bound :
       {bind_text(prepared, 1, event.account), bind_text(prepared, 2, event.provider),
        bind_text(prepared, 3, event.type), bind_text(prepared, 4, event.payload),
        bind_maybe(prepared, 5, event.idempotency_key), bind_maybe(prepared, 6, event.ordering_key),
        event.expires_at ? sqlite3_bind_int64(prepared, 7, *event.expires_at)
                         : sqlite3_bind_null(prepared, 7)}) {
    if (bound != SQLITE_OK) return failed(db, bound);
  }
  if (event.traceparent) {
    for (const int bound :
         {bind_maybe(prepared, 8, event.traceparent), bind_maybe(prepared, 9, event.tracestate)}) {
      if (bound != SQLITE_OK) return failed(db, bound);
    }
  }
  code = sqlite3_step(prepared);
  if (code != SQLITE_DONE) return failed(db, code);
  return sqlite3_last_insert_rowid(db);
}

}  // namespace outrider
