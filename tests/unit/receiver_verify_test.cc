// The receiving side's check: every published vector passes, every single change of one is refused
// and for the right reason, and what only real receivers do (several signatures, clocks,
// re-stringifying) is done.
#include <gmock/gmock.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <sstream>

#include "crypto/receiver_mac.h"
#include "outrider/receiver.h"
#include "receiver_json.h"
#include "receiver_verifier.h"
#include "tests/source_dir.h"

namespace outrider {
namespace {

using receiver::JsonValue;
using receiver::Verifier;
using testing::AnyOf;
using testing::HasSubstr;

std::string read_file(const std::string& path) {
  std::ifstream file(source_dir() + "/" + path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// One saved request that its provider's receivers accept.
struct Sample {
  std::string name;
  std::string provider;
  std::string secret;
  ReceivedRequest request;
  std::vector<std::size_t> signed_headers;  // places in request.headers
  std::int64_t timestamp = 0;
};

Sample sample(std::string provider, std::string secret, std::string body,
              std::vector<HeaderField> headers) {
  Sample made;
  made.name = made.provider = std::move(provider);
  made.secret = std::move(secret);
  made.request.method = "POST";
  made.request.path = "/hook";
  made.request.body = std::move(body);
  for (std::size_t i = 0; i < headers.size(); ++i) made.signed_headers.push_back(i);
  made.request.headers = std::move(headers);
  made.request.headers.push_back({"Host", "receiver.example"});
  made.request.headers.push_back({"Content-Type", "application/json"});
  return made;
}

std::string text_at(const JsonValue& value, std::string_view pointer) {
  const JsonValue* found = value.at(pointer);
  EXPECT_NE(found, nullptr) << pointer;
  return found == nullptr ? "" : found->text;
}

std::vector<Sample> standard_webhooks_samples(const JsonValue& vectors) {
  std::vector<Sample> all;
  for (const JsonValue& vector : vectors.at("/standardwebhooks")->items) {
    Sample made = sample("standard-webhooks", text_at(vector, "/secret"), text_at(vector, "/body"),
                         {{"webhook-id", text_at(vector, "/id")},
                          {"webhook-timestamp", text_at(vector, "/ts")},
                          {"webhook-signature", text_at(vector, "/sig")}});
    made.timestamp = std::stoll(text_at(vector, "/ts"));
    all.push_back(made);
    if (const JsonValue* key = vector.at("/public")) {
      made.name += " by its public key";
      made.secret = key->text;
      all.push_back(made);
    }
  }
  return all;
}

std::vector<Sample> samples() {
  const std::optional<JsonValue> vectors =
      receiver::parse_json(read_file("tests/vectors/signatures.json"));
  EXPECT_TRUE(vectors.has_value());
  std::vector<Sample> all = standard_webhooks_samples(*vectors);
  for (const JsonValue& v : vectors->at("/spatie")->items) {
    all.push_back(sample("lender-spender", text_at(v, "/key"), text_at(v, "/body"),
                         {{"Signature", text_at(v, "/Signature")}}));
  }
  for (const JsonValue& v : vectors->at("/lossexpress")->items) {
    all.push_back(sample("lossexpress", text_at(v, "/key"), text_at(v, "/body"),
                         {{"X-LossExpress-Signature", text_at(v, "/X-LossExpress-Signature")}}));
  }
  for (const JsonValue& v : vectors->at("/appexport")->items) {
    all.push_back(sample("credit-app", text_at(v, "/key"),
                         read_file("tests/vectors/" + text_at(v, "/body_file")),
                         {{"X-CREDIT-APP-SIGNATURE", text_at(v, "/hmac_sha256_hex")}}));
  }
  for (const JsonValue& v : vectors->at("/github")->items) {
    all.push_back(sample("github", text_at(v, "/secret"), text_at(v, "/body"),
                         {{"X-Hub-Signature-256", text_at(v, "/X-Hub-Signature-256")}}));
  }
  for (const JsonValue& v : vectors->at("/stripe")->items) {
    all.push_back(sample("stripe", text_at(v, "/secret"), text_at(v, "/body"),
                         {{"Stripe-Signature", text_at(v, "/Stripe-Signature")}}));
    all.back().timestamp = std::stoll(text_at(v, "/ts"));
  }
  return all;
}

Result<Verifier> verifier_of(const std::string& provider, const std::vector<std::string>& secrets) {
  return Verifier::make(read_file("schemas/providers/" + provider + ".json"), secrets);
}

// kNone: accepted.
struct Outcome {
  bool accepted = false;
  Error error;
};
Outcome check(const Verifier& verifier, const ReceivedRequest& request, std::int64_t now_s = 0,
              std::int64_t tolerance_s = 0) {
  const Result<void> result = verifier.check(request, now_s, tolerance_s);
  return result ? Outcome{true, {}} : Outcome{false, result.error()};
}

bool names_signed_header(const Sample& made, const std::string& where) {
  return std::any_of(made.signed_headers.begin(), made.signed_headers.end(),
                     [&](std::size_t i) { return made.request.headers[i].name == where; });
}

// A definition with one HMAC-SHA-256 scheme, and the signature its sender makes.
std::string definition(const std::string& signed_text, const std::string& headers,
                       const std::string& more = R"("body":"raw")") {
  return R"({"signature":{"schemes":[{"algorithm":"hmac-sha256","signed":")" + signed_text +
         R"("}],"headers":)" + headers + "}," + more + "}";
}
std::string signature_of(std::string_view key, std::string_view message) {
  std::string hex;
  for (const char c : crypto::receiver_hmac(crypto::ReceiverHash::kSha256, key, message)) {
    const auto byte = static_cast<unsigned char>(c);
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

// ---- vectors

TEST(ReceiverVerify, accepts_every_vector) {
  const std::vector<Sample> all = samples();
  EXPECT_EQ(all.size(), 13U);
  for (const Sample& made : all) {
    SCOPED_TRACE(made.name);
    const Result<Verifier> verifier = verifier_of(made.provider, {made.secret});
    ASSERT_TRUE(verifier.has_value());
    EXPECT_EQ(check(*verifier, made.request).error.message, "");
  }
}

TEST(ReceiverVerify, refuses_every_one_byte_change_of_the_body) {
  for (const Sample& made : samples()) {
    SCOPED_TRACE(made.name);
    const Result<Verifier> verifier = verifier_of(made.provider, {made.secret});
    ASSERT_TRUE(verifier.has_value());
    for (std::size_t i = 0; i < made.request.body.size(); ++i) {
      ReceivedRequest changed = made.request;
      changed.body[i] = static_cast<char>(changed.body[i] ^ 1);
      const Outcome outcome = check(*verifier, changed);
      ASSERT_FALSE(outcome.accepted) << i;
      EXPECT_EQ(outcome.error.code, ErrorCode::kRefused);
      EXPECT_TRUE(outcome.error.where == "body" || names_signed_header(made, outcome.error.where));
    }
    for (const std::string& body : {made.request.body + "\n", " " + made.request.body,
                                    made.request.body.substr(1), std::string()}) {
      ReceivedRequest changed = made.request;
      changed.body = body;
      EXPECT_FALSE(check(*verifier, changed).accepted);
    }
  }
}

TEST(ReceiverVerify, refuses_every_change_of_a_signed_header) {
  for (const Sample& made : samples()) {
    SCOPED_TRACE(made.name);
    const Result<Verifier> verifier = verifier_of(made.provider, {made.secret});
    ASSERT_TRUE(verifier.has_value());
    for (const std::size_t header : made.signed_headers) {
      const std::string value = made.request.headers[header].value;
      std::vector<std::string> changes{value + "x", "x" + value, ""};
      for (std::size_t i = 0; i < value.size(); ++i) {
        for (const int bit : {1, 2, 0x20}) {
          changes.push_back(value);
          changes.back()[i] = static_cast<char>(value[i] ^ bit);
        }
        changes.push_back(value);
        changes.back().erase(i, 1);
      }
      for (const std::string& change : changes) {
        ReceivedRequest changed = made.request;
        changed.headers[header].value = change;
        const Outcome outcome = check(*verifier, changed);
        ASSERT_FALSE(outcome.accepted) << made.request.headers[header].name << ": " << change;
        EXPECT_EQ(outcome.error.code, ErrorCode::kRefused);
        EXPECT_TRUE(names_signed_header(made, outcome.error.where)) << outcome.error.where;
      }
    }
  }
}

TEST(ReceiverVerify, refuses_every_one_byte_change_of_the_secret) {
  for (const Sample& made : samples()) {
    SCOPED_TRACE(made.name);
    for (std::size_t i = 0; i < made.secret.size(); ++i) {
      std::string secret = made.secret;
      secret[i] = static_cast<char>(secret[i] ^ 1);
      const Result<Verifier> verifier = verifier_of(made.provider, {secret});
      if (!verifier) {
        EXPECT_EQ(verifier.error().code, ErrorCode::kInvalidArgument);
        EXPECT_EQ(verifier.error().where, "secret");
        continue;
      }
      const Outcome outcome = check(*verifier, made.request);
      ASSERT_FALSE(outcome.accepted) << i;
      EXPECT_THAT(outcome.error.message, HasSubstr("no signature fits"));
      EXPECT_EQ(outcome.error.to_string().find(secret), std::string::npos);
    }
  }
}

TEST(ReceiverVerify, names_the_header_that_is_missing_or_given_twice) {
  for (const Sample& made : samples()) {
    SCOPED_TRACE(made.name);
    const Result<Verifier> verifier = verifier_of(made.provider, {made.secret});
    ASSERT_TRUE(verifier.has_value());
    for (const std::size_t header : made.signed_headers) {
      const std::string name = made.request.headers[header].name;
      ReceivedRequest without = made.request;
      without.headers.erase(without.headers.begin() + static_cast<std::ptrdiff_t>(header));
      const Outcome missing = check(*verifier, without);
      EXPECT_THAT(missing.error.message, HasSubstr("missing"));
      EXPECT_EQ(missing.error.where, name);
      ReceivedRequest twice = made.request;
      twice.headers.push_back(twice.headers[header]);
      const Outcome repeated = check(*verifier, twice);
      EXPECT_THAT(repeated.error.message, HasSubstr("more than once"));
      EXPECT_EQ(repeated.error.where, name);
    }
  }
}

TEST(ReceiverVerify, finds_headers_in_any_case_and_any_secret_of_several) {
  for (const Sample& made : samples()) {
    SCOPED_TRACE(made.name);
    ReceivedRequest shouted = made.request;
    for (HeaderField& field : shouted.headers) {
      for (char& c : field.name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    const bool standard = made.provider == "standard-webhooks";
    const std::string other = standard ? "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" : "another";
    const Result<Verifier> verifier = verifier_of(made.provider, {other, made.secret});
    ASSERT_TRUE(verifier.has_value());
    EXPECT_TRUE(check(*verifier, shouted).accepted);
  }
}

// ---- what receivers do besides

TEST(ReceiverVerify, looks_at_the_timestamp_on_both_sides) {
  for (const Sample& made : samples()) {
    if (made.timestamp == 0) continue;
    SCOPED_TRACE(made.name);
    const Result<Verifier> verifier = verifier_of(made.provider, {made.secret});
    ASSERT_TRUE(verifier.has_value());
    const std::int64_t at = made.timestamp;
    EXPECT_TRUE(check(*verifier, made.request, at + 300, 300).accepted);
    EXPECT_TRUE(check(*verifier, made.request, at - 300, 300).accepted);
    EXPECT_TRUE(check(*verifier, made.request, at + 1'000'000, 0).accepted);
    const Outcome old = check(*verifier, made.request, at + 301, 300);
    EXPECT_THAT(old.error.message, HasSubstr("too old"));
    EXPECT_THAT(old.error.where, AnyOf("webhook-timestamp", "Stripe-Signature"));
    EXPECT_THAT(check(*verifier, made.request, at - 301, 300).error.message, HasSubstr("future"));
  }
}

TEST(ReceiverVerify, refuses_timestamps_that_are_no_count_of_seconds) {
  const Sample made = samples().front();
  const Result<Verifier> verifier = verifier_of(made.provider, {made.secret});
  ASSERT_TRUE(verifier.has_value());
  for (const std::string value : {"", "-1", "+1", "1.5", "0x10", "01614265330", " 1614265330",
                                  "1614265330000000000000", "now"}) {
    ReceivedRequest changed = made.request;
    changed.headers[1].value = value;
    EXPECT_EQ(check(*verifier, changed).error.where, "webhook-timestamp") << value;
  }
}

TEST(ReceiverVerify, accepts_when_any_of_several_signatures_fits) {
  const std::vector<Sample> all = samples();
  const auto by_provider = [&](std::string_view provider) {
    return *std::find_if(all.begin(), all.end(),
                         [&](const Sample& made) { return made.provider == provider; });
  };
  const struct {
    std::string provider;
    std::string before, after;  // put around the signature
    bool accepted;
  } cases[] = {
      {"standard-webhooks", "v1,AAAA ", "", true},
      {"standard-webhooks", "v2,whatever v1a,AAAA ", " v1,BBBB", true},
      {"standard-webhooks", "garbage ", "", true},
      {"standard-webhooks", "", " ", true},
      {"standard-webhooks", "v1,AAAA,", "", false},
      {"github", "sha256=00,", "", false},
      {"github", "", ",sha256=00", false},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.before + "…" + c.after);
    Sample made = by_provider(c.provider);
    const Result<Verifier> verifier = verifier_of(made.provider, {made.secret});
    std::string& value = made.request.headers[made.signed_headers.back()].value;
    value = c.before + value + c.after;
    EXPECT_EQ(check(*verifier, made.request).accepted, c.accepted);
  }
  Sample stripe = by_provider("stripe");
  const Result<Verifier> verifier = verifier_of("stripe", {stripe.secret});
  std::string& value = stripe.request.headers[0].value;
  value.insert(value.find("v1="), "v0=ffff,v1=0000,");
  EXPECT_TRUE(check(*verifier, stripe.request).accepted);
  std::string many = "v1,AAAA";
  for (int i = 0; i < 100; ++i) many += " v1,AAAA";
  Sample standard = by_provider("standard-webhooks");
  const Result<Verifier> bounded = verifier_of("standard-webhooks", {standard.secret});
  standard.request.headers[2].value = many;
  EXPECT_THAT(check(*bounded, standard.request).error.message, HasSubstr("too many"));
}

TEST(ReceiverVerify, a_private_ed25519_key_does_as_well_with_and_without_its_public_half) {
  const std::vector<Sample> all = samples();
  const auto found = std::find_if(
      all.begin(), all.end(), [](const Sample& made) { return made.secret.starts_with("whsk_"); });
  ASSERT_NE(found, all.end());
  // The first 32 of 64 bytes: 43 characters of base64, the last with two bits only.
  std::string seed = found->secret.substr(0, 5 + 42);
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  seed += digits[digits.find(found->secret[5 + 42]) & ~std::size_t{3}];
  const Result<Verifier> verifier = verifier_of(found->provider, {seed + "="});
  ASSERT_TRUE(verifier.has_value());
  EXPECT_TRUE(check(*verifier, found->request).accepted);
}

TEST(ReceiverVerify, refuses_secrets_that_are_of_no_form) {
  for (const std::string secret : {"", "whsec_", "whsec_???", "whsec_QQ", "whsk_QUJD", "whpk_QUJD",
                                   "plain", " whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}) {
    const Result<Verifier> verifier = verifier_of("standard-webhooks", {secret});
    ASSERT_FALSE(verifier.has_value()) << secret;
    EXPECT_EQ(verifier.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(verifier_of("github", {"good", ""}).error().where, "secret 2");
  EXPECT_FALSE(verifier_of("github", {}).has_value());
}

TEST(ReceiverVerify, reads_signed_urls_headers_and_types_from_the_request) {
  const std::string text = definition("{url}|{header:X-Extra}|{type}|{id}|{body}|{{}}",
                                      R"({"S":"s={signatures}","I":"{id}","T":"{type}"})");
  const Result<Verifier> verifier = Verifier::make(text, {"key"});
  ASSERT_TRUE(verifier.has_value());
  for (const std::string protocol : {"https", "http"}) {
    ReceivedRequest request{"POST",
                            "/p?q=1",
                            {{"host", "h.example:8443"},
                             {"i", "evt_1"},
                             {"t", "a.b"},
                             {"x-extra", "one"},
                             {"X-Extra", "two"}},
                            "body"};
    request.headers.push_back(
        {"s", "s=" + signature_of(
                         "key", protocol + "://h.example:8443/p?q=1|one, two|a.b|evt_1|body|{}")});
    EXPECT_TRUE(check(*verifier, request).accepted);
    request.path = "/p?q=2";
    EXPECT_FALSE(check(*verifier, request).accepted);
  }
}

TEST(ReceiverVerify, takes_signed_values_from_the_body_it_received) {
  const struct {
    std::string body;
    std::string mode;
    std::string value;  // what is signed; empty: refused
  } cases[] = {
      {R"({"a/b":[{"c":"text"}]})", "raw", "text"},
      {R"({"a/b":[{"c":"t\u00e9xt"}]})", "raw", "t\xc3\xa9xt"},
      {R"({"a/b":[{"c":1.50}]})", "raw", "1.50"},
      {R"({"a/b":[{"c":1.5}]})", "ecmascript", "1.5"},
      {R"({"a/b":[{"c":true}]})", "raw", "true"},
      {R"({"a/b":[{"c":null}]})", "raw", ""},
      {R"({"a/b":[{"c":{}}]})", "raw", ""},
      {R"({"a/b":[]})", "raw", ""},
      {R"({"a/b":[)", "raw", ""},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.body);
    const Result<Verifier> verifier =
        Verifier::make(definition("{body}:{payload:/a~1b/0/c}", R"({"S":"{signatures}"})",
                                  "\"body\":\"" + c.mode + "\""),
                       {"key"});
    ASSERT_TRUE(verifier.has_value());
    ReceivedRequest request{"POST", "/", {}, c.body};
    request.headers.push_back({"S", signature_of("key", c.body + ":" + c.value)});
    const Outcome outcome = check(*verifier, request);
    EXPECT_EQ(outcome.accepted, !c.value.empty()) << outcome.error.to_string();
    if (c.value.empty()) {
      EXPECT_EQ(outcome.error.where, "body");
    }
  }
}

TEST(ReceiverVerify, says_so_when_javascript_would_see_other_bytes) {
  const Result<Verifier> verifier = verifier_of("credit-app", {"abc"});
  ASSERT_TRUE(verifier.has_value());
  for (const std::string body :
       {R"({"a": 1})", R"({"a":1.0})", R"({"a":"\u0041"})", R"({"a":"\/"})", R"({"a":1e2})",
        R"({"b":1,"1":2})", R"({"a":1,"a":2})", "{\"a\":1}\n", R"({"a":-0})",
        R"({"a":12345678901234567890})", R"({"a":1e999})"}) {
    SCOPED_TRACE(body);
    ReceivedRequest request{"POST", "/", {}, body};
    request.headers.push_back({"x-credit-app-signature", signature_of("abc", body)});
    const Outcome raw = check(*verifier, request);
    EXPECT_THAT(raw.error.message, HasSubstr("JSON.stringify(JSON.parse(body)) gives other bytes"));
    EXPECT_EQ(raw.error.where, "body");
    const std::string rewritten = receiver::stringify(*receiver::parse_json(body));
    request.headers[0].value = signature_of("abc", rewritten);
    EXPECT_THAT(check(*verifier, request).error.message, HasSubstr("not the bytes received"));
    request.body = rewritten;
    EXPECT_TRUE(check(*verifier, request).accepted);
  }
  for (const std::string body : {"", "{", "\xef\xbb\xbf{}", "{\"a\":\"\xff\"}", "{\"a\":01}"}) {
    ReceivedRequest request{"POST", "/", {}, body};
    request.headers.push_back({"x-credit-app-signature", signature_of("abc", body)});
    EXPECT_THAT(check(*verifier, request).error.message, HasSubstr("not JSON")) << body;
  }
}

TEST(ReceiverVerify, refuses_definitions_it_cannot_read) {
  for (const std::string& text :
       {std::string("no json"), std::string("{}"), definition("", R"({"S":"{signatures}"})"),
        definition("{body", R"({"S":"{signatures}"})"), definition("{body}", "{}"),
        definition("{body}", R"({"S":"{id}{signatures}"})"),
        std::string(R"({"signature":{"schemes":[{"algorithm":"rot13","signed":"{body}"}],)"
                    R"("headers":{"S":"{signatures}"}}})")}) {
    const Result<Verifier> verifier = Verifier::make(text, {"key"});
    ASSERT_FALSE(verifier.has_value()) << text;
    EXPECT_EQ(verifier.error().code, ErrorCode::kCorrupt);
  }
}

TEST(ReceiverVerify, is_reached_through_the_public_call) {
  const Result<Providers> providers = Providers::load("");
  ASSERT_TRUE(providers.has_value());
  for (const Sample& made : samples()) {
    SCOPED_TRACE(made.name);
    EXPECT_TRUE(verify(*providers, made.provider, {made.secret}, made.request, made.timestamp, 300)
                    .has_value());
    ReceivedRequest changed = made.request;
    changed.body += " ";
    EXPECT_FALSE(
        verify(*providers, made.provider, {made.secret}, changed, made.timestamp, 300).has_value());
  }
  const auto unknown = verify(*providers, "no-such", {"x"}, {}, 0, 0);
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace outrider
