#include "event_text.h"

#include <map>

#include "table.h"
#include "terminal_text.h"
#include "time_text.h"

namespace outrider::cli {
namespace {

// "2 delivered, 1 pending", in the order of the states.
std::string states_text(const std::vector<DeliveryView>& deliveries) {
  std::map<DeliveryState, int> counts;
  for (const DeliveryView& delivery : deliveries) ++counts[delivery.state];
  std::string text;
  for (const auto& [state, count] : counts) {
    if (!text.empty()) text += ", ";
    text += std::to_string(count) + " " + std::string(state_name(state));
  }
  return text.empty() ? "no endpoint" : text;
}

// "status 500", "timeout: no answer within 3000 ms".
std::string result_text(const AttemptView& attempt) {
  if (attempt.error == ErrorClass::kNone) return "delivered";
  const bool status_says_it =
      attempt.error == ErrorClass::kStatus || attempt.error == ErrorClass::kRedirect;
  std::string text(error_class_name(attempt.error));
  if (status_says_it) text += " " + std::to_string(attempt.status);
  if (!attempt.detail.empty()) text += ": " + attempt.detail;
  return text;
}

std::string next_text(const DeliveryView& delivery, std::int64_t now_ms) {
  if (!delivery.next_at) return {};
  std::string text = "attempt " + std::to_string(delivery.attempts + 1) + " ";
  if (delivery.state == DeliveryState::kHeld) {
    text += "when its endpoint is activated";
  } else {
    text += *delivery.next_at <= now_ms ? "is due" : when(delivery.next_at, now_ms);
  }
  if (delivery.log.empty()) return text;
  const AttemptView& last = delivery.log.back();
  if (last.error == ErrorClass::kNone) return text + ", made due by an operator";
  return text + ", because attempt " + std::to_string(last.number) +
         " failed: " + result_text(last);
}

std::string attempts_table(const std::vector<AttemptView>& attempts, std::int64_t now_ms) {
  using enum Column::Align;
  Table table({{"#", kRight},
               {"STARTED"},
               {"TOOK", kRight},
               {"STATUS", kRight},
               {"PEER"},
               {"RESULT", kLeft, 160}});
  for (const AttemptView& attempt : attempts) {
    table.add({std::to_string(attempt.number), when(attempt.started_at, now_ms),
               std::to_string(attempt.duration_ms) + " ms",
               attempt.status == 0 ? "" : std::to_string(attempt.status), attempt.peer,
               result_text(attempt)});
  }
  return table.text();
}

std::string indented(const std::string& text, const std::string& by) {
  std::string result;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    result += by + text.substr(begin, end - begin) + "\n";
    begin = end + 1;
  }
  return result;
}

std::string delivery_text(const DeliveryView& delivery, std::int64_t now_ms) {
  FieldList fields;
  fields.add("Delivery", delivery.id);
  fields.add("Endpoint", delivery.endpoint);
  fields.add("URL", delivery.url);
  std::string state(state_name(delivery.state));
  if (!delivery.reason.empty()) state += ": " + delivery.reason;
  fields.add("State", state);
  fields.add("Next", next_text(delivery, now_ms));
  if (delivery.finished_at) fields.add("Finished", when(delivery.finished_at, now_ms));
  std::string text = "\n" + fields.text();
  if (delivery.log.empty()) return text + "  no attempt yet\n";
  text += indented(attempts_table(delivery.log, now_ms), "  ");
  const AttemptView& last = delivery.log.back();
  if (!last.unreadable.empty()) {
    text += "  Response: cannot be read, " + printable(last.unreadable) + "\n";
  }
  if (!last.response.empty()) {
    text += "  Answer to attempt " + std::to_string(last.number) + ":\n" +
            indented(printable(last.response, Lines::kMany), "    ");
  }
  return text;
}

std::string payload_text(const EventView& event, bool revealed) {
  if (!event.unreadable.empty()) {
    return "\nPayload: cannot be read, " + printable(event.unreadable) + "\n";
  }
  if (event.payload_purged) return "\nPayload: purged, its time was over\n";
  return std::string("\nPayload") +
         (revealed ? ":\n" : " (sensitive fields are masked; --reveal shows them):\n") +
         indented(printable(event.payload, Lines::kMany), "  ");
}

}  // namespace

std::string event_table(const std::vector<EventView>& events, std::int64_t now_ms) {
  using enum Column::Align;
  Table table({{"EVENT"},
               {"CREATED"},
               {"ACCOUNT", kLeft, 24},
               {"PROVIDER", kLeft, 24},
               {"TYPE", kLeft, 48},
               {"DELIVERIES"}});
  for (const EventView& event : events) {
    table.add({event.id, ago(event.created_at, now_ms), event.account, event.provider, event.type,
               states_text(event.deliveries)});
  }
  return table.empty() ? "no events\n" : table.text();
}

std::string event_text(const EventView& event, bool revealed, std::int64_t now_ms) {
  FieldList fields;
  fields.add("Event", event.id);
  fields.add("Account", event.account);
  fields.add("Provider", event.provider);
  fields.add("Type", event.type);
  fields.add("Created", when(event.created_at, now_ms));
  if (event.has_idempotency_key) fields.add("Idempotency key", "set");
  fields.add("Ordering key", event.ordering_key.value_or(""));
  if (event.expires_at) fields.add("Expires", when(event.expires_at, now_ms));
  fields.add("Traceparent", event.traceparent.value_or(""));
  fields.add("Tracestate", event.tracestate.value_or(""));
  fields.add("Deliveries", states_text(event.deliveries));
  std::string text = fields.text();
  for (const DeliveryView& delivery : event.deliveries) text += delivery_text(delivery, now_ms);
  return text + payload_text(event, revealed);
}

}  // namespace outrider::cli
