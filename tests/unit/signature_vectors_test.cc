// Every vector of tests/vectors/signatures.json, published by others, under rules made by hand.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "core/json_text.h"
#include "signature_rules.h"
#include "tests/source_dir.h"

namespace outrider::core {
namespace {

std::string file_text(const std::string& name) {
  std::ifstream file(source_dir() + "/tests/vectors/" + name, std::ios::binary);
  EXPECT_TRUE(file.good()) << name;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// One entry of signatures.json.
class Vector {
 public:
  Vector(std::string_view file, std::string pointer) : file_(file), pointer_(std::move(pointer)) {}
  [[nodiscard]] bool exists() const {
    return extract_scalar(file_, pointer_ + "/body") ||
           extract_scalar(file_, pointer_ + "/body_file");
  }
  [[nodiscard]] std::string text(const std::string& key) const {
    auto value = extract_scalar(file_, pointer_ + "/" + key);
    EXPECT_TRUE(value.has_value()) << pointer_ << "/" << key;
    return value.value_or("");
  }
  [[nodiscard]] std::int64_t number(const std::string& key) const { return std::stoll(text(key)); }

 private:
  std::string_view file_;
  std::string pointer_;
};

class PublishedVectors : public testing::Test {
 protected:
  // Calls `check` for each of a format's vectors, and requires that there are as many as published.
  template <class Check>
  void each(const std::string& format, std::size_t count, const Check& check) const {
    const auto at = [&](std::size_t index) {
      return Vector(file_, "/" + format + "/" + std::to_string(index));
    };
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_TRUE(at(i).exists()) << format << " " << i;
      check(at(i));
    }
    EXPECT_FALSE(at(count).exists()) << format << " has a vector that is not tested";
  }

 private:
  std::string file_ = file_text("signatures.json");
};

TEST_F(PublishedVectors, spatie_webhook_server) {
  each("spatie", 3, [](const Vector& vector) {
    const std::string body = vector.text("body");
    const auto fields = signed_with(spatie_rule(), {.body = body}, {vector.text("key")});
    EXPECT_EQ(value_of(fields, "Signature"), vector.text("Signature")) << body;
  });
}

TEST_F(PublishedVectors, lossexpress_signs_the_body_and_the_payoff_id) {
  each("lossexpress", 1, [](const Vector& vector) {
    const std::string body = vector.text("body");
    const auto fields = signed_with(lossexpress_rule(), {.body = body}, {vector.text("key")});
    EXPECT_EQ(value_of(fields, "X-LossExpress-Signature"), vector.text("X-LossExpress-Signature"));
    // The suffix is what the pointer finds: the same text, signed as a literal.
    const std::string whole = body + vector.text("suffix");
    const auto literal = signed_with(spatie_rule(), {.body = whole}, {vector.text("key")});
    EXPECT_EQ(value_of(literal, "Signature"), vector.text("X-LossExpress-Signature"));
    EXPECT_EQ(body, file_text("lossexpress-payoff.min.json"));
  });
}

TEST_F(PublishedVectors, application_export) {
  each("appexport", 1, [](const Vector& vector) {
    const std::string body = file_text(vector.text("body_file"));
    EXPECT_EQ(std::to_string(body.size()), vector.text("body_bytes"));
    EXPECT_EQ(encode(Encoding::kHex, crypto::sha256(body)), vector.text("body_sha256"));
    const auto fields = signed_with(appexport_rule(), {.body = body}, {vector.text("key")});
    EXPECT_EQ(value_of(fields, "X-CREDIT-APP-SIGNATURE"), vector.text("hmac_sha256_hex"));
  });
}

TEST_F(PublishedVectors, standard_webhooks_v1_and_v1a) {
  each("standardwebhooks", 3, [](const Vector& vector) {
    const std::string body = vector.text("body");
    const std::string id = vector.text("id");
    const std::int64_t timestamp = vector.number("ts");
    const auto fields =
        signed_with(standard_rule(), {.body = body, .id = id, .timestamp_s = timestamp},
                    {vector.text("secret")});
    EXPECT_EQ(value_of(fields, "webhook-signature"), vector.text("sig"));
    EXPECT_EQ(value_of(fields, "webhook-id"), id);
    EXPECT_EQ(value_of(fields, "webhook-timestamp"), std::to_string(timestamp));
  });
}

TEST_F(PublishedVectors, a_v1a_seed_alone_signs_like_seed_and_public_key) {
  each("standardwebhooks", 3, [](const Vector& vector) {
    const std::string secret = vector.text("secret");
    if (!secret.starts_with("whsk_")) return;
    const auto pair = decode_base64(secret.substr(5));
    ASSERT_TRUE(pair.has_value());
    const std::string seed = "whsk_" + encode(Encoding::kBase64, pair->substr(0, 32));
    const std::string body = vector.text("body");
    const std::string id = vector.text("id");
    const auto fields = signed_with(
        standard_rule(), {.body = body, .id = id, .timestamp_s = vector.number("ts")}, {seed});
    EXPECT_EQ(value_of(fields, "webhook-signature"), vector.text("sig"));
    EXPECT_EQ("whpk_" + encode(Encoding::kBase64, pair->substr(32)), vector.text("public"));
  });
}

TEST_F(PublishedVectors, github) {
  each("github", 3, [](const Vector& vector) {
    const std::string body = vector.text("body");
    const auto fields = signed_with(github_rule(), {.body = body}, {vector.text("secret")});
    EXPECT_EQ(value_of(fields, "X-Hub-Signature-256"), vector.text("X-Hub-Signature-256"));
  });
}

TEST_F(PublishedVectors, stripe) {
  each("stripe", 1, [](const Vector& vector) {
    const std::string body = vector.text("body");
    const auto fields = signed_with(
        stripe_rule(), {.body = body, .timestamp_s = vector.number("ts")}, {vector.text("secret")});
    EXPECT_EQ(value_of(fields, "Stripe-Signature"), vector.text("Stripe-Signature"));
  });
}

}  // namespace
}  // namespace outrider::core
