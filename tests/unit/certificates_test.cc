// What is issued: accepted by a strict client for exactly its names, its time and its authority;
// and which texts a server's context refuses.
#include "crypto/certificates.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <ctime>
#include <memory>
#include <vector>

#include "crypto/tls_session.h"
#include "tls_client.h"

namespace outrider::crypto {
namespace {

using outrider::testing::TlsClient;
using outrider::testing::TlsClientOptions;
using Names = std::vector<std::string>;

std::int64_t now_s() { return std::time(nullptr); }

const CertificateAndKey& authority() {
  static const CertificateAndKey made =
      make_certificate_authority("Test authority", thirty_days_around(now_s())).value();
  return made;
}

CertificateAndKey issued(const Names& names) {
  return issue(authority(), names, thirty_days_around(now_s())).value();
}

using X509Owner = std::unique_ptr<X509, decltype(&X509_free)>;
X509Owner parsed(const std::string& pem) {
  BIO* text = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509Owner certificate(PEM_read_bio_X509(text, nullptr, nullptr, nullptr), X509_free);
  BIO_free(text);
  return certificate;
}

// How a client that trusts `authority_pem` judges the server: X509_V_OK or the reason against it.
long judgement(const CertificateAndKey& server, const std::string& host, bool is_address,
               const std::string& authority_pem) {
  const auto context = TlsServerContext::make(server.certificate_pem, server.key_pem);
  EXPECT_TRUE(context.has_value()) << context.error().to_string();
  TlsSession session = context.value().accept().value();
  TlsClient client({.authority_pem = authority_pem, .host = host, .host_is_address = is_address});
  (void)client.converse(session);
  EXPECT_EQ(client.connected(), client.verify_result() == X509_V_OK);
  return client.verify_result();
}

TEST(IssuedCertificates, are_accepted_for_each_of_their_names_and_no_other) {
  const CertificateAndKey server =
      issued({"example.test", "*.hooks.example.test", "192.0.2.7", "2001:db8::7"});
  struct Case {
    std::string host;
    bool is_address;
    long expected;
  };
  for (const Case& c : {
           Case{"example.test", false, X509_V_OK},
           Case{"EXAMPLE.test", false, X509_V_OK},
           Case{"a.hooks.example.test", false, X509_V_OK},
           Case{"192.0.2.7", true, X509_V_OK},
           Case{"2001:db8:0::7", true, X509_V_OK},
           Case{"www.example.test", false, X509_V_ERR_HOSTNAME_MISMATCH},
           Case{"a.b.hooks.example.test", false, X509_V_ERR_HOSTNAME_MISMATCH},
           Case{"hooks.example.test", false, X509_V_ERR_HOSTNAME_MISMATCH},
           Case{"localhost", false, X509_V_ERR_HOSTNAME_MISMATCH},
           Case{"192.0.2.8", true, X509_V_ERR_IP_ADDRESS_MISMATCH},
       }) {
    EXPECT_EQ(judgement(server, c.host, c.is_address, authority().certificate_pem), c.expected)
        << c.host;
  }
}

TEST(IssuedCertificates, are_accepted_in_their_time_only) {
  struct Case {
    Validity validity;
    long expected;
  };
  const std::int64_t now = now_s();
  const Names names = {"localhost"};
  for (const Case& c : {
           Case{thirty_days_around(now), X509_V_OK},
           Case{{now - 3 * kDaySeconds, now - kDaySeconds}, X509_V_ERR_CERT_HAS_EXPIRED},
           Case{{now + kDaySeconds, now + 2 * kDaySeconds}, X509_V_ERR_CERT_NOT_YET_VALID},
           Case{{0, 4'102'444'800},
                X509_V_OK},  // 1970 to 2100: both of ASN.1's ways to write a time
       }) {
    const auto server = issue(authority(), names, c.validity);
    ASSERT_TRUE(server.has_value());
    EXPECT_EQ(judgement(*server, "localhost", false, authority().certificate_pem), c.expected);
  }
}

TEST(IssuedCertificates, are_accepted_under_their_own_authority_only) {
  // Even one of the same name.
  const auto other = make_certificate_authority("Test authority", thirty_days_around(now_s()));
  ASSERT_TRUE(other.has_value());
  EXPECT_NE(judgement(issued({"localhost"}), "localhost", false, other->certificate_pem),
            X509_V_OK);
}

TEST(IssuedCertificates, of_an_expired_authority_are_refused) {
  const std::int64_t now = now_s();
  const auto expired =
      make_certificate_authority("Expired authority", {now - 3 * kDaySeconds, now - kDaySeconds});
  ASSERT_TRUE(expired.has_value());
  const auto server = issue(*expired, Names{"localhost"}, thirty_days_around(now));
  ASSERT_TRUE(server.has_value());
  EXPECT_EQ(judgement(*server, "localhost", false, expired->certificate_pem),
            X509_V_ERR_CERT_HAS_EXPIRED);
}

TEST(IssuedCertificates, are_version_3_for_servers_with_random_positive_serials) {
  const X509Owner one = parsed(issued({"localhost"}).certificate_pem);
  const X509Owner two = parsed(issued({"localhost"}).certificate_pem);
  ASSERT_TRUE(one && two);
  for (X509* certificate : {one.get(), two.get()}) {
    EXPECT_EQ(X509_get_version(certificate), X509_VERSION_3);
    EXPECT_EQ(X509_check_ca(certificate), 0);
    EXPECT_EQ(X509_get_key_usage(certificate), std::uint32_t{KU_DIGITAL_SIGNATURE});
    EXPECT_EQ(X509_get_extended_key_usage(certificate), std::uint32_t{XKU_SSL_SERVER});
    const ASN1_INTEGER* serial = X509_get0_serialNumber(certificate);
    EXPECT_EQ(serial->type, V_ASN1_INTEGER);  // not V_ASN1_NEG_INTEGER
    EXPECT_EQ(serial->length, 16);
  }
  EXPECT_NE(ASN1_INTEGER_cmp(X509_get0_serialNumber(one.get()), X509_get0_serialNumber(two.get())),
            0);
}

TEST(IssuedCertificates, last_thirty_days_from_yesterday_on_by_default) {
  const Validity validity = thirty_days_around(1'000'000'000);
  EXPECT_EQ(validity.from_s, 1'000'000'000 - 86'400);
  EXPECT_EQ(validity.through_s - validity.from_s, 30 * 86'400);
  const auto server = issue(authority(), Names{"localhost"}, validity);
  ASSERT_TRUE(server.has_value());
  const X509Owner certificate = parsed(server->certificate_pem);
  const auto equal = [](const ASN1_TIME* time, std::int64_t expected) {
    return ASN1_TIME_cmp_time_t(time, static_cast<time_t>(expected)) == 0;
  };
  EXPECT_TRUE(equal(X509_get0_notBefore(certificate.get()), validity.from_s));
  EXPECT_TRUE(equal(X509_get0_notAfter(certificate.get()), validity.through_s));
}

TEST(Authorities, are_marked_as_such_and_cannot_make_more_of_them) {
  const X509Owner certificate = parsed(authority().certificate_pem);
  ASSERT_TRUE(certificate);
  EXPECT_EQ(X509_check_ca(certificate.get()), 1);
  EXPECT_EQ(X509_get_pathlen(certificate.get()), 0);
  EXPECT_EQ(X509_get_key_usage(certificate.get()), std::uint32_t{KU_KEY_CERT_SIGN | KU_CRL_SIGN});
  EXPECT_EQ(X509_check_issued(certificate.get(), certificate.get()), X509_V_OK);
}

TEST(Issuing, refuses_what_is_no_name) {
  for (const std::string& name : {
           std::string(),
           std::string("a b"),
           std::string("-a.test"),
           std::string("a-.test"),
           std::string("a..test"),
           std::string(".test"),
           std::string("test."),
           std::string("*"),
           std::string("*."),
           std::string("a.*.test"),
           std::string("*.*.test"),
           std::string("127.1"),
           std::string("256.1.1.1"),
           std::string("1.2.3.4.5"),
           std::string("::g"),
           std::string("[::1]"),
           std::string("localhost:443"),
           std::string("b\xc3\xbc"
                       "cher.test"),
           std::string("a.test,DNS:evil.test"),
           std::string("a.test\0.evil.test", 17),
           std::string("127.0.0.1\0x", 11),
           std::string(64, 'a'),
           std::string("https://a.test"),
           std::string(127, 'a').replace(63, 1, ".") + "." + std::string(63, 'b') + "." +
               std::string(63, 'c'),
       }) {
    const auto server = issue(authority(), Names{"good.test", name}, thirty_days_around(now_s()));
    ASSERT_FALSE(server.has_value()) << name;
    EXPECT_EQ(server.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(server.error().where, name);
  }
}

TEST(Issuing, refuses_no_names_too_many_names_and_impossible_times) {
  const Validity good = thirty_days_around(now_s());
  EXPECT_FALSE(issue(authority(), Names{}, good).has_value());
  EXPECT_TRUE(issue(authority(), Names(64, "a.test"), good).has_value());
  EXPECT_FALSE(issue(authority(), Names(65, "a.test"), good).has_value());
  for (const Validity bad : {Validity{10, 9}, Validity{0, INT64_MAX}, Validity{INT64_MIN, 0}}) {
    const auto server = issue(authority(), Names{"a.test"}, bad);
    ASSERT_FALSE(server.has_value());
    EXPECT_EQ(server.error().where, "validity");
    EXPECT_FALSE(make_certificate_authority("x", bad).has_value());
  }
  for (const std::string& name : {std::string(), std::string(65, 'x'), std::string("a\nb")}) {
    EXPECT_FALSE(make_certificate_authority(name, good).has_value());
  }
}

TEST(Issuing, needs_an_authority_and_its_own_key) {
  const CertificateAndKey server = issued({"localhost"});
  for (const CertificateAndKey& wrong : {
           server,  // not an authority
           CertificateAndKey{authority().certificate_pem, server.key_pem},
           CertificateAndKey{authority().certificate_pem, ""},
           CertificateAndKey{"", authority().key_pem},
           CertificateAndKey{"not PEM", "not PEM"},
       }) {
    const auto made = issue(wrong, Names{"a.test"}, thirty_days_around(now_s()));
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(made.error().where, "authority");
  }
}

// --- what a server's context takes ---

std::string key_pem(EVP_PKEY* key, const char* passphrase) {
  BIO* text = BIO_new(BIO_s_mem());
  const EVP_CIPHER* cipher = passphrase != nullptr ? EVP_aes_256_cbc() : nullptr;
  PEM_write_bio_PKCS8PrivateKey(text, key, cipher, passphrase,
                                passphrase != nullptr ? static_cast<int>(strlen(passphrase)) : 0,
                                nullptr, nullptr);
  char* start = nullptr;
  const long size = BIO_get_mem_data(text, &start);
  std::string pem(start, static_cast<std::size_t>(size));
  BIO_free(text);
  return pem;
}

std::string encrypted(const std::string& plain_pem) {
  BIO* text = BIO_new_mem_buf(plain_pem.data(), static_cast<int>(plain_pem.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(text, nullptr, nullptr, nullptr);
  BIO_free(text);
  std::string pem = key_pem(key, "passphrase");
  EVP_PKEY_free(key);
  return pem;
}

// A certificate over a key too short to be safe.
CertificateAndKey weak_rsa() {
  EVP_PKEY* key = EVP_RSA_gen(1024);
  X509Owner certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key);
  X509_sign(certificate.get(), key, EVP_sha256());
  BIO* text = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(text, certificate.get());
  char* start = nullptr;
  const long size = BIO_get_mem_data(text, &start);
  CertificateAndKey result{std::string(start, static_cast<std::size_t>(size)),
                           key_pem(key, nullptr)};
  BIO_free(text);
  EVP_PKEY_free(key);
  return result;
}

TEST(ServerContexts, name_the_text_that_cannot_be_used) {
  const CertificateAndKey good = issued({"localhost"});
  const CertificateAndKey other = issued({"localhost"});
  const CertificateAndKey weak = weak_rsa();
  const std::string half = good.certificate_pem.substr(0, good.certificate_pem.size() / 2);
  struct Case {
    std::string certificate, key, where;
  };
  for (const Case& c : {
           Case{"", good.key_pem, "certificate"},
           Case{"no PEM at all", good.key_pem, "certificate"},
           Case{half, good.key_pem, "certificate"}, Case{good.key_pem, good.key_pem, "certificate"},
           Case{good.certificate_pem + half, good.key_pem, "certificate"},
           Case{weak.certificate_pem, weak.key_pem, "certificate"},
           Case{good.certificate_pem, "", "key"},
           Case{good.certificate_pem, "no PEM at all", "key"},
           Case{good.certificate_pem, good.certificate_pem, "key"},
           Case{good.certificate_pem, other.key_pem, "key"},
           Case{good.certificate_pem, encrypted(good.key_pem), "key"},  // and never asks for it
       }) {
    const auto context = TlsServerContext::make(c.certificate, c.key);
    ASSERT_FALSE(context.has_value());
    EXPECT_EQ(context.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(context.error().where, c.where) << context.error().to_string();
    EXPECT_EQ(context.error().to_string().find(good.key_pem.substr(40, 20)), std::string::npos);
  }
}

TEST(ServerContexts, send_the_whole_chain_they_were_given) {
  const CertificateAndKey server = issued({"localhost"});
  const auto context = TlsServerContext::make(
      "a comment before\n" + server.certificate_pem + "\n\n" + authority().certificate_pem,
      server.key_pem);
  ASSERT_TRUE(context.has_value()) << context.error().to_string();
  TlsSession session = context->accept().value();
  TlsClient client({.authority_pem = authority().certificate_pem});
  ASSERT_TRUE(client.converse(session).has_value());
  EXPECT_EQ(sk_X509_num(SSL_get_peer_cert_chain(client.raw())), 2);
}

}  // namespace
}  // namespace outrider::crypto
