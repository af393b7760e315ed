// What an operator may give for TLS with an endpoint, what is kept of it, and what certificates say
// of themselves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crypto/certificates.h"
#include "crypto/client_identity.h"
#include "dispatcher_identities.h"
#include "outrider/certificate.h"

namespace outrider {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::int64_t kNow = 1'700'000'000;

class ClientIdentity : public ::testing::Test {
 protected:
  crypto::CertificateAndKey authority_ =
      *crypto::make_certificate_authority("the authority", crypto::thirty_days_around(kNow));

  [[nodiscard]] TlsIdentity client(
      crypto::Validity validity = crypto::thirty_days_around(kNow)) const {
    const auto pair = *crypto::issue_client(authority_, "acme, the client", validity);
    TlsIdentity identity;
    identity.certificate = pair.certificate_pem;
    identity.key = pair.key_pem;
    return identity;
  }
};

TEST_F(ClientIdentity, what_is_good_is_kept_as_it_is) {
  TlsIdentity given = client();
  given.ca = authority_.certificate_pem;
  given.at_least = TlsVersion::k13;
  EXPECT_EQ(crypto::checked_identity(given, kNow), given);
  EXPECT_EQ(crypto::checked_identity({}, kNow), TlsIdentity{});
}

TEST_F(ClientIdentity, only_certificates_are_kept_of_a_certificates_text) {
  const TlsIdentity good = client();
  TlsIdentity given = good;
  given.certificate = "a remark\n" + good.key + good.certificate + authority_.certificate_pem;
  given.ca = authority_.key_pem + "# the authority\n" + authority_.certificate_pem;
  const auto kept = crypto::checked_identity(given, kNow);
  ASSERT_TRUE(kept.has_value()) << kept.error().to_string();
  EXPECT_EQ(kept->certificate, good.certificate + authority_.certificate_pem);
  EXPECT_EQ(kept->ca, authority_.certificate_pem);
}

TEST_F(ClientIdentity, what_would_fail_at_the_first_handshake_is_refused_and_its_field_named) {
  const TlsIdentity good = client();
  struct Case {
    const char* name;
    TlsIdentity given;
    const char* where;
    const char* words;
  };
  const auto with = [&](auto change) {
    TlsIdentity given = good;
    change(given);
    return given;
  };
  const std::string chain_upside_down = authority_.certificate_pem + good.certificate;
  const std::vector<Case> cases{
      {"no key", with([](auto& it) { it.key.clear(); }), "tls_key", "needs its private key"},
      {"no certificate", with([](auto& it) { it.certificate.clear(); }), "tls_certificate",
       "needs its client certificate"},
      {"key of another", with([&](auto& it) { it.key = client().key; }), "tls_key",
       "does not belong"},
      {"issuer first", with([&](auto& it) { it.certificate = chain_upside_down; }), "tls_key",
       "does not belong"},
      {"not PEM", with([](auto& it) { it.certificate = "certificate"; }), "tls_certificate",
       "cannot be read"},
      {"cut", with([](auto& it) { it.certificate.resize(200); }), "tls_certificate",
       "cannot be read"},
      {"key not PEM", with([](auto& it) { it.key = "key"; }), "tls_key", "cannot be read"},
      {"ca is a key", with([&](auto& it) { it.ca = authority_.key_pem; }), "tls_ca",
       "cannot be read"},
      {"ca too long", with([](auto& it) { it.ca.assign(600'000, ' '); }), "tls_ca", "longer"},
      {"certificate too long", with([](auto& it) { it.certificate.append(70'000, '\n'); }),
       "tls_certificate", "longer"},
      {"key too long", with([](auto& it) { it.key.append(40'000, '\n'); }), "tls_key", "longer"},
      {"expired", client({kNow - 100, kNow - 1}), "tls_certificate", "has expired"},
      {"not yet", client({kNow + 90'000, kNow + 99'000}), "tls_certificate", "not valid yet"},
      {"no such TLS", with([](auto& it) { it.at_least = static_cast<TlsVersion>(11); }), "tls_min",
       "1.2 or 1.3"},
  };
  for (const Case& bad : cases) {
    const auto checked = crypto::checked_identity(bad.given, kNow);
    ASSERT_FALSE(checked.has_value()) << bad.name;
    EXPECT_EQ(checked.error().code, ErrorCode::kInvalidArgument) << bad.name;
    EXPECT_EQ(checked.error().where, bad.where) << bad.name;
    EXPECT_THAT(checked.error().message, HasSubstr(bad.words)) << bad.name;
    EXPECT_THAT(checked.error().to_string(), Not(HasSubstr("PRIVATE KEY-----\nM"))) << bad.name;
  }
}

TEST_F(ClientIdentity, an_encrypted_key_is_refused_without_asking_for_a_passphrase) {
  TlsIdentity given = client();
  given.key =
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
      "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAi1m0f1xq3Q3gICCAAw\n"
      "-----END ENCRYPTED PRIVATE KEY-----\n";
  const auto checked = crypto::checked_identity(given, kNow);
  ASSERT_FALSE(checked.has_value());
  EXPECT_EQ(checked.error().where, "tls_key");
  EXPECT_THAT(checked.error().hint, HasSubstr("without a passphrase"));
}

TEST_F(ClientIdentity, its_last_second_and_a_beginning_tomorrow_are_good) {
  EXPECT_TRUE(crypto::checked_identity(client({kNow - 100, kNow}), kNow).has_value());
  EXPECT_TRUE(crypto::checked_identity(client({kNow + 86'000, kNow + 99'000}), kNow).has_value());
}

TEST_F(ClientIdentity, an_authority_that_has_ended_may_stand_beside_one_that_is_valid) {
  const auto old = *crypto::make_certificate_authority("old", {kNow - 100, kNow - 1});
  TlsIdentity given;
  given.ca = old.certificate_pem;
  const auto alone = crypto::checked_identity(given, kNow);
  ASSERT_FALSE(alone.has_value());
  EXPECT_EQ(alone.error().where, "tls_ca");
  EXPECT_THAT(alone.error().message, HasSubstr("valid now"));
  given.ca += authority_.certificate_pem;
  EXPECT_EQ(crypto::checked_identity(given, kNow), given);
}

TEST_F(ClientIdentity, a_summary_says_whose_it_is_and_until_when) {
  const TlsIdentity identity = client();
  const auto said = summarize_certificates(identity.certificate + authority_.certificate_pem);
  ASSERT_TRUE(said.has_value());
  ASSERT_EQ(said->size(), 2U);
  EXPECT_EQ(said->front().subject, "CN=acme\\, the client");
  EXPECT_EQ(said->front().issuer, "CN=the authority");
  EXPECT_EQ(said->front().valid_from, (kNow - 86'400) * 1000);
  EXPECT_EQ(said->front().valid_through, (kNow + 29 * 86'400) * 1000);
  EXPECT_EQ(said->front().sha256.size(), 64U);
  EXPECT_EQ(said->back().subject, said->back().issuer);
  EXPECT_FALSE(summarize_certificates("nothing").has_value());
}

TEST_F(ClientIdentity, equal_ones_are_held_once_and_a_taken_key_is_gone) {
  HeldIdentities held;
  const TlsIdentity acme = client();
  TlsIdentity one = acme;
  TlsIdentity two = acme;
  TlsIdentity other = acme;
  other.at_least = TlsVersion::k13;
  TlsIdentity other_key = acme;
  other_key.key = client().key;
  TlsIdentity none;
  auto first = held.hold(one);
  EXPECT_EQ(*first, acme);
  EXPECT_EQ(one.key, "");
  EXPECT_EQ(held.hold(two), first);
  EXPECT_NE(held.hold(other), first);
  EXPECT_NE(held.hold(other_key), first);
  EXPECT_EQ(held.hold(none), nullptr);
  const std::weak_ptr<const TlsIdentity> gone = first;
  first.reset();
  EXPECT_TRUE(gone.expired());
  TlsIdentity again = acme;
  EXPECT_EQ(*held.hold(again), acme);
}

TEST_F(ClientIdentity, texts_that_run_into_each_other_are_different_identities) {
  HeldIdentities held;
  TlsIdentity one{.ca = "ab", .certificate = "c", .key = "k"};
  TlsIdentity two{.ca = "a", .certificate = "bc", .key = "k"};
  const auto first = held.hold(one);
  EXPECT_NE(held.hold(two), first);
}

}  // namespace
}  // namespace outrider
