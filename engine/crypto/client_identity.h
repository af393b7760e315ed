// What an operator gives for TLS with one endpoint, checked before it is kept. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "outrider/result.h"
#include "outrider/types.h"

namespace outrider::crypto {

// The identity as it is kept: the same certificates and the same key, written anew as PEM, without
// whatever else was in the texts (a private key in a certificate's file would otherwise be shown
// with it). Refused, with `where` = tls_ca, tls_certificate, tls_key or tls_min:
//   - what cannot be read, or is beyond 512 KiB (ca), 64 KiB (certificate), 32 KiB (key);
//   - a certificate without its key, a key without its certificate, or the two of different pairs;
//   - one that this machine's TLS would refuse to present (too weak);
//   - a client certificate that has ended, or begins more than a day after `now_s`;
//   - a CA text none of whose certificates is valid at `now_s`.
// A client certificate that is not marked for clients is accepted: some receivers do not look.
// Errors: kInvalidArgument, kInternal.
[[nodiscard]] Result<TlsIdentity> checked_identity(const TlsIdentity& given, std::int64_t now_s);

// See outrider::summarize_certificates().
[[nodiscard]] Result<std::vector<CertificateSummary>> summarize(const std::string& pem);

}  // namespace outrider::crypto
