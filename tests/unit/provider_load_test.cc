// What becomes of a definition without a fault: every field where it belongs, and the engine's
// defaults elsewhere.
#include <gmock/gmock.h>

#include "provider_files.h"

namespace outrider::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ProviderLoad, reads_everything_a_definition_can_say) {
  const core::Lint result = lint(kFull);
  ASSERT_THAT(result.faults, IsEmpty());
  const core::Provider& p = *result.provider;
  EXPECT_EQ(p.name, "acme");
  EXPECT_EQ(p.title, "Acme");
  EXPECT_EQ(p.origin, "p.json");
  EXPECT_EQ(p.definition, kFull);
  ASSERT_EQ(p.signature.schemes.size(), 2u);
  EXPECT_EQ(p.signature.schemes[0].algorithm, core::Algorithm::kHmacSha512);
  EXPECT_EQ(p.signature.schemes[0].key_form, core::KeyForm::kBase64);
  EXPECT_EQ(p.signature.schemes[0].key_prefix, "whsec_");
  EXPECT_EQ(p.signature.schemes[0].encoding, core::Encoding::kBase64);
  EXPECT_TRUE(p.signature.schemes[0].signed_text.uses(core::Template::Variable::kHeader));
  EXPECT_EQ(p.signature.schemes[1].algorithm, core::Algorithm::kEd25519);
  EXPECT_EQ(p.signature.schemes[1].key_form, core::KeyForm::kHex);
  EXPECT_EQ(p.signature.schemes[1].encoding, core::Encoding::kHex);
  EXPECT_TRUE(p.signature.schemes[1].value.uses(core::Template::Variable::kDigest));
  ASSERT_EQ(p.signature.headers.size(), 2u);
  EXPECT_EQ(p.signature.headers[0].name, "Acme-Signature");
  EXPECT_TRUE(p.signature.joins);
  EXPECT_EQ(p.signature.join, " ");
  EXPECT_EQ(p.body, core::BodyMode::kCompact);
  EXPECT_EQ(p.content_type, "application/json; charset=utf-8");
  EXPECT_THAT(p.headers, ElementsAre(HeaderField{"Acme-Version", "2"}));
  EXPECT_THAT(p.success.classes, ElementsAre(2));
  EXPECT_THAT(p.success.codes, ElementsAre(304));
  EXPECT_EQ(p.timeout, core::Duration(5000));
  EXPECT_THAT(p.retry.delays, ElementsAre(core::Duration(1000), core::Duration(60'000)));
  EXPECT_EQ(p.retry.max_attempts, 4u);
  EXPECT_EQ(p.retry.jitter, 0.25);
  EXPECT_TRUE(p.retry.honour_retry_after);
  EXPECT_EQ(p.deactivate.consecutive, 7u);
  EXPECT_EQ(p.deactivate.window_count, 20u);
  EXPECT_EQ(p.deactivate.window, core::Duration(60'000));
  EXPECT_EQ(p.deactivate.scope, core::DeactivationScope::kAccount);
  EXPECT_EQ(p.deactivate.pending, core::PendingRule::kCancel);
  EXPECT_TRUE(p.deactivate.refuse_new_events);
  EXPECT_THAT(p.gone, ElementsAre(410));
  EXPECT_EQ(p.endpoints_per_account, 3u);
  EXPECT_EQ(p.no_endpoint, core::NoEndpointRule::kRefuse);
  EXPECT_EQ(p.event("paid")->max_attempts, 2u);
  EXPECT_TRUE(p.event("paid")->schema);
  EXPECT_TRUE(p.event("test")->is_test);
  EXPECT_EQ(p.event("test")->max_attempts, 1u);
  EXPECT_EQ(p.event("test")->test_payload, R"({"id":"1","a~b/c":[1.5,-7,true,null,"é"]})");
  EXPECT_EQ(p.event("anything")->name, "*");
  EXPECT_EQ(p.sensitive.size(), 3u);
  EXPECT_EQ(p.expires_pointer, "/until");
  EXPECT_EQ(p.ordering_pointer, "/person/id");
}

TEST(ProviderLoad, a_silent_definition_has_the_engines_defaults) {
  const core::Lint result = lint(R"({"format":1,"name":"quiet","events":{"*":{}},"signature":{
      "schemes":[{"algorithm":"hmac-sha256","signed":"{body}"}],"headers":{"S":"{signatures}"}}})");
  ASSERT_THAT(result.faults, IsEmpty());
  const core::Provider& p = *result.provider;
  EXPECT_EQ(p.title, "quiet");
  EXPECT_EQ(p.signature.schemes[0].key_form, core::KeyForm::kText);
  EXPECT_EQ(p.signature.schemes[0].encoding, core::Encoding::kHex);
  EXPECT_FALSE(p.signature.joins);
  EXPECT_EQ(p.body, core::BodyMode::kEcmascript);
  EXPECT_EQ(p.content_type, "application/json");
  EXPECT_THAT(p.headers, IsEmpty());
  EXPECT_THAT(p.success.classes, ElementsAre(2));
  EXPECT_THAT(p.success.codes, IsEmpty());
  EXPECT_EQ(p.timeout, core::Duration(3000));
  EXPECT_EQ(p.retry.delays, core::RetryPolicy::default_delays());
  EXPECT_EQ(p.retry.max_attempts, 6u);
  EXPECT_EQ(p.retry.jitter, 0);
  EXPECT_FALSE(p.retry.honour_retry_after);
  EXPECT_EQ(p.deactivate.consecutive, 5u);
  EXPECT_EQ(p.deactivate.window_count, 10u);
  EXPECT_EQ(p.deactivate.window, core::Duration(900'000));
  EXPECT_EQ(p.deactivate.scope, core::DeactivationScope::kEndpoint);
  EXPECT_EQ(p.deactivate.pending, core::PendingRule::kHold);
  EXPECT_FALSE(p.deactivate.refuse_new_events);
  EXPECT_THAT(p.gone, IsEmpty());
  EXPECT_EQ(p.endpoints_per_account, std::nullopt);
  EXPECT_EQ(p.no_endpoint, core::NoEndpointRule::kKeep);
  EXPECT_EQ(p.expires_pointer, "");
  EXPECT_EQ(p.ordering_pointer, "");
}

TEST(ProviderLoad, one_more_attempt_than_delays_unless_said_otherwise) {
  const auto attempts = [](const std::string& retry) {
    const core::Lint result = lint(changed(kFull, "/retry", retry));
    return result.provider ? result.provider->retry.max_attempts : 0;
  };
  EXPECT_EQ(attempts(R"({"delays_s":[1,2,3]})"), 4u);
  EXPECT_EQ(attempts(R"({"delays_s":[1,2,3],"max_attempts":2})"), 2u);
  EXPECT_EQ(attempts(R"({"max_attempts":9})"), 9u);
  EXPECT_EQ(attempts("{}"), 6u);
}

}  // namespace
}  // namespace outrider::test
