// Signing: rotation in every format, what is signed, and that nothing can break out of a header's
// line.
#include "core/signature.h"

#include <gtest/gtest.h>

#include "signature_rules.h"

namespace outrider::core {
namespace {

// --- rotation ---

TEST(Rotation, the_newest_secret_alone_signs_where_the_format_carries_one_signature) {
  struct Case {
    SignatureRule rule;
    std::string name;
  };
  for (const Case& c :
       {Case{spatie_rule(), "Signature"}, Case{lossexpress_rule(), "X-LossExpress-Signature"},
        Case{appexport_rule(), "X-CREDIT-APP-SIGNATURE"},
        Case{github_rule(), "X-Hub-Signature-256"}}) {
    const std::string both = value_of(signed_with(c.rule, kContext, {"new", "old"}), c.name);
    const std::string newest = value_of(signed_with(c.rule, kContext, {"new"}), c.name);
    const std::string oldest = value_of(signed_with(c.rule, kContext, {"old"}), c.name);
    EXPECT_EQ(both, newest) << c.name;
    EXPECT_NE(newest, oldest) << c.name;
  }
}

TEST(Rotation, an_old_secret_that_does_not_sign_need_not_even_fit) {
  SignatureRule rule = spatie_rule();
  rule.schemes[0].key_form = KeyForm::kHex;
  EXPECT_TRUE(signed_with(rule, kContext, {"00ff", "not hex"}).has_value());
  EXPECT_FALSE(signed_with(rule, kContext, {"not hex", "00ff"}).has_value());
}

TEST(Rotation, stripe_carries_one_v1_per_live_secret_newest_first) {
  const auto alone = [](const std::string& secret) {
    const std::string value =
        value_of(signed_with(stripe_rule(), kContext, {secret}), "Stripe-Signature");
    EXPECT_TRUE(value.starts_with("t=1700000000,v1=")) << value;
    return value.substr(value.find(',') + 1);
  };
  EXPECT_EQ(value_of(signed_with(stripe_rule(), kContext, {"new", "old"}), "Stripe-Signature"),
            "t=1700000000," + alone("new") + "," + alone("old"));
}

TEST(Rotation, standard_webhooks_carries_both_keys_and_both_schemes) {
  const std::string hmac_new = "whsec_" + encode(Encoding::kBase64, std::string(24, 'n'));
  const std::string hmac_old = "whsec_" + encode(Encoding::kBase64, std::string(24, 'o'));
  const std::string pair = "whsk_" + encode(Encoding::kBase64, std::string(32, 's'));
  const auto value = [](std::vector<std::string> secrets) {
    return value_of(signed_with(standard_rule(), kContext, std::move(secrets)),
                    "webhook-signature");
  };
  EXPECT_TRUE(value({hmac_new}).starts_with("v1,"));
  EXPECT_TRUE(value({pair}).starts_with("v1a,"));
  EXPECT_NE(value({hmac_new}), value({hmac_old}));
  EXPECT_EQ(value({hmac_new, hmac_old}), value({hmac_new}) + " " + value({hmac_old}));
  EXPECT_EQ(value({pair, hmac_old, hmac_new}),
            value({pair}) + " " + value({hmac_old}) + " " + value({hmac_new}));
}

TEST(Rotation, one_bad_live_secret_fails_the_whole_signature_where_all_must_sign) {
  const std::string good = "whsec_" + encode(Encoding::kBase64, std::string(24, 'n'));
  const auto fields = signed_with(standard_rule(), kContext, {good, "whsec_!!!!"});
  ASSERT_FALSE(fields.has_value());
  EXPECT_EQ(fields.error().code, ErrorCode::kInvalidArgument);
}

TEST(Rotation, no_live_secret_is_an_error) {
  for (const SignatureRule& rule : {spatie_rule(), stripe_rule()}) {
    const auto fields = signed_with(rule, kContext, {});
    ASSERT_FALSE(fields.has_value());
    EXPECT_EQ(fields.error().code, ErrorCode::kInvalidArgument);
  }
}

// --- what is signed ---

// A digest that shows what it was given.
Result<std::string> shown(Algorithm, std::string_view key, std::string_view message) {
  return std::string(key) + "|" + std::string(message);
}

std::string message_of(std::string_view signed_text, const SigningContext& context) {
  SignatureRule rule = hex_rule("S", signed_text, "{digest}");
  const std::vector<std::string> secrets = {"k"};
  const auto fields = sign(rule, context, secrets, shown);
  if (!fields) return "error: " + fields.error().to_string();
  const auto bytes = decode_hex(fields->front().value);
  return bytes ? bytes->substr(2) : "not hex";
}

TEST(SignedText, every_variable_stands_for_its_part_of_the_request) {
  const std::vector<HeaderField> headers = {{"X-Tenant", "t1"}, {"Other", "o"}};
  SigningContext context = kContext;
  context.headers = headers;
  EXPECT_EQ(message_of("{body}", context), kBody);
  EXPECT_EQ(message_of("{id}", context), "msg_1");
  EXPECT_EQ(message_of("{timestamp}", context), "1700000000");
  EXPECT_EQ(message_of("{type}", context), "payoff");
  EXPECT_EQ(message_of("{url}", context), "https://example.com/hook");
  EXPECT_EQ(message_of("{payload:/payoffId}", context), "p-1");
  EXPECT_EQ(message_of("{header:x-TENANT}", context), "t1");
  EXPECT_EQ(message_of("{{{id}}}:{timestamp}{type}", context), "{msg_1}:1700000000payoff");
  EXPECT_EQ(message_of("fixed", context), "fixed");
}

TEST(SignedText, binary_bodies_are_signed_as_they_are) {
  using std::string_literals::operator""s;
  const std::string body = "a\0b\r\n\xff{id}"s;
  EXPECT_EQ(message_of("{body}.", {.body = body, .id = "no"}), body + ".");
}

TEST(SignedText, repeated_headers_are_signed_as_one_list) {
  const std::vector<HeaderField> headers = {{"x-tag", "a"}, {"X-Tag", "b"}};
  SigningContext context = kContext;
  context.headers = headers;
  EXPECT_EQ(message_of("{header:x-tag}", context), "a, b");
}

TEST(SignedText, an_absent_header_is_an_error_that_names_it) {
  const auto fields =
      signed_with(hex_rule("S", "{header:X-Tenant}", "{digest}"), kContext, {"key"});
  ASSERT_FALSE(fields.has_value());
  EXPECT_EQ(fields.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(fields.error().where, "x-tenant");
}

TEST(SignedText, an_absent_payload_value_is_an_error_at_its_pointer) {
  for (const std::string_view body :
       {R"({"other":1})", R"({"payoffId":null})", R"({"payoffId":{}})", R"({"payoffId":[1]})"}) {
    const auto fields = signed_with(lossexpress_rule(), {.body = body}, {"key"});
    ASSERT_FALSE(fields.has_value()) << body;
    EXPECT_EQ(fields.error().code, ErrorCode::kInvalidPayload);
    EXPECT_EQ(fields.error().where, "/payoffId");
  }
}

TEST(SignedText, a_failing_digest_fails_the_signature) {
  const auto failing = [](Algorithm, std::string_view, std::string_view) -> Result<std::string> {
    return fail(ErrorCode::kInternal, "no");
  };
  const std::vector<std::string> secrets = {"k"};
  const auto fields = sign(spatie_rule(), kContext, secrets, failing);
  ASSERT_FALSE(fields.has_value());
  EXPECT_EQ(fields.error().code, ErrorCode::kInternal);
}

// --- headers ---

TEST(SignatureHeaders, come_in_the_order_of_the_rule) {
  const std::string secret = "whsec_" + encode(Encoding::kBase64, std::string(24, 'n'));
  const auto fields = signed_with(standard_rule(), kContext, {secret});
  ASSERT_TRUE(fields.has_value());
  ASSERT_EQ(fields->size(), 3U);
  EXPECT_EQ((*fields)[0].name, "webhook-id");
  EXPECT_EQ((*fields)[1].name, "webhook-timestamp");
  EXPECT_EQ((*fields)[2].name, "webhook-signature");
}

TEST(SignatureHeaders, never_hold_a_control_character) {
  SignatureRule rule = spatie_rule();
  rule.headers.push_back(header("X-Id", "{id}"));
  rule.headers.push_back(header("X-Type", "{type}"));
  for (int c = 0; c < 256; ++c) {
    const bool is_control = c < 0x20 || c == 0x7f;
    const std::string value = std::string("a") + static_cast<char>(c) + "Set-Cookie: b";
    SigningContext bad_id = kContext;
    bad_id.id = value;
    SigningContext bad_type = kContext;
    bad_type.type = value;
    for (const auto& [context, name] : {std::pair(bad_id, "X-Id"), std::pair(bad_type, "X-Type")}) {
      const auto fields = signed_with(rule, context, {"key"});
      EXPECT_EQ(fields.has_value(), !is_control) << c;
      if (fields) {
        EXPECT_EQ(value_of(fields, name), value);
      } else {
        EXPECT_EQ(fields.error().code, ErrorCode::kInvalidArgument);
        EXPECT_EQ(fields.error().where, name);
      }
    }
  }
}

TEST(SignatureHeaders, a_control_character_from_the_payload_is_the_payloads_fault) {
  constexpr std::array kAll = {Variable::kPayload, Variable::kSignatures};
  SignatureRule rule = spatie_rule();
  rule.headers.push_back({"X-Name", parsed("{payload:/name}", kAll)});
  const auto fields = signed_with(rule, {.body = R"({"name":"a\r\nX: b"})"}, {"key"});
  ASSERT_FALSE(fields.has_value());
  EXPECT_EQ(fields.error().code, ErrorCode::kInvalidPayload);
  EXPECT_EQ(fields.error().where, "X-Name");
}

TEST(SignatureHeaders, line_breaks_in_a_definition_do_not_get_out_either) {
  SignatureRule rule = spatie_rule();
  rule.schemes[0].value = parsed("a\r\nX: {digest}", kInSchemeValue);
  EXPECT_FALSE(signed_with(rule, kContext, {"key"}).has_value());
  SignatureRule joining = stripe_rule();
  joining.join = "\n";
  EXPECT_TRUE(signed_with(joining, kContext, {"one"}).has_value());
  EXPECT_FALSE(signed_with(joining, kContext, {"one", "two"}).has_value());
}

}  // namespace
}  // namespace outrider::core
