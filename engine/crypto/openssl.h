// For the files of engine/crypto alone: OpenSSL's objects with an owner, and its failures as
// values.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "outrider/result.h"

namespace outrider::crypto {

// Stateless: a handle is as big as a pointer.
template <auto kFree>
struct Freed {
  template <class T>
  void operator()(T* object) const noexcept {
    kFree(object);
  }
};
template <class T, auto kFree>
using Handle = std::unique_ptr<T, Freed<kFree>>;

using Bio = Handle<BIO, BIO_free>;
using Key = Handle<EVP_PKEY, EVP_PKEY_free>;
using DigestContext = Handle<EVP_MD_CTX, EVP_MD_CTX_free>;
using Certificate = Handle<X509, X509_free>;

[[nodiscard]] inline const unsigned char* bytes_of(std::string_view text) noexcept {
  return reinterpret_cast<const unsigned char*>(text.data());
}
[[nodiscard]] inline unsigned char* bytes_of(std::string& text) noexcept {
  return reinterpret_cast<unsigned char*>(text.data());
}

// "what: OpenSSL's reason", and the thread's queue of OpenSSL errors empty again. Reasons are fixed
// texts of OpenSSL's, so nothing secret can be in them.
[[nodiscard]] tl::unexpected<Error> openssl_failure(ErrorCode code, std::string what,
                                                    std::string where = {}, std::string hint = {});

// A read-only view; `text` must outlive it. Null on failure.
[[nodiscard]] Bio view_of(std::string_view text) noexcept;

// All certificates of a PEM text, at least one, and the first private key. Never asks for a
// passphrase. Errors: kInvalidArgument with the given `where`.
[[nodiscard]] Result<std::vector<Certificate>> read_certificates(std::string_view pem,
                                                                 std::string where);
[[nodiscard]] Result<Key> read_key(std::string_view pem, std::string where);

}  // namespace outrider::crypto
