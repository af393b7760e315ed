// What libcurl's result becomes where one result can mean several things.
#include "net/curl_outcome.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/x509_vfy.h>

namespace outrider::net {
namespace {

using testing::HasSubstr;

TransferFacts refused(long verify_result, const char* words) {
  return {.result = CURLE_PEER_FAILED_VERIFICATION,
          .libcurl_words = words,
          .verify_result = verify_result,
          .tls = true,
          .connected = true};
}

// A peer that has hung up makes the alert fail that tells it of the refusal; libcurl keeps the
// first words that it has.
TEST(CurlOutcome, SaysWhyACertificateIsRefusedWhateverElseWentWrongMeanwhile) {
  for (const char* words : {"SSL certificate problem: anything", "Send failure: Broken pipe", ""}) {
    const Failure failure = failure_of(refused(X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, words));
    EXPECT_EQ(failure.error, ErrorClass::kTls);
    EXPECT_EQ(failure.words, "certificate refused: self-signed certificate");
  }
  EXPECT_EQ(failure_of(refused(X509_V_ERR_CERT_HAS_EXPIRED, "Send failure: Broken pipe")).words,
            "certificate refused: certificate has expired");
}

// libcurl compares names itself, before it takes OpenSSL's result over: that is "unspecified" then.
TEST(CurlOutcome, SaysWhatLibcurlSaysWhereTheChainIsGood) {
  for (const long result : {X509_V_OK, X509_V_ERR_UNSPECIFIED}) {
    const Failure failure = failure_of(
        refused(result, "SSL: no alternative certificate subject name matches target host name"));
    EXPECT_THAT(failure.words, HasSubstr("no alternative certificate subject name"));
    EXPECT_EQ(failure_of(refused(result, "")).words, "certificate refused");
  }
}

}  // namespace
}  // namespace outrider::net
