// From notices to events of the providers that ask for them. The events, their deliveries and the
// cursor are one commit, so a crash leaves all of it or nothing.
#include <algorithm>

#include "core/assert.h"
#include "storage/sqlite/transaction.h"

namespace outrider::storage {
namespace {

constexpr const char* kCursor = "SELECT through FROM outrider_notice_cursor WHERE provider = ?";
constexpr const char* kSetCursor =
    "INSERT INTO outrider_notice_cursor (provider, through) VALUES (?1, ?2)"
    " ON CONFLICT (provider) DO UPDATE SET through = ?2";
constexpr const char* kListeners =
    "SELECT id, account, notices_after FROM outrider_endpoint"
    " WHERE provider = ? AND removed_at IS NULL ORDER BY account, id";

struct Listener {
  EndpointRow endpoint = 0;
  std::string account;
  NoticeRow after = 0;
};

std::vector<Listener> listeners_of(Transaction& tx, const std::string& provider) {
  std::vector<Listener> found;
  auto rows = tx.db.query(kListeners, provider);
  while (rows.next()) {
    found.push_back(
        {.endpoint = rows.integer(0), .account = rows.text(1), .after = rows.integer(2)});
  }
  return found;
}

// Of one account: those that this notice is for.
std::vector<EndpointRow> hearers(Transaction& tx, const ForwardNotices& forward,
                                 const ForwardNotices::Told& told,
                                 std::span<const Listener> listeners) {
  std::vector<EndpointRow> rows;
  for (const Candidate& candidate :
       candidates(tx, listeners.front().account, forward.provider, told.type)) {
    const auto listener = std::ranges::find(listeners, candidate.row, &Listener::endpoint);
    if (candidate.matches && listener != listeners.end() && listener->after < told.notice) {
      rows.push_back(candidate.row);
    }
  }
  return rows;
}

}  // namespace

Outcome apply(Transaction& tx, const ForwardNotices& forward) {
  OUTRIDER_ASSERT(forward.from <= forward.through);
  {
    auto cursor = tx.db.query(kCursor, forward.provider);
    if (cursor.next() && cursor.integer(0) > forward.from) {
      return fail(ErrorCode::kConflict, "these notices were forwarded already");
    }
  }
  const std::vector<Listener> listeners = listeners_of(tx, forward.provider);
  Enqueued made;
  for (const ForwardNotices::Told& told : forward.told) {
    for (auto first = listeners.begin(); first != listeners.end();) {
      const auto next = std::find_if(first, listeners.end(), [&](const Listener& other) {
        return other.account != first->account;
      });
      Enqueue event{.account = first->account,
                    .provider = forward.provider,
                    .type = told.type,
                    .body = told.body,
                    .payload_sha256 = {},
                    .idempotency_key = {},
                    .ordering_key = {},
                    .expires_at = {},
                    .endpoints = hearers(tx, forward, told, {first, next}),
                    .rules = {},
                    .now = forward.now,
                    .inbox_row = {}};
      first = next;
      if (event.endpoints.empty()) continue;
      auto outcome = apply(tx, event);
      if (!outcome) return outcome;  // the database failed: its endpoints were read just now
      auto& enqueued = std::get<Enqueued>(*outcome);
      made.event = enqueued.event;
      made.deliveries += enqueued.deliveries;
      made.due.insert(made.due.end(), enqueued.due.begin(), enqueued.due.end());
    }
  }
  tx.db.run(kSetCursor, forward.provider, forward.through);
  return made;
}

}  // namespace outrider::storage
