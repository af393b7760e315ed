// An endpoint's statistics, from what storage counted and what its provider's rule looks at.
#include <algorithm>

#include "database_views.h"

namespace outrider {
namespace {

constexpr std::int64_t kLongestMs = 93LL * 86'400'000;

Result<void> check_time(std::int64_t since, std::int64_t until) {
  if (since < 0 || since >= until) {
    return fail(ErrorCode::kInvalidArgument, "is not before the end", "since");
  }
  if (until - since > kLongestMs) {
    return fail(ErrorCode::kInvalidArgument, "more than 93 days before the end", "since",
                "ask for a shorter time");
  }
  return {};
}

void take_attempts(const storage::AttemptTally& tally, EndpointStats& stats) {
  stats.since = tally.since;
  stats.until = tally.until;
  for (const auto& [error, count] : tally.by_error) {
    stats.attempts += count;
    if (error == ErrorClass::kNone) {
      stats.succeeded += count;
    } else {
      stats.failed += count;
      stats.errors.emplace_back(error, count);
    }
  }
  std::ranges::sort(stats.errors, [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  if (stats.attempts > 0) {
    stats.success_ratio =
        static_cast<double>(stats.succeeded) / static_cast<double>(stats.attempts);
  }
  stats.p50_ms = tally.p50_ms;
  stats.p95_ms = tally.p95_ms;
  stats.p99_ms = tally.p99_ms;
  stats.last_success_at = tally.last_success_at;
  stats.last_failure_at = tally.last_failure_at;
}

void take_deliveries(const storage::EndpointCensus& census, EndpointStats& stats) {
  const auto finished = [&census](DeliveryState state) -> std::uint64_t {
    const auto found = census.finished.find(state);
    return found == census.finished.end() ? 0 : found->second;
  };
  stats.waiting = census.waiting.waiting;
  stats.due = census.waiting.due;
  stats.held = census.waiting.held;
  stats.oldest_at = census.waiting.oldest_at;
  stats.next_at = census.waiting.next_at;
  stats.delivered = finished(DeliveryState::kDelivered);
  stats.exhausted = finished(DeliveryState::kExhausted);
  stats.expired = finished(DeliveryState::kExpired);
  stats.cancelled = finished(DeliveryState::kCancelled);
}

}  // namespace

Result<EndpointStats> DatabaseViews::endpoint_stats(const storage::EndpointRecord& record,
                                                    const core::Health& health, std::int64_t since,
                                                    std::int64_t until, std::int64_t now) {
  if (auto ok = check_time(since, until); !ok) return tl::unexpected(std::move(ok.error()));
  const auto census = outbox_.endpoint_census(record.row, since, until, now);
  if (!census) return tl::unexpected(census.error());
  EndpointStats stats;
  stats.endpoint = ids_.text(crypto::IdKind::kEndpoint, record.row);
  take_attempts(census->attempts, stats);
  take_deliveries(*census, stats);
  stats.state = record.state;
  stats.consecutive_failures = health.consecutive;
  stats.max_in_flight = record.spec.max_in_flight;
  const core::Provider* provider = providers_.find(record.spec.provider);
  if (provider == nullptr) return stats;  // its definition is not loaded: no rule counts
  const core::Duration window = provider->deactivate.window;
  stats.window_s = std::chrono::duration_cast<std::chrono::seconds>(window).count();
  const core::WallTime from = core::wall_from_ms(now) - window;
  stats.window_failures = static_cast<std::uint32_t>(std::ranges::count_if(
      health.failures, [from](core::WallTime failed_at) { return failed_at >= from; }));
  return stats;
}

}  // namespace outrider
