// How many rows a second the SQLite outbox takes, by batch size: events enqueued (one endpoint
// each) and deliveries completed with a success. Each batch is one durable commit. Compare ratios
// of one run, never figures of two machines; the CPU time per row is what a busy machine does not
// spoil. Beside them what no machine changes: pages that go to the write-ahead log for each row,
// and what each table keeps of an event.
//
//   storage_bench [rows per measurement] [directory]
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "storage/sqlite/sqlite_outbox.h"

namespace outrider::storage {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kTextBytes = 590;
constexpr std::size_t kBodyBytes = kTextBytes + 11;

struct Spent {
  double seconds = 0;
  double cpu_seconds = 0;
  double pages = 0;
};

// Frames that lie in the write-ahead log, as its index says; the log begins anew when all of it has
// been copied into the file.
class Log {
 public:
  explicit Log(const std::string& database)
      : index_(::open((database + "-shm").c_str(), O_RDONLY | O_CLOEXEC)) {
    if (index_ < 0) std::exit(1);
  }
  ~Log() { ::close(index_); }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // Since the last call.
  std::uint32_t added() {
    constexpr off_t kLastFrame = 16;  // https://www.sqlite.org/walformat.html, section 2.1
    std::uint32_t now = 0;
    if (::pread(index_, &now, sizeof now, kLastFrame) != sizeof now) std::exit(1);
    const std::uint32_t before = std::exchange(frames_, now);
    return now >= before ? now - before : now;
  }

 private:
  int index_;
  std::uint32_t frames_ = 0;
};

Enqueue event_of(const std::string& body) {
  Enqueue event;
  event.account = "acme";
  event.provider = "shop";
  event.type = "loan.paid";
  event.body = body;
  event.payload_sha256 = std::string(32, 'a');
  event.now = 1'700'000'000'000;
  return event;
}

AttemptFinished success(const DueRow& due) {
  AttemptFinished finished;
  finished.claimed = due;
  finished.attempt = {.number = due.attempt,
                      .started_at = due.next_at,
                      .duration_ms = 12,
                      .error = ErrorClass::kNone,
                      .status = 200,
                      .peer = "192.0.2.1:443",
                      .detail = {},
                      .response = "{\"ok\":true}"};
  finished.health = HealthUpdate{};
  finished.now = due.next_at + 12;
  return finished;
}

// Applies `mutations` in batches and returns the time it took. Ends the program when one is
// refused.
template <class Collect>
Spent apply(Outbox& outbox, Log& log, std::span<const Mutation> mutations, std::size_t batch,
            const Collect& collect) {
  std::uint64_t pages = 0;
  const auto begin = Clock::now();
  const std::clock_t cpu = std::clock();
  for (std::size_t at = 0; at < mutations.size(); at += batch) {
    auto applied = outbox.apply(mutations.subspan(at, std::min(batch, mutations.size() - at)));
    if (!applied) {
      std::fprintf(stderr, "%s\n", applied.error().to_string().c_str());
      std::exit(1);
    }
    for (const Outcome& one : *applied) collect(one.value());
    pages += log.added();
  }
  return {.seconds = std::chrono::duration<double>(Clock::now() - begin).count(),
          .cpu_seconds = static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC,
          .pages = static_cast<double>(pages)};
}

void measure(Outbox& outbox, Log& log, std::size_t rows, std::size_t batch) {
  const std::string body = "{\"text\":\"" + std::string(kTextBytes, 'x') + "\"}";
  const std::vector<Mutation> events(rows, event_of(body));
  std::vector<Mutation> results;
  results.reserve(rows);
  const auto enqueued = apply(outbox, log, events, batch, [&results](const Applied& one) {
    results.emplace_back(success(std::get<Enqueued>(one).due.at(0)));
  });
  const auto completed = apply(outbox, log, results, batch, [](const Applied&) {});
  const auto count = static_cast<double>(rows);
  std::printf("%8zu %12.0f %12.0f %12.0f %12.1f %12.1f %10.3f %10.3f\n", batch,
              count / enqueued.seconds, count / completed.seconds,
              count / (enqueued.seconds + completed.seconds), 1e6 * enqueued.cpu_seconds / count,
              1e6 * completed.cpu_seconds / count, enqueued.pages / count, completed.pages / count);
}

void tell_tables(const std::string& path, double events) {
  sqlite3* db = nullptr;
  sqlite3_stmt* rows = nullptr;
  // Not every SQLite has this table.
  if (sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK &&
      sqlite3_prepare_v2(db,
                         "SELECT name, sum(pgsize), sum(unused) FROM dbstat GROUP BY name"
                         " ORDER BY 2 DESC LIMIT 8",
                         -1, &rows, nullptr) == SQLITE_OK) {
    std::printf("bytes for each event, of them empty, by table:\n");
    while (sqlite3_step(rows) == SQLITE_ROW) {
      std::printf("%12.1f %12.1f  %s\n", sqlite3_column_double(rows, 1) / events,
                  sqlite3_column_double(rows, 2) / events,
                  reinterpret_cast<const char*>(sqlite3_column_text(rows, 0)));
    }
  }
  sqlite3_finalize(rows);
  sqlite3_close(db);
}

int run(std::size_t rows, const std::string& directory) {
  const std::string path = directory + "/storage_bench.db";
  const auto erase = [&path] {
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
  };
  erase();
  auto outbox = open_sqlite_outbox({.path = path, .create = true});
  if (!outbox) {
    std::fprintf(stderr, "%s\n", outbox.error().to_string().c_str());
    return 1;
  }
  AddEndpoint endpoint;
  endpoint.spec = {
      .account = "acme", .provider = "shop", .url = "https://x.example/", .secret = "secret"};
  const Mutation added = endpoint;
  Log log(path);
  apply(**outbox, log, {&added, 1}, 1, [](const Applied&) {});
  std::printf("%8s %12s %12s %12s %12s %12s %10s %10s\n", "", "enqueue", "complete", "lifetimes",
              "enqueue", "complete", "enqueue", "complete");
  std::printf("%8s %12s %12s %12s %12s %12s %10s %10s\n", "batch", "/s", "/s", "/s", "cpu us",
              "cpu us", "pages", "pages");
  std::size_t events = 0;
  for (const std::size_t batch : {1, 10, 100, 1000}) {
    const std::size_t count = std::min(rows, batch * 2000);
    measure(**outbox, log, count, batch);
    events += count;
  }
  outbox->reset();
  const auto bytes = static_cast<double>(std::filesystem::file_size(path));
  std::printf(
      "bytes in the file for each event, its delivery and one attempt, beyond the payload: %.0f\n",
      bytes / static_cast<double>(events) - static_cast<double>(kBodyBytes));
  tell_tables(path, static_cast<double>(events));
  erase();
  return 0;
}

}  // namespace
}  // namespace outrider::storage

int main(int argc, char** argv) {
  const long rows = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 100'000;
  const std::string directory =
      argc > 2 ? argv[2] : std::filesystem::temp_directory_path().string();
  return outrider::storage::run(static_cast<std::size_t>(rows > 0 ? rows : 1), directory);
}
