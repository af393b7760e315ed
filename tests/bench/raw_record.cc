#include "raw_record.h"

#include <chrono>
#include <filesystem>
#include <utility>

#include "measured.h"

namespace outrider::bench {
namespace {

constexpr int kReadAtOnce = 256;
constexpr std::size_t kAhead = 512;
constexpr std::size_t kGroup = 64;  // or as many as end in:
constexpr std::chrono::milliseconds kPatience{4};

void step(sqlite3_stmt* statement, sqlite3* db) {
  if (sqlite3_step(statement) != SQLITE_DONE) give_up(sqlite3_errmsg(db));
  sqlite3_reset(statement);
}

}  // namespace

RawRecord::RawRecord(const std::string& file, std::uint64_t rows, std::size_t bytes,
                     std::function<void()> changed)
    : rows_(rows), changed_(std::move(changed)) {
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file + suffix);
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(file.c_str(), &db_, flags, nullptr) != SQLITE_OK)
    give_up("cannot open " + file);
  run_sql("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=10000");
  run_sql("CREATE TABLE event (id INTEGER PRIMARY KEY, at INTEGER, body TEXT)");
  run_sql("CREATE TABLE due (event INTEGER PRIMARY KEY)");
  run_sql(
      "CREATE TABLE attempt (id INTEGER PRIMARY KEY, event INTEGER, at INTEGER, status INTEGER)");
  fill(bytes);
  thread_ = std::thread([this] { run(); });
}

RawRecord::~RawRecord() {
  thread_.join();
  sqlite3_close(db_);
}

sqlite3_stmt* RawRecord::prepare(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr) != SQLITE_OK)
    give_up(sqlite3_errmsg(db_));
  return statement;
}

void RawRecord::run_sql(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) give_up(sqlite3_errmsg(db_));
}

void RawRecord::fill(std::size_t bytes) {
  sqlite3_stmt* const event = prepare("INSERT INTO event (at, body) VALUES (?, ?)");
  run_sql("BEGIN");
  const std::int64_t now = now_ns();
  for (std::uint64_t row = 0; row < rows_; ++row) {
    const std::string body = payload(row, now, bytes);
    sqlite3_bind_int64(event, 1, now);
    sqlite3_bind_text(event, 2, body.data(), static_cast<int>(body.size()), SQLITE_STATIC);
    step(event, db_);
  }
  run_sql("INSERT INTO due SELECT id FROM event");
  run_sql("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
  sqlite3_finalize(event);
}

std::optional<RawRecord::Event> RawRecord::next() {
  const std::lock_guard lock(mutex_);
  if (ahead_.empty()) return std::nullopt;
  Event event = std::move(ahead_.front());
  ahead_.pop_front();
  if (ahead_.size() == kAhead - kReadAtOnce) due_.notify_one();
  return event;
}

void RawRecord::ended(std::int64_t event) {
  const std::lock_guard lock(mutex_);
  ended_.push_back(event);
  if (ended_.size() == kGroup) due_.notify_one();
}

bool RawRecord::all_recorded() {
  const std::lock_guard lock(mutex_);
  return recorded_ == rows_;
}

bool RawRecord::wants_more() const {
  return ahead_.size() <= kAhead - kReadAtOnce && static_cast<std::uint64_t>(last_read_) < rows_;
}

void RawRecord::run() {
  while (!all_recorded()) {
    std::vector<std::int64_t> ended;
    bool wants = false;
    {
      std::unique_lock lock(mutex_);
      due_.wait_for(lock, kPatience, [this] { return wants_more() || ended_.size() >= kGroup; });
      wants = wants_more();
      ended.swap(ended_);
    }
    if (wants) read();
    if (!ended.empty()) commit(ended);
  }
  changed_();
}

void RawRecord::read() {
  static sqlite3_stmt* const due = prepare(
      "SELECT event.id, body FROM due JOIN event ON event.id = due.event WHERE due.event > ? "
      "ORDER BY due.event LIMIT ?");
  std::vector<Event> events;
  sqlite3_bind_int64(due, 1, last_read_);
  sqlite3_bind_int(due, 2, kReadAtOnce);
  while (sqlite3_step(due) == SQLITE_ROW) {
    const auto* const text = reinterpret_cast<const char*>(sqlite3_column_text(due, 1));
    events.push_back({sqlite3_column_int64(due, 0),
                      std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(due, 1)))});
  }
  sqlite3_reset(due);
  if (events.empty()) give_up("events are missing");
  bool had_none = false;
  {
    const std::lock_guard lock(mutex_);
    had_none = ahead_.empty();
    last_read_ = events.back().id;
    for (Event& event : events) ahead_.push_back(std::move(event));
  }
  if (had_none) changed_();
}

void RawRecord::commit(const std::vector<std::int64_t>& events) {
  static sqlite3_stmt* const attempt =
      prepare("INSERT INTO attempt (event, at, status) VALUES (?, ?, 200)");
  static sqlite3_stmt* const done = prepare("DELETE FROM due WHERE event = ?");
  run_sql("BEGIN IMMEDIATE");
  const std::int64_t now = now_ns();
  for (const std::int64_t event : events) {
    sqlite3_bind_int64(attempt, 1, event);
    sqlite3_bind_int64(attempt, 2, now);
    step(attempt, db_);
    sqlite3_bind_int64(done, 1, event);
    step(done, db_);
  }
  run_sql("COMMIT");
  const std::lock_guard lock(mutex_);
  recorded_ += events.size();
}

}  // namespace outrider::bench
