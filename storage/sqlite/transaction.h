// What the mutations of one batch share until its commit, and the rows that several of them write.
//
// Invariants of the waiting work, kept by the functions below and by nobody else:
//   - a pending delivery has its row in outrider_due, under the time that its own next_at mirrors;
//   except that
//   - of the pending deliveries of one endpoint with one ordering key, all of them rows in
//   outrider_lane,
//     exactly one has a row in outrider_due;
//   - outrider_tally counts the finished deliveries that exist, by endpoint and state;
//   - the first delivery of an event has the row id of its event, unless that was not free
//     (of_event.h).
// `held` is not stored, and neither is every cancellation at once: a pending delivery whose id is
// not above its endpoint's cancel_through is cancelled already for everybody who asks; its row
// follows in bounded steps (sweep).
//
// A mutation checks everything that may refuse it before it writes anything: a refused one leaves
// no trace, and no savepoint is needed. apply() asserts it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/mutations.h"
#include "storage/sqlite/chain.h"
#include "storage/sqlite/db.h"
#include "storage/sqlite/endpoint_facts.h"
#include "storage/sqlite/sealing.h"
#include "storage/sqlite/tally.h"

namespace outrider::storage {

// Where retention stands: in memory, and renewed only by a commit.
struct RetentionWalk {
  std::int64_t position = 0;  // everything up to this event was looked at in this round
  std::int64_t stuck = 0;     // the first event of this round that could not be dealt with yet
};
struct Retention {
  std::optional<std::int64_t> purged_through;  // as stored; unset: not read yet
  RetentionWalk purge, removal;
  bool erased = false;  // since the write-ahead log was last emptied
};

struct NewestEvent {
  EventRow row = 0;
  std::optional<std::int64_t> slot;  // of its acceptance (accepted.h); unset: there is none
};

struct Transaction {
  Db& db;
  Sealing& sealing;
  Retention retention;
  std::int64_t followed_through = 0;  // of outrider_change: read by this connection's engine
  Tallies tallies;
  std::optional<DeliveryRow> newest_before,
      newest_delivery;  // of this transaction, and now; unset: not asked
  bool logged_change = false;
  bool empty_log = false;  // erased text must leave the write-ahead log too, now
  std::optional<std::int64_t> plain_erased_at;  // the same for what came in plain: soon
  std::optional<std::int64_t> maintained_at;
  std::optional<ChainKey> chain_key;  // of an earlier transaction
  std::optional<OpenChain> chain;
  EndpointCache endpoints;
  std::optional<NewestEvent> newest_event;  // set: known
};

// A delivery with what is needed of its endpoint.
struct StoredDelivery {
  DeliveryRow id = 0;
  EventRow event = 0;
  EndpointRow endpoint = 0;
  DeliveryState state = DeliveryState::kPending;
  std::uint32_t attempts = 0;
  std::uint32_t attempts_base = 0;
  std::optional<std::int64_t> next_at;  // set: it has a row in outrider_due
  std::optional<std::string> ordering_key;
  EndpointState endpoint_state = EndpointState::kActive;
  std::string endpoint_reason;
  std::int64_t cancel_through = 0;
  bool endpoint_removed = false;
  std::string account;

