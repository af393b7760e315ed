// Certificates made on the spot: an authority, and what it issues, for servers and for clients. For
// receivers that listen with TLS without any set-up, and for tests that need a good, an expired or
// a wrong certificate. All
// keys are P-256. Texts are PEM. Times are UTC seconds since 1970, given by the caller. Any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "outrider/result.h"

namespace outrider::crypto {

inline constexpr std::int64_t kDaySeconds = 86'400;

// From and through; both count as valid.
struct Validity {
  std::int64_t from_s = 0;
  std::int64_t through_s = 0;
};
// From a day before `now_s` (clocks differ), 30 days long.
[[nodiscard]] constexpr Validity thirty_days_around(std::int64_t now_s) {
  return {now_s - kDaySeconds, now_s + 29 * kDaySeconds};
}

// Move it about with care: `key_pem` is a private key in the clear.
struct CertificateAndKey {
  std::string certificate_pem;
  std::string key_pem;
};

// A self-signed authority that may issue certificates for servers and clients.
// Errors: kInvalidArgument (name: 1-64 printable ASCII characters; validity), kInternal.
[[nodiscard]] Result<CertificateAndKey> make_certificate_authority(const std::string& name,
                                                                   Validity validity);

// A server certificate for `names`: DNS names (a leading "*." is allowed) and IP addresses, at
// least one, at most 64. An expired one is a matter of `validity`, one for the wrong host a matter
// of `names`. Errors: kInvalidArgument (where = the bad name, or "authority"), kInternal.
[[nodiscard]] Result<CertificateAndKey> issue(const CertificateAndKey& authority,
                                              std::span<const std::string> names,
                                              Validity validity);

// A client certificate under this common name (1-64 printable ASCII characters). Errors: as above.
[[nodiscard]] Result<CertificateAndKey> issue_client(const CertificateAndKey& authority,
                                                     const std::string& name, Validity validity);

// Whether a PEM text holds certificates, one at least, each of which can be read.
// Errors: kInvalidArgument with the given `where`.
[[nodiscard]] Result<void> check_certificates(const std::string& pem, const std::string& where);

}  // namespace outrider::crypto
