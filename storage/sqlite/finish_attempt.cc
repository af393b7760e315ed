// An attempt was made, or a delivery ended without one. What the engine decided meets here what
// operators did meanwhile, within one transaction:
//   - cancelled while the attempt was on the wire: the attempt is recorded. A success is the truth,
//   the receiver has the
//     event, so the delivery is delivered (by the lifecycle's table: a retry, then a success); any
//     other outcome leaves it.
//   - retried while on the wire: the row has moved. A success ends it; after a failure it is due
//   when the operator said,
//     with the attempts the operator gave it, whatever the engine made of the old count.
//   - activated while on the wire: the epoch has moved, and this outcome touches neither health nor
//   endpoint.
#include <algorithm>

#include "core/assert.h"
#include "storage/sqlite/notices.h"
#include "storage/sqlite/peer.h"
#include "storage/sqlite/transaction.h"

namespace outrider::storage {
namespace {

constexpr std::size_t kMostResponseBytes = 16 * 1024;

constexpr const char* kInsertAttempt =
    "INSERT INTO outrider_attempt (id, started_at, duration_ms, error, status, peer, detail,"
    " response, link) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr const char* kCountAttempt = "UPDATE outrider_delivery SET attempts = ?2 WHERE id = ?1";
constexpr const char* kSetEndpointHealth =
    "UPDATE outrider_endpoint SET consecutive = ?2, failures = ?3 WHERE id = ?1";
constexpr const char* kAccountHealth =
    "SELECT epoch, consecutive, failures FROM outrider_account WHERE provider = ? AND account = ?";
constexpr const char* kSetAccountHealth =
    "INSERT INTO outrider_account (provider, account, consecutive, failures)"
    " VALUES (?1, ?2, ?3, ?4)"
    " ON CONFLICT (provider, account) DO UPDATE SET consecutive = ?3, failures = ?4";
constexpr const char* kScope =
    "SELECT other.id, other.state FROM outrider_endpoint this JOIN outrider_endpoint other"
    " ON other.account = this.account AND other.provider = this.provider"
    " WHERE this.id = ?1 AND other.removed_at IS NULL AND (?2 OR other.id = ?1) ORDER BY other.id";
constexpr const char* kDeactivate =
    "UPDATE outrider_endpoint SET state = 2, state_reason = ?2, state_changed_at = ?3"
    " WHERE id = ?1";

std::optional<std::string_view> maybe(std::string_view text) {
  if (text.empty()) return std::nullopt;
  return text;
}

void insert_attempt(Transaction& tx, const StoredDelivery& delivery, const AttemptRecord& attempt,
                    std::int64_t now) {
  const std::int64_t id = delivery.id * kAttemptsPerDelivery + attempt.number;
  const std::string_view response(attempt.response);
  std::string sealed;
  std::optional<Bytes> excerpt;
  if (!response.empty()) {
    // Without its answer an attempt is still on record; it must not be lost for a damaged key.
    auto closed = tx.sealing.try_seal(tx.db, KeyUse::kDay, response_place(delivery.account, id),
                                      now, response.substr(0, kMostResponseBytes));
    if (closed) {
      sealed = std::move(*closed);
      excerpt = Bytes{sealed};
    }
  }
  const std::string packed = packed_peer(attempt.peer);
  std::optional<TextOrBytes> peer;
  if (!attempt.peer.empty()) {
    peer = packed.empty() ? TextOrBytes{.view = attempt.peer}
                          : TextOrBytes{.view = packed, .is_text = false};
  }
  RowText row;
  row.integer(id).integer(attempt.started_at).integer(attempt.duration_ms);
  row.integer(static_cast<int>(attempt.error)).integer(attempt.status);
  row.maybe_text(maybe(attempt.peer)).maybe_text(maybe(attempt.detail));
  excerpt ? row.bytes(sealed) : row.null();
  const std::int64_t link = add_link(tx, LinkKind::kAttempt, id, row);
  tx.db.run(kInsertAttempt, id, attempt.started_at, attempt.duration_ms,
            static_cast<int>(attempt.error), attempt.status, peer, maybe(attempt.detail), excerpt,
            link);
}

StoredHealth account_health(Transaction& tx, const EndpointFacts& endpoint) {
  auto row = tx.db.query(kAccountHealth, endpoint.provider, endpoint.account);
  if (!row.next()) return {};
  return {.epoch = static_cast<std::uint64_t>(row.integer(0)),
          .consecutive = row.count(1),
          .failures = row.text(2)};
}

// False: it was computed before an activation. A success of a healthy endpoint changes nothing and
// writes nothing.
bool update_health(Transaction& tx, EndpointRow endpoint, const HealthUpdate& update) {
  const bool by_account = update.scope == core::DeactivationScope::kAccount;
  const EndpointFacts* facts = endpoint_facts(tx, endpoint);
  if (facts == nullptr) return false;
  const StoredHealth of_account = by_account ? account_health(tx, *facts) : StoredHealth();
  const StoredHealth& stored = by_account ? of_account : facts->health;
  if (stored.epoch != update.epoch) return false;
  const std::string failures = encode_times(update.health.failures);
  if (stored.consecutive == update.health.consecutive && stored.failures == failures) return true;
  if (by_account) {
    tx.db.run(kSetAccountHealth, facts->provider, facts->account, update.health.consecutive,
              failures);
  } else {
    tx.db.run(kSetEndpointHealth, endpoint, update.health.consecutive, failures);
    tx.endpoints.forget();
  }
  return true;
}

void settle_pending(Transaction& tx, StoredDelivery& delivery, const AttemptFinished& finished,
                    std::vector<DueRow>& due) {
  const std::int64_t now = finished.now;
  const auto after = core::next_state(DeliveryState::kPending, finished.step);
  OUTRIDER_ASSERT(after.has_value());
  if (*after == DeliveryState::kDelivered) {
    end_delivery(tx, delivery, *after, {}, now, due);
    return;
  }
  const bool moved = delivery.next_at && *delivery.next_at != finished.claimed.next_at;
  if (moved && !delivery.cancelled_unswept()) {
    const std::int64_t at = *delivery.next_at;
    remove_due(tx, delivery);
    make_due(tx, delivery, at, due);
  } else if (core::is_terminal(*after)) {
    end_delivery(tx, delivery, *after, finished.reason, now, due);
  } else if (delivery.cancelled_unswept()) {
    end_delivery(tx, delivery, DeliveryState::kCancelled, delivery.endpoint_reason, now, due);
  } else {
    remove_due(tx, delivery);
    make_due(tx, delivery, finished.next_at, due);
  }
}

// An operator was faster.
void settle_finished(Transaction& tx, StoredDelivery& delivery, const AttemptFinished& finished,
                     std::vector<DueRow>& due) {
  if (finished.step == core::DeliveryStep::kSucceed &&
      delivery.state != DeliveryState::kDelivered) {
    end_delivery(tx, delivery, DeliveryState::kDelivered, {}, finished.now, due);
  } else {
    tx.db.run(kCountAttempt, delivery.id, delivery.attempts);
  }
}

tl::unexpected<Error> unknown_delivery() {
  return fail(ErrorCode::kNotFound, "no such delivery", {},
              "it may have been removed by retention");
}

}  // namespace

std::vector<EndpointRow> deactivate(Transaction& tx, EndpointRow endpoint,
                                    const Deactivation& deactivation, std::int64_t now) {
  std::vector<EndpointRow> switched_off;
  {
    const int whole_account = deactivation.scope == core::DeactivationScope::kAccount ? 1 : 0;
    auto rows = tx.db.query(kScope, endpoint, whole_account);
    while (rows.next()) {
      const auto state = static_cast<EndpointState>(rows.integer(1));
      if (core::next_state(state, core::EndpointStep::kDeactivate)) {
        switched_off.push_back(rows.integer(0));
      }
    }
  }
  for (const EndpointRow row : switched_off) {
    tx.db.run(kDeactivate, row, deactivation.reason, now);
    tx.endpoints.forget();
    note_endpoint(tx, NoticeKind::kEndpointDeactivated, row, deactivation.reason, now);
    if (deactivation.pending == core::PendingRule::kCancel) cancel_all_pending(tx, row);
  }
  return switched_off;
}

Outcome apply(Transaction& tx, const AttemptFinished& finished) {
  OUTRIDER_ASSERT(finished.step == core::DeliveryStep::kSucceed ||
                  finished.step == core::DeliveryStep::kFailAgain ||
                  finished.step == core::DeliveryStep::kExhaust);
  auto delivery = load_delivery(tx, finished.claimed.delivery);
  if (!delivery) return unknown_delivery();
  if (finished.attempt.number != delivery->attempts + 1 ||
      finished.attempt.number >= kAttemptsPerDelivery) {
    return fail(ErrorCode::kConflict, "attempt " + std::to_string(finished.attempt.number) +
                                          " does not follow the recorded " +
                                          std::to_string(delivery->attempts));
  }

  Finished result;
  insert_attempt(tx, *delivery, finished.attempt, finished.now);
  tally(tx.tallies, delivery->endpoint, finished.attempt);
  delivery->attempts = finished.attempt.number;
  if (finished.health) {
    result.stale_health = !update_health(tx, delivery->endpoint, *finished.health);
  }
  if (finished.deactivate && !result.stale_health) {
    result.deactivated = deactivate(tx, delivery->endpoint, *finished.deactivate, finished.now);
    if (auto again = load_delivery(tx, delivery->id)) {
      again->attempts = delivery->attempts;
      delivery = std::move(again);
    }
  }
  if (delivery->pending()) {
    settle_pending(tx, *delivery, finished, result.due);
  } else {
    settle_finished(tx, *delivery, finished, result.due);
  }
  std::uint32_t budget = kSweepAtOnce;
  for (const EndpointRow endpoint : result.deactivated) {
    if (budget > 0) sweep(tx, endpoint, finished.now, budget);
  }
  result.state = delivery->state;
  return result;
}

Outcome apply(Transaction& tx, const DeliveryEnded& ended) {
  const auto after = core::next_state(DeliveryState::kPending, ended.step);
  OUTRIDER_ASSERT(ended.step == core::DeliveryStep::kExpire ||
                  ended.step == core::DeliveryStep::kCancel);
  auto delivery = load_delivery(tx, ended.claimed.delivery);
  if (!delivery) return unknown_delivery();
  Finished result;
  if (delivery->pending()) {
    end_delivery(tx, *delivery, *after, ended.reason, ended.now, result.due);
  }
  result.state = delivery->state;
  return result;
}

}  // namespace outrider::storage
