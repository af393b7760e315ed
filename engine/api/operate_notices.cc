// The feed of notices: oldest first, and a cursor even when there is nothing, so that whoever
// follows it asks on with what it got last.
#include "api/operate.h"
#include "api/views.h"

namespace outrider::api {
namespace {

using core::JsonOutput;

Read<NoticeFilter> filter_from(const Call& call) {
  NoticeFilter filter;
  auto page = page_parameters(call);
  if (!page) return tl::unexpected(std::move(page.error()));
  filter.account = std::move(page->account);
  filter.limit = page->limit;
  if (const std::string* cursor = call.parameter("cursor")) filter.cursor = *cursor;
  if (const std::string* kind = call.parameter("kind")) {
    filter.kind = notice_kind_from(*kind);
    if (!filter.kind) return refuse_parameter("kind", "not a kind of notice");
  }
  auto since = time_parameter(call, "since");
  if (!since) return tl::unexpected(std::move(since.error()));
  filter.since = *since;
  return filter;
}

}  // namespace

Answer list_notices(Database& database, const Call& call) {
  auto filter = filter_from(call);
  if (!filter) return tl::unexpected(std::move(filter.error()));
  auto page = database.notices(*filter);
  if (!page) {
    if (page.error().code == ErrorCode::kNotFound) {
      return refuse_parameter("cursor", page.error().message);
    }
    return refuse(page.error());
  }
  JsonOutput json(JsonOutput::Layout::kOneLine);
  json.begin_object().key("items").begin_array();
  for (const Notice& notice : page->notices) write(json, notice);
  json.end_array().member("next_cursor", page->cursor).member("more", page->more).end_object();
  Reply answer = reply(json);
  answer.nothing = page->notices.empty();
  return answer;
}

}  // namespace outrider::api
