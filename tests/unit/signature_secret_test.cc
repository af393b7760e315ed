// Secrets: which scheme they belong to, how they decode, and that none is ever shown; base64 and
// hex under them.
#include <gtest/gtest.h>

#include "signature_rules.h"

namespace outrider::core {
namespace {

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
