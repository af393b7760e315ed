// Which events were accepted when (outrider_accepted): spans of ids by the minute, from which
// replays of a range find their events.
//
// Invariant: every event lies in a span of the minute of its acceptance; the newest event's has no
// end. A span may hold events of other minutes (in databases from before there were spans).
#pragma once

#include <cstdint>

#include "storage/rows.h"
#include "storage/sqlite/db.h"

namespace outrider::storage {

struct Transaction;

inline constexpr std::int64_t kAcceptedSlotMs = 60'000;  // as in replay.cc's SQL

[[nodiscard]] constexpr std::int64_t accepted_slot(std::int64_t at) { return at / kAcceptedSlotMs; }

// The row that an event accepted at `now` gets, which must be inserted; its span is there.
[[nodiscard]] EventRow next_event(Transaction& tx, std::int64_t now);

// Those whose events are all gone; of the oldest `limit` only. Returns how many went.
[[nodiscard]] std::uint32_t trim_accepted(Db& db, std::uint32_t limit);

}  // namespace outrider::storage
