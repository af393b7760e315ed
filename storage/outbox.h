// The outbox: where events are safe. One interface for every database; the contract below is
// checked against each by the suite in tests/conformance.
//
// Writing is mutations, as values. apply() runs a batch of them in one transaction with one durable
// commit; each gets its own outcome (a refused one leaves no trace and does not disturb the
// others). Nothing is acknowledged before apply() has returned. An error of apply() itself says
// what happened to the whole batch: kBusy, kIo: nothing of it was committed; kUnknownOutcome: it
// may or may not have been, the Outbox is poisoned and every later call answers the same; reopen.
//
// Reading is bounded: every list has a limit. Reads see the last commit.
//
// Threads: one thread at a time. Inside ids are row ids; times are UTC milliseconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "core/deactivation_policy.h"
#include "core/lifecycle.h"
#include "core/trace_context.h"
#include "outrider/result.h"
#include "outrider/types.h"

namespace outrider::storage {

using EventRow = std::int64_t;
using DeliveryRow = std::int64_t;
using EndpointRow = std::int64_t;
using NoticeRow = std::int64_t;

// A row of waiting work: (endpoint, next_at, delivery) is its identity.
struct DueRow {
  EndpointRow endpoint = 0;
  std::int64_t next_at = 0;
  DeliveryRow delivery = 0;
  std::uint32_t attempt = 1;  // number of the next attempt
};

// ---- mutations

// What the provider's rules say, as values, so that storage decides within the transaction and
// knows no provider.
struct EnqueueRules {
  bool refuse_without_endpoint = false;  // "you must have a webhook enabled"
  bool refuse_while_deactivated =
      false;  // the account has endpoints of this provider and all are deactivated
  bool cancel_for_deactivated =
      false;  // a deactivated endpoint gets a delivery that is cancelled at once
};

struct Enqueue {
  std::string account;
  std::string provider;
  std::string type;
  std::string body;  // canonical: what will be sent
  std::string
      payload_sha256;  // 32 bytes, of `body`: tells whether a repeated key brings the same payload
  std::optional<std::string> idempotency_key;
  std::string ordering_key;  // empty: none
  std::optional<std::int64_t> expires_at;
  bool expiry_spares_first = false;
  bool is_test = false;
  std::uint32_t max_attempts = 0;      // 0: the provider's
  std::vector<EndpointRow> endpoints;  // only these (each of this account and provider, else
                                       // kNotFound); empty: all that match the type
  EnqueueRules rules;
  std::int64_t now = 0;
  std::optional<std::int64_t>
      inbox_row;           // set: that outrider_outbox row becomes accepted in the same commit
  std::string actor = {};  // not empty: an operator's test of its one endpoint, for the audit trail
  core::TraceContext trace = {};
};
struct Enqueued {
  EventRow event = 0;
  bool duplicate = false;
  std::uint32_t deliveries = 0;
  std::vector<DueRow>
      due;  // rows that became due (active endpoints, no earlier event with the same ordering key)
};

struct RejectInboxRow {
  std::int64_t row = 0;
  std::string reason;  // names the pointer; never payload bytes. The payload is erased.
  std::int64_t now = 0;
};

struct AttemptRecord {
  std::uint32_t number = 1;
  std::int64_t started_at = 0;
  std::int64_t duration_ms = 0;
  ErrorClass error = ErrorClass::kNone;
  int status = 0;
  std::string peer;
  std::string detail;
  std::string response;    // at most 16 KiB
  std::string unreadable;  // of a read; not empty: why the response cannot be opened
};

// A breaker's state after this attempt. `epoch` must be the one it was loaded with: activation
// raises it, and an outcome that was computed from older health then changes neither health nor
// endpoint.
struct HealthUpdate {
  core::Health health;
  std::uint64_t epoch = 0;
  core::DeactivationScope scope = core::DeactivationScope::kEndpoint;  // whose breaker it is
};
// With account scope every endpoint of the account and provider that is not removed is deactivated,
// the paused ones too: the provider's word is about the account. With kCancel all that is pending
// for them is cancelled at once for every reader; Maintain carries the rest out in bounded steps.
struct Deactivation {
  core::DeactivationScope scope = core::DeactivationScope::kEndpoint;
  core::PendingRule pending = core::PendingRule::kHold;
  std::string reason;
};

// An attempt was made. One commit carries its record, the delivery's next state and the endpoint's
// health. What operators did meanwhile counts: of a delivery they cancelled the attempt is
// recorded, a success wins (the receiver has it), anything else leaves it cancelled; one they
// cancelled and retried is due when they said. Errors: kNotFound (removed by retention), kConflict
// (the number does not follow the recorded ones: the caller records something twice).
struct AttemptFinished {
  DueRow claimed;
  AttemptRecord attempt;
  core::DeliveryStep step = core::DeliveryStep::kSucceed;  // kSucceed, kFailAgain, kExhaust
  std::int64_t next_at = 0;                                // for kFailAgain
  std::string reason;                                      // for kExhaust
  std::optional<HealthUpdate> health;                      // unset: does not count (test events)
  std::optional<Deactivation> deactivate;
  std::int64_t now = 0;
};
// A claimed delivery ends without an attempt.
struct DeliveryEnded {
  DueRow claimed;
  core::DeliveryStep step = core::DeliveryStep::kExpire;  // kExpire, kCancel
  std::string reason;
  std::int64_t now = 0;
};
struct Finished {
  DeliveryState state =
      DeliveryState::kPending;  // as stored now (an operator's cancel may have come first)
  std::vector<DueRow> due;      // the retry, and the next of the ordering key
  std::vector<EndpointRow>
      deactivated;            // endpoints this switched off (the whole account's, with that scope)
  bool stale_health = false;  // the epoch did not match
};

// `actor`, here and below: who does it, for the audit trail.
struct AddEndpoint {
  EndpointSpec spec;
  std::optional<std::uint32_t> max_per_account;  // of the provider: one more is kRefused
  std::int64_t now = 0;
  std::string actor;
};
// A change to the state it has already is nothing (count 0). Pausing a deactivated endpoint is
// kConflict, a removed or unknown one kNotFound. Removal cancels what is pending and erases
// secrets.
struct ChangeEndpoint {
  enum class Kind : std::uint8_t { kPause, kActivate, kRemove };
  EndpointRow endpoint = 0;
  Kind kind = Kind::kPause;
  core::DeactivationScope scope =
      core::DeactivationScope::kEndpoint;  // whose health activation clears
  std::string reason;
  std::int64_t now = 0;
  std::string actor;
};
// Of its TLS settings those that `change` names; the others stay as they are on the disk, so that
// two operators do not undo each other's. A certificate and its key are named together, and both
// are empty when they go; the old key is erased. Errors: kNotFound, kInvalidArgument (nothing is
// named, or one of the two without the other).
struct SetTls {
  EndpointRow endpoint = 0;
  TlsChange change;
  std::int64_t now = 0;
  std::string actor;
};
struct RotateSecret {
  EndpointRow endpoint = 0;
  std::string secret;
  std::int64_t overlap_ms = 0;  // old ones end at now + overlap; at most 10 live, else kRefused
  std::int64_t now = 0;
  std::string actor;
};
// The endpoint as it is to be; the account, the provider, the secrets and the TLS identity stay.
struct UpdateEndpoint {
  EndpointRow endpoint = 0;
  EndpointSpec spec;
  bool new_headers = false;
  std::string what;  // the fields that changed, for the audit trail
  std::int64_t now = 0;
  std::string actor;
};
// The API's tokens; at most two of one name (kRefused).
struct AddToken {
  TokenView token;
  std::int64_t now = 0;
  std::string actor;
};
struct RemoveToken {
  std::string name;
  std::string id;  // empty: all of that name
  std::int64_t now = 0;
  std::string actor;
};
// A durable write that changes nothing else: whether it can be made says whether events can.
struct Touch {
  std::int64_t now = 0;
};
// Operators: make due now (retry) or end (cancel) the event's deliveries, or one delivery (exactly
// one of the two is set). Retry reaches what ended badly or waits for a later attempt (and what was
// delivered, unless failed_only), gives it a fresh count of attempts, and matches an event without
// deliveries against the endpoints of today. With an ordering key it waits for the one at work and
// goes next. Errors: kNotFound, kRefused (payload purged, endpoint removed).
struct RetryDeliveries {
  std::optional<EventRow> event;
  std::optional<DeliveryRow> delivery;
  bool failed_only = true;
  std::int64_t now = 0;
  std::string actor;
};
struct CancelDeliveries {
  std::optional<EventRow> event;
  std::optional<DeliveryRow> delivery;
  std::string reason;
  std::int64_t now = 0;
  std::string actor;
};
// Makes these events due again for one endpoint: what ended there in one of `states`, and with
// `missed` what has no delivery there. Anything else is left alone: asking twice is harmless. A
// cancellation under way is carried out first, in bounded steps: `id` of the outcome says how many
// events were dealt with, from the front; ask again with the rest. Errors: kNotFound.
struct ReplayEvents {
  EndpointRow endpoint = 0;
  std::vector<EventRow> events;
  std::vector<DeliveryState> states;
  bool missed = false;
  std::string what;  // the operator's filter in words, for the audit trail
  std::int64_t now = 0;
  std::string actor;
};
// One bounded step of housekeeping: finishes cancellations that a deactivation or removal began,
// erases ended secrets, purges the payloads of events that finished (every delivery ended, or there
// was none) before `payloads_before`, removes those that finished before `attempts_before` with all
// that belongs to them, and the notices of before then. Row ids are never given out again.
struct Maintain {
  std::int64_t payloads_before = 0;  // 0: keep
  std::int64_t attempts_before = 0;
  std::uint32_t limit = 500;  // rows per kind, 1-100000
  std::int64_t now = 0;
};

// A payload was shown unmasked.
struct RecordReveal {
  EventRow event = 0;
  std::int64_t now = 0;
  std::string actor;
};
// Destroys an account's keys: what was sealed for it becomes unreadable, here and in every copy of
// the database. Its endpoints are removed, what is pending is cancelled, what waits in
// outrider_outbox for it is erased; the record of its attempts stays. Doing it again finishes what
// a crash interrupted. Errors: kRefused (the database is kept plain), kKey, kIo (the key file
// cannot be replaced).
struct ForgetAccount {
  std::string account;
  std::int64_t now = 0;
  std::string actor;
};
// Notices become events of a provider whose definition asks for them: for each account that has
// endpoints of it, one event that goes to those that were added before the notice. Either all of it
// and the cursor, or nothing; so none is lost, and none is told twice. Errors: kConflict (the
// cursor is not at `from`: read again).
struct ForwardNotices {
  struct Told {
    NoticeRow notice = 0;
    std::string type, body;  // of the event: canonical
  };
  std::string provider;
  NoticeRow from = 0, through = 0;  // the cursor before and after
  std::vector<Told> told;           // in order; those between that are left out are not told
  std::int64_t now = 0;
};
// A step of a key rotation, to be repeated until it answers 0 keys changed: the first begins a new
// generation of the key file, the last drops the older ones; those between wrap up to `limit` data
// keys anew. Errors as above.
struct RotateKeys {
  std::uint32_t limit = 500;  // 1-100000
  std::int64_t now = 0;
  std::string actor;
};

struct Changed {
  std::int64_t id = 0;      // row id of what was added
  std::uint32_t count = 0;  // rows changed; for Maintain 0 means nothing is left to do
};

using Mutation =
    std::variant<Enqueue, RejectInboxRow, AttemptFinished, DeliveryEnded, AddEndpoint,
                 ChangeEndpoint, SetTls, RotateSecret, RetryDeliveries, CancelDeliveries, Maintain,
                 RecordReveal, ForgetAccount, RotateKeys, UpdateEndpoint, AddToken, RemoveToken,
                 Touch, ForwardNotices, ReplayEvents>;
using Applied = std::variant<Changed, Enqueued, Finished>;
using Outcome = Result<Applied>;  // Enqueue, ForwardNotices -> Enqueued; AttemptFinished,
                                  // DeliveryEnded -> Finished; else Changed

// ---- what the engine reads

struct EndpointRecord {
  EndpointRow row = 0;
  EndpointSpec spec;  // spec.secret is empty
  EndpointState state = EndpointState::kActive;
  std::string state_reason;
  std::int64_t state_changed_at = 0;
  std::int64_t created_at = 0;
  bool removed = false;
  std::vector<Secret> secrets;  // not expired at the time of reading, newest first
  core::Health health;          // of its own breaker
  std::uint64_t epoch = 0;
  std::string unreadable;  // not empty: why its headers, secrets or TLS key cannot be opened
};
struct AccountHealth {
  core::Health health;
  std::uint64_t epoch = 0;
};

struct DeliveryJob {
  DeliveryRow delivery = 0;
  EventRow event = 0;
  EndpointRow endpoint = 0;
  DeliveryState state = DeliveryState::kPending;          // as stored
  EndpointState endpoint_state = EndpointState::kActive;  // as of this read
  std::string provider;
  std::string type;
  std::string body;
  std::string unreadable;           // not empty: why the body cannot be opened
  bool unreadable_for_now = false;  // the key file is at fault, not the row
  std::optional<std::int64_t> expires_at;
  bool expiry_spares_first = false;
  bool is_test = false;
  bool is_ordered = false;  // another may wait for it
  std::uint32_t max_attempts = 0;
  std::uint32_t attempts_base =
      0;  // attempts made before the last operator's retry: the retry policy counts from here
  std::int64_t created_at = 0;
  core::TraceContext trace = {};
};

struct InboxRow {
  std::int64_t row = 0;
  std::string account, provider, type, payload;
  std::optional<std::string> idempotency_key, ordering_key;
  std::optional<std::int64_t> expires_at;
  std::string malformed;  // not empty: a column has an impossible value; says which and why
  std::optional<std::string> traceparent = {}, tracestate = {};
};

// What happened since the last call that the caller's own batches did not tell it: what other
// connections enqueued, and what operators changed through whichever connection, this one included.
// Cheap when nothing was. The first call reports the inbox only: the rest is read at the start.
struct ForeignChanges {
  bool any = false;
  std::vector<EndpointRow> endpoints;   // added or changed by an operator: read them again
  std::vector<EndpointRow> work;        // have new due rows
  std::vector<DeliveryRow> deliveries;  // retried or cancelled by an operator
  bool inbox = false;                   // outrider_outbox has rows to pick up
};

// ---- what operators read

struct EventRecord {
  EventRow row = 0;
  std::string account, provider, type;
  std::int64_t created_at = 0;
  bool has_idempotency_key = false;
  std::optional<std::string> ordering_key;
  std::optional<std::int64_t> expires_at;
  std::string body;
  bool purged = false;
  std::string unreadable;  // not empty: why the body cannot be opened
  core::TraceContext trace = {};
};
struct DeliveryRecord {
  DeliveryRow row = 0;
  EventRow event = 0;
  EndpointRow endpoint = 0;
  std::string url;
  DeliveryState state = DeliveryState::kPending;  // visible: held is derived
  std::string reason;
  std::uint32_t attempts = 0;
  std::optional<std::int64_t> next_at;
  std::optional<std::int64_t> finished_at;
};
struct EventQuery {
  std::string account, provider, type;
  std::optional<DeliveryState> state;
  std::optional<EndpointRow> endpoint;
  std::string idempotency_key;  // not empty: of this account and provider
  std::optional<EventRow> before;
  std::uint32_t limit = 50;
};
// A page of what ReplayEvents would take, in the order of acceptance.
struct ReplayPlace {
  std::int64_t at = 0;  // of acceptance
  EventRow event = 0;
};
struct ReplayQuery {
  EndpointRow endpoint = 0;
  std::optional<ReplayPlace> after;        // goes on behind it
  std::int64_t since = 0, until = 0;       // [since, until)
  std::vector<std::string> types;          // empty: all
  std::vector<DeliveryState> states = {};  // ended ones
  bool missed = false;
  std::vector<EventRow> events;            // not empty: these, whatever else lies in the range
  std::uint32_t limit = 250, scan = 5000;  // events to be taken, and looked at
  std::int64_t now = 0;
};
struct ReplayPage {
  std::vector<EventRow> events;
  std::uint32_t waiting = 0, expired = 0, purged = 0, too_often = 0, unknown = 0;  // left alone
  std::uint32_t scanned = 0;
  std::optional<ReplayPlace> next;  // not the end: the last one looked at
};

struct QueueCounts {
  std::uint64_t waiting = 0, due = 0, held = 0;
  std::map<DeliveryState, std::uint64_t> finished;  // by terminal state
  std::uint64_t inbox = 0, rejected = 0;
  std::map<EndpointState, std::uint64_t> endpoints;  // that are not removed
  std::optional<std::int64_t> oldest_at, next_at;
};
struct EndpointCounts {
  EndpointRow endpoint = 0;
  std::uint64_t waiting = 0, due = 0, held = 0, exhausted = 0;
  std::optional<std::int64_t> oldest_at, next_at;
};
// Attempts of one endpoint that ended within a time, which is widened at its beginning to the full
// five minutes. Percentiles of their duration are at most an eighth too high; unset: there was
// none.
struct AttemptTally {
  std::int64_t since = 0, until = 0;
  std::map<ErrorClass, std::uint64_t> by_error;
  std::optional<std::int64_t> p50_ms, p95_ms, p99_ms;
  std::optional<std::int64_t> last_success_at, last_failure_at;
};
struct EndpointCensus {
  AttemptTally attempts;
  EndpointCounts waiting;
  std::map<DeliveryState, std::uint64_t> finished;  // all that are on record, by terminal state
};
struct RejectedRecord {
  std::int64_t row = 0;
  std::string account, provider, type, reason;
  std::int64_t created_at = 0;
};

// What is told of in the commit that does it: an endpoint that is switched off by its provider's
// rules or activated, a delivery (of no test) that is exhausted or expired, a row of
// outrider_outbox that is rejected. Row ids ascend in the order of the commits and are never given
// out again.
struct NoticeRecord {
  NoticeRow row = 0;
  std::int64_t at = 0;
  NoticeKind kind = NoticeKind::kEndpointDeactivated;
  std::string account, provider, type;
  std::optional<EndpointRow> endpoint;
  std::optional<DeliveryRow> delivery;
  std::optional<EventRow> event;
  std::optional<std::int64_t> inbox;
  std::string detail;
};
struct NoticeQuery {
  NoticeRow after = 0;
  std::optional<std::int64_t> since;
  std::optional<NoticeKind> kind;
  std::string account;
  bool newest = false;  // the last ones instead of the first; ascending all the same
  std::uint32_t limit = 50;
};
struct NoticeRows {
  std::vector<NoticeRecord> notices;
  NoticeRow through = 0;  // all up to this one were looked at: go on after it
};

struct KeyStatus {
  bool sealed = false;            // false: the database is kept plain
  std::string key_file;           // its path
  std::string problem;            // not empty: why the key file cannot be used
  std::uint32_t generation = 0;   // current
  bool rotating = false;          // a rotation was begun and not finished
  std::uint64_t keys = 0;         // data keys
  std::uint64_t keys_behind = 0;  // of them still wrapped with an older generation
  std::uint64_t accounts = 0;
};

// What operators did. Kinds are stored: their numbers stay.
enum class ObjectKind : std::uint8_t { kNone = 0, kEndpoint = 1, kDelivery = 2, kEvent = 3 };
struct AuditRecord {
  std::int64_t row = 0;
  std::int64_t at = 0;
  std::string actor, action;
  ObjectKind kind = ObjectKind::kNone;
  std::int64_t object = 0;
  std::string account, detail;
};
struct AuditQuery {
  std::string account, action;  // empty: any
  std::optional<std::int64_t> since;
  std::optional<std::int64_t> before;  // row
  std::uint32_t limit = 50;
};

// A place in the chain over attempts and audit rows.
struct ChainPoint {
  std::int64_t seq = 0;
  std::string digest;  // 16 bytes
};
struct ChainFault {
  enum class Row : std::uint8_t { kNone, kAttempt, kAudit };  // kNone: of the chain as a whole
  Row row = Row::kNone;
  std::int64_t id = 0;        // the delivery, or the audit row
  std::uint32_t attempt = 0;  // its number
  std::string what;
};
struct ChainReport {
  std::uint64_t attempts = 0, audits = 0;  // rows that were looked at
  std::uint64_t removed = 0;               // by retention, and their links still there
  std::int64_t start = 0;                  // links up to this one were dropped
  ChainPoint head;                         // the last link; 0: none yet
  bool expected_too_old = false;           // the expected point lies before the start
  std::vector<ChainFault> faults;          // the first hundred
  std::uint64_t fault_count = 0;
};

class Outbox {
 public:
  virtual ~Outbox() = default;

