// Digests against published vectors of others (RFC 4231, RFC 2202, RFC 8032, FIPS 180), and what
// random secrets must be.
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <set>
#include <thread>
#include <vector>

#include "core/signature.h"
#include "crypto/hmac_sha256.h"
#include "crypto/keyed_mac.h"
#include "crypto/mac.h"
#include "crypto/random.h"

namespace outrider::crypto {
namespace {

using core::Algorithm;
using core::Encoding;
using core::KeyForm;

std::string bytes(std::string_view hex) { return core::decode_hex(hex).value(); }
std::string hex(std::string_view raw) { return core::encode(Encoding::kHex, raw); }
std::string hex_digest(Algorithm algorithm, std::string_view key, std::string_view message) {
  const auto result = digest(algorithm, key, message);
  return result ? hex(*result) : "error: " + result.error().to_string();
}

TEST(KeyedMac, is_the_same_digest_again_and_again) {
  for (const std::string& key : {std::string(), std::string("k"), std::string(200, 'k')}) {
    const KeyedMac keyed(key);
    for (const std::string& text : {std::string("first"), std::string(), std::string(1000, 't')}) {
      EXPECT_EQ(keyed.of(text), digest(core::Algorithm::kHmacSha256, key, text).value());
    }
  }
}

// Against OpenSSL's own, for keys and texts around every block's end.
TEST(HmacSha256, is_what_openssl_makes_of_it) {
  for (const std::size_t key_bytes : {0, 1, 31, 32, 63, 64, 65, 200}) {
    const std::string key(key_bytes, 'k');
    const HmacSha256 prepared(key);
    for (std::size_t text_bytes = 0; text_bytes < 200; ++text_bytes) {
      const std::string text(text_bytes, 't');
      HmacSha256::Digest expected{};
      std::size_t size = 0;
      ASSERT_NE(EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, key.c_str(), key.size(),
                          reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                          expected.data(), expected.size(), &size),
                nullptr);
      ASSERT_EQ(prepared.of(text), expected) << key_bytes << " " << text_bytes;
    }
  }
}

TEST(Digest, hmac_sha256_and_sha512_match_rfc_4231) {
  struct Case {
    std::string key, message, sha256, sha512;
  };
  for (const Case& c : {
           Case{std::string(20, '\x0b'), "Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
                "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
                "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
           Case{"Jefe", "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
                "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
           Case{std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
                "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
                "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"},
       }) {
    EXPECT_EQ(hex_digest(Algorithm::kHmacSha256, c.key, c.message), c.sha256);
    EXPECT_EQ(hex_digest(Algorithm::kHmacSha512, c.key, c.message), c.sha512);
  }
}

TEST(Digest, hmac_sha1_matches_rfc_2202) {
  EXPECT_EQ(hex_digest(Algorithm::kHmacSha1, std::string(20, '\x0b'), "Hi There"),
            "b617318655057264e28bc0b6fb378c8ef146be00");
  EXPECT_EQ(hex_digest(Algorithm::kHmacSha1, "Jefe", "what do ya want for nothing?"),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
}

TEST(Digest, an_empty_key_and_an_empty_message_are_values_too) {
  constexpr std::string_view kEmpty =
      "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad";
  EXPECT_EQ(hex_digest(Algorithm::kHmacSha256, "", ""), kEmpty);
  // Not the key of the call before.
  EXPECT_NE(hex_digest(Algorithm::kHmacSha256, "key", ""), kEmpty);
  EXPECT_EQ(hex_digest(Algorithm::kHmacSha256, {}, {}), kEmpty);
}

TEST(Digest, ed25519_matches_rfc_8032) {
  struct Case {
    std::string_view seed, public_key, message, signature;
  };
  for (const Case& c : {
           Case{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
                "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
           Case{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
       }) {
    const std::string pair = bytes(c.seed) + bytes(c.public_key);
    EXPECT_EQ(hex_digest(Algorithm::kEd25519, bytes(c.seed), bytes(c.message)), c.signature);
    EXPECT_EQ(hex_digest(Algorithm::kEd25519, pair, bytes(c.message)), c.signature);
  }
}

TEST(Digest, ed25519_keys_of_a_wrong_length_or_with_a_foreign_public_half_are_refused) {
  const std::string seed =
      bytes("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
  std::string pair =
      seed + bytes("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  ASSERT_TRUE(digest(Algorithm::kEd25519, pair, "m").has_value());
  for (std::size_t at = 32; at < 64; ++at) {
    std::string foreign = pair;
    foreign[at] = static_cast<char>(foreign[at] ^ 1);
    const auto result = digest(Algorithm::kEd25519, foreign, "m");
    ASSERT_FALSE(result.has_value()) << at;
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  }
  for (const std::size_t length : {0U, 1U, 31U, 33U, 63U, 65U, 96U}) {
    const auto result = digest(Algorithm::kEd25519, std::string(length, 'k'), "m");
    ASSERT_FALSE(result.has_value()) << length;
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST(Digest, is_the_same_from_many_threads_at_once) {
  const std::string expected = hex_digest(Algorithm::kHmacSha256, "Jefe", "message");
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        count += hex_digest(Algorithm::kHmacSha256, "Jefe", "message") != expected ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST(Sha256, matches_fips_180) {
  EXPECT_EQ(hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256(std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Equality, holds_for_equal_texts_alone) {
  EXPECT_TRUE(equal_constant_time("", ""));
  EXPECT_TRUE(equal_constant_time({}, ""));
  EXPECT_TRUE(equal_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_constant_time("abc", "Abc"));
  EXPECT_FALSE(equal_constant_time("abc", "ab"));
  EXPECT_FALSE(equal_constant_time("", "a"));
  EXPECT_FALSE(equal_constant_time(std::string_view("a\0b", 3), std::string_view("a\0c", 3)));
}

TEST(Wipe, leaves_nothing_in_the_string_or_behind_its_end) {
  for (const std::size_t length : {0U, 5U, 15U, 16U, 200U}) {
    std::string secret(length + 50, 's');
    secret.resize(length);  // the longer value's rest is still there
    const char* const start = secret.data();
    wipe(secret);
    EXPECT_TRUE(secret.empty());
    ASSERT_EQ(secret.data(), start) << "wiped a copy";
    // Through the pointer: growing the string back would itself overwrite what is looked for.
    const auto* const raw = static_cast<const volatile char*>(start);
    for (std::size_t i = 0; i < secret.capacity(); ++i) {
      ASSERT_NE(raw[i], 's') << "byte " << i << " of " << length;
    }
  }
}

TEST(Random, gives_as_many_bytes_as_asked_for_and_never_the_same) {
  EXPECT_TRUE(random_bytes(0).value().empty());
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const auto some = random_bytes(16);
    ASSERT_TRUE(some.has_value());
    EXPECT_EQ(some->size(), 16U);
    EXPECT_TRUE(seen.insert(*some).second);
  }
  EXPECT_EQ(random_bytes(1'000'000).value().size(), 1'000'000U);
}

TEST(Random, units_fill_zero_to_one_without_one) {
  constexpr int kCount = 10'000;
  std::vector<int> tenths(10, 0);
  for (int i = 0; i < kCount; ++i) {
    const double unit = random_unit();
    ASSERT_GE(unit, 0.0);
    ASSERT_LT(unit, 1.0);
    ++tenths[static_cast<std::size_t>(unit * 10)];
  }
  // 1,000 expected with a deviation of 30: ten deviations off does not happen by chance.
  for (const int count : tenths) EXPECT_NEAR(count, kCount / 10, 300);
}

core::SignatureScheme form(Algorithm algorithm, KeyForm key_form, std::string prefix) {
  core::SignatureScheme scheme;
  scheme.algorithm = algorithm;
  scheme.key_form = key_form;
  scheme.key_prefix = std::move(prefix);
  return scheme;
}

TEST(GeneratedSecrets, fit_the_scheme_they_were_made_for) {
  for (const auto& scheme : {
           form(Algorithm::kHmacSha256, KeyForm::kText, ""),
           form(Algorithm::kHmacSha256, KeyForm::kHex, ""),
           form(Algorithm::kHmacSha512, KeyForm::kBase64, "whsec_"),
           form(Algorithm::kHmacSha1, KeyForm::kText, "key_"),
           form(Algorithm::kEd25519, KeyForm::kBase64, "whsk_"),
           form(Algorithm::kEd25519, KeyForm::kHex, ""),
       }) {
    const auto secret = generate_secret(scheme);
    ASSERT_TRUE(secret.has_value());
    EXPECT_TRUE(secret->starts_with(scheme.key_prefix));
    core::SignatureRule rule;
    rule.schemes.push_back(scheme);
    EXPECT_TRUE(core::scheme_for(rule, *secret).has_value());
    const auto key = core::decode_key(scheme, *secret);
    ASSERT_TRUE(key.has_value());
    // 32 random bytes; as text their hex; with Ed25519 the public key as well, which digest()
    // checks.
    const bool doubled =
        scheme.algorithm == Algorithm::kEd25519 || scheme.key_form == KeyForm::kText;
    EXPECT_EQ(key->size(), doubled ? 64U : 32U);
    EXPECT_TRUE(digest(scheme.algorithm, *key, "m").has_value());
    EXPECT_NE(*secret, generate_secret(scheme).value());
  }
}

TEST(GeneratedSecrets, there_are_none_where_the_form_cannot_carry_one) {
  const auto secret = generate_secret(form(Algorithm::kEd25519, KeyForm::kText, ""));
  ASSERT_FALSE(secret.has_value());
  EXPECT_EQ(secret.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace outrider::crypto
