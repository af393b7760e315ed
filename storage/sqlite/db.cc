// The connection and its statements. Every call into SQLite that can fail is checked here, once, so
// that the code above reads as SQL and values.
#include "storage/sqlite/db.h"

#include <array>
#include <limits>
#include <utility>

#include "core/assert.h"

namespace outrider::storage {
namespace {

struct Meaning {
  int code;  // SQLite's primary result code
  ErrorCode error;
  std::string_view hint;
};

constexpr std::array kMeanings{
    Meaning{SQLITE_BUSY, ErrorCode::kBusy, "another process holds the write lock; try again"},
    Meaning{SQLITE_LOCKED, ErrorCode::kBusy, "another connection holds a lock; try again"},
    Meaning{SQLITE_FULL, ErrorCode::kIo, "the disk is full: free some space"},
    Meaning{SQLITE_READONLY, ErrorCode::kIo, "give this user write permission"},
    Meaning{SQLITE_CANTOPEN, ErrorCode::kIo,
            "check that the file and its directory exist and are writable"},
    Meaning{SQLITE_PERM, ErrorCode::kIo, "give this user access"},
    Meaning{SQLITE_IOERR, ErrorCode::kIo, "check the disk and the system log"},
    Meaning{SQLITE_NOTADB, ErrorCode::kCorrupt, "name an Outrider database"},
    Meaning{SQLITE_CORRUPT, ErrorCode::kCorrupt, "restore it from a backup"},
};

}  // namespace

Error sqlite_error(int code, std::string_view reason, std::string_view doing,
                   std::string_view path) {
  Error error{ErrorCode::kInternal, "cannot " + std::string(doing) + ": " + std::string(reason),
              std::string(path), ""};
  for (const Meaning& meaning : kMeanings) {
    if (meaning.code != (code & 0xff)) continue;
    error.code = meaning.error;
    error.hint = meaning.hint;
  }
  return error;
}

// ---- Query ----

Query::~Query() {
  if (statement_ == nullptr) return;
  if (begun_) sqlite3_reset(statement_);  // repeats the error of the last step, which is known
  sqlite3_clear_bindings(statement_);
}

bool Query::next() {
  if (statement_ == nullptr || db_->failed()) return false;
  begun_ = true;
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) db_->fail_with(code);
  sqlite3_reset(statement_);  // a finished read must not hold its snapshot
  begun_ = false;
  return false;
}

std::int64_t Query::integer(int column) const { return sqlite3_column_int64(statement_, column); }
double Query::real(int column) const { return sqlite3_column_double(statement_, column); }
int Query::type(int column) const { return sqlite3_column_type(statement_, column); }
bool Query::is_null(int column) const { return type(column) == SQLITE_NULL; }

std::uint32_t Query::count(int column) const {
  const std::int64_t value = integer(column);
  if (value < 0) return 0;
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(value < kMost ? value : kMost);
}

std::string Query::text(int column) const {
  // A host's database may store text as UTF-16; asking for text converts it, asking for bytes would
  // not.
  const void* bytes = type(column) == SQLITE_TEXT
                          ? static_cast<const void*>(sqlite3_column_text(statement_, column))
                          : sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  if (bytes == nullptr || size <= 0) return {};
  return {static_cast<const char*>(bytes), static_cast<std::size_t>(size)};
}

std::optional<std::int64_t> Query::maybe_integer(int column) const {
  if (is_null(column)) return std::nullopt;
  return integer(column);
}

std::optional<std::string> Query::maybe_text(int column) const {
  if (is_null(column)) return std::nullopt;
  return text(column);
}

