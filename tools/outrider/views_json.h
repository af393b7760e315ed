// The public views as JSON. Keys are those of outrider/types.h; times are UTC milliseconds, as
// there and in the database.
#pragma once

#include "json_output.h"
#include "outrider/database.h"
#include "outrider/provider.h"
#include "outrider/types.h"

namespace outrider::cli {

void write_json(JsonOutput& json, const EndpointView& endpoint);
void write_json(JsonOutput& json, const EndpointStats& stats);
void write_json(JsonOutput& json, const EventReceipt& receipt);
enum class Payload { kLeaveOut, kShow };
void write_json(JsonOutput& json, const EventView& event, Payload payload);
void write_json(JsonOutput& json, const QueueView& queue,
                const std::vector<Database::RejectedRow>& rejected);
void write_json(JsonOutput& json, const ProviderView& provider, bool definition);
void write_json(JsonOutput& json, const Error& error);

// A document that is one view alone, its line ended.
template <class... View>
[[nodiscard]] std::string json_document(const View&... view) {
  JsonOutput json;
  write_json(json, view...);
  return json.document() + "\n";
}

}  // namespace outrider::cli
