// From an event to its rows: the event, one delivery per matching endpoint, its idempotency key;
// and the other end of the plain SQL way in, where a row of outrider_outbox is answered.
#include <algorithm>

#include "storage/sqlite/transaction.h"

namespace outrider::storage {
namespace {

constexpr const char* kCandidates =
    "SELECT id, state, types = '[]' OR EXISTS (SELECT 1 FROM json_each(types) WHERE value = ?3)"
    " FROM outrider_endpoint WHERE account = ?1 AND provider = ?2 AND removed_at IS NULL"
    " ORDER BY id";
constexpr const char* kKnownKey =
    "SELECT event, sha256, (SELECT count(*) FROM outrider_delivery d WHERE d.event = i.event)"
    " FROM outrider_idempotency i WHERE account = ? AND provider = ? AND key = ?";
constexpr const char* kInsertKey =
    "INSERT INTO outrider_idempotency (account, provider, key, event, sha256)"
    " VALUES (?, ?, ?, ?, ?)";
constexpr const char* kInsertEvent =
    "INSERT INTO outrider_event (account, provider, type, created_at, flags, max_attempts,"
    " expires_at, idempotency_key, ordering_key, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr const char* kIsNew = "SELECT 1 FROM outrider_outbox WHERE id = ? AND state = 'new'";
constexpr const char* kAccept =
    "UPDATE outrider_outbox SET state = 'accepted', payload = NULL, event = ?2 WHERE id = ?1";
constexpr const char* kReject =
    "UPDATE outrider_outbox SET state = 'rejected', payload = NULL, reason = ?2 WHERE id = ?1";

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

// The event this key already stands for.
Result<std::optional<Enqueued>> find_duplicate(Transaction& tx, const Enqueue& event) {
  if (!event.idempotency_key) return std::nullopt;
  auto known = tx.db.query(kKnownKey, event.account, event.provider, *event.idempotency_key);
  if (!known.next()) return std::nullopt;
  if (known.text(1) != event.payload_sha256) {
    return fail(ErrorCode::kConflict, "this idempotency key was used with another payload",
                "idempotency_key", "use a new key for a new event");
  }
  Enqueued first{.event = known.integer(0), .duplicate = true, .deliveries = known.count(2)};
  return first;
}

// Those that get the event, or the reason why it is refused.
Result<std::vector<Candidate>> recipients(Transaction& tx, const Enqueue& event) {
  const std::vector<Candidate> all = candidates(tx, event.account, event.provider, event.type);
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

EventRow insert_event(Transaction& tx, const Enqueue& event) {
  const int flags =
      (event.is_test ? kEventTest : 0) | (event.expiry_spares_first ? kEventExpirySparesFirst : 0);
  std::optional<std::string_view> ordering_key;
  if (!event.ordering_key.empty()) ordering_key = event.ordering_key;
  tx.db.run(kInsertEvent, event.account, event.provider, event.type, event.now, flags,
            event.max_attempts, event.expires_at, event.idempotency_key, ordering_key,
            Bytes{event.body});
  return tx.db.last_row_id();
}

}  // namespace

std::vector<Candidate> candidates(Transaction& tx, const std::string& account,
                                  const std::string& provider, const std::string& type) {
  std::vector<Candidate> found;
  auto rows = tx.db.query(kCandidates, account, provider, type);
  while (rows.next()) {
    found.push_back({.row = rows.integer(0),
                     .state = static_cast<EndpointState>(rows.integer(1)),
                     .matches = rows.integer(2) != 0});
  }
  return found;
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
    if (event.inbox_row) tx.db.run(kAccept, *event.inbox_row, (*duplicate)->event);
    return **duplicate;
  }
  auto chosen = recipients(tx, event);
  if (!chosen) return tl::unexpected(std::move(chosen.error()));

  Enqueued enqueued;
  enqueued.event = insert_event(tx, event);
  enqueued.deliveries = static_cast<std::uint32_t>(chosen->size());
  if (event.idempotency_key) {
    tx.db.run(kInsertKey, event.account, event.provider, *event.idempotency_key, enqueued.event,
              Bytes{event.payload_sha256});
  }
  for (const Candidate& endpoint : *chosen) {
    const NewDelivery row{.event = enqueued.event,
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
  if (event.inbox_row) tx.db.run(kAccept, *event.inbox_row, enqueued.event);
  return enqueued;
}

Outcome apply(Transaction& tx, const RejectInboxRow& rejection) {
  if (auto ok = check_inbox_row(tx, rejection.row); !ok) {
    return tl::unexpected(std::move(ok.error()));
  }
  tx.db.run(kReject, rejection.row, rejection.reason);
  return Changed{.id = rejection.row, .count = 1};
}

}  // namespace outrider::storage