  // One transaction, one durable commit, an outcome for each mutation in order. An empty batch is
  // nothing.
  [[nodiscard]] virtual Result<std::vector<Outcome>> apply(std::span<const Mutation> batch) = 0;

  // The engine's reads.
  [[nodiscard]] virtual Result<std::vector<EndpointRecord>> endpoints(
      std::int64_t now) = 0;  // not removed
  [[nodiscard]] virtual Result<std::optional<EndpointRecord>> endpoint(EndpointRow row,
                                                                       std::int64_t now) = 0;
  [[nodiscard]] virtual Result<AccountHealth> account_health(const std::string& provider,
                                                             const std::string& account) = 0;
  // The endpoint's earliest rows by (next_at, delivery), whatever their time. Those whose
  // cancellation is under way are left out.
  [[nodiscard]] virtual Result<std::vector<DueRow>> due(EndpointRow endpoint,
                                                        std::size_t limit) = 0;
  // Unknown ones are left out. Sorted by delivery.
  [[nodiscard]] virtual Result<std::vector<DeliveryJob>> jobs(
      std::vector<DeliveryRow> deliveries) = 0;
  [[nodiscard]] virtual Result<std::vector<InboxRow>> inbox(std::size_t limit) = 0;
  [[nodiscard]] virtual Result<ForeignChanges> foreign_changes() = 0;

