#include "storage/sqlite/tally.h"

#include <algorithm>
#include <bit>

namespace outrider::storage {
namespace {

constexpr std::int64_t kExact = 16;  // ms
constexpr int kSteps = 8;            // to a doubling
constexpr int kExactBits = 4, kStepBits = 3;
constexpr std::int64_t kLongest = 1 << 22;  // ms: more than any time limit

constexpr const char* kAdd =
    "INSERT INTO outrider_tally (slot, endpoint, error, bucket, count, last_at)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (slot, endpoint, error, bucket)"
    " DO UPDATE SET count = count + ?5, last_at = max(last_at, ?6)";
constexpr const char* kTrim =
    "DELETE FROM outrider_tally WHERE (slot, endpoint, error, bucket) IN"
    " (SELECT slot, endpoint, error, bucket FROM outrider_tally WHERE slot < ? LIMIT ?)";
constexpr const char* kSlot =
    "SELECT error, bucket, count, last_at FROM outrider_tally WHERE slot = ? AND endpoint = ?";

// The longest duration among the fastest `share` of all.
std::int64_t percentile(const std::map<int, std::uint64_t>& buckets, std::uint64_t all,
                        double share) {
  const auto wanted = static_cast<std::uint64_t>(static_cast<double>(all) * share);
  std::uint64_t passed = 0;
  for (const auto& [bucket, count] : buckets) {
    passed += count;
    if (passed > wanted || passed == all) return longest_in(bucket);
  }
  return 0;
}

void keep_later(std::optional<std::int64_t>& kept, std::int64_t other) {
  kept = std::max(kept.value_or(other), other);
}

}  // namespace

int duration_bucket(std::int64_t duration_ms) {
  const auto ms = static_cast<std::uint64_t>(std::clamp<std::int64_t>(duration_ms, 0, kLongest));
  if (ms < kExact) return static_cast<int>(ms);
  const int power = std::bit_width(ms) - 1;
  const int step = static_cast<int>(ms >> (power - kStepBits)) & (kSteps - 1);
  return static_cast<int>(kExact) + (power - kExactBits) * kSteps + step;
}

std::int64_t longest_in(int bucket) {
  if (bucket < kExact) return bucket;
  const int above = bucket - static_cast<int>(kExact);
  const int power = kExactBits + above / kSteps;
  const std::int64_t width = std::int64_t{1} << (power - kStepBits);
  return (std::int64_t{1} << power) + (above % kSteps + 1) * width - 1;
}

void tally(Tallies& tallies, EndpointRow endpoint, const AttemptRecord& attempt) {
  const std::int64_t ended_at = attempt.started_at + std::max<std::int64_t>(attempt.duration_ms, 0);
  TallyCount& counted = tallies[{.slot = ended_at / kSlotMs,
                                 .endpoint = endpoint,
                                 .error = static_cast<int>(attempt.error),
                                 .bucket = duration_bucket(attempt.duration_ms)}];
  ++counted.count;
  counted.last_at = std::max(counted.last_at, ended_at);
}

void count_finished(Tallies& tallies, EndpointRow endpoint, DeliveryState state,
                    std::int64_t change) {
  tallies[{.slot = kFinishedSlot, .endpoint = endpoint, .error = static_cast<int>(state)}].count +=
      change;
}

void write_tallies(Db& db, Tallies& tallies) {
  for (const auto& [key, counted] : tallies) {
    if (counted.count == 0) continue;
    db.run(kAdd, key.slot, key.endpoint, key.error, key.bucket, counted.count, counted.last_at);
  }
  tallies.clear();
}

std::uint32_t trim_tallies(Db& db, std::int64_t before, std::uint32_t limit) {
  return db.run(kTrim, before / kSlotMs, limit) ? db.changes() : 0;
}

AttemptTally read_tally(Db& db, EndpointRow endpoint, std::int64_t since, std::int64_t until) {
  const std::int64_t first = since / kSlotMs;
  const std::int64_t last = until / kSlotMs;
  AttemptTally tally{.since = first * kSlotMs, .until = until};
  std::map<int, std::uint64_t> buckets;
  std::uint64_t all = 0;
  for (std::int64_t slot = first; slot <= last; ++slot) {
    auto rows = db.query(kSlot, slot, endpoint);
    while (rows.next()) {
      const auto error = static_cast<ErrorClass>(rows.integer(0));
      const auto count = static_cast<std::uint64_t>(rows.integer(2));
      tally.by_error[error] += count;
      buckets[static_cast<int>(rows.integer(1))] += count;
      all += count;
      keep_later(error == ErrorClass::kNone ? tally.last_success_at : tally.last_failure_at,
                 rows.integer(3));
    }
    if (db.failed()) break;
  }
  if (all > 0) {
    tally.p50_ms = percentile(buckets, all, 0.50);
    tally.p95_ms = percentile(buckets, all, 0.95);
    tally.p99_ms = percentile(buckets, all, 0.99);
  }
  return tally;
}

}  // namespace outrider::storage
