// The schema's life: the numbered SQL files travel inside the library, their versions are compared
// inside the write transaction, and so two openers at once cannot apply one twice.
#include "storage/sqlite/schema.h"

#include <array>
#include <vector>

#include "crypto/random.h"
#include "schemas/embedded.h"
#include "storage/migrate.h"

namespace outrider::storage {
namespace {

constexpr std::size_t kIdKeyBytes = 32;

constexpr const char* kHasMeta =
    "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'outrider_meta'";
constexpr const char* kVersion =
    "SELECT CAST(value AS INTEGER) FROM outrider_meta WHERE name = 'schema_version'";
constexpr const char* kPutMeta =
    "INSERT INTO outrider_meta (name, value) VALUES (?, ?)"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value";
constexpr const char* kAddMeta = "INSERT OR IGNORE INTO outrider_meta (name, value) VALUES (?, ?)";
constexpr const char* kIdKey = "SELECT value FROM outrider_meta WHERE name = 'id_key'";

constexpr std::array kOneRowOfEach{
    "SELECT * FROM outrider_meta LIMIT 1",     "SELECT * FROM outrider_endpoint LIMIT 1",
    "SELECT * FROM outrider_secret LIMIT 1",   "SELECT * FROM outrider_account LIMIT 1",
    "SELECT * FROM outrider_event LIMIT 1",    "SELECT * FROM outrider_idempotency LIMIT 1",
    "SELECT * FROM outrider_delivery LIMIT 1", "SELECT * FROM outrider_due LIMIT 1",
    "SELECT * FROM outrider_lane LIMIT 1",     "SELECT * FROM outrider_attempt LIMIT 1",
    "SELECT * FROM outrider_change LIMIT 1",   "SELECT * FROM outrider_key LIMIT 1",
    "SELECT * FROM outrider_audit LIMIT 1",    "SELECT * FROM outrider_link LIMIT 1",
    "SELECT * FROM outrider_outbox LIMIT 1",   "SELECT * FROM outrider_token LIMIT 1",
    "SELECT * FROM outrider_notice LIMIT 1",   "SELECT * FROM outrider_notice_cursor LIMIT 1",
    "SELECT * FROM outrider_tally LIMIT 1",    "SELECT * FROM outrider_accepted LIMIT 1",
};

const std::vector<Migration>& all_migrations() {
  static const std::vector<Migration> migrations = [] {
    std::vector<SqlFile> files;
    for (const schemas::EmbeddedFile& file : schemas::embedded_files()) {
      files.push_back({.path = file.path, .text = file.text});
    }
    return migrations_in(files, "sql/sqlite");
  }();
  return migrations;
}

std::optional<std::uint32_t> version_of(Db& db) {
  if (auto meta = db.query(kHasMeta); !meta.next()) return std::nullopt;
  auto version = db.query(kVersion);
  return version.next() ? version.count(0) : 0;
}

tl::unexpected<Error> take_failure(Db& db, std::string_view doing) {
  Error error = db.failure();
  error.message.insert(0, std::string(doing) + ": ");
  db.clear_failure();
  if (db.in_transaction()) db.run("ROLLBACK");
  db.clear_failure();
  return tl::unexpected(std::move(error));
}

Result<void> apply(Db& db, const Migration& migration) {
  auto key = crypto::random_bytes(kIdKeyBytes);
  if (!key) return tl::unexpected(std::move(key.error()));
  db.run("BEGIN IMMEDIATE");
  const bool needed = version_of(db).value_or(0) < migration.version;  // another opener was faster
  if (needed && !db.failed()) {
    db.run_script(std::string(migration.sql));
    db.run(kPutMeta, "schema_version", migration.version);
    db.run(kAddMeta, "id_key", Bytes{*key});
  }
  db.run("COMMIT");
  if (db.failed()) return take_failure(db, "the schema could not be brought up to date");
  return {};
}

}  // namespace

Result<std::optional<std::uint32_t>> schema_version(Db& db) {
  auto version = version_of(db);
  if (db.failed()) return take_failure(db, "the database cannot be read");
  return version;
}

Result<void> check_version(const Db& db, std::uint32_t version) {
  auto known = migrate(version, all_migrations(), [](const Migration&) { return Result<void>(); });
  if (!known) known.error().where = db.path();
  return known;
}

Result<void> bring_up_to_date(Db& db) {
  auto version = schema_version(db);
  if (!version) return tl::unexpected(std::move(version.error()));
  auto done = migrate(version->value_or(0), all_migrations(),
                      [&db](const Migration& migration) { return apply(db, migration); });
  if (!done && done.error().where.empty()) done.error().where = db.path();
  return done;
}

Result<void> check_tables(Db& db) {
  for (const char* sql : kOneRowOfEach) {
    auto row = db.query(sql);
    [[maybe_unused]] const bool any = row.next();
    if (!db.failed()) continue;
    const int code = db.failure_code() & 0xff;
    auto error = take_failure(db, "the database is damaged");
    // A table that is gone is damage too; SQLite calls that a plain error.
    if (code == SQLITE_ERROR) error.value().code = ErrorCode::kCorrupt;
    return error;
  }
  return {};
}

Result<std::string> read_id_key(Db& db) {
  std::string key;
  {
    auto row = db.query(kIdKey);
    if (row.next()) key = row.text(0);
  }
  if (db.failed()) return take_failure(db, "the database cannot be read");
  if (key.size() < 16) {
    return fail(ErrorCode::kCorrupt, "the database has lost the key of its ids (outrider_meta)",
                db.path(), "restore it from a backup");
  }
  return key;
}

}  // namespace outrider::storage
