// OpenSSL between two memory BIOs: what the network gave goes into one, what it shall get is read
// from the other. A memory BIO takes whatever is written to it, so OpenSSL only ever waits for
// input, and SSL_write is whole or failed.
//
// Every call empties the thread's error queue first: SSL_get_error reads it, and a leftover of some
// other user of OpenSSL on this thread (libcurl is one) would be taken for a failure of this
// session.
#include "crypto/tls_session.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <utility>

#include "core/assert.h"
#include "crypto/certificates.h"
#include "crypto/mac.h"
#include "crypto/openssl.h"
#include "crypto/random.h"

namespace outrider::crypto {
namespace {

using SslContext = Handle<SSL_CTX, SSL_CTX_free>;
using Ssl = Handle<SSL, SSL_free>;

constexpr std::size_t kRecordBytes = 16 * 1024;  // the most one TLS record carries
constexpr unsigned char kProtocols[] = "\x08http/1.1";

// A client that offers protocols but not ours is told so (RFC 7301, 3.2); one that offers none
// speaks HTTP/1.1 anyway.
int select_protocol(SSL*, const unsigned char** out, unsigned char* out_length,
                    const unsigned char* offered, unsigned int offered_length, void*) noexcept {
  unsigned char* selected = nullptr;
  if (SSL_select_next_proto(&selected, out_length, kProtocols, sizeof kProtocols - 1, offered,
                            offered_length) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

bool configure(SSL_CTX* context) {
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  // An idle keep-alive connection gives its record buffers back.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_security_level(context, 2);
  SSL_CTX_set_alpn_select_cb(context, select_protocol, nullptr);
  // TLS 1.3 has sound suites only; of 1.2's, those with forward secrecy and authenticated
  // encryption.
  return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_num_tickets(context, 0) == 1 &&
         SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1;
}

Result<void> use_chain(SSL_CTX* context, std::string_view pem) {
  auto chain = read_certificates(pem, "certificate");
  if (!chain) return tl::unexpected(std::move(chain.error()));
  if (SSL_CTX_use_certificate(context, chain->front().get()) != 1) {
    return openssl_failure(ErrorCode::kInvalidArgument, "the certificate cannot be used",
                           "certificate");
  }
  for (std::size_t i = 1; i < chain->size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, (*chain)[i].get()) != 1) {
      return openssl_failure(ErrorCode::kInvalidArgument, "an intermediate cannot be used",
                             "certificate");
    }
  }
  return {};
}

Result<void> use_key(SSL_CTX* context, std::string_view pem) {
  auto key = read_key(pem, "key");
  if (!key) return tl::unexpected(std::move(key.error()));
  if (SSL_CTX_use_PrivateKey(context, key->get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return openssl_failure(ErrorCode::kInvalidArgument,
                           "the private key does not belong to the certificate", "key");
  }
  return {};
}

// Clients are told these authorities' names, so that they know which certificate is wanted.
Result<void> ask_clients(SSL_CTX* context, std::string_view authorities_pem, bool required) {
  auto authorities = read_certificates(authorities_pem, "authorities");
  if (!authorities) return tl::unexpected(std::move(authorities.error()));
  for (const Certificate& authority : *authorities) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get()) != 1 ||
        SSL_CTX_add_client_CA(context, authority.get()) != 1) {
      return openssl_failure(ErrorCode::kInvalidArgument, "the authority cannot be used",
                             "authorities");
    }
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                     nullptr);
  return {};
}

}  // namespace

struct TlsServerContext::Impl {
  SslContext context;
};

TlsServerContext::TlsServerContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsServerContext::TlsServerContext(TlsServerContext&&) noexcept = default;
TlsServerContext& TlsServerContext::operator=(TlsServerContext&&) noexcept = default;
TlsServerContext::~TlsServerContext() = default;

Result<TlsServerContext> TlsServerContext::make(std::string_view certificate_pem,
                                                std::string_view key_pem) {
  ERR_clear_error();
  SslContext context(SSL_CTX_new(TLS_server_method()));
  if (!context || !configure(context.get())) {
    return openssl_failure(ErrorCode::kInternal, "TLS could not be set up");
  }
  auto used = use_chain(context.get(), certificate_pem).and_then([&] {
    return use_key(context.get(), key_pem);
  });
  if (!used) return tl::unexpected(std::move(used.error()));
  return TlsServerContext(std::make_unique<Impl>(Impl{std::move(context)}));
}

Result<TlsServerContext> TlsServerContext::make_asking(std::string_view certificate_pem,
                                                       std::string_view key_pem,
                                                       std::string_view authorities_pem,
                                                       ClientCertificate wanted) {
  auto context = make(certificate_pem, key_pem);
  if (!context) return context;
  auto asked = ask_clients(context->impl_->context.get(), authorities_pem,
                           wanted == ClientCertificate::kRequired);
  if (!asked) return tl::unexpected(std::move(asked.error()));
  return context;
}

Result<TlsServerContext> TlsServerContext::make_throwaway(std::span<const std::string> names,
                                                          std::int64_t now_s,
                                                          std::string& authority_pem) {
  const std::array<std::string, 3> local = {"localhost", "127.0.0.1", "::1"};
  if (names.empty()) names = local;
  // A name of its own, so that a client may trust several of these at once.
  const auto tag = random_bytes(8);
  if (!tag) return tl::unexpected(tag.error());
  const Validity validity = thirty_days_around(now_s);
  auto authority = make_certificate_authority(
      "Outrider throw-away authority " + core::encode(core::Encoding::kHex, *tag), validity);
  if (!authority) return tl::unexpected(std::move(authority.error()));
  auto server = issue(*authority, names, validity);
  wipe(authority->key_pem);
  if (!server) return tl::unexpected(std::move(server.error()));
  auto context = make(server->certificate_pem, server->key_pem);
  wipe(server->key_pem);
  if (context) authority_pem = std::move(authority->certificate_pem);
  return context;
}

