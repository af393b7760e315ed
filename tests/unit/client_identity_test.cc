// What an operator may give for TLS with an endpoint, first and later, what is kept of it, and what
// certificates say of themselves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crypto/certificates.h"
#include "crypto/client_identity.h"
#include "dispatcher_identities.h"
#include "outrider/certificate.h"
#include "tls_change.h"
#include "wipe_secrets.h"

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

// ---- changes ----

storage::EndpointRecord endpoint_with(const TlsIdentity& tls) {
  storage::EndpointRecord record;
  record.spec.url = "https://receiver.example/hook";
  record.spec.tls = tls;
  return record;
}

TEST_F(ClientIdentity, a_change_names_what_is_given_and_nothing_else) {
  const TlsIdentity old = client({kNow - 100, kNow - 1});  // has expired, and does not matter
  const TlsIdentity fresh = client();
  const auto endpoint = endpoint_with(old);
  const auto pair = checked_change({.ca = {}, .certificate = fresh.certificate, .key = fresh.key},
                                   endpoint, kNow);
  ASSERT_TRUE(pair.has_value()) << pair.error().to_string();
  EXPECT_EQ(pair->certificate, fresh.certificate);
  EXPECT_EQ(pair->key, fresh.key);
  EXPECT_EQ(pair->ca, std::nullopt);
  EXPECT_EQ(pair->at_least, std::nullopt);
  const auto others =
      checked_change({.ca = "", .at_least = TlsVersion::k13}, endpoint, kNow).value();
  EXPECT_EQ(others.ca, "");
  EXPECT_EQ(others.at_least, TlsVersion::k13);
  EXPECT_EQ(others.certificate, std::nullopt);
  EXPECT_EQ(others.key, std::nullopt);
  const auto gone = checked_change({.ca = {}, .certificate = ""}, endpoint, kNow).value();
  EXPECT_EQ(gone.certificate, "");
  EXPECT_EQ(gone.key, "");
}

TEST_F(ClientIdentity, a_certificate_for_the_key_an_endpoint_has_comes_alone_and_is_kept_with_it) {
  const TlsIdentity own = client();
  const auto kept =
      checked_change({.ca = {}, .certificate = own.certificate}, endpoint_with(own), kNow);
  ASSERT_TRUE(kept.has_value()) << kept.error().to_string();
  EXPECT_EQ(kept->key, own.key);
}

TEST_F(ClientIdentity, a_change_that_cannot_work_is_refused_and_its_field_named) {
  const TlsIdentity own = client();
  const TlsIdentity other = client();
  auto plain = endpoint_with({});
  plain.spec.url = "http://receiver.example/hook";
  auto unreadable = endpoint_with(own);
  unreadable.spec.tls.key.clear();
  unreadable.unreadable = "the key file is gone";
  struct Case {
    const char* name;
    TlsChange given;
    storage::EndpointRecord endpoint;
    ErrorCode code;
    const char* where;
  };
  const std::vector<Case> cases{
      {"nothing", {}, endpoint_with(own), ErrorCode::kInvalidArgument, "tls"},
      {"foreign certificate",
       {.certificate = other.certificate},
       endpoint_with(own),
       ErrorCode::kInvalidArgument,
       "tls_key"},
      {"no key yet",
       {.certificate = other.certificate},
       endpoint_with({}),
       ErrorCode::kInvalidArgument,
       "tls_key"},
      {"key is emptied",
       {.certificate = own.certificate, .key = ""},
       endpoint_with(own),
       ErrorCode::kInvalidArgument,
       "tls_key"},
      {"key alone",
       {.key = own.key},
       endpoint_with(own),
       ErrorCode::kInvalidArgument,
       "tls_certificate"},
      {"key goes alone",
       {.key = ""},
       endpoint_with(own),
       ErrorCode::kInvalidArgument,
       "tls_certificate"},
      {"certificate goes, key comes",
       {.certificate = "", .key = own.key},
       endpoint_with(own),
       ErrorCode::kInvalidArgument,
       "tls_certificate"},
      {"ca", {.ca = "authority"}, endpoint_with(own), ErrorCode::kInvalidArgument, "tls_ca"},
      {"URL", {.at_least = TlsVersion::k13}, plain, ErrorCode::kInvalidArgument, "tls"},
      {"unreadable", {.certificate = own.certificate}, unreadable, ErrorCode::kKey, "tls_key"},
  };
  for (const Case& bad : cases) {
    const auto checked = checked_change(bad.given, bad.endpoint, kNow);
    ASSERT_FALSE(checked.has_value()) << bad.name;
    EXPECT_EQ(checked.error().code, bad.code) << bad.name;
    EXPECT_EQ(checked.error().where, bad.where) << bad.name;
    EXPECT_THAT(checked.error().to_string(), Not(HasSubstr("PRIVATE KEY-----\nM"))) << bad.name;
  }
}

TEST_F(ClientIdentity, what_carried_a_secret_has_none_of_it_left_in_its_memory) {
  const std::string secret(100, 's');
  // The bytes where the text was: wiping keeps the place.
  const auto is_wiped = [](const std::string& text, const char* place) {
    return text.empty() && std::string_view(place, 100).find('s') == std::string_view::npos;
  };
  storage::Mutation add = storage::AddEndpoint{.spec = {.account = "acme",
                                                        .secret = secret,
                                                        .headers = {{"X-Token", secret}},
                                                        .tls = {.key = secret}}};
  const EndpointSpec& spec = std::get<storage::AddEndpoint>(add).spec;
  const char* const places[] = {spec.secret.data(), spec.headers[0].value.data(),
                                spec.tls.key.data()};
  wipe_secrets(add);
  EXPECT_TRUE(is_wiped(spec.secret, places[0]));
  EXPECT_TRUE(is_wiped(spec.headers[0].value, places[1]));
  EXPECT_TRUE(is_wiped(spec.tls.key, places[2]));
  EXPECT_EQ(spec.account, "acme");

  storage::Mutation set = storage::SetTls{.change = {.key = secret}};
  const std::string& key = *std::get<storage::SetTls>(set).change.key;
  const char* const key_place = key.data();
  wipe_secrets(set);
  EXPECT_TRUE(is_wiped(key, key_place));

  storage::Mutation rotate = storage::RotateSecret{.secret = secret};
  const std::string& next = std::get<storage::RotateSecret>(rotate).secret;
  const char* const next_place = next.data();
  wipe_secrets(rotate);
  EXPECT_TRUE(is_wiped(next, next_place));
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
