// What can be done to an outbox, as values: one struct for each mutation, and what it answers.
// Outbox::apply() (storage/outbox.h) says when an answer is true.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/deactivation_policy.h"
#include "core/lifecycle.h"
#include "core/trace_context.h"
#include "outrider/result.h"
#include "outrider/types.h"
#include "storage/rows.h"

namespace outrider::storage {

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
  // With an idempotency key: 32 bytes, of `body`, which tell whether a repeated key brings the same
  // payload.
  std::string payload_sha256;
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

}  // namespace outrider::storage
