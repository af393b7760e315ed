// Everything that would fail at the first handshake is tried here, by the means of the handshake: a
// throw-away SSL_CTX is given the certificate and the key as libcurl will give them.
//
// What is kept is written anew from what was read. So nothing that was not understood reaches the
// database, and what is shown as a certificate is one.
#include "crypto/client_identity.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "core/signature.h"
#include "crypto/openssl.h"

namespace outrider::crypto {
namespace {

using SslContext = Handle<SSL_CTX, SSL_CTX_free>;

constexpr std::size_t kMaxCaBytes = 512 * 1024;
constexpr std::size_t kMaxCertificateBytes = 64 * 1024;
constexpr std::size_t kMaxKeyBytes = 32 * 1024;
constexpr std::int64_t kMayBeginWithinS = 86'400;  // clocks differ, and people prepare a change

constexpr const char* kCa = "tls_ca";
constexpr const char* kCertificate = "tls_certificate";
constexpr const char* kKey = "tls_key";

Result<void> check_size(const std::string& text, std::size_t most, const char* where) {
  if (text.size() <= most) return {};
  return fail(ErrorCode::kInvalidArgument, "longer than " + std::to_string(most) + " bytes", where);
}

Result<std::int64_t> seconds_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) {
    return openssl_failure(ErrorCode::kInvalidArgument, "a time of the certificate cannot be read");
  }
  return static_cast<std::int64_t>(timegm(&parts));
}

Result<std::string> text_of(const X509_NAME* name) {
  const Bio bio(BIO_new(BIO_s_mem()));
  // Bytes above 0x7f stay as they are: they are UTF-8 here, and control characters are escaped.
  constexpr unsigned long kStyle =
      XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
  if (!bio || X509_NAME_print_ex(bio.get(), name, 0, kStyle) < 0) {
    return openssl_failure(ErrorCode::kInternal, "a name of the certificate cannot be written");
  }
  char* start = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &start);
  return size > 0 ? std::string(start, static_cast<std::size_t>(size)) : std::string();
}

Result<CertificateSummary> summary_of(const X509* certificate) {
  auto subject = text_of(X509_get_subject_name(certificate));
  if (!subject) return tl::unexpected(std::move(subject.error()));
  auto issuer = text_of(X509_get_issuer_name(certificate));
  if (!issuer) return tl::unexpected(std::move(issuer.error()));
  const auto from_s = seconds_of(X509_get0_notBefore(certificate));
  if (!from_s) return tl::unexpected(from_s.error());
  const auto through_s = seconds_of(X509_get0_notAfter(certificate));
  if (!through_s) return tl::unexpected(through_s.error());
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned int size = 0;
  if (X509_digest(certificate, EVP_sha256(), bytes_of(digest), &size) != 1) {
    return openssl_failure(ErrorCode::kInternal, "the certificate cannot be digested");
  }
  digest.resize(size);
  return CertificateSummary{.subject = std::move(*subject),
                            .issuer = std::move(*issuer),
                            .valid_from = *from_s * 1000,
                            .valid_through = *through_s * 1000,
                            .sha256 = core::encode(core::Encoding::kHex, digest)};
}

template <class Write>
Result<std::string> written(const char* where, Write write) {
  const Bio bio(BIO_new(BIO_s_mem()));  // overwritten when it is freed
  if (!bio || !write(bio.get())) {
    return openssl_failure(ErrorCode::kInternal, "it cannot be written as PEM", where);
  }
  char* start = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &start);
  return std::string(start, static_cast<std::size_t>(size));
}

Result<std::string> pem_of(const std::vector<Certificate>& certificates, const char* where) {
  return written(where, [&](BIO* bio) {
    return std::ranges::all_of(certificates, [&](const Certificate& certificate) {
      return PEM_write_bio_X509(bio, certificate.get()) == 1;
    });
  });
}

Result<std::string> checked_ca(const std::string& pem, std::int64_t now_s) {
  if (auto fits = check_size(pem, kMaxCaBytes, kCa); !fits) return tl::unexpected(fits.error());
  auto authorities = read_certificates(pem, kCa);
  if (!authorities) return tl::unexpected(std::move(authorities.error()));
  bool any_valid = false;
  for (const Certificate& authority : *authorities) {
    const auto summary = summary_of(authority.get());
    if (!summary) {
      return fail(ErrorCode::kInvalidArgument, summary.error().message, kCa);
    }
    any_valid = any_valid || (summary->valid_from <= now_s * 1000 &&
                              now_s * 1000 <= summary->valid_through + 999);
  }
  if (!any_valid) {
    return fail(ErrorCode::kInvalidArgument, "none of its certificates is valid now", kCa,
                "give the authority's current certificate");
  }
  return pem_of(*authorities, kCa);
}