void Query::bind(int index, std::int64_t value) {
  if (statement_ != nullptr) check_bound(sqlite3_bind_int64(statement_, index, value));
}
void Query::bind(int index, double value) {
  if (statement_ != nullptr) check_bound(sqlite3_bind_double(statement_, index, value));
}
void Query::bind(int index, std::nullopt_t) {
  if (statement_ != nullptr) check_bound(sqlite3_bind_null(statement_, index));
}
void Query::bind(int index, std::string_view value) {
  if (statement_ == nullptr) return;
  const char* text = value.data() == nullptr ? "" : value.data();  // a null pointer would bind NULL
  check_bound(
      sqlite3_bind_text64(statement_, index, text, value.size(), SQLITE_STATIC, SQLITE_UTF8));
}
void Query::bind(int index, Bytes value) {
  if (statement_ == nullptr) return;
  const char* bytes = value.view.data() == nullptr ? "" : value.view.data();
  check_bound(sqlite3_bind_blob64(statement_, index, bytes, value.view.size(), SQLITE_STATIC));
}

void Query::check_bound(int code) {
  OUTRIDER_ASSERT(code != SQLITE_RANGE && code != SQLITE_MISUSE);  // the SQL has such a parameter
  if (code != SQLITE_OK) db_->fail_with(code);
}

// ---- Db ----

Result<std::unique_ptr<Db>> Db::open(const std::string& path, Options options) {
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                    (options.create ? SQLITE_OPEN_CREATE : 0);
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  std::unique_ptr<Db> db(new Db(handle, path));
  if (code != SQLITE_OK) {
    const char* reason = handle == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(handle);
    return tl::unexpected(sqlite_error(code, reason, "open the database", path));
  }
  db->set_busy_timeout(options.busy_timeout_ms);
  return db;
}

sqlite3_stmt* Db::prepared(const char* sql) {
  if (failed()) return nullptr;
  constexpr unsigned kWithinText = 4;  // bits that say little: a statement is longer than that
  Recent& recent = recent_[(reinterpret_cast<std::uintptr_t>(sql) >> kWithinText) % recent_.size()];
  if (recent.sql != sql) recent = {.sql = sql, .statement = prepare_once(sql)};
  if (recent.statement == nullptr) {
    recent = {};
    return nullptr;
  }
  OUTRIDER_ASSERT(sqlite3_stmt_busy(recent.statement) == 0);  // one use at a time
  return recent.statement;
}

sqlite3_stmt* Db::prepare_once(const char* sql) {
  auto& kept = statements_[sql];
  if (kept == nullptr) {
    sqlite3_stmt* statement = nullptr;
    const int code =
        sqlite3_prepare_v3(handle_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) {
      fail_with(code);
      return nullptr;
    }
    kept.reset(statement);
  }
  return kept.get();
}

bool Db::run_script(const std::string& sql) {
  if (failed()) return false;
  const int code = sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail_with(code);
  return !failed();
}

std::int64_t Db::last_row_id() const { return sqlite3_last_insert_rowid(handle_.get()); }
std::uint32_t Db::changes() const {
  return static_cast<std::uint32_t>(sqlite3_changes64(handle_.get()));
}
std::int64_t Db::total_changes() const { return sqlite3_total_changes64(handle_.get()); }
bool Db::in_transaction() const { return sqlite3_get_autocommit(handle_.get()) == 0; }
bool Db::read_only() const { return sqlite3_db_readonly(handle_.get(), "main") != 0; }

void Db::fail_with(int code) {
  if (failed()) return;
  failure_code_ = code;
  failure_ = sqlite_error(code, sqlite3_errmsg(handle_.get()), "use the database", path_);
}

void Db::fail_with(Error error) {
  if (failed()) return;
  failure_code_ = SQLITE_ERROR;
  failure_ = std::move(error);
}

void Db::clear_failure() {
  failure_.reset();
  failure_code_ = 0;
}

void Db::set_busy_timeout(std::uint32_t milliseconds) {
  sqlite3_busy_timeout(handle_.get(), static_cast<int>(milliseconds));
}

Snapshot::~Snapshot() {
  if (!db_.failed()) db_.run("COMMIT");
  // Also after a failure, which stays recorded: the transaction must not stay open.
  if (db_.in_transaction()) sqlite3_exec(db_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

}  // namespace outrider::storage
