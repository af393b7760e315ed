// libFuzzer's way into a TLS session: what a stranger may send before anything is known of him, in
// pieces. Nothing may crash or leak, no handshake may come about, and a failed session stays
// closed.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <string>

#include "core/assert.h"
#include "crypto/tls_session.h"

using outrider::crypto::TlsServerContext;
using outrider::crypto::TlsSession;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static std::string authority_pem;
  static const TlsServerContext context =
      TlsServerContext::make_throwaway({}, std::time(nullptr), authority_pem).value();
  TlsSession session = context.accept().value();
  // The first byte says how long the pieces are.
  const std::size_t piece = size == 0 || data[0] == 0 ? 64 * 1024 : data[0];
  for (std::size_t at = 1; at < size; at += piece) {
    const bool was_closed = session.closed();
    const auto fed =
        session.feed({reinterpret_cast<const char*>(data) + at, std::min(piece, size - at)});
    OUTRIDER_ASSERT(!was_closed || fed.has_value());
    OUTRIDER_ASSERT(fed.has_value() || session.closed());
    OUTRIDER_ASSERT(!session.handshake_done());
    OUTRIDER_ASSERT(session.take_plaintext().empty());
    OUTRIDER_ASSERT(!session.write("x").has_value());
    (void)session.take_ciphertext();
  }
  session.shutdown();
  return 0;
}