Result<void> check_validity(const X509* certificate, std::int64_t now_s) {
  const auto summary = summary_of(certificate);
  if (!summary) return fail(ErrorCode::kInvalidArgument, summary.error().message, kCertificate);
  if (summary->valid_through / 1000 < now_s) {
    return fail(ErrorCode::kInvalidArgument, "the client certificate has expired", kCertificate,
                "every receiver that asks for it would refuse it; get a new one issued");
  }
  if (summary->valid_from / 1000 > now_s + kMayBeginWithinS) {
    return fail(ErrorCode::kInvalidArgument, "the client certificate is not valid yet",
                kCertificate, "give it on the day it begins, or look at this machine's clock");
  }
  return {};
}

Result<void> check_pair(const std::vector<Certificate>& chain, EVP_PKEY* key) {
  ERR_clear_error();
  if (X509_check_private_key(chain.front().get(), key) != 1) {
    const bool further_down = std::any_of(
        chain.begin() + 1, chain.end(),
        [key](const Certificate& it) { return X509_check_private_key(it.get(), key) == 1; });
    ERR_clear_error();
    return fail(ErrorCode::kInvalidArgument, "the key does not belong to the client certificate",
                kKey,
                further_down ? "put the client's own certificate first, its issuers after it"
                             : "give the key that the certificate was requested with");
  }
  const SslContext context(SSL_CTX_new(TLS_client_method()));
  if (!context) return openssl_failure(ErrorCode::kInternal, "TLS could not be set up");
  const auto refused = [](const char* what) {
    return openssl_failure(ErrorCode::kInvalidArgument, what, kCertificate);
  };
  if (SSL_CTX_use_certificate(context.get(), chain.front().get()) != 1 ||
      SSL_CTX_use_PrivateKey(context.get(), key) != 1) {
    return refused("the client certificate cannot be used");
  }
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context.get(), chain[i].get()) != 1) {
      return refused("an intermediate certificate cannot be used");
    }
  }
  return {};
}

// Both, or neither.
Result<void> check_client(const TlsIdentity& given, std::int64_t now_s, TlsIdentity& kept) {
  if (given.certificate.empty() && given.key.empty()) return {};
  if (given.key.empty()) {
    return fail(ErrorCode::kInvalidArgument, "a client certificate needs its private key", kKey);
  }
  if (given.certificate.empty()) {
    return fail(ErrorCode::kInvalidArgument, "a private key needs its client certificate",
                kCertificate);
  }
  auto fits = check_size(given.certificate, kMaxCertificateBytes, kCertificate).and_then([&] {
    return check_size(given.key, kMaxKeyBytes, kKey);
  });
  if (!fits) return fits;
  const auto chain = read_certificates(given.certificate, kCertificate);
  if (!chain) return tl::unexpected(chain.error());
  const auto key = read_key(given.key, kKey);
  if (!key) return tl::unexpected(key.error());
  auto good = check_pair(*chain, key->get()).and_then([&] {
    return check_validity(chain->front().get(), now_s);
  });
  if (!good) return good;
  auto certificate = pem_of(*chain, kCertificate);
  if (!certificate) return tl::unexpected(std::move(certificate.error()));
  auto key_text = written(kKey, [&](BIO* bio) {
    return PEM_write_bio_PKCS8PrivateKey(bio, key->get(), nullptr, nullptr, 0, nullptr, nullptr) ==
           1;
  });
  if (!key_text) return tl::unexpected(std::move(key_text.error()));
  kept.certificate = std::move(*certificate);
  kept.key = std::move(*key_text);
  return {};
}

}  // namespace

Result<TlsIdentity> checked_identity(const TlsIdentity& given, std::int64_t now_s) {
  if (given.at_least != TlsVersion::k12 && given.at_least != TlsVersion::k13) {
    return fail(ErrorCode::kInvalidArgument, "must be TLS 1.2 or 1.3", "tls_min");
  }
  TlsIdentity kept;
  kept.at_least = given.at_least;
  if (!given.ca.empty()) {
    auto ca = checked_ca(given.ca, now_s);
    if (!ca) return tl::unexpected(std::move(ca.error()));
    kept.ca = std::move(*ca);
  }
  if (auto client = check_client(given, now_s, kept); !client) {
    return tl::unexpected(std::move(client.error()));
  }
  return kept;
}

Result<std::vector<CertificateSummary>> summarize(const std::string& pem) {
  const auto certificates = read_certificates(pem, {});
  if (!certificates) return tl::unexpected(certificates.error());
  std::vector<CertificateSummary> summaries;
  for (const Certificate& certificate : *certificates) {
    auto summary = summary_of(certificate.get());
    if (!summary) return tl::unexpected(std::move(summary.error()));
    summaries.push_back(std::move(*summary));
  }
  return summaries;
}

}  // namespace outrider::crypto
