// Events: lists are newest first, and a cursor is the id of the last one seen.
#include "api/members.h"
#include "api/operate.h"
#include "api/views.h"

namespace outrider::api {
namespace {

using core::JsonOutput;

Read<EventView> event_of(Database& database, const Call& call, bool reveal = false) {
  auto event = database.event(call.id, reveal, call.who.account);
  if (!event) return refuse(event.error());
  return std::move(*event);
}

void copy_parameter(const Call& call, std::string_view name, std::string& into) {
  if (const std::string* value = call.parameter(name)) into = *value;
}

Reply count_reply(std::uint32_t count) {
  JsonOutput json(JsonOutput::Layout::kOneLine);
  json.begin_object().member("count", count).end_object();
  return reply(json);
}

}  // namespace

Answer list_events(Database& database, const Call& call) {
  EventFilter filter;
  auto page = page_parameters(call);
  if (!page) return tl::unexpected(std::move(page.error()));
  filter.account = std::move(page->account);
  filter.limit = page->limit;
  copy_parameter(call, "provider", filter.provider);
  copy_parameter(call, "type", filter.type);
  copy_parameter(call, "endpoint", filter.endpoint);
  copy_parameter(call, "idempotency_key", filter.idempotency_key);
  copy_parameter(call, "cursor", filter.before);
  if (const std::string* state = call.parameter("state")) {
    filter.state = delivery_state_from(*state);
    if (!filter.state) return refuse_parameter("state", "not a delivery's state");
  }
  auto events = database.events(filter);
  if (!events) {
    if (events.error().code == ErrorCode::kNotFound) {
      return refuse(kBadRequest, events.error().message);
    }
    return refuse(events.error());
  }
  JsonOutput json(JsonOutput::Layout::kOneLine);
  json.begin_object().key("items").begin_array();
  for (const EventView& event : *events) write(json, event, Detail::kShort);
  json.end_array();
  std::optional<std::string> next;
  if (events->size() == filter.limit) next = events->back().id;
  json.member("next_cursor", next).end_object();
  return reply(json);
}

Answer show_event(Database& database, const Call& call) {
  auto reveal = flag_parameter(call, "reveal");
  if (!reveal) return tl::unexpected(std::move(reveal.error()));
  if (*reveal && !call.who.may(Role::kOperate)) {
    return refuse(kForbidden, "revealing a payload needs the role operate");
  }
  auto event = event_of(database, call, *reveal);
  if (!event) return tl::unexpected(std::move(event.error()));
  JsonOutput json(JsonOutput::Layout::kOneLine);
  write(json, *event, Detail::kFull);
  return reply(json);
}

Answer list_attempts(Database& database, const Call& call) {
  auto event = event_of(database, call);
  if (!event) return tl::unexpected(std::move(event.error()));
  JsonOutput json(JsonOutput::Layout::kOneLine);
  write_attempts(json, *event);
  return reply(json);
}

Answer retry_event(Database& database, const Call& call) {
  bool failed_only = true;
  auto read = read_optional(
      call.body, [&failed_only](Members& members) { members.take("failed_only", failed_only); });
  if (!read) return tl::unexpected(std::move(read.error()));
  if (auto event = event_of(database, call); !event) {
    return tl::unexpected(std::move(event.error()));
  }
  auto count = database.retry(call.id, failed_only);
  if (!count) return refuse(count.error());
  return count_reply(*count);
}

Answer cancel_event(Database& database, const Call& call) {
  std::string reason;
  auto read =
      read_optional(call.body, [&reason](Members& members) { members.take("reason", reason); });
  if (!read) return tl::unexpected(std::move(read.error()));
  if (auto event = event_of(database, call); !event) {
    return tl::unexpected(std::move(event.error()));
  }
  auto count = database.cancel(call.id, reason);
  if (!count) return refuse(count.error());
  return count_reply(*count);
}

Answer show_queue(Database& database, const Call& call) {
  if (!call.who.account.empty()) {
    return refuse(kForbidden, "the queue is about all accounts, the token is bound to one");
  }
  auto queue = database.queue(true);
  if (!queue) return refuse(queue.error());
  JsonOutput json(JsonOutput::Layout::kOneLine);
  write(json, *queue);
  return reply(json);
}

}  // namespace outrider::api
