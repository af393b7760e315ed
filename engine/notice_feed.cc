// Pages are small, and each is dealt with before the next is read: ten thousand endpoints that go
// off at once are ten thousand notices, and must not become one commit or one long turn of the
// loop.
#include "notice_feed.h"

#include <utility>

#include "core/json_output.h"
#include "notice_views.h"

namespace outrider {
namespace {

constexpr std::uint32_t kPage = 100;
constexpr core::Duration kAgainAfter{250};

// The body of the Standard Webhooks: what, when, and about what.
std::string payload_of(const Notice& notice) {
  core::JsonOutput json(core::JsonOutput::Layout::kOneLine);
  const auto text = [&json](std::string_view name, const std::string& value) {
    if (!value.empty()) json.member(name, value);
  };
  json.begin_object()
      .member("type", notice_kind_name(notice.kind))
      .member("timestamp", rfc3339(core::wall_from_ms(notice.at)))
      .key("data")
      .begin_object()
      .member("id", notice.id);
  text("account", notice.account);
  text("provider", notice.provider);
  text("endpoint", notice.endpoint);
  text("delivery", notice.delivery);
  text("event", notice.event);
  text("event_type", notice.event_type);
  if (notice.row) json.member("row", *notice.row);
  json.member("detail", notice.detail).end_object().end_object();
  return json.document();
}

struct Unforwarded {
  storage::NoticeRow from = 0;
  storage::NoticeRows rows;
};

Result<Unforwarded> read_unforwarded(storage::Outbox& outbox, const std::string& provider) {
  auto from = outbox.notices_forwarded(provider);
  if (!from) return tl::unexpected(std::move(from.error()));
  storage::NoticeQuery query;
  query.after = *from;
  query.limit = kPage;
  auto rows = outbox.notices(query);
  if (!rows) return tl::unexpected(std::move(rows.error()));
  return Unforwarded{.from = *from, .rows = std::move(*rows)};
}

}  // namespace

NoticeFeed::NoticeFeed(Parts parts) : parts_(std::move(parts)) {
  for (const core::Provider* provider : parts_.providers.list()) {
    if (provider->notices) listeners_.push_back({.provider = provider});
  }
}

NoticeFeed::~NoticeFeed() { parts_.timers.cancel(later_); }

void NoticeFeed::start(std::optional<storage::NoticeRow> after) {
  told_through_ = after;
  look();
}

void NoticeFeed::look() {
  if (parts_.tell) tell_next();
  if (stopping_) return;
  for (Listener& listener : listeners_) forward(listener);
}

void NoticeFeed::stop(std::function<void()> done) {
  stopping_ = true;
  stopped_ = std::move(done);
  parts_.timers.cancel(later_);
  later_ = 0;
  if (parts_.tell) {
    tell_next();
  } else {
    end_telling();
  }
}

// ---- the callback ----

void NoticeFeed::tell_next() {
  if (telling_) {
    tell_again_ = true;
    return;
  }
  telling_ = true;
  storage::NoticeQuery query;
  query.after = told_through_.value_or(0);
  query.newest = !told_through_.has_value();
  query.limit = query.newest ? 1 : kPage;
  parts_.storage.read<storage::NoticeRows>(
      [query](storage::Outbox& outbox) { return outbox.notices(query); },
      [this](const Result<storage::NoticeRows>& rows) { told(rows); });
}

void NoticeFeed::told(const Result<storage::NoticeRows>& rows) {
  telling_ = false;
  if (!rows) return stopping_ ? end_telling() : later();
  const bool began = !told_through_.has_value();
  told_through_ = rows->through;
  if (!began) {
    for (const storage::NoticeRecord& record : rows->notices) {
      parts_.tell(notice_view(record, parts_.ids));
    }
  }
  const bool more = !began && rows->notices.size() == kPage;
  if (std::exchange(tell_again_, false) || more) return tell_next();
  end_telling();
}

void NoticeFeed::end_telling() {
  if (auto done = std::exchange(stopped_, nullptr)) done();
}

// ---- events ----

void NoticeFeed::forward(Listener& listener) {
  if (!parts_.has_endpoints(listener.provider->name)) return;
  if (listener.running) {
    listener.again = true;
    return;
  }
  listener.running = true;
  parts_.storage.read<Unforwarded>(
      [name = listener.provider->name](storage::Outbox& outbox) {
        return read_unforwarded(outbox, name);
      },
      [this, &listener](Result<Unforwarded> found) {
        if (!found) return forwarded(listener, false, tl::unexpected(found.error()));
        if (found->rows.notices.empty()) return forwarded(listener, false, storage::Applied());
        make_events(listener, found->from, std::move(found->rows));
      });
}

void NoticeFeed::make_events(Listener& listener, storage::NoticeRow from,
                             storage::NoticeRows rows) {
  const std::int64_t now = core::to_ms(parts_.clock.wall());
  storage::ForwardNotices forward{.provider = listener.provider->name,
                                  .from = from,
                                  .through = rows.through,
                                  .told = {},
                                  .now = now};
  const bool more = rows.notices.size() == kPage;
  for (storage::NoticeRecord& record : rows.notices) {
    const core::Provider* about = parts_.providers.find(record.provider);
    if (about != nullptr && about->notices) continue;
    const std::string type(notice_kind_name(record.kind));
    const storage::NoticeRow row = record.row;
    const std::string payload = payload_of(notice_view(std::move(record), parts_.ids));
    auto prepared = core::prepare(*listener.provider, type, payload, {}, {}, now, {});
    if (!prepared) {
      parts_.log.line(parts_.clock.wall(), "notice_not_sent",
                      {{LogField::kProvider, listener.provider->name},
                       {LogField::kReason, prepared.error().message}});
      continue;
    }
    forward.told.push_back({.notice = row, .type = type, .body = std::move(prepared->body)});
  }
  parts_.storage.submit(std::move(forward),
                        [this, &listener, more](const storage::Outcome& outcome) {
                          forwarded(listener, more, outcome);
                        });
}

void NoticeFeed::forwarded(Listener& listener, bool more, const storage::Outcome& outcome) {
  listener.running = false;
  if (outcome) {
    if (const auto* made = std::get_if<storage::Enqueued>(&*outcome)) parts_.enqueued(*made);
  } else if (outcome.error().code != ErrorCode::kConflict) {
    parts_.log.line(parts_.clock.wall(), "notices_delayed",
                    {{LogField::kProvider, listener.provider->name},
                     {LogField::kDetail, outcome.error().message}});
    return later();
  } else {
    more = true;  // somebody else was faster: read again
  }
  if (stopping_) return;
  if (std::exchange(listener.again, false) || more) forward(listener);
}

void NoticeFeed::later() {
  if (stopping_ || later_ != 0) return;
  later_ = parts_.timers.start(kAgainAfter, [this] {
    later_ = 0;
    look();
  });
}

}  // namespace outrider
