// The few things every user of OpenSSL needs: reasons as text, PEM without a prompt.
#include "crypto/openssl.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <limits>

namespace outrider::crypto {
namespace {

// OpenSSL's default for an encrypted key is to ask at the terminal, which would stop a daemon.
int no_passphrase(char*, int, int, void*) noexcept { return -1; }

}  // namespace

tl::unexpected<Error> openssl_failure(ErrorCode code, std::string what, std::string where,
                                      std::string hint) {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  if (reason != nullptr) what.append(": ").append(reason);
  ERR_clear_error();
  return fail(code, std::move(what), std::move(where), std::move(hint));
}

Bio view_of(std::string_view text) noexcept {
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) return nullptr;
  // A null pointer is refused even where there is nothing to read.
  const char* start = text.empty() ? "" : text.data();
  return Bio(BIO_new_mem_buf(start, static_cast<int>(text.size())));
}

Result<std::vector<Certificate>> read_certificates(std::string_view pem, std::string where) {
  ERR_clear_error();
  std::vector<Certificate> certificates;
  const Bio text = view_of(pem);
  while (text) {
    Certificate certificate(PEM_read_bio_X509(text.get(), nullptr, no_passphrase, nullptr));
    if (!certificate) break;
    certificates.push_back(std::move(certificate));
  }
  // The text's end shows as "no further start line"; anything else is a certificate that is broken.
  const bool at_end = ERR_GET_LIB(ERR_peek_last_error()) == ERR_LIB_PEM &&
                      ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (certificates.empty() || !at_end) {
    return openssl_failure(ErrorCode::kInvalidArgument, "the certificate cannot be read",
                           std::move(where), "give it as PEM: -----BEGIN CERTIFICATE-----");
  }
  ERR_clear_error();
  return certificates;
}

Result<Key> read_key(std::string_view pem, std::string where) {
  ERR_clear_error();
  const Bio bio = view_of(pem);
  Key key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr) : nullptr);
  if (key) return key;
  return openssl_failure(ErrorCode::kInvalidArgument, "the private key cannot be read",
                         std::move(where),
                         "give it as PEM without a passphrase: -----BEGIN PRIVATE KEY-----");
}

}  // namespace outrider::crypto
