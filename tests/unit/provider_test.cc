// The definitions that ship, what a loaded one answers, and what prepare() makes of an event.
#include "core/provider.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "provider_files.h"

namespace outrider::test {
namespace {

using core::Duration;
using core::Provider;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t kNow = 1'600'000'000'000;

Provider loaded(const std::string& definition) {
  core::Lint result = lint(definition);
  for (const Error& fault : result.faults) ADD_FAILURE() << fault.to_string();
  return result.provider.value_or(Provider{});
}

std::string definition(const std::string& more, const std::string& signed_text = "{body}",
                       const std::string& header = "{signatures}") {
  return R"({"format":1,"name":"p","signature":{"schemes":[{"algorithm":"hmac-sha256","signed":")" +
         signed_text + R"("}],"headers":{"S":")" + header + R"("}},"events":{"*":{},"named":{}})" +
         more + "}";
}

Result<core::PreparedEvent> prepared(const Provider& provider, const std::string& payload,
                                     std::optional<std::int64_t> expires_at = {},
                                     std::optional<std::string_view> ordering_key = {},
                                     const std::string& type = "named") {
  return core::prepare(provider, type, payload, expires_at, ordering_key, kNow, {});
}

std::vector<std::string> header_names(const Provider& provider) {
  std::vector<std::string> names;
  for (const auto& header : provider.signature.headers) names.push_back(header.name);
  return names;
}

TEST(BuiltInProvider, all_load_without_a_fault) {
  for (const std::string& name : provider_names()) {
    const core::Lint result = lint(read_schemas_file("providers/" + name + ".json"));
    EXPECT_THAT(result.faults, IsEmpty()) << name;
  }
}

TEST(BuiltInProvider, lossexpress_follows_its_document) {
  const Provider p = load("lossexpress");
  EXPECT_THAT(header_names(p), ElementsAre("X-LossExpress-Signature"));
  EXPECT_EQ(p.body, core::BodyMode::kEcmascript);
  for (int status = 100; status < 600; ++status) {
    EXPECT_EQ(p.success.contains(status), status == 200) << status;
  }
  EXPECT_EQ(p.timeout, Duration(3000));
  EXPECT_EQ(p.retry.delays, core::RetryPolicy::default_delays());
  EXPECT_EQ(p.retry.max_attempts, 6u);
  EXPECT_EQ(p.deactivate.consecutive, 5u);
  EXPECT_EQ(p.deactivate.window_count, 10u);
  EXPECT_EQ(p.deactivate.window, std::chrono::minutes(15));
  EXPECT_EQ(p.deactivate.scope, core::DeactivationScope::kAccount);
  EXPECT_EQ(p.deactivate.pending, core::PendingRule::kCancel);
  EXPECT_TRUE(p.deactivate.refuse_new_events);
  EXPECT_EQ(p.no_endpoint, core::NoEndpointRule::kRefuse);
  EXPECT_EQ(p.endpoints_per_account, std::nullopt);
  EXPECT_EQ(p.expires_pointer, "/validThroughDate");
  EXPECT_EQ(p.event("other"), nullptr);
}

TEST(BuiltInProvider, application_export_follows_its_document) {
  const Provider p = load("credit-app");
  EXPECT_THAT(header_names(p), ElementsAre("X-CREDIT-APP-SIGNATURE"));
  EXPECT_TRUE(p.success.contains(204));
  EXPECT_FALSE(p.success.contains(302));
  EXPECT_EQ(p.deactivate.scope, core::DeactivationScope::kEndpoint);
  EXPECT_EQ(p.deactivate.pending, core::PendingRule::kHold);
  EXPECT_FALSE(p.deactivate.refuse_new_events);
  EXPECT_EQ(p.no_endpoint, core::NoEndpointRule::kKeep);
  EXPECT_EQ(p.endpoints_per_account, std::nullopt);
}

