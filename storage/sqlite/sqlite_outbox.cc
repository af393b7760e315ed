// The Outbox on one file: a writer connection for batches, for noticing what others committed and
// for the short reads of what is sent next; a second one for all other reads, so that a long one
// neither evicts the writer's pages nor stands in its transaction. What is sent next was often
// written just now, and the writer still has those pages: another connection drops all it has read
// whenever the writer commits.
//
// What can go wrong with a batch, and what is then true:
//   - before COMMIT, whatever it was: rolled back, nothing of it is committed (kBusy, kIo,
//   kCorrupt, kInternal);
//   - COMMIT answers busy or disk full: the commit's last frame was not written whole, nothing is
//   committed;
//   - COMMIT fails in any other way: the frames may be in the log without the sync that makes them
//   last. After a crash
//     or a reopen they may be there or not. Nothing can be answered but "unknown", now and on every
//     later call.
#include "storage/sqlite/sqlite_outbox.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <utility>

#include "core/assert.h"
#include "storage/sqlite/audit.h"
#include "storage/sqlite/chain.h"
#include "storage/sqlite/chain_verify.h"
#include "storage/sqlite/database_file.h"
#include "storage/sqlite/db.h"
#include "storage/sqlite/engine_lock.h"
#include "storage/sqlite/follower.h"
#include "storage/sqlite/notices.h"
#include "storage/sqlite/reads.h"
#include "storage/sqlite/schema.h"
#include "storage/sqlite/transaction.h"

namespace outrider::storage {
namespace {

constexpr const char* kBegin = "BEGIN IMMEDIATE";
constexpr const char* kCommit = "COMMIT";
constexpr const char* kRollback = "ROLLBACK";
// What came in plain is gone from the write-ahead log this long after it was sealed, while the
// engine runs.
constexpr std::int64_t kPlainInLogMs = 5000;
constexpr const char* kEmptyLog = "PRAGMA wal_checkpoint(TRUNCATE)";

// What comes by the thousand and leaves endpoints as they are, or says where it does not.
bool is_ordinary(const Mutation& mutation) {
  return std::holds_alternative<Enqueue>(mutation) ||
         std::holds_alternative<AttemptFinished>(mutation) ||
         std::holds_alternative<DeliveryEnded>(mutation);
}

class SqliteOutbox final : public Outbox {
 public:
  SqliteOutbox(std::unique_ptr<Db> writer, std::unique_ptr<Db> reader,
               std::optional<EngineLock> lock, Follower follower, Sealing sealing,
               std::string id_key, std::uint32_t busy_timeout_ms)
      : lock_(std::move(lock)),
        writer_(std::move(writer)),
        reader_(std::move(reader)),
        id_key_(std::move(id_key)),
        busy_timeout_ms_(busy_timeout_ms),
        follower_(follower),
        sealing_(std::move(sealing)) {}

  Result<std::vector<Outcome>> apply(std::span<const Mutation> batch) override;

  Result<std::vector<EndpointRecord>> endpoints(std::int64_t now) override {
    return read([&](Db& db) { return read_endpoints(db, sealing_, now); });
  }
  Result<std::optional<EndpointRecord>> endpoint(EndpointRow row, std::int64_t now) override {
    return read([&](Db& db) { return read_endpoint(db, sealing_, row, now); });
  }
  Result<AccountHealth> account_health(const std::string& provider,
                                       const std::string& account) override {
    return read([&](Db& db) { return read_account_health(db, provider, account); });
  }
  Result<std::vector<DueRow>> due(EndpointRow endpoint, std::size_t limit) override {
    return use(*writer_, [=](Db& db) { return read_due(db, endpoint, limit); });
  }
  Result<std::vector<DeliveryJob>> jobs(std::vector<DeliveryRow> deliveries) override {
    return use(*writer_, [&](Db& db) { return read_jobs(db, sealing_, std::move(deliveries)); });
  }
  Result<std::vector<InboxRow>> inbox(std::size_t limit) override {
    return read([limit](Db& db) { return read_inbox(db, limit); });
  }
  Result<ForeignChanges> foreign_changes() override {
    return use(*writer_, [this](Db& db) { return follower_.look(db); });
  }

