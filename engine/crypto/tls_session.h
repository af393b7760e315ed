// TLS for a server as a filter: bytes from the network in, plaintext out, and back. It owns no
// socket and no thread, so any event loop can drive it:
//
//     feed(bytes read)  ->  take_plaintext()  ->  the protocol above
//     write(answer)     ->  take_ciphertext() ->  the socket
//
// After every call that may produce ciphertext (feed, write, shutdown) send what take_ciphertext()
// returns, also when the call failed: it then holds the alert that tells the peer why.
//
// TLS 1.2 at least, ALPN "http/1.1", no renegotiation, no compression, no resumption.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "outrider/result.h"

namespace outrider::crypto {

class TlsSession;

// A server's certificate and settings. Immutable; sessions may be started from any thread and may
// outlive it.
class TlsServerContext {
 public:
  // `certificate_pem`: the server's certificate, then its intermediates, as one PEM text;
  // `key_pem`: its private key, unencrypted. Errors: kInvalidArgument (where = "certificate" or
  // "key") when one cannot be read, the key does not belong to the certificate, or it is too weak;
  // kInternal.
  [[nodiscard]] static Result<TlsServerContext> make(std::string_view certificate_pem,
                                                     std::string_view key_pem);
  // The same, and clients are asked for a certificate that one of these authorities issued for
  // clients. A handshake with a wrong one fails, and so does one without where it is required.
  // Errors: also kInvalidArgument with where = "authorities".
  enum class ClientCertificate : std::uint8_t { kWelcome, kRequired };
  [[nodiscard]] static Result<TlsServerContext> make_asking(std::string_view certificate_pem,
                                                            std::string_view key_pem,
                                                            std::string_view authorities_pem,
                                                            ClientCertificate wanted);
  // With a certificate for `names` (DNS names and IP addresses; empty: localhost, 127.0.0.1 and
  // ::1) from an authority made for this call alone, valid from a day before `now_s` for 30 days.
  // `authority_pem` receives what clients must trust; the authority's own key is gone when this
  // returns. Errors: kInvalidArgument (where = the bad name), kInternal.
  [[nodiscard]] static Result<TlsServerContext> make_throwaway(std::span<const std::string> names,
                                                               std::int64_t now_s,
                                                               std::string& authority_pem);

  // The server's side of one new connection. Errors: kInternal.
  [[nodiscard]] Result<TlsSession> accept() const;

  TlsServerContext(TlsServerContext&&) noexcept;
  TlsServerContext& operator=(TlsServerContext&&) noexcept;
  ~TlsServerContext();

 private:
  struct Impl;
  explicit TlsServerContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// One connection. One thread at a time.
class TlsSession {
 public:
  // Bytes read from the network, all of them: what is not a whole record yet is kept (at most one
  // record's worth). Errors: kInvalidArgument (the peer does not speak TLS, or breaks it); the
  // session is closed then, plaintext received before stays available, and the alert waits in
  // take_ciphertext(). After closed() the bytes are ignored.
  [[nodiscard]] Result<void> feed(std::string_view network_bytes);
  // What the peer has said since the last call. The caller bounds it by how much it feeds.
  [[nodiscard]] std::string take_plaintext();
  // Encrypts at once; nothing is kept back. A peer that has closed its side can still be written
  // to. Errors: kStopped (before handshake_done(), after shutdown(), after a failure), kInternal.
  [[nodiscard]] Result<void> write(std::string_view plaintext);
  // What must go to the network now.
  [[nodiscard]] std::string take_ciphertext();

  [[nodiscard]] bool handshake_done() const noexcept;
  // No more plaintext will come: the peer said close_notify, or the session failed. An end of the
  // network stream while this is false is a cut: what arrived may be incomplete.
  [[nodiscard]] bool closed() const noexcept;
  // Says close_notify (in take_ciphertext()); nothing can be written after it. Twice is the same as
  // once.
  void shutdown() noexcept;

  // SHA-256 of the client's certificate (DER), 64 lowercase hex digits; empty: it gave none.
  [[nodiscard]] std::string client_sha256() const;
  // "TLSv1.3", for logs; empty before the handshake is done.
  [[nodiscard]] std::string_view version() const noexcept;

  TlsSession(TlsSession&&) noexcept;
  TlsSession& operator=(TlsSession&&) noexcept;
  ~TlsSession();

 private:
  friend class TlsServerContext;
  struct Impl;
  explicit TlsSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrider::crypto
