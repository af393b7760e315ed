// The conformance suite on SQLite. The plain rows are inserted through a connection of the test's
// own, as a host does it.
#include <sqlite3.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "outbox_replay_conformance.h"
#include "storage/sqlite/sqlite_outbox.h"

namespace outrider::storage {
namespace {

struct Close {
  void operator()(sqlite3* db) const { sqlite3_close(db); }
};
struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

class SqliteStore final : public OutboxStore {
 public:
  SqliteStore() {
    std::string name = (std::filesystem::temp_directory_path() / "outrider-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    path_ = directory_ + "/test.db";
  }
  ~SqliteStore() override {
    host_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  std::unique_ptr<Outbox> open() override {
    auto outbox = open_sqlite_outbox({.path = path_, .create = true});
    EXPECT_TRUE(outbox.has_value()) << (outbox ? "" : outbox.error().to_string());
    return outbox ? std::move(*outbox) : nullptr;
  }

  std::int64_t insert_plain(const PlainRow& row) override {
    const std::string sql =
        "INSERT INTO outrider_outbox (account, provider, type, payload, idempotency_key,"
        " ordering_key, expires_at) VALUES (?, ?, ?, ?, ?, ?, " +
        row.expires_at.value_or("NULL") + ")";
    const Statement statement = prepare(sql);
    bind(statement, 1, row.account);
    bind(statement, 2, row.provider);
    bind(statement, 3, row.type);
    bind(statement, 4, row.payload);
    bind(statement, 5, row.idempotency_key);
    bind(statement, 6, row.ordering_key);
    EXPECT_EQ(sqlite3_step(statement.get()), SQLITE_DONE) << sqlite3_errmsg(host());
    return sqlite3_last_insert_rowid(host());
  }

  PlainState plain_state(std::int64_t row) override {
    const Statement statement =
        prepare("SELECT state, reason, payload, event FROM outrider_outbox WHERE id = ?");
    sqlite3_bind_int64(statement.get(), 1, row);
    if (sqlite3_step(statement.get()) != SQLITE_ROW) return {};
    PlainState state{.state = text(statement, 0),
                     .reason = text(statement, 1),
                     .payload = text(statement, 2),
                     .event = {}};
    if (sqlite3_column_type(statement.get(), 3) == SQLITE_INTEGER) {
      state.event = sqlite3_column_int64(statement.get(), 3);
    }
    return state;
  }

 private:
  sqlite3* host() {
    if (host_ == nullptr) {
      sqlite3* db = nullptr;
      EXPECT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
      host_.reset(db);
    }
    return host_.get();
  }
  Statement prepare(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(host(), sql.c_str(), -1, &statement, nullptr), SQLITE_OK)
        << sqlite3_errmsg(host());
    return Statement(statement);
  }
  static void bind(const Statement& statement, int index, const std::optional<std::string>& text) {
    if (!text) return;
    sqlite3_bind_text(statement.get(), index, text->c_str(), static_cast<int>(text->size()),
                      SQLITE_TRANSIENT);
  }
  static std::string text(const Statement& statement, int column) {
    const auto* bytes = sqlite3_column_text(statement.get(), column);
    return bytes == nullptr ? "" : reinterpret_cast<const char*>(bytes);
  }

  std::string directory_, path_;
  std::unique_ptr<sqlite3, Close> host_;
};

std::unique_ptr<OutboxStore> make_sqlite_store() { return std::make_unique<SqliteStore>(); }

INSTANTIATE_TEST_SUITE_P(Sqlite, OutboxConformance, ::testing::Values(&make_sqlite_store));
INSTANTIATE_TEST_SUITE_P(Sqlite, OutboxBatch, ::testing::Values(&make_sqlite_store));
INSTANTIATE_TEST_SUITE_P(Sqlite, OutboxReplay, ::testing::Values(&make_sqlite_store));

}  // namespace
}  // namespace outrider::storage
