// The public views as the API's JSON: the names of outrider/types.h, times in RFC 3339, what is
// not there as null.
#pragma once

#include <string>
#include <vector>

#include "core/json_output.h"
#include "outrider/database.h"
#include "outrider/provider.h"
#include "outrider/types.h"

namespace outrider::api {

enum class Detail { kShort, kFull };

void write(core::JsonOutput& json, const EndpointView& endpoint);
void write(core::JsonOutput& json, const EventView& event, Detail detail);
void write_attempts(core::JsonOutput& json, const EventView& event);
void write(core::JsonOutput& json, const Notice& notice);
void write(core::JsonOutput& json, const EndpointStats& stats);
void write(core::JsonOutput& json, const QueueView& queue);
void write(core::JsonOutput& json, const ProviderView& provider);
void write(core::JsonOutput& json, const ReplayReport& report, bool dry_run);

}  // namespace outrider::api