TEST(BuiltInProvider, lender_and_spender_follows_its_document) {
  const Provider p = load("lender-spender");
  EXPECT_THAT(header_names(p), ElementsAre("Signature"));
  using std::chrono::seconds;
  EXPECT_THAT(p.retry.delays, ElementsAre(seconds(10), seconds(100), seconds(1000), seconds(10'000),
                                          seconds(100'000)));
  EXPECT_EQ(p.retry.max_attempts, 6u);
  EXPECT_EQ(p.retry.jitter, 0);
  EXPECT_FALSE(p.retry.honour_retry_after);
  EXPECT_EQ(p.endpoints_per_account, 10u);
  EXPECT_TRUE(p.event("webhook_test")->is_test);
  EXPECT_EQ(p.event("webhook_test")->max_attempts, 1u);
  EXPECT_EQ(p.event("webhook_test")->test_payload,
            R"({"type":"webhook_test","data":{"status":"success"}})");
  EXPECT_FALSE(p.event("loan_application_status_update")->is_test);
}

TEST(BuiltInProvider, standard_webhooks_can_rotate_secrets_and_end_on_410) {
  const Provider p = load("standard-webhooks");
  EXPECT_THAT(header_names(p), ElementsAre("webhook-id", "webhook-timestamp", "webhook-signature"));
  ASSERT_EQ(p.signature.schemes.size(), 2u);
  EXPECT_EQ(p.signature.schemes[0].key_prefix, "whsec_");
  EXPECT_EQ(p.signature.schemes[1].key_prefix, "whsk_");
  EXPECT_EQ(p.signature.schemes[1].algorithm, core::Algorithm::kEd25519);
  EXPECT_TRUE(p.signature.joins);
  EXPECT_THAT(p.gone, ElementsAre(410));
  EXPECT_TRUE(p.retry.honour_retry_after);
  EXPECT_EQ(p.event("invoice.paid")->name, "*");
}

TEST(BuiltInProvider, github_and_stripe_are_data_too) {
  const Provider github = load("github");
  EXPECT_THAT(header_names(github),
              ElementsAre("X-GitHub-Event", "X-GitHub-Delivery", "X-Hub-Signature-256"));
  EXPECT_FALSE(github.signature.joins);
  EXPECT_TRUE(github.event("ping")->is_test);
  const Provider stripe = load("stripe");
  EXPECT_THAT(header_names(stripe), ElementsAre("Stripe-Signature"));
  EXPECT_EQ(stripe.signature.join, ",");
}

TEST(BuiltInProvider, every_test_event_is_one_its_own_rules_accept) {
  for (const std::string& name : provider_names()) {
    const Provider provider = load(name);
    for (const auto& [type, event] : provider.events) {
      if (!event.is_test) continue;
      const auto result = prepared(provider, event.test_payload, {}, {}, type);
      ASSERT_TRUE(result.has_value()) << name << ": " << result.error().to_string();
      EXPECT_TRUE(result->is_test);
      EXPECT_EQ(result->max_attempts, 1u);
    }
  }
}

TEST(Provider, reserves_the_headers_of_the_signature_the_engine_and_the_connection) {
  const Provider p = loaded(definition(R"(,"headers":{"Acme-Version":"2"})"));
  for (const char* name :
       {"S", "s", "Acme-Version", "acme-version", "webhook-id", "Content-Type", "content-length",
        "HOST", "Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
        "Expect", "User-Agent", "Proxy-Authorization", "Proxy-Connection"}) {
    EXPECT_TRUE(p.reserves_header(name)) << name;
  }
  for (const char* name :
       {"Authorization", "X-Api-Key", "Cookie", "S2", "", "Webhook-Id-2", "Accept"}) {
    EXPECT_FALSE(p.reserves_header(name)) << name;
  }
}

TEST(Provider, finds_a_type_by_name_or_by_the_star) {
  const Provider p = loaded(definition(""));
  EXPECT_EQ(p.event("named")->name, "named");
  EXPECT_EQ(p.event("other")->name, "*");
  EXPECT_EQ(load("lender-spender").event("other"), nullptr);
}

TEST(ProviderSet, lists_by_name_and_replaces) {
  core::ProviderSet set;
  for (const char* name : {"b", "a", "c"}) {
    Provider provider;
    provider.name = name;
    set.put(provider);
  }
  Provider again;
  again.name = "b";
  again.title = "second";
  set.put(again);
  std::vector<std::string> names;
  for (const Provider* provider : set.list()) names.push_back(provider->name);
  EXPECT_THAT(names, ElementsAre("a", "b", "c"));
  EXPECT_EQ(set.find("b")->title, "second");
  EXPECT_EQ(set.find("d"), nullptr);
}

TEST(Prepare, makes_the_body_that_the_provider_wants) {
  const std::string payload = "{ \"b\" : 1.0,\n \"a\" : \"\\u00e9\\/\" }";
  const auto body = [&](const std::string& mode) {
    const auto result = prepared(loaded(definition(R"(,"body":")" + mode + "\"")), payload);
    return result ? result->body : result.error().to_string();
  };
  EXPECT_EQ(body("ecmascript"), "{\"b\":1,\"a\":\"\u00e9/\"}");
  EXPECT_EQ(body("compact"), "{\"b\":1.0,\"a\":\"\\u00e9\\/\"}");
  EXPECT_EQ(body("raw"), payload);
}

TEST(Prepare, refuses_a_type_the_provider_does_not_know) {
  const auto result = prepared(load("lender-spender"), "{}", {}, {}, "loan_application_created");
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(result.error().where, "type");
  EXPECT_THAT(result.error().message, HasSubstr("loan_application_created"));
  EXPECT_THAT(result.error().hint, HasSubstr("webhook_test"));
  EXPECT_FALSE(prepared(loaded(definition("")), "{}", {}, {}, "*").has_value());
}

TEST(Prepare, refuses_a_type_that_no_header_can_carry) {
  const Provider in_header = loaded(definition("", "{body}", "{signatures},{type}"));
  const Provider in_signature = loaded(definition("", "{type}.{body}"));
  const Provider nowhere = loaded(definition(""));
  for (const std::string type : {"a b", "caf\u00e9", "a\r\nX: y", "", "tab\t"}) {
    for (const Provider* provider : {&in_header, &in_signature}) {
      const auto result = prepared(*provider, "{}", {}, {}, type);
      ASSERT_FALSE(result.has_value()) << type;
      EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
    }
  }
  EXPECT_TRUE(prepared(nowhere, "{}", {}, {}, "caf\u00e9 au lait").has_value());
  EXPECT_FALSE(prepared(nowhere, "{}", {}, {}, "a\nb").has_value());
  EXPECT_FALSE(prepared(nowhere, "{}", {}, {}, std::string(256, 'a')).has_value());
  EXPECT_TRUE(prepared(in_header, "{}", {}, {}, "com.example/invoice:paid_2").has_value());
}

TEST(Prepare, refuses_a_payload_that_is_not_canonical_json) {
  const Provider p = loaded(definition(""));
  for (const char* payload :
       {"", "{", "{\"a\":1,\"a\":2}", "{\"a\":\"\xff\"}", "{\"1\":2}", "[9007199254740993]"}) {
    const auto result = prepared(p, payload);
    ASSERT_FALSE(result.has_value()) << payload;
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidPayload);
  }
  const auto large = core::prepare(p, "named", "\"" + std::string(100, 'a') + "\"", {}, {}, kNow,
                                   {.max_bytes = 50});
  EXPECT_FALSE(large.has_value());
}

TEST(Prepare, refuses_what_could_never_be_signed) {
  const Provider p = loaded(definition("", "{payload:/ids/0}.{payload:/b~1c}.{body}"));
  EXPECT_TRUE(prepared(p, R"({"ids":[7],"b/c":"x"})").has_value());
  const std::pair<const char*, const char*> cases[] = {
      {"{}", "/ids/0"},
      {R"({"ids":[],"b/c":1})", "/ids/0"},
      {R"({"ids":[null],"b/c":1})", "/ids/0"},
      {R"({"ids":[{}],"b/c":1})", "/ids/0"},
      {R"({"ids":[1]})", "/b~1c"},
      {R"({"ids":[1],"b/c":[]})", "/b~1c"},
  };
  for (const auto& [payload, where] : cases) {
    const auto result = prepared(p, payload);
    ASSERT_FALSE(result.has_value()) << payload;
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidPayload);
    EXPECT_EQ(result.error().where, where);
    EXPECT_THAT(result.error().message, HasSubstr("signature"));
  }
}

TEST(Prepare, reads_the_expiry_from_the_payload) {
  const Provider p = loaded(definition(R"(,"expires":"/until")"));
  const auto result = prepared(p, R"({"until":"2020-09-14T00:00:00.000Z"})");
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->expires_at, 1'600'041'600'000);
  EXPECT_TRUE(result->expiry_spares_first);
  EXPECT_EQ(prepared(p, R"({"until":"2020-09-13"})")->expires_at, 1'600'041'599'999);
}

