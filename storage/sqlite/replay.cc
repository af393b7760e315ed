// What an endpoint is sent again, or for the first time. The same judgement is made twice: by the
// read that finds candidates page by page, and, because the world moves on between the two, by the
// mutation that makes them due.
//
// Events are found by the minute of their acceptance (accepted.h) and come in the order of their
// commits within it: ids alone do not tell the time, since the clock may have been set back.
#include <algorithm>
#include <limits>
#include <utility>

#include "storage/sqlite/accepted.h"
#include "storage/sqlite/audit.h"
#include "storage/sqlite/of_event.h"
#include "storage/sqlite/reads.h"
#include "storage/sqlite/transaction.h"

namespace outrider::storage {
namespace {

constexpr const char* kEndpoint =
    "SELECT account, provider, state, cancel_through FROM outrider_endpoint"
    " WHERE id = ? AND removed_at IS NULL";
#define OUTRIDER_REPLAY_COLUMNS                                                    \
  "SELECT id, created_at, flags, expires_at, account = ?1 AND provider = ?2, type" \
  " FROM outrider_event"
constexpr const char* kSpans =
    "SELECT slot, first, last FROM outrider_accepted WHERE slot >= ? AND slot <= ?"
    " ORDER BY slot, first";
constexpr const char* kInSpan =
    OUTRIDER_REPLAY_COLUMNS " WHERE id > ?3 AND id <= ?4 AND created_at / 60000 = ?5 ORDER BY id";
constexpr const char* kNamed = OUTRIDER_REPLAY_COLUMNS " WHERE id = ?3";
#undef OUTRIDER_REPLAY_COLUMNS
constexpr const char* kDelivery =
    "SELECT id, state, attempts FROM outrider_delivery d"
    " WHERE " OUTRIDER_OF_EVENT("?1") " AND endpoint = ?2"
    " ORDER BY id DESC LIMIT 1";
constexpr const char* kWants =
    "SELECT types = '[]' OR EXISTS (SELECT 1 FROM json_each(types) WHERE value = ?2)"
    " FROM outrider_endpoint WHERE id = ?1";
constexpr const char* kOrderingKey = "SELECT ordering_key FROM outrider_event WHERE id = ?";

struct Target {
  EndpointRow row = 0;
  std::string account, provider;
  EndpointState state = EndpointState::kActive;
  std::int64_t cancel_through = 0;
};
struct Seen {
  EventRow row = 0;
  std::int64_t created_at = 0;
  int flags = 0;
  std::optional<std::int64_t> expires_at;
  bool same_account = false;  // and provider
  std::string type;
};
// What is asked for, of a query or a mutation.
struct Wanted {
  const std::vector<DeliveryState>& states;
  bool missed = false;
  std::int64_t now = 0;
};
enum class Judgement { kRevive, kInsert, kWaiting, kExpired, kPurged, kTooOften, kNo };

std::optional<Target> load_target(Db& db, EndpointRow endpoint) {
  auto row = db.query(kEndpoint, endpoint);
  if (!row.next()) return std::nullopt;
  return Target{.row = endpoint,
                .account = row.text(0),
                .provider = row.text(1),
                .state = static_cast<EndpointState>(row.integer(2)),
                .cancel_through = row.integer(3)};
}

tl::unexpected<Error> no_endpoint() {
  return fail(ErrorCode::kNotFound, "no such endpoint, or it was removed", {},
              "see: outrider endpoint list");
}

Seen seen_of(const Query& row) {
  return {.row = row.integer(0),
          .created_at = row.integer(1),
          .flags = static_cast<int>(row.integer(2)),
          .expires_at = row.maybe_integer(3),
          .same_account = row.integer(4) != 0,
          .type = row.text(5)};
}

std::optional<Seen> named_event(Db& db, const Target& target, EventRow event) {
  auto row = db.query(kNamed, target.account, target.provider, event);
  if (!row.next()) return std::nullopt;
  return seen_of(row);
}

bool wants_type(Db& db, const Target& target, const std::string& type) {
  auto row = db.query(kWants, target.row, type);
  return row.next() && row.integer(0) != 0;
}

struct Found {
  Judgement judgement = Judgement::kNo;
  DeliveryRow delivery = 0;
};

// Of an event of the endpoint's account and provider.
Found judge(Db& db, const Target& target, const Seen& event, const Wanted& wanted) {
  Found found;
  if ((event.flags & kEventTest) != 0) return found;
  std::uint32_t attempts = 0;
  {
    auto row = db.query(kDelivery, event.row, target.row);
    if (row.next()) {
      found.delivery = row.integer(0);
      auto state = static_cast<DeliveryState>(row.integer(1));
      attempts = row.count(2);
      if (state == DeliveryState::kPending && found.delivery <= target.cancel_through) {
        state = DeliveryState::kCancelled;
      }
      if (state == DeliveryState::kPending) {
        found.judgement = Judgement::kWaiting;
        return found;
      }
      if (std::ranges::find(wanted.states, state) == wanted.states.end()) return found;
    }
  }
  if (found.delivery == 0 && (!wanted.missed || (event.flags & kEventAddressed) != 0 ||
                              !wants_type(db, target, event.type))) {
    return found;
  }
  if ((event.flags & kEventPurged) != 0) {
    found.judgement = Judgement::kPurged;
  } else if (event.expires_at && *event.expires_at <= wanted.now) {
    found.judgement = Judgement::kExpired;
  } else if (attempts >= kMostAttempts) {
    found.judgement = Judgement::kTooOften;
  } else {
    found.judgement = found.delivery == 0 ? Judgement::kInsert : Judgement::kRevive;
  }
  return found;
}

void add_to(ReplayPage& page, Judgement judgement, EventRow event) {
  switch (judgement) {
    case Judgement::kRevive:
    case Judgement::kInsert:
      page.events.push_back(event);
      break;
    case Judgement::kWaiting:
      ++page.waiting;
      break;
    case Judgement::kExpired:
      ++page.expired;
      break;
    case Judgement::kPurged:
      ++page.purged;
      break;
    case Judgement::kTooOften:
      ++page.too_often;
      break;
    case Judgement::kNo:
      break;
  }
}

// One after the other into the page, until it is full.
class Pager {
 public:
  Pager(Db& db, const Target& target, const ReplayQuery& query)
      : db_(db), target_(target), query_(query) {}