  Result<std::vector<EventRecord>> events(const EventQuery& query) override {
    return read([&](Db& db) { return read_events(db, sealing_, query); });
  }
  Result<std::optional<EventRecord>> event(EventRow row) override {
    return read([&](Db& db) { return read_event(db, sealing_, row); });
  }
  Result<std::optional<DeliveryRecord>> delivery(DeliveryRow row) override {
    return read([row](Db& db) { return read_delivery(db, row); });
  }
  Result<std::vector<DeliveryRecord>> deliveries(EventRow event) override {
    return read([event](Db& db) { return read_deliveries(db, event); });
  }
  Result<std::vector<AttemptRecord>> attempts(DeliveryRow delivery) override {
    return read([&](Db& db) { return read_attempts(db, sealing_, delivery); });
  }
  Result<ReplayPage> replayable(const ReplayQuery& query) override {
    return read([&](Db& db) { return read_replayable(db, query); });
  }
  Result<QueueCounts> queue(std::int64_t now) override {
    return read([now](Db& db) { return read_queue(db, now); });
  }
  Result<std::vector<EndpointCounts>> queue_by_endpoint(std::int64_t now) override {
    return read([now](Db& db) { return read_queue_by_endpoint(db, now); });
  }
  Result<EndpointCensus> endpoint_census(EndpointRow endpoint, std::int64_t since,
                                         std::int64_t until, std::int64_t now) override {
    return read([=](Db& db) { return read_endpoint_census(db, endpoint, since, until, now); });
  }
  Result<std::vector<RejectedRecord>> rejected(std::uint32_t limit) override {
    return read([limit](Db& db) { return read_rejected(db, limit); });
  }
  Result<NoticeRows> notices(const NoticeQuery& query) override {
    return read([&](Db& db) { return read_notices(db, query); });
  }
  Result<NoticeRow> notices_forwarded(const std::string& provider) override {
    return read([&](Db& db) { return read_notices_forwarded(db, provider); });
  }
  Result<KeyStatus> key_status() override {
    return read([&](Db& db) { return sealing_.status(db); });
  }
  Result<std::vector<TokenView>> tokens() override {
    return read([](Db& db) { return read_tokens(db); });
  }
  Result<std::vector<AuditRecord>> audit(const AuditQuery& query) override {
    return read([&](Db& db) { return read_audit(db, query); });
  }
  Result<ChainReport> verify_chain(const std::optional<ChainPoint>& expected) override {
    auto verified = read([&](Db& db) { return storage::verify_chain(db, sealing_, expected); });
    if (!verified) return tl::unexpected(std::move(verified.error()));
    return std::move(*verified);
  }
  Result<std::string> id_key() override {
    if (poison_) return tl::unexpected(*poison_);
    return id_key_;
  }

 private:
  template <class Work>
  auto use(Db& db, const Work& work) -> Result<decltype(work(db))> {
    if (poison_) return tl::unexpected(*poison_);
    auto result = work(db);
    if (!db.failed()) return result;
    Error error = db.failure();
    db.clear_failure();
    return tl::unexpected(std::move(error));
  }
  template <class Work>
  auto read(const Work& work) -> Result<decltype(work(std::declval<Db&>()))> {
    return use(*reader_, work);
  }

  std::vector<Outcome> run(Transaction& tx, std::span<const Mutation> batch);
  Result<void> commit();
  Error roll_back();
  bool empty_log();

