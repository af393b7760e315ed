// The operator's side: everything the CLI does, on the database file, from any process, whether or
// not an engine runs. Every change is one durable transaction; a running engine hears of it within
// milliseconds. Threads: one Database is used by one thread at a time. Ids are the public text ids;
// an id of a different database or a misspelt one is kNotFound.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "outrider/provider.h"
#include "outrider/result.h"
#include "outrider/types.h"

namespace outrider {

struct DatabaseOptions {
  std::string path;
  bool create =
      false;  // make it where it is missing (endpoint add, send, serve); otherwise kNotFound
  std::uint64_t max_payload_bytes = 256 * 1024;
  std::uint32_t busy_timeout_ms = 5000;
  std::string key_file;  // as Options::key_file
  bool seal = true;      // as Options::seal
  std::string actor;     // who does what is done here, for the audit trail; empty: the user id
  // Called while opening, when a key file was made for a new database.
  std::function<void(const std::string& path)> key_created;
};

// What seals the database. Numbers are of data keys: one per account and day, and one per account.
struct KeyView {
  bool sealed = false;  // false: kept plain since it was made
  std::string key_file;
  std::string problem;           // not empty: why the key file cannot be used
  std::uint32_t generation = 0;  // of the key file, from 1
  bool rotating = false;         // a rotation was begun and has not come to its end
  std::uint64_t keys = 0;
  std::uint64_t keys_behind = 0;  // still wrapped with an older generation
  std::uint64_t accounts = 0;
};

// What an operator did: add, pause, activate, remove, test, rotate, retry, cancel, reveal, forget.
struct AuditEntry {
  std::int64_t id = 0;  // 1 is the first; without a gap
  std::int64_t at = 0;
  std::string actor;    // as DatabaseOptions::actor
  std::string action;   // "endpoint.add", "event.reveal", "account.forget", "key.rotate", …
  std::string object;   // ep_…, evt_…, dlv_…; empty: none
  std::string account;  // empty: none
  std::string detail;   // a reason or counts
};
struct AuditFilter {
  std::string account;
  std::string action;
  std::optional<std::int64_t> since;   // UTC milliseconds
  std::optional<std::int64_t> before;  // cursor: only older than this id
  std::uint32_t limit = 50;            // 1-1000
};

// What the chain over attempts and audit entries says. Each carries a link, a digest made with a
// key that only the key file opens, over its columns, its place and the link before it.
struct ChainView {
  struct Fault {
    std::string delivery;       // of an attempt: dlv_…
    std::uint32_t attempt = 0;  // its number
    std::int64_t audit = 0;     // of an audit entry; all three empty: of the chain as a whole
    std::string what;
  };
  std::uint64_t attempts = 0, audits = 0;  // that were looked at
  std::uint64_t removed = 0;               // by retention, their links still there
  std::string head;                        // "SEQ:DIGEST", to be kept outside; see verify_audit()
  bool expected_too_old = false;           // retention has passed the expected point
  std::vector<Fault> faults;               // the first hundred
  std::uint64_t fault_count = 0;           // 0: nothing was changed, taken, added or moved
};

// How an endpoint fares. Attempts are those that ended within the time that was asked for, which is
// widened at its beginning to the full five minutes; everything else is as it is now.
struct EndpointStats {
  std::string endpoint;
  std::int64_t since = 0, until = 0;  // the time that was looked at
  std::uint64_t attempts = 0;
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  std::vector<std::pair<ErrorClass, std::uint64_t>> errors;  // of the failed ones, most first
  std::optional<double> success_ratio;                       // 0 to 1; unset: no attempt
  // Of the attempts' durations, at most an eighth too high; unset: no attempt.
  std::optional<std::int64_t> p50_ms, p95_ms, p99_ms;
  std::optional<std::int64_t> last_success_at, last_failure_at;  // within the time
  // Deliveries: what waits, and what is on record.
  std::uint64_t waiting = 0, due = 0, held = 0;
  std::uint64_t delivered = 0, exhausted = 0, expired = 0, cancelled = 0;
  std::optional<std::int64_t> oldest_at;  // acceptance of the oldest waiting event
  std::optional<std::int64_t> next_at;    // earliest next attempt
  // Health: of the endpoint, or of its account where the provider's rule is about that.
  EndpointState state = EndpointState::kActive;
  std::uint32_t consecutive_failures = 0;
  std::uint32_t window_failures = 0;  // within the provider's sliding window
  std::int64_t window_s = 0;
  std::uint32_t max_in_flight = 0;  // requests at once, at most
};

class Database {
 public:
  // Errors: kNotFound, kCorrupt (not a database, or damaged), kTooNew, kIo, kBusy, kKey (the key
  // file is another database's). Where the key file is missing or cannot be used, whatever needs no
  // key works; the rest answers kKey or says why it is unreadable.
  [[nodiscard]] static Result<std::unique_ptr<Database>> open(DatabaseOptions options,
                                                              Providers providers);
  // From now on somebody else acts here, for the audit trail; as DatabaseOptions::actor.
  void act_as(std::string actor);
  [[nodiscard]] const Providers& providers() const noexcept;