struct TlsSession::Impl {
  Ssl ssl;
  BIO* from_network = nullptr;  // both owned by ssl
  BIO* to_network = nullptr;
  std::string plaintext;
  bool handshake_done = false;
  bool peer_closed = false;
  bool failed = false;
  bool shut_down = false;

  Result<void> handshake();
  Result<void> read_records();
  Result<void> explain(int returned, const char* what);
};

Result<TlsSession> TlsServerContext::accept() const {
  ERR_clear_error();
  Ssl ssl(SSL_new(impl_->context.get()));
  Bio in(BIO_new(BIO_s_mem()));
  Bio out(BIO_new(BIO_s_mem()));
  if (!ssl || !in || !out) {
    return openssl_failure(ErrorCode::kInternal, "a TLS session could not be set up");
  }
  auto impl = std::make_unique<TlsSession::Impl>();
  impl->from_network = in.get();
  impl->to_network = out.get();
  SSL_set_bio(ssl.get(), in.release(), out.release());
  SSL_set_accept_state(ssl.get());
  impl->ssl = std::move(ssl);
  return TlsSession(std::move(impl));
}

TlsSession::TlsSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsSession::TlsSession(TlsSession&&) noexcept = default;
TlsSession& TlsSession::operator=(TlsSession&&) noexcept = default;
TlsSession::~TlsSession() = default;

// What it means that OpenSSL did not go on: it waits for bytes, the peer is done, or the session is
// broken.
Result<void> TlsSession::Impl::explain(int returned, const char* what) {
  switch (SSL_get_error(ssl.get(), returned)) {
    case SSL_ERROR_WANT_READ:
      return {};
    case SSL_ERROR_ZERO_RETURN:
      peer_closed = true;
      return {};
    default:
      failed = true;
      return openssl_failure(ErrorCode::kInvalidArgument, what);
  }
}

Result<void> TlsSession::Impl::handshake() {
  const int returned = SSL_do_handshake(ssl.get());
  if (returned != 1) return explain(returned, "the TLS handshake failed");
  handshake_done = true;
  return {};
}

Result<void> TlsSession::Impl::read_records() {
  std::array<char, kRecordBytes> record;
  while (true) {
    std::size_t size = 0;
    const int returned = SSL_read_ex(ssl.get(), record.data(), record.size(), &size);
    if (returned != 1) return explain(returned, "the peer broke TLS");
    plaintext.append(record.data(), size);
  }
}

Result<void> TlsSession::feed(std::string_view network_bytes) {
  if (closed() || network_bytes.empty()) return {};
  ERR_clear_error();
  std::size_t written = 0;
  if (BIO_write_ex(impl_->from_network, network_bytes.data(), network_bytes.size(), &written) !=
          1 ||
      written != network_bytes.size()) {
    impl_->failed = true;
    return openssl_failure(ErrorCode::kInternal, "no memory for what the network sent");
  }
  if (!impl_->handshake_done) {
    auto shaken = impl_->handshake();
    if (!shaken || !impl_->handshake_done) return shaken;
  }
  return impl_->read_records();
}

std::string TlsSession::take_plaintext() { return std::exchange(impl_->plaintext, {}); }

Result<void> TlsSession::write(std::string_view plaintext) {
  if (!impl_->handshake_done || impl_->failed || impl_->shut_down) {
    return fail(ErrorCode::kStopped, "the TLS session cannot be written to");
  }
  if (plaintext.empty()) return {};
  ERR_clear_error();
  std::size_t written = 0;
  if (SSL_write_ex(impl_->ssl.get(), plaintext.data(), plaintext.size(), &written) != 1) {
    impl_->failed = true;
    return openssl_failure(ErrorCode::kInternal, "the answer could not be encrypted");
  }
  OUTRIDER_ASSERT(written == plaintext.size());
  return {};
}

std::string TlsSession::take_ciphertext() {
  std::string bytes(BIO_ctrl_pending(impl_->to_network), '\0');
  std::size_t size = 0;
  if (!bytes.empty() && BIO_read_ex(impl_->to_network, bytes.data(), bytes.size(), &size) != 1) {
    size = 0;
  }
  OUTRIDER_ASSERT(size == bytes.size());
  return bytes;
}

bool TlsSession::handshake_done() const noexcept { return impl_->handshake_done; }
bool TlsSession::closed() const noexcept { return impl_->peer_closed || impl_->failed; }

void TlsSession::shutdown() noexcept {
  // OpenSSL forbids it after a failure, and before the handshake is done there is nothing to end.
  if (impl_->handshake_done && !impl_->failed && !impl_->shut_down) {
    ERR_clear_error();
    SSL_shutdown(impl_->ssl.get());
    ERR_clear_error();
  }
  impl_->shut_down = true;
}

std::string TlsSession::client_sha256() const {
  const X509* const client = SSL_get0_peer_certificate(impl_->ssl.get());
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned int size = 0;
  if (client == nullptr || X509_digest(client, EVP_sha256(), bytes_of(digest), &size) != 1) {
    return {};
  }
  digest.resize(size);
  return core::encode(core::Encoding::kHex, digest);
}

std::string_view TlsSession::version() const noexcept {
  return impl_->handshake_done ? SSL_get_version(impl_->ssl.get()) : std::string_view();
}

}  // namespace outrider::crypto
