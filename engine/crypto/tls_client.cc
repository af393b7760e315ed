#include "crypto/tls_client.h"

#include <openssl/ssl.h>

namespace outrider::crypto {

bool has_unread_bytes(const void* ssl) noexcept {
  return SSL_has_pending(static_cast<const SSL*>(ssl)) == 1;
}

}  // namespace outrider::crypto