  // Publishing without an engine: durable when it returns; delivered when one runs.
  [[nodiscard]] Result<EventReceipt> publish(const Event& event);

  // `generated_secret` is set when the secret was generated: the only time it is seen.
  struct Added {
    EndpointView endpoint;
    std::optional<std::string> generated_secret;
  };
  [[nodiscard]] Result<Added> add_endpoint(const EndpointSpec& spec);
  [[nodiscard]] Result<std::vector<EndpointView>> endpoints(const std::string& account = {},
                                                            const std::string& provider = {});
  [[nodiscard]] Result<EndpointView> endpoint(const std::string& id);
  [[nodiscard]] Result<EndpointView> pause_endpoint(const std::string& id,
                                                    const std::string& reason);
  // From paused or deactivated; clears its failure counts; what was held is released.
  [[nodiscard]] Result<EndpointView> activate_endpoint(const std::string& id);
  // Its pending deliveries are cancelled, its secrets erased; history stays.
  [[nodiscard]] Result<void> remove_endpoint(const std::string& id);
  // An engine that runs hears of it within milliseconds: what it sends from then on travels under
  // the new settings, on connections of their own; what was under way ends under the old ones. Only
  // what is given is checked. Errors: kInvalidArgument (nothing is given, or one of it is wrong:
  // its name), kNotFound, kKey (a certificate came without a key, and the old key cannot be read).
  [[nodiscard]] Result<EndpointView> set_tls(const std::string& id, const TlsChange& change);
  // A new signing secret (empty: generated). The old ones stay valid for `overlap_s` seconds (0:
  // they end now); at most 10 live. Returns the secret where it was generated.
  [[nodiscard]] Result<std::optional<std::string>> rotate_secret(const std::string& id,
                                                                 const std::string& secret,
                                                                 std::int64_t overlap_s);
  // Checked as when it was added; the TLS settings as set_tls() does. All of it in one transaction.
  // The secret is rotate_secret()'s.
  [[nodiscard]] Result<EndpointView> update_endpoint(const std::string& id,
                                                     const EndpointChange& change);
  // Enqueues the provider's test event to this endpoint alone: tried once, never counted.
  [[nodiscard]] Result<EventReceipt> test_endpoint(const std::string& id);
  // Makes due again what the endpoint missed, or what it is to get once more, oldest first, with a
  // fresh count of attempts. In transactions of a few hundred deliveries each, every one of them on
  // record: what was done before an error stays done, and asking again does the rest, because what
  // is pending is left alone. Answers a cursor when `limit` was reached, or half a million events
  // were looked at. Of an endpoint that is not active the deliveries are held. Errors: kNotFound,
  // kInvalidArgument (a member of the filter, by its name).
  [[nodiscard]] Result<ReplayReport> replay(const std::string& id, const ReplayFilter& filter);

  // From `since` (unset: 24 hours before `until`) to `until` (unset: now). Errors: kNotFound,
  // kInvalidArgument (the time is empty, or longer than 93 days).
  [[nodiscard]] Result<EndpointStats> endpoint_stats(const std::string& id,
                                                     std::optional<std::int64_t> since = {},
                                                     std::optional<std::int64_t> until = {});

