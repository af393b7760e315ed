// Which deliveries are an event's. A delivery for each event is the rule, so the first one gets the
// row id of its event, where that is free, and is found by it; only the others are in the index
// outrider_delivery_of_event, which is what `id <> event` stands for there and here.
#pragma once

// A condition on outrider_delivery d, for SQL: `event` is a parameter or a column.
#define OUTRIDER_OF_EVENT(event) \
  "((d.event = " event " AND d.id = " event ") OR (d.event = " event " AND d.id <> d.event))"
