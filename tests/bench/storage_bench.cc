// How many rows a second the SQLite outbox takes, by batch size: events enqueued (one endpoint
// each) and deliveries completed with a success. Each batch is one durable commit. Compare ratios
// of one run, never figures of two machines; the CPU time per row is what a busy machine does not
// spoil.
//
//   storage_bench [rows per measurement] [directory]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
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
Spent apply(Outbox& outbox, std::span<const Mutation> mutations, std::size_t batch,
            const Collect& collect) {
  const auto begin = Clock::now();
  const std::clock_t cpu = std::clock();
  for (std::size_t at = 0; at < mutations.size(); at += batch) {
    auto applied = outbox.apply(mutations.subspan(at, std::min(batch, mutations.size() - at)));
    if (!applied) {
      std::fprintf(stderr, "%s\n", applied.error().to_string().c_str());
      std::exit(1);
    }
    for (const Outcome& one : *applied) collect(one.value());
  }
  return {.seconds = std::chrono::duration<double>(Clock::now() - begin).count(),
          .cpu_seconds = static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC};
}

void measure(Outbox& outbox, std::size_t rows, std::size_t batch) {
  const std::string body = "{\"text\":\"" + std::string(kTextBytes, 'x') + "\"}";
  const std::vector<Mutation> events(rows, event_of(body));
  std::vector<Mutation> results;
  results.reserve(rows);
  const auto enqueued = apply(outbox, events, batch, [&results](const Applied& one) {
    results.emplace_back(success(std::get<Enqueued>(one).due.at(0)));
  });
  const auto completed = apply(outbox, results, batch, [](const Applied&) {});
  const auto count = static_cast<double>(rows);
  std::printf("%8zu %12.0f %12.0f %12.0f %14.1f %14.1f\n", batch, count / enqueued.seconds,
              count / completed.seconds, count / (enqueued.seconds + completed.seconds),
              1e6 * enqueued.cpu_seconds / count, 1e6 * completed.cpu_seconds / count);
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
  apply(**outbox, {&added, 1}, 1, [](const Applied&) {});
  std::printf("%8s %12s %12s %12s %14s %14s\n", "batch", "enqueue/s", "complete/s", "lifetimes/s",
              "enqueue cpu us", "complete cpu us");
  std::size_t events = 0;
  for (const std::size_t batch : {1, 10, 100, 1000}) {
    const std::size_t count = std::min(rows, batch * 2000);
    measure(**outbox, count, batch);
    events += count;
  }
  outbox->reset();
  const auto bytes = static_cast<double>(std::filesystem::file_size(path));
  std::printf(
      "bytes in the file for each event, its delivery and one attempt, beyond the payload: %.0f\n",
      bytes / static_cast<double>(events) - static_cast<double>(kBodyBytes));
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