  std::optional<EngineLock> lock_;  // the last to go
  std::unique_ptr<Db> writer_;
  std::unique_ptr<Db> reader_;
  const std::string id_key_;
  const std::uint32_t busy_timeout_ms_;
  Follower follower_;
  Sealing sealing_;
  Retention retention_;
  std::optional<ChainKey> chain_key_;            // once known, and no transaction failed since
  std::optional<std::int64_t> plain_erased_at_;  // and the write-ahead log not emptied since
  std::optional<Error> poison_;
};

Result<std::vector<Outcome>> SqliteOutbox::apply(std::span<const Mutation> batch) {
  if (poison_) return tl::unexpected(*poison_);
  if (batch.empty()) return std::vector<Outcome>();
  Transaction tx{.db = *writer_,
                 .sealing = sealing_,
                 .retention = retention_,
                 .followed_through = follower_.followed_through(),
                 .tallies = {},
                 .newest_before = {},
                 .newest_delivery = {},
                 .plain_erased_at = {},
                 .maintained_at = {},
                 .chain_key = std::exchange(chain_key_, std::nullopt),
                 .chain = {},
                 .endpoints = {},
                 .newest_event = {}};
  if (!writer_->run(kBegin)) return tl::unexpected(roll_back());
  sealing_.begin(*writer_);
  auto outcomes = run(tx, batch);
  write_tallies(*writer_, tx.tallies);
  write_chain(tx);
  if (writer_->failed()) {
    sealing_.rolled_back();
    return tl::unexpected(roll_back());
  }
  if (auto done = commit(); !done) {
    sealing_.rolled_back();
    return tl::unexpected(std::move(done.error()));
  }
  follower_.own_commit(tx);
  retention_ = tx.retention;
  chain_key_ = tx.chain ? std::optional(std::move(tx.chain->key)) : std::move(tx.chain_key);
  if (!plain_erased_at_) plain_erased_at_ = tx.plain_erased_at;
  const auto now = std::max(tx.plain_erased_at, tx.maintained_at);
  const bool due = plain_erased_at_ && now && *now - *plain_erased_at_ >= kPlainInLogMs;
  if ((tx.empty_log || due) && empty_log()) plain_erased_at_.reset();
  return outcomes;
}

std::vector<Outcome> SqliteOutbox::run(Transaction& tx, std::span<const Mutation> batch) {
  std::vector<Outcome> outcomes;
  outcomes.reserve(batch.size());
  for (const Mutation& mutation : batch) {
    const std::int64_t before = writer_->total_changes();
    tx.endpoints.keep(is_ordinary(mutation));
    outcomes.push_back(
        std::visit([&tx](const auto& value) { return storage::apply(tx, value); }, mutation));
    if (writer_->failed()) break;
    // Checks come before writes in every mutation; without this a refused one would need a
    // savepoint.
    OUTRIDER_ASSERT(outcomes.back().has_value() || writer_->total_changes() == before);
  }
  return outcomes;
}

Result<void> SqliteOutbox::commit() {
  if (writer_->run(kCommit)) return {};
  const int reason = writer_->failure_code() & 0xff;
  if (reason == SQLITE_BUSY || reason == SQLITE_FULL) return tl::unexpected(roll_back());
  poison_ = roll_back();
  poison_->code = ErrorCode::kUnknownOutcome;
  poison_->message.insert(0, "it is unknown whether the commit is durable: ");
  poison_->hint = "check the disk, open the database again, and look the events up by their keys";
  return tl::unexpected(*poison_);
}

Error SqliteOutbox::roll_back() {
  Error error = writer_->failure();
  writer_->clear_failure();
  // Some failures have rolled back already; one of the rollback itself leaves nothing to undo it
  // with, and the next transaction's BEGIN will say so.
  if (writer_->in_transaction()) writer_->run(kRollback);
  writer_->clear_failure();
  return error;
}

// Erased text stays in the write-ahead log until the log is emptied. Not waited for: while others
// read it answers false, and the next occasion does it.
bool SqliteOutbox::empty_log() {
  writer_->set_busy_timeout(0);
  bool emptied = false;
  {
    auto result = writer_->query(kEmptyLog);
    emptied = result.next() && result.integer(0) == 0;
    while (result.next()) {
    }
  }
  writer_->clear_failure();
  writer_->set_busy_timeout(busy_timeout_ms_);
  return emptied;
}

// ---- opening ----

constexpr const char* kSettings =
    "PRAGMA synchronous = FULL;"
    "PRAGMA wal_autocheckpoint = 10000;"     // pages: p99 of a commit 1.8 ms, against 6.9 at 1000
    "PRAGMA journal_size_limit = 67108864;"  // what a burst leaves behind is given back
    "PRAGMA cache_size = -32768;"            // KiB
    "PRAGMA temp_store = MEMORY;"
    "PRAGMA secure_delete = ON;"
    "PRAGMA trusted_schema = OFF;"  // the file may be the host's, its triggers are not ours
    "PRAGMA cell_size_check = ON;";

Result<void> settle(Db& db) {
  db.run_script(kSettings);
  if (!db.failed()) return {};
  return tl::unexpected(db.failure());
}

// Changing the mode needs the file for a moment without readers, and SQLite does not wait for that
// by itself.
Result<void> enter_wal(Db& db, std::uint32_t busy_timeout_ms) {
  constexpr std::uint32_t kPauseMs = 10;
  for (std::uint32_t waited = 0;; waited += kPauseMs) {
    std::string mode;
    {
      auto row = db.query("PRAGMA journal_mode = WAL");
      if (row.next()) mode = row.text(0);
    }
    if (!db.failed() && mode == "wal") return {};
    if (!db.failed()) {
      return fail(ErrorCode::kIo, "the file system cannot hold a write-ahead log", db.path(),
                  "put the database on a local disk");
    }
    Error error = db.failure();
    db.clear_failure();
    if (error.code != ErrorCode::kBusy || waited >= busy_timeout_ms) {
      return tl::unexpected(std::move(error));
    }
    sqlite3_sleep(static_cast<int>(kPauseMs));
  }
}

Result<std::unique_ptr<Db>> open_connection(const std::string& path, const SqliteOptions& options) {
  auto db = Db::open(path, {.busy_timeout_ms = options.busy_timeout_ms});
  if (!db) return db;
  if (auto settled = settle(**db); !settled) return tl::unexpected(std::move(settled.error()));
  if ((*db)->read_only()) {
    return fail(ErrorCode::kIo, "the database is read-only", path,
                "give this user write permission");
  }
  return db;
}

// The file is there, or is made.
Result<void> ensure_file(const std::string& path, bool create, const SealingOptions& sealing) {
  auto state = examine(path);
  if (!state) return tl::unexpected(std::move(state.error()));
  if (*state == FileState::kPresent) return {};
  if (!create) {
    return fail(ErrorCode::kNotFound, "there is no database", path,
                "check the path; adding an endpoint, sending and serving create one");
  }
  return create_database(path, sealing);
}

// Outrider's tables are there, or are added; a newer schema is left alone.
Result<void> ensure_tables(Db& db, bool create) {
  auto version = schema_version(db);
  if (!version) return tl::unexpected(std::move(version.error()));
  if (!*version && !create) {
    return fail(ErrorCode::kNotFound, "no Outrider tables in this database", db.path(),
                "check the path; adding an endpoint, sending and serving add them");
  }
  return check_version(db, version->value_or(0));
}

}  // namespace

Result<std::unique_ptr<Outbox>> open_sqlite_outbox(const SqliteOptions& options) {
  if (options.path.empty() || options.path.find('\0') != std::string::npos) {
    return fail(ErrorCode::kNotFound, "the database has no path", "", "name a file");
  }
  const std::string path = real_path(options.path);
  const KeyFilePlace key_file = options.key_file.empty()
                                    ? default_key_file(path)
                                    : KeyFilePlace{.path = options.key_file, .credential = false};
  const SealingOptions sealing_options{.key_file = key_file.path,
                                       .credential = key_file.credential,
                                       .seal = options.seal,
                                       .need = options.engine,
                                       .key_created = options.key_created};
  if (auto ready = ensure_file(path, options.create, sealing_options); !ready) {
    return tl::unexpected(std::move(ready.error()));
  }
  auto writer = open_connection(path, options);
  if (!writer) return tl::unexpected(std::move(writer.error()));
  if (auto ready = ensure_tables(**writer, options.create); !ready) {
    return tl::unexpected(std::move(ready.error()));
  }
  std::optional<EngineLock> lock;
  if (options.engine) {
    auto taken = EngineLock::take(path);
    if (!taken) return tl::unexpected(std::move(taken.error()));
    lock.emplace(std::move(*taken));
  }
  if (auto ready = enter_wal(**writer, options.busy_timeout_ms); !ready) {
    return tl::unexpected(std::move(ready.error()));
  }
  for (const auto step : {bring_up_to_date, check_tables}) {
    if (auto ready = step(**writer); !ready) return tl::unexpected(std::move(ready.error()));
  }
  auto id_key = read_id_key(**writer);
  if (!id_key) return tl::unexpected(std::move(id_key.error()));
  auto sealing = Sealing::open(**writer, sealing_options);
  if (!sealing) return tl::unexpected(std::move(sealing.error()));
  if (auto begun = begin_chain(**writer, *sealing); !begun) {
    return tl::unexpected(std::move(begun.error()));
  }
  Follower follower;
  follower.start(**writer);
  if ((*writer)->failed()) return tl::unexpected((*writer)->failure());
  auto reader = open_connection(path, options);
  if (!reader) return tl::unexpected(std::move(reader.error()));
  if (!(*reader)->run("PRAGMA query_only = ON")) return tl::unexpected((*reader)->failure());
  return std::make_unique<SqliteOutbox>(std::move(*writer), std::move(*reader), std::move(lock),
                                        follower, std::move(*sealing), std::move(*id_key),
                                        options.busy_timeout_ms);
}

KeyFilePlace default_key_file(const std::string& database) {
  if (const char* credentials = std::getenv("CREDENTIALS_DIRECTORY"); credentials != nullptr) {
    std::string path = std::string(credentials) + "/outrider.key";
    std::error_code none;
    if (std::filesystem::exists(path, none)) return {.path = std::move(path), .credential = true};
  }
  return {.path = real_path(database) + ".key", .credential = false};
}

std::string wal_path(const std::string& database) { return real_path(database) + "-wal"; }
std::string wake_path(const std::string& database) { return real_path(database) + ".wake"; }

}  // namespace outrider::storage
