// The public views as members of a JSON object, for the command line and the API alike: their names
// are those of outrider/types.h, and stand here once. The two say some values in different ways;
// the form knows which.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json_output.h"
#include "outrider/database.h"
#include "outrider/provider.h"
#include "outrider/types.h"

namespace outrider {

enum class ViewForm : std::uint8_t {
  kCommand,  // times are UTC milliseconds; a text that is not there is empty, a status 0
  kApi,      // times are RFC 3339; what is not there is null
};

// Each call adds members to the object that is open.
class ViewMembers {
 public:
  ViewMembers(core::JsonOutput& json, ViewForm form) : json_(json), form_(form) {}

  ViewMembers& time(std::string_view name, std::int64_t at);
  ViewMembers& time(std::string_view name, std::optional<std::int64_t> at);
  ViewMembers& text(std::string_view name, const std::string& value);  // may be empty

  void endpoint_target(const EndpointView& endpoint);  // id to headers
  void endpoint_state(const EndpointView& endpoint);   // description to recent_failures
  void secrets(const std::vector<SecretView>& secrets);
  void event(const EventView& event);           // id to tracestate
  void delivery(const DeliveryView& delivery);  // id to finished_at
  void attempt(const AttemptView& attempt);
  void notice(const Notice& notice);   // id to detail
  void queue(const QueueView& queue);  // waiting to endpoints
  void stats(const EndpointStats& stats);
  void skipped(const ReplayReport& report);     // waiting to unknown
  void provider(const ProviderView& provider);  // name to deactivation

 private:
  core::JsonOutput& json_;
  ViewForm form_;
};

// As an array of objects.
void write_headers(core::JsonOutput& json, const std::vector<HeaderField>& headers);
// As an object.
void write_receipt(core::JsonOutput& json, const EventReceipt& receipt);

}  // namespace outrider
