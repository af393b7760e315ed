// A SQLite connection and its statements, owned and checked.
//
// Statements are prepared once and kept; a Query is one use of one. Failures stick: after the first
// one every later call on the connection does nothing and answers "no row", until clear_failure().
// So the code of a transaction reads straight down, and the one place that ends it asks failure()
// before it believes anything that was read.
//
// Errors carry SQLite's own reason (the name of a table or constraint at most), never a bound
// value. Threads: one at a time.
#pragma once

#include <sqlite3.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include "outrider/result.h"

namespace outrider::storage {

// What a SQLite result code means to us. `doing` completes "cannot …".
[[nodiscard]] Error sqlite_error(int code, std::string_view reason, std::string_view doing,
                                 std::string_view path);

// Text and bytes are different types to SQLite; std::string binds as text.
struct Bytes {
  std::string_view view;
};
// Either of the two, for a column that holds both.
struct TextOrBytes {
  std::string_view view;
  bool is_text = true;
};

class Db;

// One use of a prepared statement. Must not outlive its Db; the statement is free again when it
// ends.
class Query {
 public:
  Query(Db& db, sqlite3_stmt* statement) : db_(&db), statement_(statement) {}
  ~Query();
  Query(Query&& other) noexcept
      : db_(other.db_), statement_(other.statement_), begun_(other.begun_) {
    other.statement_ = nullptr;
  }
  Query& operator=(Query&&) = delete;
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  // Parameters from 1 on, in order.
  template <class... Values>
  void bind_all(const Values&... values) {
    int index = 0;
    (bind(++index, values), ...);
  }

  [[nodiscard]] bool next();  // there is a row; false also after a failure

  // Columns from 0 on, of the row next() found.
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::uint32_t count(int column) const;
  [[nodiscard]] double real(int column) const;
  [[nodiscard]] std::string text(int column) const;  // text or bytes; NULL is empty
  [[nodiscard]] bool is_null(int column) const;
  [[nodiscard]] int type(int column) const;  // SQLITE_INTEGER, …
  [[nodiscard]] std::optional<std::int64_t> maybe_integer(int column) const;
  [[nodiscard]] std::optional<std::string> maybe_text(int column) const;

 private:
  void bind(int index, std::int64_t value);
  void bind(int index, std::int32_t value) { bind(index, std::int64_t{value}); }
  void bind(int index, std::uint32_t value) { bind(index, std::int64_t{value}); }
  void bind(int index, std::uint64_t value) { bind(index, static_cast<std::int64_t>(value)); }
  void bind(int index, double value);
  void bind(int index, std::string_view value);
  void bind(int index, const std::string& value) { bind(index, std::string_view(value)); }
  void bind(int index, const char* value) { bind(index, std::string_view(value)); }
  void bind(int index, Bytes value);
  void bind(int index, TextOrBytes value) {
    value.is_text ? bind(index, value.view) : bind(index, Bytes{value.view});
  }
  void bind(int index, std::nullopt_t value);
  template <class T>
  void bind(int index, const std::optional<T>& value) {
    value ? bind(index, *value) : bind(index, std::nullopt);
  }
  void check_bound(int code);

  Db* db_;
  sqlite3_stmt* statement_;  // null once the connection has failed
  bool begun_ = false;       // and not reset since
};

class Db {
 public:
  struct Options {
    bool create = false;  // make the file where it is missing
    std::uint32_t busy_timeout_ms = 5000;
  };
  [[nodiscard]] static Result<std::unique_ptr<Db>> open(const std::string& path, Options options);

  // `sql` is a string literal: the cache knows it by its address. Bound text is not copied: the
  // values must live until the query's last next().
  template <class... Values>
  [[nodiscard]] Query query(const char* sql, Values&&... values) {
    static_assert((... && (std::is_lvalue_reference_v<Values> ||
                           !std::is_same_v<std::remove_cvref_t<Values>, std::string>)),
                  "a temporary string would be gone before the first row");
    Query query(*this, prepared(sql));
    query.bind_all(values...);
    return query;
  }
  // A statement without rows. False: failed.
  template <class... Values>
  bool run(const char* sql, const Values&... values) {
    Query query(*this, prepared(sql));
    query.bind_all(values...);
    while (query.next()) {
    }
    return !failed();
  }
  bool run_script(const std::string& sql);  // several statements, not kept

  [[nodiscard]] std::int64_t last_row_id() const;
  [[nodiscard]] std::uint32_t changes() const;       // rows of the last statement
  [[nodiscard]] std::int64_t total_changes() const;  // rows since the connection was opened
  [[nodiscard]] bool in_transaction() const;
  [[nodiscard]] bool read_only() const;

  [[nodiscard]] bool failed() const { return failure_.has_value(); }
  [[nodiscard]] int failure_code() const { return failure_code_; }  // SQLite's extended code
  [[nodiscard]] const Error& failure() const { return *failure_; }
  void clear_failure();
  void fail_with(int code);     // records the connection's last error, unless one is recorded
  void fail_with(Error error);  // the same for what went wrong beside SQLite

  void set_busy_timeout(std::uint32_t milliseconds);
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] sqlite3* handle() const { return handle_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
  };
  Db(sqlite3* handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  [[nodiscard]] sqlite3_stmt* prepared(const char* sql);
  [[nodiscard]] sqlite3_stmt* prepare_once(const char* sql);

  std::unique_ptr<sqlite3, Close> handle_;
  const std::string path_;
  // Never iterated, so the order of addresses does not matter. Destroyed before handle_.
  std::unordered_map<const char*, std::unique_ptr<sqlite3_stmt, Finalize>> statements_;
  // In front of the map, by some bits of the address: a commit of a hundred deliveries looks six
  // hundred times for the same six statements.
  struct Recent {
    const char* sql = nullptr;
    sqlite3_stmt* statement = nullptr;
  };
  std::array<Recent, 256> recent_{};
  std::optional<Error> failure_;
  int failure_code_ = 0;
};

// Several reads that see one moment. Nothing is written.
class Snapshot {
 public:
  explicit Snapshot(Db& db) : db_(db) { db_.run("BEGIN"); }
  ~Snapshot();
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

 private:
  Db& db_;
};

}  // namespace outrider::storage
