// The engine under measure, through its public interface; only filling a database goes by the
// Outbox, since nothing else writes ten million rows in minutes.
//
//   engine_load MODE --database F --providers DIR …
//     fill     --endpoints E --hosts H --port P --scheme S --events N [--bytes B] [--in-flight M]
//     [--sealed 0]
//              [--first I] [--first-host J] [--one-account 1] [--accounts A]: endpoint i, from I
//              on, is of account a<i>, at host i modulo H beyond J; events take turns between the
//              accounts of its endpoints, or A accounts from I on
//              [--delivered 1 | --due-in-s S | --paused 1]: what is to become of the events, other
//              than to be due
//     deliver  [--in-flight M] [--dns PORT] [--ca F] [--listen PLACE]: runs until its standard
//     input ends paced    deliver, and publish --rate R events a second for --seconds S to accounts
//     "a0" … "a<E-1>" publish  --threads T --window W --rows N: durable publishes, W under way on
//     each thread insert   --rate R --seconds S: plain SQL into outrider_outbox of a running
//     engine's database
//
// Lines of standard output: {"begun_ns": …} when it runs, the report at the end.
#include <sqlite3.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "allocations.h"
#include "measured.h"
#include "outrider/database.h"
#include "outrider/outrider.h"
#include "outrider/provider.h"
#include "storage/sqlite/sqlite_outbox.h"

namespace outrider::bench {
namespace {

constexpr std::uint64_t kRowsAtOnce = 1000;
constexpr std::string_view kProvider = "bench";
constexpr std::string_view kType = "loan.paid";

template <class T>
T need(Result<T> result) {
  if (!result) give_up(result.error().to_string());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

std::int64_t wall_ms() {
  timespec at{};
  clock_gettime(CLOCK_REALTIME, &at);
  return std::int64_t{1000} * at.tv_sec + at.tv_nsec / 1'000'000;
}

std::string account(std::uint64_t n) { return "a" + std::to_string(n); }

bool sealed(const Arguments& arguments) { return arguments.number("sealed", 1) != 0; }

std::unique_ptr<Database> open_database(const Arguments& arguments) {
  auto providers = need(Providers::load(arguments.text("providers")));
  return need(Database::open(
      {.path = arguments.text("database"), .create = true, .seal = sealed(arguments)},
      std::move(providers)));
}

void add_endpoints(const Arguments& arguments) {
  const auto database = open_database(arguments);
  const std::uint64_t hosts = arguments.number("hosts", 1);
  const std::uint64_t first = arguments.number("first", 0);
  for (std::uint64_t n = 0; n < arguments.number("endpoints", 1); ++n) {
    const std::uint64_t host = arguments.number("first-host", 0) + n % hosts;
    EndpointSpec spec;
    spec.account = account(first + (arguments.number("one-account", 0) != 0 ? 0 : n));
    spec.provider = kProvider;
    spec.url = arguments.text("scheme", "https") + "://h" + std::to_string(host) +
               ".bench.test:" + arguments.text("port", "443") + "/hook/" + std::to_string(n);
    spec.secret = "0123456789abcdef0123456789abcdef";
    spec.max_in_flight = static_cast<std::uint32_t>(arguments.number("in-flight", 64));
    const auto added = need(database->add_endpoint(spec));
    if (arguments.number("paused", 0) != 0)
      need(database->pause_endpoint(added.endpoint.id, "bench"));
  }
}

storage::Enqueue enqueue_of(const Arguments& arguments, std::uint64_t n, std::uint64_t accounts) {
  storage::Enqueue event;
  event.account = account(arguments.number("first", 0) + n % accounts);
  event.provider = kProvider;
  event.type = kType;
  event.body = payload(n, 0, arguments.number("bytes", 600));
  event.payload_sha256 = std::string(32, 'a');
  event.now = wall_ms();
  return event;
}

storage::AttemptFinished finished(const Arguments& arguments, const storage::DueRow& due) {
  storage::AttemptFinished result;
  const std::int64_t now = wall_ms();
  result.claimed = due;
  result.attempt.number = due.attempt;
  result.attempt.started_at = now;
  result.attempt.duration_ms = 12;
  result.attempt.peer = "127.1.0.1:443";
  result.health = storage::HealthUpdate{};
  result.now = now;
  if (arguments.number("delivered", 0) != 0) {
    result.attempt.error = ErrorClass::kNone;
    result.attempt.status = 200;
    result.attempt.response = "ok";
    return result;
  }
  result.attempt.error = ErrorClass::kStatus;
  result.attempt.status = 500;
  result.step = core::DeliveryStep::kFailAgain;
  result.next_at = now + static_cast<std::int64_t>(1000 * arguments.number("due-in-s", 1));
  return result;
}

int fill(const Arguments& arguments) {
  add_endpoints(arguments);
  auto outbox = need(
      storage::open_sqlite_outbox({.path = arguments.text("database"), .seal = sealed(arguments)}));
  const std::uint64_t events = arguments.number("events", 0);
  const std::uint64_t accounts = arguments.number(
      "accounts", arguments.number("one-account", 0) != 0 ? 1 : arguments.number("endpoints", 1));
  const bool finishes =
      arguments.number("delivered", 0) != 0 || arguments.number("due-in-s", 0) != 0;
  for (std::uint64_t n = 0; n < events;) {
    std::vector<storage::Mutation> batch;
    while (batch.size() < kRowsAtOnce && n < events)
      batch.emplace_back(enqueue_of(arguments, n++, accounts));
    const auto applied = need(outbox->apply(batch));
    if (!finishes) continue;
    std::vector<storage::Mutation> ends;
    for (const auto& one : applied) {
      const auto enqueued = std::get<storage::Enqueued>(need(one));
      for (const auto& due : enqueued.due) ends.emplace_back(finished(arguments, due));
    }
    for (auto& one : need(outbox->apply(ends))) (void)need(std::move(one));
  }
  Report().number("events", static_cast<double>(events)).print();
  return 0;
}

std::unique_ptr<Engine> open_engine(const Arguments& arguments) {
  Options options;
  options.database = arguments.text("database");
  options.seal = sealed(arguments);
  options.providers_dir = arguments.text("providers");
  options.max_in_flight = static_cast<std::uint32_t>(arguments.number("in-flight", 64));
  options.loops = static_cast<std::uint32_t>(arguments.number("loops", 1));
  options.ca_file = arguments.text("ca");
  options.targets = {.allow_nets = {"127.0.0.0/8"}, .allow_ports = {0}, .allow_http = true};
  if (const auto dns = arguments.text("dns"); !dns.empty())
    options.dns_servers = {"127.0.0.1:" + dns};
  if (const auto listen = arguments.text("listen"); !listen.empty()) options.api.listen = {listen};
  return need(Engine::open(std::move(options)));
}

void wait_for_end_of_input() {
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) > 0) continue;
}

void wait_for_turn(std::int64_t ns) {
  const timespec until{.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) != 0) continue;
}