TEST(Prepare, ignores_an_expiry_that_is_absent_null_or_past) {
  const Provider p = loaded(definition(R"(,"expires":"/until")"));
  for (const char* payload : {"{}", R"({"until":null})", R"({"until":"2020-09-13T12:26:40Z"})",
                              R"({"until":"1999-01-01"})", "[]"}) {
    const auto result = prepared(p, payload);
    ASSERT_TRUE(result.has_value()) << payload;
    EXPECT_EQ(result->expires_at, std::nullopt) << payload;
    EXPECT_FALSE(result->expiry_spares_first);
  }
}

TEST(Prepare, refuses_an_expiry_that_is_no_time) {
  const Provider p = loaded(definition(R"(,"expires":"/until","body":"compact")"));
  for (const char* payload : {R"({"until":"soon"})", R"({"until":1598054400})", R"({"until":true})",
                              R"({"until":{}})", R"({"a":1e999,"until":[]})"}) {
    const auto result = prepared(p, payload);
    ASSERT_FALSE(result.has_value()) << payload;
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidPayload);
    EXPECT_EQ(result.error().where, "/until");
  }
}

TEST(Prepare, the_publishers_expiry_wins_and_spares_nothing) {
  const Provider p = loaded(definition(R"(,"expires":"/until")"));
  for (const std::int64_t expires_at : {kNow + 1, kNow - 1}) {
    const auto result = prepared(p, R"({"until":"2020-09-14"})", expires_at);
    ASSERT_TRUE(result.has_value());
    EXPECT_EQ(result->expires_at, expires_at);
    EXPECT_FALSE(result->expiry_spares_first);
  }
}

