// One place turns notices into what people see, for the operator's side, the callback and the
// events that are made of them.
#include "notice_views.h"

#include <utility>

#include "database_views.h"

namespace outrider {

using crypto::IdKind;

std::string notice_cursor(storage::NoticeRow row, const crypto::PublicIds& ids) {
  return row == 0 ? std::string() : ids.text(IdKind::kNotice, row);
}

Result<storage::NoticeRow> notice_row(const std::string& cursor, const crypto::PublicIds& ids) {
  if (cursor.empty()) return storage::NoticeRow{0};
  if (const auto row = ids.row(IdKind::kNotice, cursor)) return *row;
  return fail(ErrorCode::kNotFound, "not a cursor of this database's notices", cursor,
              "use the one that came with the last notices, or none");
}

Notice notice_view(storage::NoticeRecord record, const crypto::PublicIds& ids) {
  const auto id = [&ids](IdKind kind, std::optional<std::int64_t> row) {
    return row ? ids.text(kind, *row) : std::string();
  };
  return {.id = ids.text(IdKind::kNotice, record.row),
          .at = record.at,
          .kind = record.kind,
          .account = std::move(record.account),
          .provider = std::move(record.provider),
          .endpoint = id(IdKind::kEndpoint, record.endpoint),
          .delivery = id(IdKind::kDelivery, record.delivery),
          .event = id(IdKind::kEvent, record.event),
          .event_type = std::move(record.type),
          .row = record.inbox,
          .detail = std::move(record.detail)};
}

Result<NoticePage> DatabaseViews::notices(const NoticeFilter& filter) {
  if (filter.limit < 1 || filter.limit > 1000) {
    return fail(ErrorCode::kInvalidArgument, "must be 1 to 1000", "limit");
  }
  auto after = notice_row(filter.cursor, ids_);
  if (!after) return tl::unexpected(std::move(after.error()));
  auto rows = outbox_.notices({.after = *after,
                               .since = filter.since,
                               .kind = filter.kind,
                               .account = filter.account,
                               .newest = filter.newest,
                               .limit = filter.limit});
  if (!rows) return tl::unexpected(std::move(rows.error()));
  NoticePage page{.notices = {},
                  .cursor = notice_cursor(rows->through, ids_),
                  .more = !filter.newest && rows->notices.size() == filter.limit};
  for (storage::NoticeRecord& record : rows->notices) {
    page.notices.push_back(notice_view(std::move(record), ids_));
  }
  return page;
}

}  // namespace outrider
