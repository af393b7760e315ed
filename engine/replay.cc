// The cursor is the place of the last event that was looked at and the range's end: with the same
// filter it goes on where the call before stopped, and the end does not move meanwhile.
#include "replay.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/time.h"
#include "log.h"

namespace outrider {
namespace {

using crypto::IdKind;

constexpr std::size_t kMostNamed = 1000;
constexpr std::uint32_t kMostDeliveries = 100'000;
constexpr std::uint32_t kMostScanned = 500'000;  // events, of all accounts, in one call
constexpr std::uint32_t kStep = 250;             // deliveries in one transaction
constexpr std::uint32_t kScan = 5'000;           // events in one read

struct Cursor {
  storage::ReplayPlace place;
  std::int64_t until = 0;
};

std::string cursor_text(const crypto::PublicIds& ids, const Cursor& cursor) {
  return ids.text(IdKind::kEvent, cursor.place.event) + "." + std::to_string(cursor.place.at) +
         "." + std::to_string(cursor.until);
}

bool read_number(std::string_view text, std::int64_t& into) {
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, into);
  return error == std::errc() && rest == end;
}

Result<Cursor> read_cursor(const crypto::PublicIds& ids, std::string_view text) {
  Cursor cursor;
  const std::size_t first = std::min(text.find('.'), text.size());
  const std::size_t second = std::min(text.find('.', first + 1), text.size());
  const auto event = ids.row(IdKind::kEvent, text.substr(0, first));
  if (!event || second == text.size() ||
      !read_number(text.substr(first + 1, second - first - 1), cursor.place.at) ||
      !read_number(text.substr(second + 1), cursor.until)) {
    return fail(ErrorCode::kInvalidArgument, "not a cursor of a replay's answer", "cursor");
  }
  cursor.place.event = *event;
  return cursor;
}

Result<void> check(const ReplayFilter& filter) {
  if (filter.limit < 1 || filter.limit > kMostDeliveries) {
    return fail(ErrorCode::kInvalidArgument, "must be 1 to 100000", "limit");
  }
  if (filter.events.size() > kMostNamed) {
    return fail(ErrorCode::kInvalidArgument, "more than 1000 events", "events");
  }
  if (filter.states.empty() && !filter.missed) {
    return fail(ErrorCode::kInvalidArgument, "nothing is asked for", "states",
                "name at least one of missed, exhausted, expired, cancelled, delivered");
  }
  for (const DeliveryState state : filter.states) {
    if (state == DeliveryState::kPending || state == DeliveryState::kHeld) {
      return fail(ErrorCode::kInvalidArgument, "what is pending or held goes out by itself",
                  "states", "name missed, exhausted, expired, cancelled or delivered");
    }
  }
  if (filter.since && filter.until && *filter.since > *filter.until) {
    return fail(ErrorCode::kInvalidArgument, "lies behind the range's end", "since");
  }
  return {};
}

// For the audit trail: the range and the states.
std::string in_words(const ReplayFilter& filter, std::int64_t until) {
  std::string text;
  if (!filter.events.empty()) {
    text = "named";
  } else {
    text = "from " +
           (filter.since ? rfc3339(core::wall_from_ms(*filter.since)) : std::string("the first")) +
           " to " + rfc3339(core::wall_from_ms(until));
  }
  text += filter.missed ? ", missed" : "";
  for (const DeliveryState state : filter.states) text += ", " + std::string(state_name(state));
  return text;
}

Result<storage::ReplayQuery> query_of(const ReplayParts& parts, storage::EndpointRow endpoint,
                                      const ReplayFilter& filter, ReplayReport& report) {
  storage::ReplayQuery query{.endpoint = endpoint,
                             .after = {},
                             .since = filter.since.value_or(0),
                             // What is accepted by now, this millisecond's too.
                             .until = filter.until.value_or(parts.now + 1),
                             .types = filter.types,
                             .states = filter.states,
                             .missed = filter.missed,
                             .events = {},
                             .now = parts.now};
  if (!filter.cursor.empty()) {
    auto cursor = read_cursor(parts.ids, filter.cursor);
    if (!cursor) return tl::unexpected(std::move(cursor.error()));
    query.after = cursor->place;
    query.until = cursor->until;
  }
  for (const std::string& id : filter.events) {
    if (const auto row = parts.ids.row(IdKind::kEvent, id)) {
      query.events.push_back(*row);
    } else if (!query.after) {
      ++report.unknown;
    }
  }
  std::ranges::sort(query.events);
  query.events.erase(std::unique(query.events.begin(), query.events.end()), query.events.end());
  report.until = query.until;
  return query;
}

void count(ReplayReport& report, const storage::ReplayPage& page) {
  report.waiting += page.waiting;
  report.expired += page.expired;
  report.purged += page.purged;
  report.too_often += page.too_often;
  report.unknown += page.unknown;
}

// A backlog that is being cancelled takes several calls before the first event has its turn.
Result<std::uint32_t> make_due(const ReplayParts& parts, const storage::ReplayEvents& step) {
  for (;;) {
    auto changed = parts.apply(step);
    if (!changed) return tl::unexpected(std::move(changed.error()));
    if (changed->id == static_cast<std::int64_t>(step.events.size())) return changed->count;
  }
}

}  // namespace

Result<ReplayReport> replay(const ReplayParts& parts, storage::EndpointRow endpoint,
                            const ReplayFilter& filter) {
  if (auto ok = check(filter); !ok) return tl::unexpected(std::move(ok.error()));
  ReplayReport report;
  auto query = query_of(parts, endpoint, filter, report);
  if (!query) return tl::unexpected(std::move(query.error()));
  if (!filter.events.empty() && query->events.empty()) return report;
  const std::string what = in_words(filter, query->until);
  std::uint32_t scanned = 0;
  for (;;) {
    const auto left = static_cast<std::uint32_t>(filter.limit - report.replayed);
    query->limit = std::min(left, kStep);
    query->scan = filter.events.empty() ? kScan : static_cast<std::uint32_t>(kMostNamed);
    auto page = parts.outbox.replayable(*query);
    if (!page) return tl::unexpected(std::move(page.error()));
    count(report, *page);
    scanned += page->scanned;
    if (filter.dry_run) {
      report.replayed += page->events.size();
    } else if (!page->events.empty()) {
      auto due = make_due(parts, {.endpoint = endpoint,
                                  .events = std::move(page->events),
                                  .states = filter.states,
                                  .missed = filter.missed,
                                  .what = what,
                                  .now = parts.now});
      if (!due) return tl::unexpected(std::move(due.error()));
      report.replayed += *due;
    }
    if (!page->next) return report;
    query->after = page->next;
    if (report.replayed >= filter.limit || scanned >= kMostScanned) {
      report.cursor = cursor_text(parts.ids, {.place = *page->next, .until = query->until});
      return report;
    }
  }
}

}  // namespace outrider