TEST(Prepare, takes_the_ordering_key_from_the_publisher_or_the_payload) {
  const Provider p = loaded(definition(R"(,"ordering":"/loan/id")"));
  EXPECT_EQ(prepared(p, R"({"loan":{"id":"L-7"}})")->ordering_key, "L-7");
  EXPECT_EQ(prepared(p, R"({"loan":{"id":7}})")->ordering_key, "7");
  EXPECT_EQ(prepared(p, R"({"loan":{"id":"L-7"}})", {}, "mine")->ordering_key, "mine");
  EXPECT_EQ(prepared(p, R"({"loan":{}})")->ordering_key, "");
  EXPECT_EQ(prepared(p, R"({"loan":{"id":null}})")->ordering_key, "");
  EXPECT_EQ(prepared(loaded(definition("")), R"({"loan":{"id":"L-7"}})")->ordering_key, "");
}

TEST(Prepare, refuses_what_cannot_be_an_ordering_key) {
  const Provider p = loaded(definition(R"(,"ordering":"/loan")"));
  const std::string longest = "\"" + std::string(256, 'k') + "\"";
  for (const std::string& key : {longest, std::string("\"\""), std::string("\"a\\nb\""),
                                 std::string("{}"), std::string("[1]")}) {
    const auto result = prepared(p, R"({"loan":)" + key + "}");
    ASSERT_FALSE(result.has_value()) << key;
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidPayload);
    EXPECT_EQ(result.error().where, "/loan");
  }
  for (const std::string& key : {std::string(256, 'k'), std::string(), std::string("a\nb")}) {
    const auto result = prepared(p, "{}", {}, key);
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(result.error().where, "ordering_key");
  }
}

TEST(Prepare, a_types_own_number_of_attempts_goes_with_the_event) {
  const Provider p = loaded(changed(definition(""), "/events/named", R"({"max_attempts":2})"));
  EXPECT_EQ(prepared(p, "{}")->max_attempts, 2u);
  EXPECT_EQ(prepared(p, "{}", {}, {}, "other")->max_attempts, 0u);
  EXPECT_FALSE(prepared(p, "{}")->is_test);
}

}  // namespace
}  // namespace outrider::test
