// The public name for what engine/crypto, the only place with OpenSSL, reads.
#include "outrider/certificate.h"

#include "crypto/client_identity.h"

namespace outrider {

Result<std::vector<CertificateSummary>> summarize_certificates(const std::string& pem) {
  return crypto::summarize(pem);
}

}  // namespace outrider
