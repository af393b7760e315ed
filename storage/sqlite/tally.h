// How many attempts of an endpoint ended how, and how long they took: counted as they are recorded,
// in slots of five minutes, so that statistics over months cost a seek for each slot and no history
// is read. A commit's attempts are gathered and written together.
//
// The finished deliveries that exist are counted in the same table, as a slot behind all others:
// one page instead of two in each commit of attempts.
//
// Durations fall into buckets: exact below 16 ms, then eight to each doubling, so that a percentile
// is told at most an eighth too high.
#pragma once

#include <compare>
#include <cstdint>
#include <map>

#include "storage/operator_records.h"
#include "storage/sqlite/db.h"

namespace outrider::storage {

inline constexpr std::int64_t kSlotMs = 300'000;
inline constexpr std::int64_t kFinishedSlot = 2'147'483'647;  // `error` is the state

struct TallyKey {
  std::int64_t slot = 0;
  EndpointRow endpoint = 0;
  int error = 0;
  int bucket = 0;
  auto operator<=>(const TallyKey&) const = default;
};
struct TallyCount {
  std::int64_t count = 0;
  std::int64_t last_at = 0;
};
using Tallies = std::map<TallyKey, TallyCount>;  // of a transaction, not yet written

[[nodiscard]] int duration_bucket(std::int64_t duration_ms);
[[nodiscard]] std::int64_t longest_in(int bucket);  // ms

void tally(Tallies& tallies, EndpointRow endpoint, const AttemptRecord& attempt);
void count_finished(Tallies& tallies, EndpointRow endpoint, DeliveryState state,
                    std::int64_t change);
void write_tallies(Db& db, Tallies& tallies);
// Of slots that ended before; at most `limit` rows. Returns how many went.
[[nodiscard]] std::uint32_t trim_tallies(Db& db, std::int64_t before, std::uint32_t limit);

// Of the slots that the range touches.
[[nodiscard]] AttemptTally read_tally(Db& db, EndpointRow endpoint, std::int64_t since,
                                      std::int64_t until);

}  // namespace outrider::storage
