#include "endpoint_text.h"

#include "endpoint_tls.h"
#include "table.h"
#include "time_text.h"

namespace outrider::cli {
namespace {

std::string rate_text(double per_second) {
  if (per_second == 0) return "unlimited";
  std::string number = std::to_string(per_second);
  number.erase(number.find_last_not_of('0') + 1);
  if (number.back() == '.') number.pop_back();
  return number + " a second";
}

std::string state_text(const EndpointView& endpoint, std::int64_t now_ms) {
  std::string text(state_name(endpoint.state));
  if (!endpoint.state_reason.empty()) text += ": " + endpoint.state_reason;
  if (endpoint.state != EndpointState::kActive) {
    text += ", " + when(endpoint.state_changed_at, now_ms);
  }
  return text;
}

}  // namespace

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::string endpoint_text(const EndpointView& endpoint, std::int64_t now_ms) {
  FieldList fields;
  fields.add("Endpoint", endpoint.id);
  fields.add("Account", endpoint.account);
  fields.add("Provider", endpoint.provider);
  fields.add("URL", endpoint.url);
  fields.add("State", state_text(endpoint, now_ms));
  fields.add("Event types", endpoint.types.empty() ? "all" : joined(endpoint.types));
  fields.add("Description", endpoint.description);
  for (const HeaderField& header : endpoint.headers) {
    fields.add("Header", header.name + ": " + header.value);
  }
  fields.add("Rate", rate_text(endpoint.rate_per_second));
  fields.add("In flight, most", std::to_string(endpoint.max_in_flight));
  fields.add("Failures", std::to_string(endpoint.consecutive_failures) + " in a row, " +
                             std::to_string(endpoint.recent_failures) + " remembered");
  add_fields(fields, endpoint.tls, now_ms);
  fields.add("Live secrets", std::to_string(endpoint.live_secrets));
  for (const SecretView& secret : endpoint.secrets) {
    fields.add("Secret", "from " + rfc3339(secret.created_at) +
                             (secret.expires_at ? ", ends " + when(secret.expires_at, now_ms)
                                                : ", until it is replaced"));
  }
  fields.add("Added", when(endpoint.created_at, now_ms));
  return fields.text();
}

std::string endpoint_table(const std::vector<EndpointView>& endpoints, std::int64_t now_ms) {
  using enum Column::Align;
  Table table({{"ENDPOINT"},
               {"ACCOUNT", kLeft, 24},
               {"PROVIDER", kLeft, 24},
               {"STATE"},
               {"FAILURES", kRight},
               {"ADDED"},
               {"URL"}});
  for (const EndpointView& endpoint : endpoints) {
    table.add({endpoint.id, endpoint.account, endpoint.provider,
               std::string(state_name(endpoint.state)),
               std::to_string(endpoint.consecutive_failures), ago(endpoint.created_at, now_ms),
               endpoint.url});
  }
  return table.empty() ? "no endpoints\n" : table.text();
}

}  // namespace outrider::cli