  // The operators' reads.
  [[nodiscard]] virtual Result<std::vector<EventRecord>> events(
      const EventQuery& query) = 0;  // newest first, no bodies
  [[nodiscard]] virtual Result<std::optional<EventRecord>> event(EventRow row) = 0;
  [[nodiscard]] virtual Result<std::optional<DeliveryRecord>> delivery(DeliveryRow row) = 0;
  [[nodiscard]] virtual Result<std::vector<DeliveryRecord>> deliveries(EventRow event) = 0;
  [[nodiscard]] virtual Result<std::vector<AttemptRecord>> attempts(DeliveryRow delivery) = 0;
  [[nodiscard]] virtual Result<ReplayPage> replayable(const ReplayQuery& query) = 0;
  [[nodiscard]] virtual Result<QueueCounts> queue(std::int64_t now) = 0;
  [[nodiscard]] virtual Result<std::vector<EndpointCounts>> queue_by_endpoint(std::int64_t now) = 0;
  // Costs a seek for each five minutes of the time, and a walk over what waits.
  [[nodiscard]] virtual Result<EndpointCensus> endpoint_census(EndpointRow endpoint,
                                                               std::int64_t since,
                                                               std::int64_t until,
                                                               std::int64_t now) = 0;
  [[nodiscard]] virtual Result<std::vector<RejectedRecord>> rejected(std::uint32_t limit) = 0;

  [[nodiscard]] virtual Result<NoticeRows> notices(const NoticeQuery& query) = 0;
  // Where ForwardNotices stands for this provider; what its oldest endpoint must not hear is passed
  // over.
  [[nodiscard]] virtual Result<NoticeRow> notices_forwarded(const std::string& provider) = 0;

  [[nodiscard]] virtual Result<KeyStatus> key_status() = 0;
  [[nodiscard]] virtual Result<std::vector<TokenView>> tokens() = 0;

  [[nodiscard]] virtual Result<std::vector<AuditRecord>> audit(
      const AuditQuery& query) = 0;  // newest first
  // Every attempt and audit row against the chain, in one snapshot and bounded memory. `expected`:
  // a head of earlier must still be part of it. Errors: kKey.
  [[nodiscard]] virtual Result<ChainReport> verify_chain(
      const std::optional<ChainPoint>& expected) = 0;

  // The database's own key for public ids (random, made at creation).
  [[nodiscard]] virtual Result<std::string> id_key() = 0;
};

}  // namespace outrider::storage
