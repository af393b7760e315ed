// An application that embeds Outrider in its own process and its own database file.
//
//     embed_cpp DATABASE    (a new file)
//
// It pays one loan and, after a change of heart, does not pay another. Each payment is a row of the
// application's and an event of Outrider's in one transaction: committed together, or rolled back
// together. So that there is something to see, the other side runs here as well: a receiver on
// loopback, with a throw-away certificate, that verifies what arrives.
#include <sqlite3.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "outrider/database.h"
#include "outrider/outrider.h"
#include "outrider/receiver.h"

namespace {

constexpr const char* kAccount = "acme";
constexpr const char* kProvider = "standard-webhooks";
constexpr const char* kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

// The value, or the end of this program with the error's one line.
template <class T>
T must(outrider::Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "embed_cpp: %s\n", result.error().to_string().c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

struct CloseDb {
  void operator()(sqlite3* db) const { sqlite3_close(db); }
};
using Db = std::unique_ptr<sqlite3, CloseDb>;

void sql(sqlite3* db, const std::string& statement) {
  if (sqlite3_exec(db, statement.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return;
  std::fprintf(stderr, "embed_cpp: %s\n", sqlite3_errmsg(db));
  std::exit(1);
}

// What the other side saw.
class Arrivals {
 public:
  void add(const outrider::Reception& reception) {
    const std::lock_guard lock(mutex_);
    bodies_.push_back((reception.verdict ? "verified: " : "REFUSED: ") + reception.request.body);
    arrived_.notify_all();
  }
  std::vector<std::string> wait_for_one() {
    std::unique_lock lock(mutex_);
    arrived_.wait_for(lock, std::chrono::seconds(30), [this] { return !bodies_.empty(); });
    return bodies_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<std::string> bodies_;
};

// The application's business: a row of its own, and the event, in the transaction that is open on
// `db`.
void pay_loan(sqlite3* db, int loan) {
  sql(db, "INSERT INTO loan_payment (loan) VALUES (" + std::to_string(loan) + ")");
  must(outrider::enqueue(db, {.account = kAccount,
                              .provider = kProvider,
                              .type = "loan.paid",
                              .payload = "{\"loan\":" + std::to_string(loan) + "}",
                              .idempotency_key = "loan-" + std::to_string(loan) + "-paid"}));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: embed_cpp DATABASE\n");
    return 2;
  }
  const std::string path = argv[1];
  const std::string ca_file = path + ".ca.pem";

  // The other side.
  Arrivals arrivals;
  auto providers = must(outrider::Providers::load({}));
  auto receiver = must(outrider::Receiver::start(
      {.provider = kProvider, .secrets = {kSecret}, .tls = true, .ca_out_file = ca_file}, providers,
      [&](const outrider::Reception& reception) { arrivals.add(reception); }));

  // Once per database: who hears of what.
  auto operations = must(outrider::Database::open({.path = path, .create = true}, providers));
  must(operations->add_endpoint(
      {.account = kAccount, .provider = kProvider, .url = receiver->url(), .secret = kSecret}));

  // The engine. It only goes to loopback because this program says that it may.
  auto engine = must(outrider::Engine::open(
      {.database = path,
       .ca_file = ca_file,
       .targets = {.allow_nets = {"127.0.0.0/8", "::1/128"}, .allow_ports = {0}}}));
  must(engine->start());

  // The application's own connection to its own file.
  sqlite3* handle = nullptr;
  const int opened = sqlite3_open(path.c_str(), &handle);
  const Db db(handle);
  if (opened != SQLITE_OK) return 1;
  sqlite3_busy_timeout(db.get(), 5000);
  sql(db.get(), "PRAGMA synchronous = FULL");
  sql(db.get(), "CREATE TABLE IF NOT EXISTS loan_payment (loan INTEGER)");

  sql(db.get(), "BEGIN IMMEDIATE");
  pay_loan(db.get(), 8);
  sql(db.get(), "ROLLBACK");
  std::printf("loan 8: rolled back, and no event exists\n");

  sql(db.get(), "BEGIN IMMEDIATE");
  pay_loan(db.get(), 7);
  sql(db.get(), "COMMIT");
  outrider::notify(path);
  std::printf("loan 7: committed, and the event with it\n");

  const std::vector<std::string> seen = arrivals.wait_for_one();
  must(engine->stop());
  receiver->stop();
  const std::size_t events = must(operations->events({})).size();
  std::printf("the database holds %zu event\n", events);
  for (const std::string& line : seen) std::printf("the receiver %s\n", line.c_str());
  return events == 1 && seen == std::vector<std::string>{"verified: {\"loan\":7}"} ? 0 : 1;
}
