// How events, deliveries and attempts are shown to people.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "outrider/types.h"

namespace outrider::cli {

[[nodiscard]] std::string event_table(const std::vector<EventView>& events, std::int64_t now_ms);
// The event, each delivery with its attempts and what comes next, the payload.
[[nodiscard]] std::string event_text(const EventView& event, bool revealed, std::int64_t now_ms);

}  // namespace outrider::cli