  [[nodiscard]] bool full() const {
    return page_.events.size() >= query_.limit || page_.scanned >= query_.scan;
  }

  void look_at(const Seen& event) {
    ++page_.scanned;
    page_.next = ReplayPlace{.at = event.created_at, .event = event.row};
    if (!event.same_account) {
      if (!query_.events.empty()) ++page_.unknown;
      return;
    }
    const bool in_range = event.created_at >= query_.since && event.created_at < query_.until;
    const bool of_type =
        query_.types.empty() || std::ranges::find(query_.types, event.type) != query_.types.end();
    if (!in_range || !of_type) return;
    const Wanted wanted{.states = query_.states, .missed = query_.missed, .now = query_.now};
    add_to(page_, judge(db_, target_, event, wanted).judgement, event.row);
  }

  // False: there may be more.
  ReplayPage end(bool all) {
    if (all) page_.next.reset();
    return std::move(page_);
  }
  void unknown(std::size_t count) { page_.unknown += static_cast<std::uint32_t>(count); }

 private:
  Db& db_;
  const Target& target_;
  const ReplayQuery& query_;
  ReplayPage page_;
};

ReplayPage page_of_range(Db& db, const Target& target, const ReplayQuery& query) {
  Pager pager(db, target, query);
  const std::int64_t from = accepted_slot(query.after ? query.after->at : query.since);
  auto spans = db.query(kSpans, from, accepted_slot(query.until));
  while (spans.next()) {
    const std::int64_t slot = spans.integer(0);
    EventRow behind = spans.integer(1) - 1;
    if (query.after && slot == from) behind = std::max(behind, query.after->event);
    const EventRow last = spans.maybe_integer(2).value_or(std::numeric_limits<EventRow>::max());
    auto rows = db.query(kInSpan, target.account, target.provider, behind, last, slot);
    for (;;) {
      if (pager.full()) return pager.end(false);
      if (!rows.next()) break;
      pager.look_at(seen_of(rows));
    }
  }
  return pager.end(true);
}

ReplayPage page_of_named(Db& db, const Target& target, const ReplayQuery& query) {
  std::vector<Seen> found;
  for (const EventRow event : query.events) {
    if (auto seen = named_event(db, target, event)) found.push_back(std::move(*seen));
  }
  const auto place = [](const Seen& seen) { return std::pair(seen.created_at, seen.row); };
  std::ranges::sort(found, {}, place);
  Pager pager(db, target, query);
  if (!query.after) pager.unknown(query.events.size() - found.size());
  for (const Seen& seen : found) {
    if (query.after && place(seen) <= std::pair(query.after->at, query.after->event)) continue;
    if (pager.full()) return pager.end(false);
    pager.look_at(seen);
  }
  return pager.end(true);
}

void revive(Transaction& tx, DeliveryRow delivery, std::int64_t now, std::vector<DueRow>& due) {
  auto stored = load_delivery(tx, delivery);
  if (stored) revive_delivery(tx, *stored, now, due);
}

void insert(Transaction& tx, const Target& target, EventRow event, std::int64_t now,
            std::vector<DueRow>& due) {
  std::string ordering_key;
  {
    auto row = tx.db.query(kOrderingKey, event);
    if (row.next()) ordering_key = row.text(0);
  }
  insert_delivery(tx,
                  {.event = event,
                   .endpoint = target.row,
                   .endpoint_state = target.state,
                   .ordering_key = ordering_key,
                   .now = now},
                  due);
}

// Carries on what cancels the endpoint's backlog; true: it is done.
bool swept(Transaction& tx, Target& target, std::int64_t now) {
  if (target.cancel_through == 0) return true;
  std::uint32_t budget = kSweepAtOnce;
  sweep(tx, target.row, now, budget);
  if (budget == 0) return false;
  target.cancel_through = 0;
  return true;
}

}  // namespace

ReplayPage read_replayable(Db& db, const ReplayQuery& query) {
  const Snapshot snapshot(db);
  const auto target = load_target(db, query.endpoint);
  if (!target) return {};
  return query.events.empty() ? page_of_range(db, *target, query)
                              : page_of_named(db, *target, query);
}

Outcome apply(Transaction& tx, const ReplayEvents& replay) {
  auto target = load_target(tx.db, replay.endpoint);
  if (!target) return no_endpoint();
  if (!swept(tx, *target, replay.now)) return Changed{};
  const Wanted wanted{.states = replay.states, .missed = replay.missed, .now = replay.now};
  std::vector<DueRow> due;
  std::uint32_t count = 0;
  for (const EventRow event : replay.events) {
    const auto seen = named_event(tx.db, *target, event);
    if (!seen || !seen->same_account) continue;
    const Found found = judge(tx.db, *target, *seen, wanted);
    if (found.judgement == Judgement::kRevive) {
      revive(tx, found.delivery, replay.now, due);
    } else if (found.judgement == Judgement::kInsert) {
      insert(tx, *target, event, replay.now, due);
    } else {
      continue;
    }
    ++count;
  }
  if (count > 0) {
    log_change(tx, ChangeKind::kWork, replay.endpoint, replay.now);
    audit(tx, {.actor = replay.actor,
               .action = "endpoint.replay",
               .kind = ObjectKind::kEndpoint,
               .object = replay.endpoint,
               .account = target->account,
               .detail = std::to_string(count) + (count == 1 ? " delivery" : " deliveries") +
                         (replay.what.empty() ? "" : ": " + replay.what),
               .now = replay.now});
  }
  return Changed{.id = static_cast<std::int64_t>(replay.events.size()), .count = count};
}

}  // namespace outrider::storage
