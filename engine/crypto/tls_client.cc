#include "crypto/tls_client.h"

#include <openssl/ssl.h>

namespace outrider::crypto {

bool has_unread_bytes(const void* ssl) noexcept {
  return SSL_has_pending(static_cast<const SSL*>(ssl)) == 1;
}

const char* refusal_text(long verify_result) noexcept {
  if (verify_result == X509_V_OK || verify_result == X509_V_ERR_UNSPECIFIED) return nullptr;
  return X509_verify_cert_error_string(verify_result);
}

}  // namespace outrider::crypto
