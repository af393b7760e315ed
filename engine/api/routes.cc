// The table is short: it is searched from its beginning.
#include "api/routes.h"

#include <algorithm>

#include "api/operate.h"

namespace outrider::api {
namespace {

constexpr std::string_view kId = "{id}";

bool is_id(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// The id in `path` where it fits the pattern; empty also for a pattern without one.
std::optional<std::string_view> fit(std::string_view pattern, std::string_view path) {
  const std::size_t at = pattern.find(kId);
  if (at == std::string_view::npos) {
    if (pattern == path) return std::string_view();
    return std::nullopt;
  }
  const std::string_view behind = pattern.substr(at + kId.size());
  if (path.size() <= at + behind.size() || !path.starts_with(pattern.substr(0, at)) ||
      !path.ends_with(behind)) {
    return std::nullopt;
  }
  const std::string_view id = path.substr(at, path.size() - at - behind.size());
  if (!is_id(id)) return std::nullopt;
  return id;
}

}  // namespace

std::span<const Route> routes() {
  constexpr auto kDatabase = Work::kDatabase;
  constexpr std::size_t kSmall = 64 * 1024;
  static const std::vector<Route> table{
      {"GET", "/healthz", Role::kNone, Work::kAlive},
      {"GET", "/readyz", Role::kNone, Work::kReady},
      {"GET", "/openapi.yaml", Role::kNone, Work::kDescription},
      {"GET", "/metrics", Role::kRead, Work::kMetrics},
      {"POST", "/v1/events", Role::kPublish, Work::kPublish, nullptr, {}, kMaxBodyBytes},
      {"POST", "/v1/events:batch", Role::kPublish, Work::kBatch, nullptr, {}, kMaxBatchBytes},
      {"GET",
       "/v1/events",
       Role::kRead,
       kDatabase,
       list_events,
       {"account", "provider", "type", "state", "endpoint", "idempotency_key", "cursor", "limit"}},
      {"GET", "/v1/events/{id}", Role::kRead, kDatabase, show_event, {"reveal"}},
      {"GET", "/v1/events/{id}/attempts", Role::kRead, kDatabase, list_attempts},
      {"POST", "/v1/events/{id}/retry", Role::kOperate, kDatabase, retry_event, {}, kSmall},
      {"POST", "/v1/events/{id}/cancel", Role::kOperate, kDatabase, cancel_event, {}, kSmall},
      {"POST", "/v1/endpoints", Role::kOperate, kDatabase, create_endpoint, {}, kMaxBodyBytes},
      {"GET",
       "/v1/endpoints",
       Role::kRead,
       kDatabase,
       list_endpoints,
       {"account", "provider", "cursor", "limit"}},
      {"GET", "/v1/endpoints/{id}", Role::kRead, kDatabase, show_endpoint},
      {"GET",
       "/v1/endpoints/{id}/stats",
       Role::kRead,
       kDatabase,
       show_endpoint_stats,
       {"since", "until"}},
      {"PATCH",
       "/v1/endpoints/{id}",
       Role::kOperate,
       kDatabase,
       change_endpoint,
       {},
       kMaxBodyBytes},
      {"DELETE", "/v1/endpoints/{id}", Role::kOperate, kDatabase, delete_endpoint},
      {"POST", "/v1/endpoints/{id}:pause", Role::kOperate, kDatabase, pause_endpoint, {}, kSmall},
      {"POST", "/v1/endpoints/{id}:activate", Role::kOperate, kDatabase, activate_endpoint},
      {"POST", "/v1/endpoints/{id}:test", Role::kOperate, kDatabase, test_endpoint},
      {"POST",
       "/v1/endpoints/{id}:rotate-secret",
       Role::kOperate,
       kDatabase,
       rotate_secret,
       {},
       kSmall},
      {"POST",
       "/v1/endpoints/{id}:replay",
       Role::kOperate,
       kDatabase,
       replay_endpoint,
       {},
       kMaxBodyBytes},
      {"GET", "/v1/queue", Role::kRead, kDatabase, show_queue},
      {"GET",
       "/v1/notices",
       Role::kRead,
       Work::kFollow,
       list_notices,
       {"cursor", "limit", "kind", "account", "since", "wait"}},
      {"GET", "/v1/providers", Role::kRead, kDatabase, list_providers},
  };
  return table;
}

Read<const Route*> find_route(Call& call) {
  // Both arms a view: of a literal and a string the result would be a temporary string.
  const std::string_view method =
      call.method == "HEAD" ? std::string_view("GET") : std::string_view(call.method);
  std::string allowed;
  for (const Route& route : routes()) {
    const auto id = fit(route.pattern, call.path);
    if (!id) continue;
    if (route.method == method) {
      call.id = *id;
      return &route;
    }
    if (!allowed.empty()) allowed += ", ";
    allowed += route.method;
    if (route.method == "GET") allowed += ", HEAD";
  }
  if (allowed.empty()) return refuse(kNoRoute, "see /openapi.yaml for what there is");
  auto problem = refuse(kMethodNotAllowed, "this path has " + allowed);
  problem.value().headers.push_back({"Allow", allowed});
  return problem;
}

Read<void> check_parameters(const Route& route, const Call& call) {
  for (const auto& [name, value] : call.query) {
    if (std::ranges::find(route.parameters, name) == route.parameters.end()) {
      return refuse_parameter(name, "not a parameter of this path");
    }
  }
  return {};
}

}  // namespace outrider::api
