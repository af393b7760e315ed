// The least a durable sender does beside sending: a thread that reads what is due from an SQLite
// file, and commits what has ended, WAL and FULL, in groups as large as the engine's. No checks, no
// health, no chain, one narrow row for each attempt. What curl-multi reaches beside it is what the
// machine allows; what the engine stays below that is the engine's own.
#pragma once

#include <sqlite3.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace outrider::bench {

class RawRecord {
 public:
  struct Event {
    std::int64_t id = 0;
    std::string body;
  };

  // Makes `file` anew with `rows` events of `bytes`, all of them due. `changed` is called from the
  // thread of its own: there are events again where next() had none, or all is on record.
  RawRecord(const std::string& file, std::uint64_t rows, std::size_t bytes,
            std::function<void()> changed);
  ~RawRecord();
  RawRecord(const RawRecord&) = delete;
  RawRecord& operator=(const RawRecord&) = delete;

  // Any thread.
  [[nodiscard]] std::optional<Event> next();  // nothing: not yet, or no more
  void ended(std::int64_t event);
  [[nodiscard]] bool all_recorded();

 private:
  void fill(std::size_t bytes);
  void run();
  [[nodiscard]] bool wants_more() const;
  void read();
  void commit(const std::vector<std::int64_t>& events);
  [[nodiscard]] sqlite3_stmt* prepare(const char* sql);
  void run_sql(const char* sql);

  const std::uint64_t rows_;
  std::function<void()> changed_;
  sqlite3* db_ = nullptr;
  std::int64_t last_read_ = 0;
  std::mutex mutex_;
  std::condition_variable due_;
  std::deque<Event> ahead_;
  std::vector<std::int64_t> ended_;
  std::uint64_t recorded_ = 0;
  std::thread thread_;
};

}  // namespace outrider::bench
