// What the replay tests share: a query for everything, and a whole replay in its steps.
#pragma once

#include <vector>

#include "outbox_conformance.h"

namespace outrider::storage {

class OutboxReplay : public OutboxConformance {
 protected:
  ReplayQuery all_of(EndpointRow endpoint) const {
    return {
        .endpoint = endpoint,
        .after = {},
        .since = 0,
        .until = now_ + 1,
        .types = {},
        .states = {DeliveryState::kExhausted, DeliveryState::kExpired, DeliveryState::kCancelled},
        .missed = true,
        .events = {},
        .now = now_};
  }
  ReplayPage page(const ReplayQuery& query) { return value(outbox_->replayable(query)); }
  ReplayEvents step(EndpointRow endpoint, std::vector<EventRow> events) const {
    const ReplayQuery query = all_of(endpoint);
    return {.endpoint = endpoint,
            .events = std::move(events),
            .states = query.states,
            .missed = true,
            .what = "a range",
            .now = now_,
            .actor = "somebody"};
  }
  // Everything, as Database::replay() does it. Returns how many became due.
  std::uint32_t replay(ReplayQuery query) {
    std::uint32_t count = 0;
    for (;;) {
      const ReplayPage found = page(query);
      ReplayEvents events = step(query.endpoint, found.events);
      events.states = query.states;
      events.missed = query.missed;
      for (Changed done; !events.events.empty();) {
        done = changed(events);
        count += done.count;
        if (done.id == static_cast<std::int64_t>(events.events.size())) break;
      }
      if (!found.next) return count;
      query.after = found.next;
    }
  }
  EventRow kept_event(const std::string& type = "loan.paid", const std::string& key = {}) {
    Enqueue event = event_of();
    event.type = type;
    event.ordering_key = key;
    return enqueued(event).event;
  }
  DeliveryRecord of(EventRow event) { return value(outbox_->deliveries(event)).at(0); }
};

}  // namespace outrider::storage
