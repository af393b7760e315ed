// The flags are those libcurl sets on the stores it makes itself, so that a certificate is accepted
// by the same rules whichever store it is looked up in.
#include "crypto/trusted_store.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <utility>

#include "crypto/openssl.h"

namespace outrider::crypto {

struct TrustedStore::Impl {
  Handle<X509_STORE, X509_STORE_free> store;
};

TrustedStore::TrustedStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TrustedStore::TrustedStore(TrustedStore&&) noexcept = default;
TrustedStore& TrustedStore::operator=(TrustedStore&&) noexcept = default;
TrustedStore::~TrustedStore() = default;

Result<TrustedStore> TrustedStore::load(const std::string& file) {
  ERR_clear_error();
  auto impl = std::make_unique<Impl>(Impl{Handle<X509_STORE, X509_STORE_free>(X509_STORE_new())});
  if (!impl->store || X509_STORE_load_file(impl->store.get(), file.c_str()) != 1 ||
      X509_STORE_set_flags(impl->store.get(),
                           X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN) != 1) {
    return openssl_failure(ErrorCode::kIo, "the trusted certificates cannot be read", file);
  }
  return TrustedStore(std::move(impl));
}

void TrustedStore::use_in(void* ssl_ctx) const noexcept {
  SSL_CTX_set1_cert_store(static_cast<SSL_CTX*>(ssl_ctx), impl_->store.get());
}

}  // namespace outrider::crypto
