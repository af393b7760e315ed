// What the disk allows: rows inserted into one narrow SQLite table, WAL and FULL, so many a commit,
// and nothing else; and how long one fdatasync of an appended page takes.
//
//   raw_commit --file F --rows N [--batch B] [--bytes B] [--syncs N] [--processors LIST]
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "measured.h"

namespace outrider::bench {
namespace {

void run_sql(sqlite3* db, const char* sql) {
  if (sqlite3_exec(db, sql, nullptr, nullptr, nullptr) != SQLITE_OK) give_up(sqlite3_errmsg(db));
}

void erase(const std::string& file) {
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file + suffix);
}

Latencies syncs(const std::string& file, std::uint64_t count) {
  Latencies latencies;
  const int fd = open(file.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
  const std::string page(4096, 'x');
  for (std::uint64_t n = 0; n < count; ++n) {
    if (write(fd, page.data(), page.size()) != static_cast<ssize_t>(page.size()))
      give_up("cannot write " + file);
    const std::int64_t begun = now_ns();
    fdatasync(fd);
    latencies.add_ns(now_ns() - begun);
  }
  close(fd);
  erase(file);
  return latencies;
}

int run(const Arguments& arguments) {
  const std::string file = arguments.text("file");
  const std::uint64_t rows = arguments.number("rows", 1000);
  const std::uint64_t batch = std::max<std::uint64_t>(arguments.number("batch", 100), 1);
  erase(file);
  const Latencies sync = syncs(file, arguments.number("syncs", 200));
  sqlite3* db = nullptr;
  if (sqlite3_open(file.c_str(), &db) != SQLITE_OK) give_up("cannot open " + file);
  run_sql(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=10000");
  run_sql(db, "CREATE TABLE event (id INTEGER PRIMARY KEY, at INTEGER, body TEXT)");
  sqlite3_stmt* insert = nullptr;
  sqlite3_prepare_v2(db, "INSERT INTO event (at, body) VALUES (?, ?)", -1, &insert, nullptr);
  const double before = processor_time().all;
  const std::int64_t begun = now_ns();
  for (std::uint64_t row = 0; row < rows;) {
    run_sql(db, "BEGIN IMMEDIATE");
    for (std::uint64_t one = 0; one < batch && row < rows; ++one, ++row) {
      const std::string body = payload(row, begun, arguments.number("bytes", 600));
      sqlite3_bind_int64(insert, 1, begun);
      sqlite3_bind_text(insert, 2, body.data(), static_cast<int>(body.size()), SQLITE_STATIC);
      if (sqlite3_step(insert) != SQLITE_DONE) give_up(sqlite3_errmsg(db));
      sqlite3_reset(insert);
    }
    run_sql(db, "COMMIT");
  }
  const double seconds = static_cast<double>(now_ns() - begun) * 1e-9;
  sqlite3_finalize(insert);
  sqlite3_close(db);
  erase(file);
  Report()
      .number("per_s", static_cast<double>(rows) / seconds)
      .number("cpu_us", 1e6 * (processor_time().all - before) / static_cast<double>(rows))
      .latencies("fdatasync", sync)
      .print();
  return 0;
}

}  // namespace
}  // namespace outrider::bench

int main(int argc, char** argv) {
  using namespace outrider::bench;
  const Arguments arguments(argc, argv, {"file", "rows", "batch", "bytes", "syncs", "processors"});
  pin(arguments.text("processors"));
  return run(arguments);
}