// Calls `once` at a steady rate, late ones at once.
template <class Call>
void at_rate(const Arguments& arguments, const Call& once) {
  const std::uint64_t rate = arguments.number("rate", 1000);
  const std::uint64_t count = rate * arguments.number("seconds", 5);
  const std::int64_t begun = now_ns();
  for (std::uint64_t n = 0; n < count; ++n) {
    wait_for_turn(begun + static_cast<std::int64_t>(n * (1'000'000'000 / rate)));
    once(n);
  }
}

void publish_at_rate(const Arguments& arguments, Engine& engine) {
  const std::uint64_t accounts = arguments.number("endpoints", 1);
  const std::size_t bytes = arguments.number("bytes", 600);
  at_rate(arguments, [&](std::uint64_t n) {
    Event event;
    event.account = account(n % accounts);
    event.provider = kProvider;
    event.type = kType;
    event.payload = payload(n, now_ns(), bytes);
    engine.publish_async(event, [](const Result<EventReceipt>& receipt) {
      if (!receipt) give_up(receipt.error().to_string());
    });
  });
}

int deliver(const Arguments& arguments, bool paced) {
  const std::int64_t begun = now_ns();
  auto engine = open_engine(arguments);
  const std::uint64_t written = bytes_to_disk();
  need(engine->start());
  Report().number("begun_ns", static_cast<double>(begun)).print();
  if (paced) publish_at_rate(arguments, *engine);
  wait_for_end_of_input();
  const Processor spent = processor_time();
  const auto allocations = allocations_by_thread();
  const std::uint64_t resident = resident_bytes();
  (void)need(engine->stop());
  engine.reset();
  const QueueView queue = need(open_database(arguments)->queue());
  Report report;
  for (const auto& [thread, count] : allocations) {
    report.number("allocations:" + thread, static_cast<double>(count));
  }
  report.number("delivered", static_cast<double>(queue.delivered))
      .number("waiting", static_cast<double>(queue.waiting))
      .number("resident", static_cast<double>(resident))
      .number("bytes_written", static_cast<double>(bytes_to_disk() - written))
      .processor(spent)
      .print();
  return 0;
}

// Keeps `window` publishes of one thread under way.
class Publisher {
 public:
  Publisher(Engine& engine, std::uint64_t rows, std::uint64_t window, std::size_t bytes)
      : engine_(engine), rows_(rows), window_(window), bytes_(bytes) {}

  void run(std::uint64_t first) {
    for (std::uint64_t n = 0; n < rows_; ++n) {
      std::unique_lock lock(mutex_);
      room_.wait(lock, [this] { return under_way_ < window_; });
      ++under_way_;
      lock.unlock();
      Event event;
      event.account = account(0);
      event.provider = kProvider;
      event.type = kType;
      event.payload = payload(first + n, 0, bytes_);
      engine_.publish_async(event, [this](const Result<EventReceipt>& receipt) {
        if (!receipt) give_up(receipt.error().to_string());
        const std::lock_guard ended(mutex_);
        --under_way_;
        room_.notify_one();
      });
    }
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return under_way_ == 0; });
  }

 private:
  Engine& engine_;
  std::uint64_t rows_, window_;
  std::size_t bytes_;
  std::mutex mutex_;
  std::condition_variable room_;
  std::uint64_t under_way_ = 0;
};

// On average.
double rows_of_a_commit(const std::string& metrics) {
  const auto number = [&metrics](const std::string& name) {
    const std::size_t at = metrics.find("\n" + name + " ");
    if (at == std::string::npos) give_up("the engine does not tell " + name);
    return std::strtod(metrics.c_str() + at + name.size() + 2, nullptr);
  };
  return number("outrider_commit_batch_size_sum") / number("outrider_commit_batch_size_count");
}

int publish(const Arguments& arguments) {
  auto engine = open_engine(arguments);
  need(engine->start());
  const std::uint64_t threads = arguments.number("threads", 8);
  const std::uint64_t rows = arguments.number("rows", 1000) / threads;
  const double before = processor_time().all;
  const std::int64_t begun = now_ns();
  std::vector<std::thread> running;
  for (std::uint64_t thread = 0; thread < threads; ++thread) {
    running.emplace_back([&, thread] {
      Publisher(*engine, rows, arguments.number("window", 1), arguments.number("bytes", 600))
          .run(thread * rows);
    });
  }
  for (std::thread& thread : running) thread.join();
  const double seconds = static_cast<double>(now_ns() - begun) * 1e-9;
  const auto count = static_cast<double>(rows * threads);
  const Processor spent = processor_time();
  const double batch = rows_of_a_commit(engine->metrics_text());
  (void)need(engine->stop());
  Report()
      .number("per_s", count / seconds)
      .number("batch", batch)
      .number("cpu_us", 1e6 * (spent.all - before) / count)
      .processor(spent)
      .print();
  return 0;
}

int insert(const Arguments& arguments) {
  sqlite3* db = nullptr;
  if (sqlite3_open(arguments.text("database").c_str(), &db) != SQLITE_OK)
    give_up("cannot open the database");
  sqlite3_busy_timeout(db, 5000);
  sqlite3_exec(db, "PRAGMA synchronous=FULL", nullptr, nullptr, nullptr);
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(db,
                     "INSERT INTO outrider_outbox (account, provider, type, payload) VALUES ('a0', "
                     "'bench', 'loan.paid', ?)",
                     -1, &statement, nullptr);
  Latencies commits;
  const std::size_t bytes = arguments.number("bytes", 600);
  at_rate(arguments, [&](std::uint64_t n) {
    const std::int64_t made = now_ns();
    const std::string text = payload(n, made, bytes);
    sqlite3_bind_text(statement, 1, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
    if (sqlite3_step(statement) != SQLITE_DONE) give_up(sqlite3_errmsg(db));
    sqlite3_reset(statement);
    commits.add_ns(now_ns() - made);
  });
  sqlite3_finalize(statement);
  sqlite3_close(db);
  Report().latencies("commit", commits).print();
  return 0;
}

int run(std::string_view mode, const Arguments& arguments) {
  pin(arguments.text("processors"));
  if (mode == "fill") return fill(arguments);
  if (mode == "deliver") return deliver(arguments, false);
  if (mode == "paced") return deliver(arguments, true);
  if (mode == "publish") return publish(arguments);
  if (mode == "insert") return insert(arguments);
  give_up("no such mode: " + std::string(mode));
}

}  // namespace
}  // namespace outrider::bench

int main(int argc, char** argv) {
  using namespace outrider::bench;
  if (argc < 2) give_up("engine_load fill | deliver | paced | publish | insert");
  const Arguments arguments(
      argc - 1, argv + 1,
      {"database",  "providers", "endpoints", "hosts",       "port",   "scheme",     "events",
       "bytes",     "in-flight", "loops",     "one-account", "first",  "first-host", "accounts",
       "delivered", "due-in-s",  "paused",    "dns",         "ca",     "listen",     "rate",
       "seconds",   "threads",   "window",    "rows",        "sealed", "processors"});
  return run(argv[1], arguments);
}
