// Signing by rules made by hand: the published vectors of six formats, rotation in each of them,
// what templates and secrets are refused, and that nothing can break out of a header's line.
#include "core/signature.h"

#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <array>
#include <fstream>
#include <sstream>

#include "crypto/mac.h"

namespace outrider::core {
namespace {

using Variable = Template::Variable;

constexpr std::array kInSignedText = {Variable::kBody,  Variable::kId,  Variable::kTimestamp,
                                      Variable::kType,  Variable::kUrl, Variable::kPayload,
                                      Variable::kHeader};
constexpr std::array kInSchemeValue = {Variable::kDigest};
constexpr std::array kInHeaderValue = {Variable::kId, Variable::kTimestamp, Variable::kType,
                                       Variable::kSignatures};

Template parsed(std::string_view text, std::span<const Variable> allowed) {
  auto form = Template::parse(text, allowed);
  EXPECT_TRUE(form.has_value()) << text;
  return form.value_or(Template{});
}

SignatureScheme scheme(Algorithm algorithm, KeyForm key_form, std::string key_prefix,
                       std::string_view signed_text, Encoding encoding, std::string_view value) {
  return {.algorithm = algorithm,
          .key_form = key_form,
          .key_prefix = std::move(key_prefix),
          .signed_text = parsed(signed_text, kInSignedText),
          .encoding = encoding,
          .value = parsed(value, kInSchemeValue)};
}

HeaderTemplate header(std::string name, std::string_view value) {
  return {std::move(name), parsed(value, kInHeaderValue)};
}

SignatureRule hex_rule(std::string name, std::string_view signed_text, std::string_view value) {
  SignatureRule rule;
  rule.schemes.push_back(
      scheme(Algorithm::kHmacSha256, KeyForm::kText, "", signed_text, Encoding::kHex, value));
  rule.headers.push_back(header(std::move(name), "{signatures}"));
  return rule;
}

SignatureRule spatie_rule() { return hex_rule("Signature", "{body}", "{digest}"); }
SignatureRule lossexpress_rule() {
  return hex_rule("X-LossExpress-Signature", "{body}:{payload:/payoffId}", "{digest}");
}
SignatureRule appexport_rule() { return hex_rule("X-CREDIT-APP-SIGNATURE", "{body}", "{digest}"); }
SignatureRule github_rule() { return hex_rule("X-Hub-Signature-256", "{body}", "sha256={digest}"); }

SignatureRule stripe_rule() {
  SignatureRule rule;
  rule.schemes.push_back(scheme(Algorithm::kHmacSha256, KeyForm::kText, "", "{timestamp}.{body}",
                                Encoding::kHex, "v1={digest}"));
  rule.headers.push_back(header("Stripe-Signature", "t={timestamp},{signatures}"));
  rule.joins = true;
  rule.join = ",";
  return rule;
}

SignatureRule standard_rule() {
  constexpr std::string_view kSignedText = "{id}.{timestamp}.{body}";
  SignatureRule rule;
  rule.schemes.push_back(scheme(Algorithm::kHmacSha256, KeyForm::kBase64, "whsec_", kSignedText,
                                Encoding::kBase64, "v1,{digest}"));
  rule.schemes.push_back(scheme(Algorithm::kEd25519, KeyForm::kBase64, "whsk_", kSignedText,
                                Encoding::kBase64, "v1a,{digest}"));
  rule.headers.push_back(header("webhook-id", "{id}"));
  rule.headers.push_back(header("webhook-timestamp", "{timestamp}"));
  rule.headers.push_back(header("webhook-signature", "{signatures}"));
  rule.joins = true;
  rule.join = " ";
  return rule;
}

Result<std::vector<HeaderField>> signed_with(const SignatureRule& rule,
                                             const SigningContext& context,
                                             std::vector<std::string> secrets) {
  return sign(rule, context, secrets, crypto::digest);
}

std::string value_of(const Result<std::vector<HeaderField>>& fields, std::string_view name) {
  if (!fields) return "error: " + fields.error().to_string();
  for (const HeaderField& field : *fields) {
    if (field.name == name) return field.value;
  }
  return "absent";
}

// --- published vectors ---

std::string file_text(const std::string& name) {
  std::ifstream file(std::string(OUTRIDER_SOURCE_DIR) + "/tests/vectors/" + name, std::ios::binary);
  EXPECT_TRUE(file.good()) << name;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class PublishedVectors : public testing::Test {
 protected:
  PublishedVectors() { document_.Parse(file_text("signatures.json").c_str()); }

  void SetUp() override {
    ASSERT_FALSE(document_.HasParseError());
    ASSERT_TRUE(document_.IsObject());
  }

  // Calls `check(vector)` for each, and requires that there are as many as were published.
  template <class Check>
  void each(const char* format, std::size_t count, const Check& check) {
    ASSERT_TRUE(document_.HasMember(format));
    const auto& vectors = document_[format];
    ASSERT_EQ(vectors.Size(), count);
    for (const auto& vector : vectors.GetArray()) check(vector);
  }

  static std::string text(const rapidjson::Value& vector, const char* key) {
    EXPECT_TRUE(vector.HasMember(key)) << key;
    return vector.HasMember(key)
               ? std::string(vector[key].GetString(), vector[key].GetStringLength())
               : std::string();
  }

 private:
  rapidjson::Document document_;
};

TEST_F(PublishedVectors, spatie_webhook_server) {
  each("spatie", 3, [](const auto& vector) {
    const std::string body = text(vector, "body");
    const auto fields = signed_with(spatie_rule(), {.body = body}, {text(vector, "key")});
    EXPECT_EQ(value_of(fields, "Signature"), text(vector, "Signature")) << body;
  });
}

TEST_F(PublishedVectors, lossexpress_signs_the_body_and_the_payoff_id) {
  each("lossexpress", 1, [](const auto& vector) {
    const std::string body = text(vector, "body");
    const auto fields = signed_with(lossexpress_rule(), {.body = body}, {text(vector, "key")});
    EXPECT_EQ(value_of(fields, "X-LossExpress-Signature"), text(vector, "X-LossExpress-Signature"));
    // The suffix is what the pointer finds: the same text, signed as a literal.
    const std::string whole = body + text(vector, "suffix");
    const auto literal = signed_with(spatie_rule(), {.body = whole}, {text(vector, "key")});
    EXPECT_EQ(value_of(literal, "Signature"), text(vector, "X-LossExpress-Signature"));
    EXPECT_EQ(body, file_text("lossexpress-payoff.min.json"));
  });
}

TEST_F(PublishedVectors, application_export) {
  each("appexport", 1, [](const auto& vector) {
    const std::string body = file_text(text(vector, "body_file"));
    EXPECT_EQ(body.size(), vector["body_bytes"].GetUint());
    EXPECT_EQ(encode(Encoding::kHex, crypto::sha256(body)), text(vector, "body_sha256"));
    const auto fields = signed_with(appexport_rule(), {.body = body}, {text(vector, "key")});
    EXPECT_EQ(value_of(fields, "X-CREDIT-APP-SIGNATURE"), text(vector, "hmac_sha256_hex"));
  });
}

TEST_F(PublishedVectors, standard_webhooks_v1_and_v1a) {
  each("standardwebhooks", 3, [](const auto& vector) {
    const std::string body = text(vector, "body");
    const std::string id = text(vector, "id");
    const std::int64_t timestamp = vector["ts"].GetInt64();
    const auto fields =
        signed_with(standard_rule(), {.body = body, .id = id, .timestamp_s = timestamp},
                    {text(vector, "secret")});
    EXPECT_EQ(value_of(fields, "webhook-signature"), text(vector, "sig"));
    EXPECT_EQ(value_of(fields, "webhook-id"), id);
    EXPECT_EQ(value_of(fields, "webhook-timestamp"), std::to_string(timestamp));
  });
}

TEST_F(PublishedVectors, a_v1a_seed_alone_signs_like_seed_and_public_key) {
  each("standardwebhooks", 3, [](const auto& vector) {
    const std::string secret = text(vector, "secret");
    if (!secret.starts_with("whsk_")) return;
    const auto pair = decode_base64(secret.substr(5));
    ASSERT_TRUE(pair.has_value());
    const std::string seed = "whsk_" + encode(Encoding::kBase64, pair->substr(0, 32));
    const std::string body = text(vector, "body");
    const std::string id = text(vector, "id");
    const auto fields = signed_with(
        standard_rule(), {.body = body, .id = id, .timestamp_s = vector["ts"].GetInt64()}, {seed});
    EXPECT_EQ(value_of(fields, "webhook-signature"), text(vector, "sig"));
    EXPECT_EQ("whpk_" + encode(Encoding::kBase64, pair->substr(32)), text(vector, "public"));
  });
}

TEST_F(PublishedVectors, github) {
  each("github", 3, [](const auto& vector) {
    const std::string body = text(vector, "body");
    const auto fields = signed_with(github_rule(), {.body = body}, {text(vector, "secret")});
    EXPECT_EQ(value_of(fields, "X-Hub-Signature-256"), text(vector, "X-Hub-Signature-256"));
  });
}

TEST_F(PublishedVectors, stripe) {
  each("stripe", 1, [](const auto& vector) {
    const std::string body = text(vector, "body");
    const auto fields =
        signed_with(stripe_rule(), {.body = body, .timestamp_s = vector["ts"].GetInt64()},
                    {text(vector, "secret")});
    EXPECT_EQ(value_of(fields, "Stripe-Signature"), text(vector, "Stripe-Signature"));
  });
}

// --- rotation ---

constexpr std::string_view kBody = R"({"payoffId":"p-1"})";
const SigningContext kContext{.body = kBody,
                              .id = "msg_1",
                              .timestamp_s = 1'700'000'000,
                              .type = "payoff",
                              .url = "https://example.com/hook",
                              .headers = {}};

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

// --- templates ---

TEST(Templates, are_read_into_parts) {
  const Template form = parsed("a{{b}}{id}c{payload:/x/0}{header:X-Y}", kInSignedText);
  ASSERT_EQ(form.parts().size(), 5U);
  EXPECT_EQ(form.parts()[0].variable, Variable::kLiteral);
  EXPECT_EQ(form.parts()[0].text, "a{b}");
  EXPECT_EQ(form.parts()[1].variable, Variable::kId);
  EXPECT_EQ(form.parts()[2].text, "c");
  EXPECT_EQ(form.parts()[3].variable, Variable::kPayload);
  EXPECT_EQ(form.parts()[3].text, "/x/0");
  EXPECT_EQ(form.parts()[4].variable, Variable::kHeader);
  EXPECT_EQ(form.parts()[4].text, "x-y");
  EXPECT_TRUE(form.uses(Variable::kPayload));
  EXPECT_FALSE(form.uses(Variable::kBody));
  EXPECT_TRUE(parsed("", kInSignedText).parts().empty());
}

TEST(Templates, that_are_wrong_are_refused_by_name) {
  struct Case {
    std::string_view text;
    std::string_view named;  // in the message
  };
  for (const Case& c : {
           Case{"{boddy}", "unknown variable {boddy}"},
           Case{"{}", "unknown variable {}"},
           Case{"{ body}", "unknown variable { body}"},
           Case{"{Body}", "unknown variable {Body}"},
           Case{"{digest}", "{digest} has no meaning here"},
           Case{"{signatures}", "{signatures} has no meaning here"},
           Case{"x{body", "unclosed brace: {body"},
           Case{"x{", "unclosed brace: {"},
           Case{"{a{id}", "unclosed brace: {a"},
           Case{"{body{{", "unclosed brace: {body"},
           Case{"ab}", "closes nothing, at character 3"},
           Case{"{body}}", "closes nothing, at character 7"},
           Case{"{body:/x}", "{body:/x} takes no argument"},
           Case{"{id:}", "{id:} takes no argument"},
           Case{"{payload}", "{payload} needs an argument"},
           Case{"{payload:}", "not a JSON pointer in {payload:}"},
           Case{"{payload:a/b}", "not a JSON pointer in {payload:a/b}"},
           Case{"{payload:/a~2}", "not a JSON pointer in {payload:/a~2}"},
           Case{"{header}", "{header} needs an argument"},
           Case{"{header:}", "not a header name in {header:}"},
           Case{"{header:a b}", "not a header name in {header:a b}"},
           Case{"{header:a:b}", "not a header name in {header:a:b}"},
           Case{"{header:a\nb}", "not a header name in {header:a?b}"},
       }) {
    const auto form = Template::parse(c.text, kInSignedText);
    ASSERT_FALSE(form.has_value()) << c.text;
    EXPECT_EQ(form.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(form.error().message.find(c.named), std::string::npos) << form.error().message;
    EXPECT_FALSE(form.error().hint.empty()) << c.text;
  }
}

TEST(Templates, list_what_is_known_where_a_name_is_not) {
  const auto form = Template::parse("{x}", kInHeaderValue);
  ASSERT_FALSE(form.has_value());
  EXPECT_EQ(form.error().hint, "known here: {id} {timestamp} {type} {signatures}");
}

// --- secrets ---

TEST(Secrets, belong_to_the_first_scheme_whose_prefix_they_have) {
  const SignatureRule rule = standard_rule();
  const std::string key = encode(Encoding::kBase64, std::string(32, 'k'));
  EXPECT_EQ(scheme_for(rule, "whsec_" + key), std::size_t{0});
  EXPECT_EQ(scheme_for(rule, "whsk_" + key), std::size_t{1});

  SignatureRule catch_all = rule;
  catch_all.schemes.push_back(spatie_rule().schemes[0]);
  EXPECT_EQ(scheme_for(catch_all, "whsk_" + key), std::size_t{1});
  EXPECT_EQ(scheme_for(catch_all, "anything"), std::size_t{2});
}

TEST(Secrets, that_do_not_fit_are_refused_without_being_shown) {
  const std::string key32 = encode(Encoding::kBase64, std::string(32, 'k'));
  struct Case {
    SignatureRule rule;
    std::string secret;
  };
  SignatureRule hex = spatie_rule();
  hex.schemes[0].key_form = KeyForm::kHex;
  for (const Case& c : {
           Case{standard_rule(), "SECRETTEXT" + key32},
           Case{standard_rule(), "WHSEC_SECRETTEXT"},
           Case{standard_rule(), "whsec_SECRETTEXT!"},
           Case{standard_rule(), "whsec_"},
           Case{standard_rule(), "whsk_" + encode(Encoding::kBase64, "SECRETTEXT")},
           Case{standard_rule(), "whsk_" + encode(Encoding::kBase64, std::string(33, 'S'))},
           Case{hex, "SECRETTEXT"},
           Case{hex, "0SECRETTEXT"},
           Case{spatie_rule(), ""},
           Case{spatie_rule(), "SECRETTEXT\n"},
           Case{spatie_rule(), std::string("SECRETTEXT\0x", 12)},
       }) {
    const auto found = scheme_for(c.rule, c.secret);
    ASSERT_FALSE(found.has_value());
    EXPECT_EQ(found.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(found.error().where, "secret");
    const std::string shown_text = found.error().to_string();
    EXPECT_EQ(shown_text.find("SECRETTEXT"), std::string::npos) << shown_text;
    EXPECT_EQ(shown_text.find("SSSS"), std::string::npos) << shown_text;
    EXPECT_FALSE(signed_with(c.rule, kContext, {c.secret}).has_value());
  }
}

TEST(Secrets, decode_by_their_key_form) {
  SignatureScheme form = spatie_rule().schemes[0];
  form.key_prefix = "p_";
  EXPECT_EQ(decode_key(form, "p_text"), "text");
  form.key_form = KeyForm::kHex;
  EXPECT_EQ(decode_key(form, "p_4a4B"), "JK");
  form.key_form = KeyForm::kBase64;
  EXPECT_EQ(decode_key(form, "p_Sks="), "JK");
  EXPECT_FALSE(decode_key(form, "Sks=").has_value());
}

TEST(Secrets, hmac_keys_may_be_prefixed_text_whose_prefix_is_part_of_the_key) {
  // Stripe's secrets look like Standard Webhooks' but are keys as they stand.
  EXPECT_EQ(decode_key(stripe_rule().schemes[0], "whsec_test_secret"), "whsec_test_secret");
}

// --- base64 and hex ---

TEST(Encodings, match_rfc_4648) {
  struct Case {
    std::string_view bytes, base64, hex;
  };
  for (const Case& c :
       {Case{"", "", ""}, Case{"f", "Zg==", "66"}, Case{"fo", "Zm8=", "666f"},
        Case{"foo", "Zm9v", "666f6f"}, Case{"foob", "Zm9vYg==", "666f6f62"},
        Case{"fooba", "Zm9vYmE=", "666f6f6261"}, Case{"foobar", "Zm9vYmFy", "666f6f626172"},
        Case{"\xfb\xff\xfe", "+//+", "fbfffe"}}) {
    EXPECT_EQ(encode(Encoding::kBase64, c.bytes), c.base64);
    EXPECT_EQ(encode(Encoding::kHex, c.bytes), c.hex);
    EXPECT_EQ(decode_base64(c.base64), c.bytes);
    EXPECT_EQ(decode_hex(c.hex), c.bytes);
  }
}

TEST(Encodings, come_back_for_every_length_and_byte) {
  std::string bytes;
  for (int i = 0; i < 600; ++i) {
    EXPECT_EQ(decode_base64(encode(Encoding::kBase64, bytes)), bytes);
    EXPECT_EQ(decode_hex(encode(Encoding::kHex, bytes)), bytes);
    bytes += static_cast<char>(i * 7);
  }
}

TEST(Encodings, have_one_spelling_only) {
  for (const std::string_view text :
       {"Zg", "Zg=", "Zg===", "Zg==\n", " Zg==", "Z===", "====", "=", "Zh==", "Zm9=", "Zm8",
        "Z=g=", "Zg==Zg==", "Zm-_", "Zm9v=", "Zm 9v", "Zg=A"}) {
    EXPECT_FALSE(decode_base64(text).has_value()) << text;
  }
  for (const std::string_view text : {"6", "0x66", "6g", " 66", "66 ", "66\n", "-1"}) {
    EXPECT_FALSE(decode_hex(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace outrider::core