  [[nodiscard]] bool pending() const { return state == DeliveryState::kPending; }
  [[nodiscard]] bool cancelled_unswept() const { return pending() && id <= cancel_through; }
};
[[nodiscard]] std::optional<StoredDelivery> load_delivery(Transaction& tx, DeliveryRow id);

struct NewDelivery {
  EventRow event = 0;
  bool is_first = false;  // of an event inserted just now
  EndpointRow endpoint = 0;
  EndpointState endpoint_state = EndpointState::kActive;
  std::string_view ordering_key;  // empty: none
  std::int64_t now = 0;
};
// A row that became due is appended to `due` when its endpoint is active.
void insert_delivery(Transaction& tx, const NewDelivery& row, std::vector<DueRow>& due);
// One that is cancelled before it began.
void insert_cancelled(Transaction& tx, const NewDelivery& row, std::string_view reason);

// The newest one there is; 0: none.
[[nodiscard]] DeliveryRow newest_delivery(Transaction& tx);

// Makes `delivery` (its counts as set in the value, and no row in outrider_due) pending and due at
// `at`.
void make_due(Transaction& tx, StoredDelivery& delivery, std::int64_t at, std::vector<DueRow>& due);
// Takes its row out of outrider_due, if there is one.
void remove_due(Transaction& tx, StoredDelivery& delivery);
// Pending -> `state`, a terminal one. Its ordering key's next delivery becomes due.
void end_delivery(Transaction& tx, StoredDelivery& delivery, DeliveryState state,
                  std::string_view reason, std::int64_t now, std::vector<DueRow>& due);
// Terminal -> pending: due at once, or at its place behind others with its ordering key.
void revive_delivery(Transaction& tx, StoredDelivery& delivery, std::int64_t now,
                     std::vector<DueRow>& due);

// Lists as stored: JSON texts.
[[nodiscard]] std::string encode_types(Db& db, const std::vector<std::string>& types);
[[nodiscard]] std::string encode_headers(Db& db, const std::vector<HeaderField>& headers);

// Everything of this endpoint that is pending now becomes cancelled: in one small write, which
// sweep() follows up.
void cancel_all_pending(Transaction& tx, EndpointRow endpoint);
// Cancels up to `budget` rows of what cancel_all_pending() marked, and takes them from the budget.
// When it ends with budget left, nothing is marked any more.
void sweep(Transaction& tx, EndpointRow endpoint, std::int64_t now, std::uint32_t& budget);

// kWork: an endpoint has due rows that nothing in memory can contradict.
enum class ChangeKind : std::uint8_t { kEndpoint = 1, kDelivery = 2, kWork = 3 };
void log_change(Transaction& tx, ChangeKind kind, std::int64_t object, std::int64_t now);

// For good: secrets erased, what is pending cancelled.
void remove_endpoint(Transaction& tx, EndpointRow endpoint, const std::string& reason,
                     std::int64_t now);

// Failure times and event types as stored.
[[nodiscard]] std::string encode_times(const std::vector<core::WallTime>& times);
[[nodiscard]] std::vector<core::WallTime> decode_times(std::string_view text);

// The mutations. An error with a refusing code (see is_refusal) is that mutation's outcome; a
// failure of the database shows in tx.db and outweighs whatever was returned.
[[nodiscard]] Outcome apply(Transaction& tx, const Enqueue& mutation);
[[nodiscard]] Outcome apply(Transaction& tx, const RejectInboxRow& mutation);
[[nodiscard]] Outcome apply(Transaction& tx, const AttemptFinished& mutation);
[[nodiscard]] Outcome apply(Transaction& tx, const DeliveryEnded& mutation);
[[nodiscard]] Outcome apply(Transaction& tx, const AddEndpoint& mutation);
[[nodiscard]] Outcome apply(Transaction& tx, const ChangeEndpoint& mutation);
[[nodiscard]] Outcome apply(Transaction& tx, const SetTls& mutation);
[[nodiscard]] Outcome apply(Transaction& tx, const RotateSecret& mutation);
[[nodiscard]] Outcome apply(Transaction& tx, const RetryDeliveries& mutation);
[[nodiscard]] Outcome apply(Transaction& tx, const CancelDeliveries& mutation);
[[nodiscard]] Outcome apply(Transaction& tx, const Maintain& mutation);
[[nodiscard]] Outcome apply(Transaction& tx, const RecordReveal& mutation);
[[nodiscard]] Outcome apply(Transaction& tx, const ForgetAccount& mutation);
[[nodiscard]] Outcome apply(Transaction& tx, const RotateKeys& mutation);
[[nodiscard]] Outcome apply(Transaction& tx, const UpdateEndpoint& mutation);
[[nodiscard]] Outcome apply(Transaction& tx, const AddToken& mutation);
[[nodiscard]] Outcome apply(Transaction& tx, const RemoveToken& mutation);
[[nodiscard]] Outcome apply(Transaction& tx, const Touch& mutation);
[[nodiscard]] Outcome apply(Transaction& tx, const ForwardNotices& mutation);
[[nodiscard]] Outcome apply(Transaction& tx, const ReplayEvents& mutation);

// Where sealed values belong: they open nowhere else.
[[nodiscard]] constexpr crypto::SealedPlace body_place(std::string_view account, EventRow event) {
  return {.account = account, .table = "outrider_event", .row = event, .column = "body"};
}
[[nodiscard]] constexpr crypto::SealedPlace response_place(std::string_view account,
                                                           std::int64_t attempt) {
  return {.account = account, .table = "outrider_attempt", .row = attempt, .column = "response"};
}
[[nodiscard]] constexpr crypto::SealedPlace headers_place(std::string_view account,
                                                          EndpointRow endpoint) {
  return {.account = account, .table = "outrider_endpoint", .row = endpoint, .column = "headers"};
}
[[nodiscard]] constexpr crypto::SealedPlace tls_key_place(std::string_view account,
                                                          EndpointRow endpoint) {
  return {.account = account, .table = "outrider_endpoint", .row = endpoint, .column = "tls_key"};
}
[[nodiscard]] constexpr crypto::SealedPlace secret_place(std::string_view account,
                                                         std::int64_t secret) {
  return {.account = account, .table = "outrider_secret", .row = secret, .column = "secret"};
}

// The digest that an idempotency key is stored as, and what it is made of.
inline constexpr std::string_view kIdempotencyDigest = "idempotency key";
inline constexpr std::string_view kPayloadDigest = "payload";
[[nodiscard]] std::string idempotency_text(std::string_view provider, std::string_view key);

// The engine's part of AttemptFinished that concerns endpoints. Returns those that were switched
// off; `delivery` is one of the first one's and learns of it.
[[nodiscard]] std::vector<EndpointRow> deactivate(Transaction& tx, EndpointRow endpoint,
                                                  const Deactivation& deactivation,
                                                  std::int64_t now);

// outrider_event.trace; nothing where there is none.
[[nodiscard]] std::optional<std::string> encode_trace(const core::TraceContext& trace);
[[nodiscard]] core::TraceContext decode_trace(std::string_view text);

// outrider_event.flags
inline constexpr int kEventTest = 1;
inline constexpr int kEventExpirySparesFirst = 2;
inline constexpr int kEventPurged = 4;
inline constexpr int kEventAddressed = 8;  // its publisher named the endpoints

inline constexpr std::uint32_t kSweepAtOnce = 1000;  // cancellations in the commit that orders them
inline constexpr std::int64_t kAttemptsPerDelivery =
    65536;  // attempt id = delivery * this + number
// An operator's retry beyond this is refused: the provider's own limit (at most 1000) must still
// fit.
inline constexpr std::uint32_t kMostAttempts = 60000;

}  // namespace outrider::storage
