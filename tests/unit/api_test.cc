// The API's parts that need no server: targets, routes, bodies, problems, tokens.
#include <gtest/gtest.h>

#include "api/access.h"
#include "api/call.h"
#include "api/members.h"
#include "api/publishing.h"
#include "api/routes.h"
#include "core/json_text_parts.h"
#include "crypto/mac.h"

namespace outrider::api {
namespace {

TEST(ApiTarget, is_decoded_once_and_refused_where_it_is_malformed) {
  auto call = read_target("/v1/events%3Abatch?type=a%20b+c&state=&account=%C3%BC");
  ASSERT_TRUE(call.has_value());
  EXPECT_EQ(call->path, "/v1/events:batch");
  EXPECT_EQ(*call->parameter("type"), "a b c");
  EXPECT_EQ(*call->parameter("state"), "");
  EXPECT_EQ(*call->parameter("account"), "\xC3\xBC");
  EXPECT_EQ(read_target("/%2541")->path, "/%41");
  for (const char* bad :
       {"/%", "/%4", "/%4x", "/%00", "/%ff", "/a%2Fb", "/a?b=%zz", "/a?b=1&b=2", "/?%ff=1"}) {
    EXPECT_FALSE(read_target(bad).has_value()) << bad;
  }
}

const Route* route_of(const char* method, const char* path, Call& call) {
  call = *read_target(path);
  call.method = method;
  auto found = find_route(call);
  return found ? *found : nullptr;
}

TEST(ApiRoutes, are_found_by_method_and_path_with_the_id) {
  Call call;
  ASSERT_NE(route_of("GET", "/v1/events/evt_a1/attempts", call), nullptr);
  EXPECT_EQ(call.id, "evt_a1");
  ASSERT_NE(route_of("POST", "/v1/endpoints/ep_a1:rotate-secret", call), nullptr);
  EXPECT_EQ(call.id, "ep_a1");
  EXPECT_EQ(route_of("POST", "/v1/events:batch", call)->work, Work::kBatch);
  EXPECT_EQ(route_of("HEAD", "/healthz", call)->work, Work::kAlive);
  for (const char* none : {"/", "/v1/events/", "/v1/events/a/b", "/v1/events/A",
                           "/v1/endpoints/:pause", "/healthz/", "//healthz"}) {
    EXPECT_EQ(route_of("GET", none, call), nullptr) << none;
  }
}

TEST(ApiRoutes, need_a_role_wherever_they_touch_the_database) {
  for (const Route& route : routes()) {
    const bool tells_of_it = route.pattern.starts_with("/v1/") || route.pattern == "/metrics";
    EXPECT_EQ(route.need != Role::kNone, tells_of_it) << route.pattern;
    const bool asks_it = route.work == Work::kDatabase || route.work == Work::kFollow;
    EXPECT_EQ(route.call != nullptr, asks_it) << route.pattern;
    if (route.method != "GET" && !route.pattern.starts_with("/v1/events:")) {
      EXPECT_NE(route.need, Role::kRead) << route.pattern;
    }
  }
}

TEST(ApiRoles, operating_includes_the_others_and_those_nothing_else) {
  const auto may = [](Role role, Role need) {
    return Principal{.role = role, .account = {}, .actor = {}}.may(need);
  };
  for (const Role role : {Role::kNone, Role::kPublish, Role::kRead, Role::kOperate}) {
    EXPECT_TRUE(may(role, Role::kNone));
    for (const Role need : {Role::kPublish, Role::kRead, Role::kOperate}) {
      EXPECT_EQ(may(role, need), role == need || role == Role::kOperate);
    }
  }
}

net::ServerRequest request_with(std::vector<std::string> authorizations) {
  net::ServerRequest request{.method = "GET", .target = "/v1/queue", .peer = "127.0.0.1:1"};
  for (std::string& value : authorizations) {
    request.headers.push_back({"authorization", std::move(value)});
  }
  return request;
}

TEST(ApiAccess, takes_the_whole_token_and_only_it) {
  const std::string text = "orx_0a1b2c3d_" + std::string(64, '7');
  Access access(false);
  access.set_tokens({{.id = "0a1b2c3d",
                      .name = "billing",
                      .role = Role::kPublish,
                      .account = "acme",
                      .sha256 = crypto::sha256(text)}});
  for (const char* scheme : {"Bearer ", "bearer ", "BEARER "}) {
    auto who = access.identify(request_with({scheme + text}));
    ASSERT_TRUE(who.has_value());
    EXPECT_EQ(who->actor, "token billing");
    EXPECT_EQ(who->account, "acme");
    EXPECT_EQ(who->role, Role::kPublish);
  }
  const std::vector<std::string> wrong{
      std::string(),     text,
      "Bearer",          "Bearer " + text + "0",
      "Bearer  " + text, "Bearer orx_0a1b2c3d_" + std::string(64, '8'),
      "Basic " + text,   "Bearer orx_0a1b2c3d",
      "Bearer orx_"};
  for (const std::string& bad : wrong) {
    EXPECT_FALSE(access.identify(request_with({bad})).has_value()) << bad;
  }
  EXPECT_FALSE(access.identify(request_with({"Bearer " + text, "Bearer " + text})).has_value());
  EXPECT_FALSE(access.identify(request_with({})).has_value());
  access.set_tokens({});
  EXPECT_FALSE(access.identify(request_with({"Bearer " + text})).has_value());
}

TEST(ApiAccess, a_unix_socket_needs_no_token_unless_told_to) {
  net::ServerRequest request = request_with({});
  request.peer_uid = 1000;
  EXPECT_EQ(Access(false).identify(request)->actor, "unix uid 1000");
  EXPECT_FALSE(Access(true).identify(request).has_value());
}

TEST(JsonParts, are_the_first_level_as_it_was_written) {
  constexpr core::JsonLimits kLimits{};
  const std::string text =
      R"( {"a" : { "b" : [ 1 , {"c":2} ] } , "d\u0041":"x\n", "e": 1.50 ,"f":null,"g":[]} )";
  auto parts = core::json_parts(text, core::JsonType::kObject, kLimits);
  ASSERT_TRUE(parts.has_value()) << parts.error().to_string();
  ASSERT_EQ(parts->size(), 5U);
  EXPECT_EQ((*parts)[0].raw, R"({ "b" : [ 1 , {"c":2} ] })");
  EXPECT_EQ((*parts)[1].name, "dA");
  EXPECT_EQ((*parts)[1].text, "x\n");
  EXPECT_EQ((*parts)[2].text, "1.50");
  EXPECT_EQ((*parts)[3].type, core::JsonType::kNull);
  EXPECT_EQ((*parts)[4].raw, "[]");
  auto elements = core::json_parts("[1,\"a\",[2,[3]],{}]", core::JsonType::kArray, kLimits);
  ASSERT_EQ(elements->size(), 4U);
  EXPECT_EQ((*elements)[2].raw, "[2,[3]]");
  EXPECT_FALSE(core::json_parts("[]", core::JsonType::kObject, kLimits).has_value());
  EXPECT_FALSE(core::json_parts("1", core::JsonType::kArray, kLimits).has_value());
  EXPECT_FALSE(core::json_parts("{", core::JsonType::kObject, kLimits).has_value());
}

TEST(ApiEvents, keep_the_payload_byte_for_byte) {
  const Principal who{.role = Role::kPublish, .account = "acme", .actor = {}};
  const auto event = event_from_json(
      R"({"provider":"p","type":"t","payload": { "n" : 1.50 },"endpoint_ids":["ep_a"]})", who);
  ASSERT_TRUE(event.has_value()) << event.error().detail;
  EXPECT_EQ(event->payload, R"({ "n" : 1.50 })");
  EXPECT_EQ(event->account, "acme");
  EXPECT_EQ(event->endpoints, std::vector<std::string>{"ep_a"});
}

TEST(ApiProblems, of_an_error_have_the_name_of_its_code) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::kKey); ++code) {
    const auto value = static_cast<ErrorCode>(code);
    EXPECT_EQ(kind_of(value).name, error_code_name(value));
    EXPECT_EQ(kind_of(value).status == 503, kind_of(value).retry_after_s > 0)
        << kind_of(value).name;
  }
}

}  // namespace
}  // namespace outrider::api
