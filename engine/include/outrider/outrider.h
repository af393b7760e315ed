// Outrider, embedded. Start here.
//
//   auto engine = outrider::Engine::open({.database = "platform.db"});
//   (*engine)->start();
//   auto receipt = (*engine)->publish({.account = "acme",
//                                      .provider = "standard-webhooks",
//                                      .type = "loan.paid",
//                                      .payload = R"({"loan":7})"});
//
// An event is acknowledged only after its commit is durable; from then on it is delivered at least
// once to every matching endpoint, or ends in a recorded terminal state. The operator's side
// (endpoints, queue, retry, cancel) is outrider/database.h; it works on the same file, from any
// process, whether or not an engine runs.
//
// Threads: publish() and publish_async() may be called from any thread, all else from the thread
// that opened the engine.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "outrider/result.h"
#include "outrider/types.h"

struct sqlite3;

namespace outrider {

// The library's version, "0.1.0".
[[nodiscard]] std::string_view version() noexcept;

// What the engine may connect to. Default: https, port 443, public addresses only.
struct TargetPolicy {
  std::vector<std::string>
      allow_nets;  // CIDRs that are allowed beyond the public internet: "127.0.0.0/8"
  std::vector<std::uint16_t> allow_ports;  // ports beside 443; a single 0 allows every port
  bool allow_http = false;                 // plain http://, for tests and private networks
};

// The engine's own HTTP API, described by openapi.yaml. Requests need a token (see token.h), but
// for those that come through a Unix socket, whose mode (0660) says who may connect.
struct ApiOptions {
  // "unix:/run/outrider/api.sock", "127.0.0.1:8480", "[::1]:8480"; empty: no API. Beyond loopback
  // only with TLS and at least one token.
  std::vector<std::string> listen;
  std::string tls_certificate;  // PEM files: the certificate, its chain after it, and its key;
  std::string tls_key;          // every TCP address then speaks TLS
  bool unix_needs_token = false;
};

struct Options {
  std::string database;  // path of the SQLite file; created (mode 0600) where it does not exist
  // The key file that what is sealed hangs on; empty: the service manager's credential
  // `outrider.key` where there is one, else `<database>.key`. Made for a new database (mode 0600)
  // where it does not exist: back it up.
  std::string key_file;
  bool seal = true;           // of a new database; an existing one stays sealed, or plain
  std::string providers_dir;  // extra provider definitions, beside the built-in ones; empty: none
  std::uint64_t max_payload_bytes = 256 * 1024;  // 1 KiB - 16 MiB
  std::uint32_t max_in_flight = 256;             // requests at once over all endpoints, 1-4096
  // Threads that send, 1-16. Each serves endpoints of its own (all of an account where the provider
  // switches off whole accounts), and has its share of max_in_flight. One keeps up with some
  // 30,000 requests a second; more need processors of their own, and one more for the storage
  // thread.
  std::uint32_t loops = 1;
  std::string ca_file;  // extra trusted CA bundle (PEM); empty: the system's only
  std::vector<std::string>
      dns_servers;  // "address" or "address:port"; empty: the system's resolver settings
  TargetPolicy targets;
  // "http://[user:password@]host:port": every request leaves through this proxy, in a tunnel
  // (CONNECT) to an address that `targets` allows. Empty: directly. The environment's proxies are
  // never used.
  std::string egress_proxy;
  std::uint32_t retain_payload_days = 30;   // payloads of finished events; 0: for ever
  std::uint32_t retain_attempt_days = 400;  // attempts and finished events; 0: for ever
  std::uint32_t busy_timeout_ms = 5000;  // how long a commit waits for another process's write lock
  std::uint32_t drain_timeout_ms = 4000;  // how long stop() lets requests in flight finish
  ApiOptions api;
  // One structured line (JSON, no newline) per notable happening; never a body, secret or URL
  // query. Called on the engine's threads; must not block or throw. Unset: silent.
  std::function<void(std::string_view line)> log;
  // Called for each notice once its commit is durable, in their order, on the engine's loop thread;
  // must not block or throw, and may call publish_async(). Within a run none is left out and none
  // comes twice; a stop() that drains tells the last ones too.
  std::function<void(const Notice& notice)> on_notice;
  // Where on_notice begins: behind the notice with this id, which the host kept. So a host hears of
  // what happened while it did not run, and after a crash again of what it had not kept: at least
  // once. "": at the oldest; unset: behind the newest.
  std::optional<std::string> notices_after;
};

class Engine {
 public:
  // Opens (creates, migrates) the database and loads the providers. Sends nothing yet. One engine
  // per file: kLocked says who holds it. Errors: kInvalidArgument (an option, named), kLocked,
  // kCorrupt, kTooNew, kIo, kKey.
  [[nodiscard]] static Result<std::unique_ptr<Engine>> open(Options options);

  // Starts the threads and the deliveries; once. Returns when the endpoints are known.
  [[nodiscard]] Result<void> start();

  // Checks, canonicalises and durably commits; returns when it is on disk. Must not be called from
  // the engine's own threads (log callback, publish_async's callback).
  [[nodiscard]] Result<EventReceipt> publish(const Event& event);

  // The same without waiting: `done` is called once, on an engine thread, and must not block or
  // throw. kOverloaded and invalid events are answered before it returns.
  void publish_async(const Event& event, std::function<void(Result<EventReceipt>)> done);

  // No new sends; requests in flight finish or time out; results are recorded. Idempotent. False in
  // the result: some requests were still in flight at the time limit (they are sent again at the
  // next start).
  [[nodiscard]] Result<bool> stop();

  // Requests in flight right now, for reports.
  [[nodiscard]] std::uint32_t in_flight() const noexcept;

  // Set once the engine cannot go on (a commit's outcome is unknown, the disk is gone): the reason.
  // Callable from any thread. serve exits with it; an embedding host reopens.
  [[nodiscard]] Result<void> health() const;

  // What Prometheus scrapes, in its text format 0.0.4: counters since open(), and the queue as it
  // was a few seconds ago. The API's GET /metrics is the same and process_* beside it, which an
  // embedding host has of its own. Callable from any thread; may read from the disk.
  [[nodiscard]] std::string metrics_text() const;

  // Calls `call` once on the engine's own thread, in its next turn: for a watchdog, to see that it
  // takes turns. Must not block or throw. Dropped where the engine does not run.
  void on_next_turn(std::function<void()> call);

  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

 private:
  class Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Writes the event into the host's own open transaction on `db`, whose file holds Outrider's
// tables: it is committed with the host's rows or rolled back with them. The engine that runs on
// the file checks it against the provider when it picks it up; a bad one becomes `rejected` with
// its reason, visible in `outrider queue`. Checked at once: required fields, that the payload is
// JSON. Errors: kInvalidArgument, kInvalidPayload, kNotFound (no outrider_outbox table in this
// file), kIo. Returns the row id in outrider_outbox. Thread: the one that uses `db`.
[[nodiscard]] Result<std::int64_t> enqueue(sqlite3* db, const Event& event);

// Tells an engine on this file, in whatever process, that something was committed: 0.1 ms instead
// of the 1 ms that noticing takes. Optional; never fails, never blocks.
void notify(const std::string& database) noexcept;

}  // namespace outrider
