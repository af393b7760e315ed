// Endpoints and providers. A generated secret is in the answer to the call that made it, and in no
// other.
#include <algorithm>

#include "api/members.h"
#include "api/operate.h"
#include "api/publishing.h"
#include "api/views.h"
#include "core/provider.h"
#include "crypto/mac.h"

namespace outrider::api {
namespace {

using core::JsonOutput;

Reply endpoint_reply(const EndpointView& endpoint) {
  JsonOutput json(JsonOutput::Layout::kOneLine);
  write(json, endpoint);
  return reply(json);
}

Read<EndpointView> endpoint_of(Database& database, const Call& call) {
  auto endpoint = database.endpoint(call.id);
  if (!endpoint) return refuse(endpoint.error());
  if (!call.who.sees(endpoint->account)) {
    return refuse(kind_of(ErrorCode::kNotFound), "no such endpoint (" + call.id + ")");
  }
  return std::move(*endpoint);
}

constexpr core::JsonLimits kHeaderLimits{.max_bytes = 1024 * 1024, .max_depth = 3};

// [{"name": …, "value": …}]
Read<void> take_headers(Members& members, std::vector<HeaderField>& into) {
  std::optional<std::string_view> raw;
  members.take_raw("headers", raw);
  if (!raw || *raw == "null") return {};
  auto elements = core::json_parts(*raw, core::JsonType::kArray, kHeaderLimits);
  if (!elements) {
    members.wrong("headers", "not an array of objects with name and value");
    return {};
  }
  into.clear();
  for (std::size_t i = 0; i < elements->size(); ++i) {
    auto header = Members::read((*elements)[i].raw, "/headers/" + std::to_string(i));
    if (!header) return tl::unexpected(std::move(header.error()));
    HeaderField field;
    header->take("name", field.name);
    header->take("value", field.value);
    header->require("name", !field.name.empty());
    if (auto done = header->finish(); !done) return done;
    into.push_back(std::move(field));
  }
  return {};
}

Read<void> take_tls(Members& members, TlsIdentity& into) {
  std::optional<std::string_view> raw;
  members.take_raw("tls", raw);
  if (!raw || *raw == "null") return {};
  auto tls = Members::read(*raw, "/tls");
  if (!tls) return tl::unexpected(std::move(tls.error()));
  std::string minimum = into.at_least == TlsVersion::k13 ? "1.3" : "1.2";
  tls->take("ca", into.ca);
  tls->take("certificate", into.certificate);
  tls->take("key", into.key);
  tls->take("minimum", minimum);
  if (minimum != "1.2" && minimum != "1.3") tls->wrong("minimum", "neither 1.2 nor 1.3");
  into.at_least = minimum == "1.3" ? TlsVersion::k13 : TlsVersion::k12;
  return tls->finish();
}

// A merge patch of the settings; null empties one, or all of them.
Read<void> take_tls_change(Members& members, TlsChange& into) {
  if (!members.has("tls")) return {};
  std::optional<std::string_view> raw;
  members.take_raw("tls", raw);
  if (*raw == "null") {
    into = {.ca = "", .certificate = "", .key = std::nullopt, .at_least = TlsVersion::k12};
    return {};
  }
  auto tls = Members::read(*raw, "/tls");
  if (!tls) return tl::unexpected(std::move(tls.error()));
  std::optional<std::string> minimum;
  tls->take_or_empty("ca", into.ca);
  tls->take_or_empty("certificate", into.certificate);
  tls->take("key", into.key);
  tls->take_or_empty("minimum", minimum);
  if (minimum && minimum->empty()) minimum = "1.2";
  if (minimum && *minimum != "1.2" && *minimum != "1.3") {
    tls->wrong("minimum", "neither 1.2 nor 1.3");
  }
  if (minimum) into.at_least = *minimum == "1.3" ? TlsVersion::k13 : TlsVersion::k12;
  return tls->finish();
}

Read<EndpointSpec> endpoint_spec(const Call& call) {
  auto members = Members::read(call.body);
  if (!members) return tl::unexpected(std::move(members.error()));
  EndpointSpec spec;
  std::int64_t max_in_flight = spec.max_in_flight;
  members->take("account", spec.account);
  members->take("provider", spec.provider);
  members->take("url", spec.url);
  members->take("secret", spec.secret);
  members->take("types", spec.types);
  members->take("description", spec.description);
  members->take("rate_per_second", spec.rate_per_second);
  members->take("max_in_flight", max_in_flight, 1, 1024);
  spec.max_in_flight = static_cast<std::uint32_t>(max_in_flight);
  if (auto ok = take_headers(*members, spec.headers); !ok) {
    return tl::unexpected(std::move(ok.error()));
  }
  if (auto ok = take_tls(*members, spec.tls); !ok) return tl::unexpected(std::move(ok.error()));
  if (auto done = members->finish(); !done) return tl::unexpected(std::move(done.error()));
  if (spec.account.empty()) spec.account = call.who.account;
  if (!call.who.sees(spec.account)) {
    return refuse(kForbidden, "the token is bound to another account", "/account");
  }
  return spec;
}

// A range or named events: to replay all there is, one must say so.
Read<ReplayFilter> replay_filter(const Call& call) {
  auto members = Members::read(call.body);
  if (!members) return tl::unexpected(std::move(members.error()));
  ReplayFilter filter;
  std::vector<std::string> states;
  const bool chosen = members->has("states");
  std::int64_t limit = filter.limit;
  members->take_time("since", filter.since);
  members->take_time("until", filter.until);
  members->take("types", filter.types);
  members->take("states", states);
  members->take("event_ids", filter.events);
  members->take("limit", limit, 1, 100'000);
  members->take("dry_run", filter.dry_run);
  members->take("cursor", filter.cursor);
  filter.limit = static_cast<std::uint32_t>(limit);
  members->require("since", filter.since.has_value() || !filter.events.empty());
  if (chosen && !states.empty()) {
    filter.states.clear();
    filter.missed = false;
    for (std::size_t i = 0; i < states.size(); ++i) {
      const auto state = delivery_state_from(states[i]);
      if (states[i] == "missed") {
        filter.missed = true;
      } else if (state) {
        filter.states.push_back(*state);
      } else {
        members->wrong("states", "\"" + states[i] + "\" is no state of a delivery");
      }
    }
  }
  if (auto done = members->finish(); !done) return tl::unexpected(std::move(done.error()));
  return filter;
}

Problem spec_problem(const Error& error) {
  Problem problem = problem_of(error);
  if (error.code == ErrorCode::kNotFound) problem.kind = &kind_of(ErrorCode::kInvalidArgument);
  return problem;
}

}  // namespace

Answer create_endpoint(Database& database, const Call& call) {
  auto spec = endpoint_spec(call);
  if (!spec) return tl::unexpected(std::move(spec.error()));
  const core::Provider* provider = database.providers().core().find(spec->provider);
  if (provider != nullptr && provider->notices && !call.who.account.empty()) {
    return refuse(kForbidden, "notices are about all accounts, the token is bound to one",
                  "/provider");
  }
  auto added = database.add_endpoint(*spec);
  crypto::wipe(spec->secret);
  crypto::wipe(spec->tls.key);
  if (!added) return tl::unexpected(spec_problem(added.error()));
  JsonOutput json(JsonOutput::Layout::kOneLine);
  json.begin_object().key("endpoint");
  write(json, added->endpoint);
  json.member("generated_secret", added->generated_secret).end_object();
  Reply created = reply(json, 201);
  created.headers.push_back({"Location", "/v1/endpoints/" + added->endpoint.id});
  return created;
}

Answer list_endpoints(Database& database, const Call& call) {
  auto page = page_parameters(call);
  if (!page) return tl::unexpected(std::move(page.error()));
  std::string provider;
  if (const std::string* wanted = call.parameter("provider")) provider = *wanted;
  auto endpoints = database.endpoints(page->account, provider);
  if (!endpoints) return refuse(endpoints.error());
  auto first = endpoints->begin();
  if (const std::string* cursor = call.parameter("cursor")) {
    first = std::ranges::find(*endpoints, *cursor, &EndpointView::id);
    if (first == endpoints->end()) return refuse_parameter("cursor", "the list has no such place");
    ++first;
  }
  const auto last = first + std::min<std::ptrdiff_t>(page->limit, endpoints->end() - first);
  JsonOutput json(JsonOutput::Layout::kOneLine);
  json.begin_object().key("items").begin_array();
  for (auto it = first; it != last; ++it) write(json, *it);
  json.end_array();
  std::optional<std::string> next;
  if (last != endpoints->end()) next = (last - 1)->id;
  json.member("next_cursor", next).end_object();
  return reply(json);
}

Answer show_endpoint(Database& database, const Call& call) {
  auto endpoint = endpoint_of(database, call);
  if (!endpoint) return tl::unexpected(std::move(endpoint.error()));
  return endpoint_reply(*endpoint);
}

Answer show_endpoint_stats(Database& database, const Call& call) {
  auto since = time_parameter(call, "since");
  if (!since) return tl::unexpected(std::move(since.error()));
  auto until = time_parameter(call, "until");
  if (!until) return tl::unexpected(std::move(until.error()));
  auto endpoint = endpoint_of(database, call);
  if (!endpoint) return tl::unexpected(std::move(endpoint.error()));
  auto stats = database.endpoint_stats(call.id, *since, *until);
  if (!stats && stats.error().code == ErrorCode::kInvalidArgument) {
    return refuse_parameter(stats.error().where, stats.error().message);
  }
  if (!stats) return refuse(stats.error());
  JsonOutput json(JsonOutput::Layout::kOneLine);
  write(json, *stats);
  return reply(json);
}

// A merge patch (RFC 7396) of what may change; null empties a field.
Answer change_endpoint(Database& database, const Call& call) {
  auto members = Members::read(call.body);
  if (!members) return tl::unexpected(std::move(members.error()));
  EndpointChange change;
  members->take("url", change.url);
  members->take_or_empty("types", change.types);
  members->take_or_empty("description", change.description);
  members->take_or_empty("rate_per_second", change.rate_per_second);
  members->take("max_in_flight", change.max_in_flight, 1, 1024);
  if (members->has("headers")) {
    change.headers.emplace();
    if (auto ok = take_headers(*members, *change.headers); !ok) {
      return tl::unexpected(std::move(ok.error()));
    }
  }
  if (auto ok = take_tls_change(*members, change.tls); !ok) {
    return tl::unexpected(std::move(ok.error()));
  }
  if (auto done = members->finish(); !done) return tl::unexpected(std::move(done.error()));
  auto endpoint = endpoint_of(database, call);
  if (!endpoint) return tl::unexpected(std::move(endpoint.error()));
  auto changed = database.update_endpoint(call.id, change);
  if (change.tls.key) crypto::wipe(*change.tls.key);
  if (!changed) return tl::unexpected(problem_of(changed.error()));
  return endpoint_reply(*changed);
}

Answer delete_endpoint(Database& database, const Call& call) {
  auto endpoint = endpoint_of(database, call);
  if (!endpoint) return tl::unexpected(std::move(endpoint.error()));
  if (auto removed = database.remove_endpoint(call.id); !removed) return refuse(removed.error());
  return Reply{.status = 204, .body = {}};
}

Answer pause_endpoint(Database& database, const Call& call) {
  std::string reason;
  auto read =
      read_optional(call.body, [&reason](Members& members) { members.take("reason", reason); });
  if (!read) return tl::unexpected(std::move(read.error()));
  auto endpoint = endpoint_of(database, call);
  if (!endpoint) return tl::unexpected(std::move(endpoint.error()));
  auto paused = database.pause_endpoint(call.id, reason);
  if (!paused) return refuse(paused.error());
  return endpoint_reply(*paused);
}

Answer activate_endpoint(Database& database, const Call& call) {
  auto endpoint = endpoint_of(database, call);
  if (!endpoint) return tl::unexpected(std::move(endpoint.error()));
  auto active = database.activate_endpoint(call.id);
  if (!active) return refuse(active.error());
  return endpoint_reply(*active);
}

Answer test_endpoint(Database& database, const Call& call) {
  auto endpoint = endpoint_of(database, call);
  if (!endpoint) return tl::unexpected(std::move(endpoint.error()));
  auto receipt = database.test_endpoint(call.id);
  if (!receipt) return refuse(receipt.error());
  return Reply{.status = 202, .body = receipt_json(*receipt) + "\n"};
}

Answer rotate_secret(Database& database, const Call& call) {
  std::string secret;
  std::int64_t overlap_s = 86'400;
  auto read = read_optional(call.body, [&](Members& members) {
    members.take("secret", secret);
    members.take("overlap_s", overlap_s, 0, 365LL * 86'400);
  });
  if (!read) return tl::unexpected(std::move(read.error()));
  auto endpoint = endpoint_of(database, call);
  if (!endpoint) return tl::unexpected(std::move(endpoint.error()));
  auto generated = database.rotate_secret(call.id, secret, overlap_s);
  crypto::wipe(secret);
  if (!generated) return refuse(generated.error());
  JsonOutput json(JsonOutput::Layout::kOneLine);
  json.begin_object().member("generated_secret", *generated).end_object();
  return reply(json);
}

Answer replay_endpoint(Database& database, const Call& call) {
  auto filter = replay_filter(call);
  if (!filter) return tl::unexpected(std::move(filter.error()));
  auto endpoint = endpoint_of(database, call);
  if (!endpoint) return tl::unexpected(std::move(endpoint.error()));
  auto report = database.replay(call.id, *filter);
  if (!report) {
    Problem problem = problem_of(report.error());
    if (report.error().where == "events") problem.pointer = "/event_ids";
    return tl::unexpected(std::move(problem));
  }
  JsonOutput json(JsonOutput::Layout::kOneLine);
  write(json, *report, filter->dry_run);
  return reply(json);
}

Answer list_providers(Database& database, const Call&) {
  JsonOutput json(JsonOutput::Layout::kOneLine);
  json.begin_object().key("items").begin_array();
  for (const ProviderView& provider : database.providers().list()) write(json, provider);
  json.end_array().end_object();
  return reply(json);
}

}  // namespace outrider::api
