// The checks are those of a new endpoint, on an identity that has nothing but what is given.
//
// A certificate that is renewed for the same key comes alone. The pair is then checked, and kept,
// as a pair: whatever another operator does in between, a certificate never meets a foreign key.
#include "tls_change.h"

#include <utility>

#include "crypto/client_identity.h"
#include "crypto/mac.h"
#include "endpoint_check.h"

namespace outrider {
namespace {

// The key that belongs to the new certificate.
Result<std::string> key_for(const TlsChange& given, const storage::EndpointRecord& endpoint) {
  if (!given.certificate) {
    if (!given.key) return std::string();
    return fail(ErrorCode::kInvalidArgument, "a private key needs its client certificate",
                "tls_certificate");
  }
  if (given.key || given.certificate->empty()) return given.key.value_or("");
  const TlsIdentity& has = endpoint.spec.tls;
  if (!has.certificate.empty() && has.key.empty()) {
    return fail(ErrorCode::kKey, "the key it has cannot be read: " + endpoint.unreadable, "tls_key",
                "give the certificate and its key");
  }
  return has.key;
}

}  // namespace

Result<TlsChange> checked_change(const TlsChange& given, const storage::EndpointRecord& endpoint,
                                 std::int64_t now_s) {
  if (!given.ca && !given.certificate && !given.key && !given.at_least) {
    return fail(ErrorCode::kInvalidArgument, "nothing is to be changed", "tls");
  }
  auto key = key_for(given, endpoint);
  if (!key) return tl::unexpected(std::move(key.error()));
  TlsIdentity alone{.ca = given.ca.value_or(""),
                    .certificate = given.certificate.value_or(""),
                    .key = std::move(*key),
                    .at_least = given.at_least.value_or(TlsVersion::k12)};
  auto checked = check_tls_url(endpoint.spec.url, alone).and_then([&] {
    return crypto::checked_identity(alone, now_s);
  });
  crypto::wipe(alone.key);
  if (!checked) return tl::unexpected(std::move(checked.error()));
  TlsChange kept;
  kept.at_least = given.at_least;
  if (given.ca) kept.ca = std::move(checked->ca);
  if (given.certificate) {
    kept.certificate = std::move(checked->certificate);
    kept.key = std::move(checked->key);
  }
  return kept;
}

}  // namespace outrider
