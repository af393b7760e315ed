// A TLS client over memory BIOs: a handshake with TlsSession needs no socket, and bytes move only
// when the test says so. It verifies as strictly as OpenSSL can (RFC 5280 to the letter).
#pragma once

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

#include "crypto/tls_session.h"

namespace outrider::testing {

struct TlsClientOptions {
  std::string authority_pem = {};  // empty: nothing is verified
  std::string host = "localhost";
  bool host_is_address = false;
  int version = 0;             // TLS1_2_VERSION...; 0: the newest both know
  std::string protocols = {};  // ALPN's wire form: "\x02h2"
  bool any_cipher = false;     // security level 0, for versions and suites that should be refused
};

class TlsClient {
 public:
  explicit TlsClient(const TlsClientOptions& options)
      : context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free), ssl_(nullptr, SSL_free) {
    SSL_CTX* context = context_.get();
    if (options.any_cipher) {
      SSL_CTX_set_security_level(context, 0);
      SSL_CTX_set_cipher_list(context, "ALL");
      SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
    }
    if (options.version != 0) {
      SSL_CTX_set_min_proto_version(context, options.version);
      SSL_CTX_set_max_proto_version(context, options.version);
    }
    if (!options.authority_pem.empty()) trust(options.authority_pem);
    ssl_.reset(SSL_new(context));
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_.get(), in_, out_);
    SSL_set_connect_state(ssl_.get());
    if (options.host_is_address) {
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), options.host.c_str());
    } else {
      SSL_set1_host(ssl_.get(), options.host.c_str());
      SSL_set_tlsext_host_name(ssl_.get(), options.host.c_str());
    }
    if (!options.protocols.empty()) {
      SSL_set_alpn_protos(ssl_.get(),
                          reinterpret_cast<const unsigned char*>(options.protocols.data()),
                          static_cast<unsigned int>(options.protocols.size()));
    }
  }

  // Goes as far as the bytes received allow. `received()` and `failed()` tell how far that was.
  void feed(std::string_view bytes) {
    if (!bytes.empty()) BIO_write(in_, bytes.data(), static_cast<int>(bytes.size()));
    ERR_clear_error();
    if (SSL_is_init_finished(ssl_.get()) == 0) note(SSL_do_handshake(ssl_.get()));
    if (SSL_is_init_finished(ssl_.get()) == 0) return;
    char buffer[16 * 1024];
    int size = 0;
    while ((size = SSL_read(ssl_.get(), buffer, sizeof buffer)) > 0) {
      received_.append(buffer, static_cast<std::size_t>(size));
    }
    note(size);
  }

  bool write(std::string_view text) {
    ERR_clear_error();
    return SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())) ==
           static_cast<int>(text.size());
  }

  std::string take() {
    std::string bytes(BIO_ctrl_pending(out_), '\0');
    if (!bytes.empty()) BIO_read(out_, bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
  }

  // Carries bytes both ways until neither side has any to send.
  Result<void> converse(crypto::TlsSession& server) {
    feed({});
    Result<void> result;
    while (true) {
      const std::string to_server = take();
      if (result && !to_server.empty()) result = server.feed(to_server);
      const std::string to_client = server.take_ciphertext();
      if (!to_client.empty()) feed(to_client);
      if (to_server.empty() && to_client.empty()) return result;
    }
  }

  [[nodiscard]] bool connected() const { return !failed_ && SSL_is_init_finished(ssl_.get()) == 1; }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] const std::string& reason() const { return reason_; }  // OpenSSL's, of the failure
  [[nodiscard]] long verify_result() const { return SSL_get_verify_result(ssl_.get()); }
  [[nodiscard]] const std::string& received() const { return received_; }
  [[nodiscard]] bool server_said_goodbye() const {
    return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
  }
  [[nodiscard]] std::string protocol() const {
    const unsigned char* start = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &start, &size);
    return {reinterpret_cast<const char*>(start), size};
  }
  [[nodiscard]] SSL* raw() { return ssl_.get(); }

 private:
  void trust(const std::string& pem) {
    BIO* text = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    X509* authority = PEM_read_bio_X509(text, nullptr, nullptr, nullptr);
    BIO_free(text);
    X509_STORE* store = SSL_CTX_get_cert_store(context_.get());
    if (authority == nullptr || X509_STORE_add_cert(store, authority) != 1) failed_ = true;
    X509_free(authority);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    X509_STORE_set_flags(store, X509_V_FLAG_X509_STRICT);
  }

  void note(int returned) {
    const int error = SSL_get_error(ssl_.get(), returned);
    if (error != SSL_ERROR_SSL && error != SSL_ERROR_SYSCALL) return;
    failed_ = true;
    const char* text = ERR_reason_error_string(ERR_peek_last_error());
    reason_ = text != nullptr ? text : "";
  }

  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
  BIO* in_ = nullptr;  // both owned by ssl_
  BIO* out_ = nullptr;
  std::string received_;
  bool failed_ = false;
  std::string reason_;
};

}  // namespace outrider::testing
