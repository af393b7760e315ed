// From an event to its rows: the event, one delivery per matching endpoint, its idempotency key;
// and the other end of the plain SQL way in, where a row of outrider_outbox is answered.
#include <algorithm>

#include "storage/sqlite/accepted.h"
#include "storage/sqlite/audit.h"
#include "storage/sqlite/notices.h"
#include "storage/sqlite/of_event.h"
#include "storage/sqlite/transaction.h"

namespace outrider::storage {
namespace {

constexpr const char* kKnownKey =
    "SELECT event, payload, (SELECT count(*) FROM outrider_delivery d"
    "   WHERE " OUTRIDER_OF_EVENT("i.event") ")"
    " FROM outrider_idempotency i WHERE account = ? AND provider = ? AND key = ?";
constexpr const char* kInsertKey =
    "INSERT INTO outrider_idempotency (account, provider, key, event, payload)"
    " VALUES (?, ?, ?, ?, ?)";
constexpr const char* kInsertEvent =
    "INSERT INTO outrider_event (id, account, provider, type, created_at, flags, max_attempts,"
    " expires_at, idempotency_key, ordering_key, body, trace)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr const char* kIsNew = "SELECT 1 FROM outrider_outbox WHERE id = ? AND state = 'new'";
constexpr const char* kAccept =
    "UPDATE outrider_outbox SET state = 'accepted', payload = NULL, idempotency_key = NULL,"
    " event = ?2 WHERE id = ?1";
constexpr const char* kReject =
    "UPDATE outrider_outbox SET state = 'rejected', payload = NULL, idempotency_key = NULL,"
    " reason = ?2 WHERE id = ?1";

Result<void> check_inbox_row(Transaction& tx, std::int64_t row) {
  auto found = tx.db.query(kIsNew, row);
  if (found.next()) return {};
  return fail(ErrorCode::kConflict, "this row was picked up already, or is gone",
              "outrider_outbox " + std::to_string(row));
}

Result<void> check_event(const Enqueue& event) {
  if (event.is_test && event.endpoints.empty()) {
    return fail(ErrorCode::kInvalidArgument, "a test event goes to a named endpoint", "endpoints",
                "name the endpoint under test");
  }
  if (event.idempotency_key && event.payload_sha256.size() != 32) {
    return fail(ErrorCode::kInvalidArgument, "an idempotency key needs the payload's digest",
                "payload_sha256");
  }
  return {};
}

// What is stored of an idempotency key and its payload.
struct Digests {
  std::string key, payload;
};

Digests digests_of(Transaction& tx, const Enqueue& event) {
  return {.key = tx.sealing.digest(tx.db, event.account, kIdempotencyDigest,
                                   idempotency_text(event.provider, *event.idempotency_key)),
          .payload = tx.sealing.digest(tx.db, event.account, kPayloadDigest, event.payload_sha256)};
}

// The event this key already stands for.
Result<std::optional<Enqueued>> find_duplicate(Transaction& tx, const Enqueue& event) {
  if (!event.idempotency_key) return std::nullopt;
  const auto key =
      tx.sealing.known_digest(tx.db, event.account, kIdempotencyDigest,
                              idempotency_text(event.provider, *event.idempotency_key));
  if (!key) return std::nullopt;
  auto known = tx.db.query(kKnownKey, event.account, event.provider, Bytes{*key});
  if (!known.next()) return std::nullopt;
  const auto payload =
      tx.sealing.known_digest(tx.db, event.account, kPayloadDigest, event.payload_sha256);
  if (known.text(1) != payload) {
    return fail(ErrorCode::kConflict, "this idempotency key was used with another payload",
                "idempotency_key", "use a new key for a new event");
  }
  Enqueued first{.event = known.integer(0), .duplicate = true, .deliveries = known.count(2)};
  return first;
}

// The row's plaintext goes; what the write-ahead log has of it goes soon (transaction.h).
void accept(Transaction& tx, std::int64_t inbox_row, EventRow event, std::int64_t now) {
  tx.db.run(kAccept, inbox_row, event);
  tx.plain_erased_at = now;
}

// Those that get the event, or the reason why it is refused.
Result<std::vector<Candidate>> recipients(Transaction& tx, const Enqueue& event) {
  const std::vector<Candidate>& all = candidates(tx, event.account, event.provider, event.type);
  if (event.rules.refuse_while_deactivated && !all.empty() &&
      std::ranges::all_of(all, [](const Candidate& endpoint) {
        return endpoint.state == EndpointState::kDeactivated;
      })) {
    return fail(ErrorCode::kRefused, "the account's endpoints are deactivated", "account",
                "activate them first; see: outrider endpoint list");
  }
  std::vector<Candidate> chosen;
  if (event.endpoints.empty()) {
    std::ranges::copy_if(all, std::back_inserter(chosen),
                         [](const Candidate& endpoint) { return endpoint.matches; });
  } else {
    for (const EndpointRow row : event.endpoints) {
      const auto found = std::ranges::find(all, row, &Candidate::row);
      if (found == all.end()) {
        return fail(ErrorCode::kNotFound, "no such endpoint of this account and provider",
                    "endpoints", "see: outrider endpoint list");
      }
      if (std::ranges::find(chosen, row, &Candidate::row) == chosen.end()) {
        chosen.push_back(*found);
      }
    }
  }
  if (chosen.empty() && event.rules.refuse_without_endpoint) {
    return fail(ErrorCode::kRefused,
                "you must have a webhook enabled: no endpoint takes this event", "account",
                "add an endpoint for this account, provider and event type first");
  }
  return chosen;
}

EventRow insert_event(Transaction& tx, const Enqueue& event,
                      const std::optional<Digests>& digests) {
  const int flags = (event.is_test ? kEventTest : 0) |
                    (event.expiry_spares_first ? kEventExpirySparesFirst : 0) |
                    (event.endpoints.empty() ? 0 : kEventAddressed);
  std::optional<std::string_view> ordering_key;
  if (!event.ordering_key.empty()) ordering_key = event.ordering_key;
  std::optional<Bytes> key;
  if (digests) key = Bytes{digests->key};
  const EventRow row = next_event(tx, event.now);  // sealing needs it before the row is there
  const std::string body =
      tx.sealing.seal(tx.db, KeyUse::kDay, body_place(event.account, row), event.now, event.body);
  tx.db.run(kInsertEvent, row, event.account, event.provider, event.type, event.now, flags,
            event.max_attempts, event.expires_at, key, ordering_key, Bytes{body},
            encode_trace(event.trace));
  return row;
}

}  // namespace

std::string idempotency_text(std::string_view provider, std::string_view key) {
  return std::string(provider).append(1, '\0').append(key);
}

Outcome apply(Transaction& tx, const Enqueue& event) {
  if (auto ok = check_event(event); !ok) return tl::unexpected(std::move(ok.error()));
  if (event.inbox_row) {
    if (auto ok = check_inbox_row(tx, *event.inbox_row); !ok) {
      return tl::unexpected(std::move(ok.error()));
    }
  }
  auto duplicate = find_duplicate(tx, event);
  if (!duplicate) return tl::unexpected(std::move(duplicate.error()));
  if (*duplicate) {
    if (event.inbox_row) accept(tx, *event.inbox_row, (*duplicate)->event, event.now);
    return **duplicate;
  }
  auto chosen = recipients(tx, event);
  if (!chosen) return tl::unexpected(std::move(chosen.error()));

  Enqueued enqueued;
  std::optional<Digests> digests;
  if (event.idempotency_key) digests = digests_of(tx, event);
  enqueued.event = insert_event(tx, event, digests);
  enqueued.deliveries = static_cast<std::uint32_t>(chosen->size());
  if (digests) {
    tx.db.run(kInsertKey, event.account, event.provider, Bytes{digests->key}, enqueued.event,
              Bytes{digests->payload});
  }
  for (const Candidate& endpoint : *chosen) {
    const NewDelivery row{.event = enqueued.event,
                          .is_first = &endpoint == &chosen->front(),
                          .endpoint = endpoint.row,
                          .endpoint_state = endpoint.state,
                          .ordering_key = event.ordering_key,
                          .now = event.now};
    if (event.rules.cancel_for_deactivated && endpoint.state == EndpointState::kDeactivated) {
      insert_cancelled(tx, row, "the endpoint was deactivated when the event came");
    } else {
      insert_delivery(tx, row, enqueued.due);
    }
  }
  if (event.inbox_row) accept(tx, *event.inbox_row, enqueued.event, event.now);
  if (!event.actor.empty() && event.endpoints.size() == 1) {
    audit(tx, {.actor = event.actor,
               .action = "endpoint.test",
               .kind = ObjectKind::kEndpoint,
               .object = event.endpoints.front(),
               .account = event.account,
               .detail = event.type,
               .now = event.now});
  }
  return enqueued;
}

Outcome apply(Transaction& tx, const RejectInboxRow& rejection) {
  if (auto ok = check_inbox_row(tx, rejection.row); !ok) {
    return tl::unexpected(std::move(ok.error()));
  }
  tx.db.run(kReject, rejection.row, rejection.reason);
  note_rejection(tx, rejection.row, rejection.reason, rejection.now);
  tx.plain_erased_at = rejection.now;
  return Changed{.id = rejection.row, .count = 1};
}

}  // namespace outrider::storage