  // `with_endpoints` adds the per-endpoint rows.
  [[nodiscard]] Result<QueueView> queue(bool with_endpoints = true);

  [[nodiscard]] Result<std::vector<EventView>> events(const EventFilter& filter);
  // With deliveries and attempts. Accepts an event id or a delivery id. Sensitive fields are masked
  // unless `reveal`, which is on record (event.reveal) before anything is returned. `account`,
  // where it is not empty: of another account the event is kNotFound. Errors: with `reveal` also
  // kKey and kRefused, where the payload cannot be read.
  [[nodiscard]] Result<EventView> event(const std::string& id, bool reveal = false,
                                        const std::string& account = {});
  // Makes deliveries due now: of the event (or the one delivery) those that are exhausted, expired,
  // cancelled or waiting for a later attempt; `failed_only` false also resends delivered ones;
  // events kept without an endpoint are matched again. Returns how many.
  [[nodiscard]] Result<std::uint32_t> retry(const std::string& id, bool failed_only = true);
  // Ends what is still pending. Returns how many.
  [[nodiscard]] Result<std::uint32_t> cancel(const std::string& id, const std::string& reason);

  struct RejectedRow {
    std::int64_t row = 0;
    std::string account, provider, type, reason;
    std::int64_t created_at = 0;
  };
  // Rows of outrider_outbox that were refused, newest first.
  [[nodiscard]] Result<std::vector<RejectedRow>> rejected(std::uint32_t limit = 50);

  // The feed of notices, oldest first: what somebody should hear of, in the order of the commits
  // that did it. Following it: ask again with the page's cursor. Errors: kInvalidArgument (limit),
  // kNotFound (the cursor is not one of this database).
  [[nodiscard]] Result<NoticePage> notices(const NoticeFilter& filter);

  [[nodiscard]] Result<KeyView> keys();
  // Begins a new generation of the key file, or goes on with one that was begun, and wraps every
  // data key anew; nothing that is sealed is touched. `progress` hears after each step how many are
  // done of how many. Interrupted, it goes on where it stopped. Afterwards older backups of the
  // database need the key file's older backups. Errors: kRefused (kept plain), kKey, kIo.
  [[nodiscard]] Result<std::uint64_t> rotate_keys(
      const std::function<void(std::uint64_t done, std::uint64_t all)>& progress = {});
  // Destroys the account's keys: its payloads, answers, secrets and headers become unreadable, here
  // and in every copy of the database. Its endpoints are removed, what is pending is cancelled;
  // what was attempted, and when, stays on record. Returns how many endpoints went. Errors:
  // kRefused (kept plain), kKey, kIo (the key file cannot be replaced).
  [[nodiscard]] Result<std::uint32_t> forget(const std::string& account);

  // Tokens of the HTTP API. A new one's text is seen this once; an engine that runs knows it, or
  // its removal, within two seconds. Two may have one name, so that clients can change over.
  struct NewToken {
    TokenView token;
    std::string text;  // orx_ID_SECRET, of 256 random bits
  };
  [[nodiscard]] Result<NewToken> add_token(const std::string& name, Role role,
                                           const std::string& account);
  [[nodiscard]] Result<std::vector<TokenView>> tokens();
  // By name; of two with that name only the one with the id, unless it is empty. Returns how many.
  [[nodiscard]] Result<std::uint32_t> remove_token(const std::string& name, const std::string& id);

  // Newest first. Errors: kInvalidArgument (limit).
  [[nodiscard]] Result<std::vector<AuditEntry>> audit(const AuditFilter& filter);
  // Reads every attempt and audit entry against the chain. Whoever can write the file, but has no
  // key file, cannot change, take, add or move one unnoticed. What it cannot show by itself is that
  // the whole file was put back to an earlier state: keep a `head` elsewhere, and give it as
  // `expected`. In a database kept plain the key lies in the file: there it finds accidents.
  // Errors: kInvalidArgument (expected), kKey, kCorrupt (the chain's key is gone).
  [[nodiscard]] Result<ChainView> verify_audit(const std::string& expected = {});

  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

 private:
  class Impl;
  explicit Database(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrider
