// Certificates by OpenSSL's X.509 functions.
//
// What OpenSSL, GnuTLS, Node and Go all insist on for a server's certificate: version 3, a positive
// serial number that the issuer never used before (here: random), the host in subjectAltName,
// serverAuth (a client's: clientAuth), and key identifiers that tie it to its issuer. An authority
// is marked as one, critically, and may issue no further authorities.
//
// Names are put into the extension as values, never as a configuration text, where a comma would
// begin another name.
#include "crypto/certificates.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <utility>

#include "crypto/mac.h"
#include "crypto/openssl.h"
#include "crypto/random.h"

namespace outrider::crypto {
namespace {

using Integer = Handle<ASN1_INTEGER, ASN1_INTEGER_free>;
using BigNumber = Handle<BIGNUM, BN_free>;
using Extension = Handle<X509_EXTENSION, X509_EXTENSION_free>;
using AddressBytes = Handle<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free>;
using Name = Handle<GENERAL_NAME, GENERAL_NAME_free>;
using Names = Handle<GENERAL_NAMES, GENERAL_NAMES_free>;
using NameText = Handle<ASN1_IA5STRING, ASN1_IA5STRING_free>;

constexpr std::size_t kMaxNames = 64;
constexpr std::size_t kMaxCommonName = 64;  // RFC 5280, ub-common-name

struct ExtensionText {
  int nid;
  const char* value;
};

constexpr ExtensionText kAuthorityExtensions[] = {
    {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
    {NID_key_usage, "critical,keyCertSign,cRLSign"},
    {NID_subject_key_identifier, "hash"},
};
constexpr ExtensionText kClientExtensions[] = {
    {NID_basic_constraints, "critical,CA:FALSE"},
    {NID_key_usage, "critical,digitalSignature"},
    {NID_ext_key_usage, "clientAuth"},
    {NID_subject_key_identifier, "hash"},
    {NID_authority_key_identifier, "keyid:always"},
};
constexpr ExtensionText kServerExtensions[] = {
    {NID_basic_constraints, "critical,CA:FALSE"},
    {NID_key_usage, "critical,digitalSignature"},
    {NID_ext_key_usage, "serverAuth"},
    {NID_subject_key_identifier, "hash"},
    {NID_authority_key_identifier, "keyid:always"},
};

tl::unexpected<Error> internal_failure() {
  return openssl_failure(ErrorCode::kInternal, "the certificate could not be made");
}

Result<void> set_serial(X509* certificate) {
  auto bytes = random_bytes(16);
  if (!bytes) return tl::unexpected(std::move(bytes.error()));
  // Positive and never zero, at most 20 bytes (RFC 5280, 4.1.2.2).
  bytes->front() = static_cast<char>((bytes->front() & 0x3f) | 0x40);
  const BigNumber number(BN_bin2bn(bytes_of(*bytes), static_cast<int>(bytes->size()), nullptr));
  const Integer serial(number ? BN_to_ASN1_INTEGER(number.get(), nullptr) : nullptr);
  if (!serial || X509_set_serialNumber(certificate, serial.get()) != 1) return internal_failure();
  return {};
}

Result<void> set_validity(X509* certificate, Validity validity) {
  if (validity.through_s < validity.from_s) {
    return fail(ErrorCode::kInvalidArgument, "the validity ends before it begins", "validity");
  }
  if (ASN1_TIME_set(X509_getm_notBefore(certificate), validity.from_s) == nullptr ||
      ASN1_TIME_set(X509_getm_notAfter(certificate), validity.through_s) == nullptr) {
    return openssl_failure(ErrorCode::kInvalidArgument, "a time no certificate can hold",
                           "validity");
  }
  return {};
}

Result<void> set_common_name(X509* certificate, const std::string& name) {
  const auto printable = [](unsigned char c) { return c >= 0x20 && c < 0x7f; };
  if (name.empty() || name.size() > kMaxCommonName || !std::ranges::all_of(name, printable)) {
    return fail(ErrorCode::kInvalidArgument, "not a name for an authority", "name",
                "use 1 to 64 printable ASCII characters");
  }
  if (X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName, MBSTRING_ASC,
                                 bytes_of(name), static_cast<int>(name.size()), -1, 0) != 1) {
    return internal_failure();
  }
  return {};
}

// What both kinds have: version, serial number, names, times and a key.
Result<Certificate> begin_certificate(const std::string& common_name, Validity validity,
                                      EVP_PKEY* key) {
  Certificate certificate(X509_new());
  if (!certificate || X509_set_version(certificate.get(), X509_VERSION_3) != 1 ||
      X509_set_pubkey(certificate.get(), key) != 1) {
    return internal_failure();
  }
  auto done = set_serial(certificate.get())
                  .and_then([&] { return set_validity(certificate.get(), validity); })
                  .and_then([&] { return set_common_name(certificate.get(), common_name); });
  if (!done) return tl::unexpected(std::move(done.error()));
  return certificate;
}

Result<void> add_extensions(X509* certificate, X509* issuer,
                            std::span<const ExtensionText> extensions) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  for (const ExtensionText& text : extensions) {
    const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, text.nid, text.value));
    if (!extension || X509_add_ext(certificate, extension.get(), -1) != 1) {
      return internal_failure();
    }
  }
  return {};
}

bool is_label(std::string_view label) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  };
  return !label.empty() && label.size() <= 63 && std::ranges::all_of(label, allowed) &&
         label.front() != '-' && label.back() != '-';
}

// Letters, digits and hyphens in labels of 1-63, 253 in all. A number at the end would be a
// misspelt address.
bool is_dns_name(std::string_view name) {
  if (name.size() > 253) return false;
  if (name.starts_with("*.")) name.remove_prefix(2);
  while (true) {
    const std::size_t dot = name.find('.');
    const std::string_view label = name.substr(0, dot);
    if (!is_label(label)) return false;
    if (dot == std::string_view::npos) {
      return !std::ranges::all_of(label, [](char c) { return c >= '0' && c <= '9'; });
    }
    name.remove_prefix(dot + 1);
  }
}

Result<Name> general_name(const std::string& text) {
  Name name(GENERAL_NAME_new());
  if (!name) return internal_failure();
  const bool has_null = text.find('\0') != std::string::npos;
  AddressBytes address(has_null ? nullptr : a2i_IPADDRESS(text.c_str()));
  ERR_clear_error();  // "not an address" is an answer here
  if (address) {
    GENERAL_NAME_set0_value(name.get(), GEN_IPADD, address.release());
    return name;
  }
  if (!is_dns_name(text)) {
    return fail(ErrorCode::kInvalidArgument, "neither a DNS name nor an IP address", text,
                "give names such as localhost, example.com, 127.0.0.1 or ::1");
  }
  NameText host(ASN1_IA5STRING_new());
  if (!host || ASN1_STRING_set(host.get(), text.data(), static_cast<int>(text.size())) != 1) {
    return internal_failure();
  }
  GENERAL_NAME_set0_value(name.get(), GEN_DNS, host.release());
  return name;
}

Result<void> add_subject_alternative_names(X509* certificate, std::span<const std::string> names) {
  if (names.empty() || names.size() > kMaxNames) {
    return fail(ErrorCode::kInvalidArgument, "a certificate is for 1 to 64 names", "names");
  }
  const Names list(GENERAL_NAMES_new());
  if (!list) return internal_failure();
  for (const std::string& text : names) {
    auto name = general_name(text);
    if (!name) return tl::unexpected(std::move(name.error()));
    if (sk_GENERAL_NAME_push(list.get(), name->get()) <= 0) return internal_failure();
    [[maybe_unused]] GENERAL_NAME* const the_list_s_now = name->release();
  }
  if (X509_add1_ext_i2d(certificate, NID_subject_alt_name, list.get(), 0, X509V3_ADD_DEFAULT) !=
      1) {
    return internal_failure();
  }
  return {};
}

std::string text_of(BIO* bio) {
  char* start = nullptr;
  const long size = BIO_get_mem_data(bio, &start);
  return size > 0 ? std::string(start, static_cast<std::size_t>(size)) : std::string();
}

Result<CertificateAndKey> as_pem(X509* certificate, EVP_PKEY* key) {
  const Bio certificate_text(BIO_new(BIO_s_mem()));
  const Bio key_text(BIO_new(BIO_s_mem()));  // overwritten when it is freed
  if (!certificate_text || !key_text ||
      PEM_write_bio_X509(certificate_text.get(), certificate) != 1 ||
      PEM_write_bio_PKCS8PrivateKey(key_text.get(), key, nullptr, nullptr, 0, nullptr, nullptr) !=
          1) {
    return internal_failure();
  }
  return CertificateAndKey{text_of(certificate_text.get()), text_of(key_text.get())};
}

struct Authority {
  Certificate certificate;
  Key key;
};

Result<Authority> read_authority(const CertificateAndKey& pem) {
  auto chain = read_certificates(pem.certificate_pem, "authority");
  if (!chain) return tl::unexpected(std::move(chain.error()));
  Certificate certificate = std::move(chain->front());
  auto key = read_key(pem.key_pem, "authority");
  if (!key) return tl::unexpected(std::move(key.error()));
  if (X509_check_private_key(certificate.get(), key->get()) != 1) {
    return openssl_failure(ErrorCode::kInvalidArgument,
                           "the key does not belong to the authority's certificate", "authority");
  }
  if (X509_check_ca(certificate.get()) != 1) {
    return openssl_failure(ErrorCode::kInvalidArgument, "the certificate is not an authority's",
                           "authority", "give one that make_certificate_authority() made");
  }
  return Authority{std::move(certificate), std::move(*key)};
}

// A certificate that `authority` signs; `add_names` adds what is its holder's own.
template <class AddNames>
Result<CertificateAndKey> issue_below(const CertificateAndKey& authority,
                                      const std::string& common_name, Validity validity,
                                      std::span<const ExtensionText> extensions,
                                      AddNames add_names) {
  ERR_clear_error();
  const auto issuer = read_authority(authority);
  if (!issuer) return tl::unexpected(issuer.error());
  const Key key(EVP_EC_gen("P-256"));
  if (!key) return internal_failure();
  const auto certificate = begin_certificate(common_name, validity, key.get());
  if (!certificate) return tl::unexpected(certificate.error());
  X509* const issued = certificate->get();
  X509* const above = issuer->certificate.get();
  if (X509_set_issuer_name(issued, X509_get_subject_name(above)) != 1) return internal_failure();
  const Result<void> added =
      add_extensions(issued, above, extensions).and_then([&] { return add_names(issued); });
  if (!added) return tl::unexpected(added.error());
  if (X509_sign(issued, issuer->key.get(), EVP_sha256()) == 0) return internal_failure();
  return as_pem(issued, key.get());
}

}  // namespace

Result<CertificateAndKey> make_certificate_authority(const std::string& name, Validity validity) {
  ERR_clear_error();
  const Key key(EVP_EC_gen("P-256"));
  if (!key) return internal_failure();
  const auto certificate = begin_certificate(name, validity, key.get());
  if (!certificate) return tl::unexpected(certificate.error());
  X509* const self = certificate->get();
  if (X509_set_issuer_name(self, X509_get_subject_name(self)) != 1) return internal_failure();
  const auto added = add_extensions(self, self, kAuthorityExtensions);
  if (!added) return tl::unexpected(added.error());
  if (X509_sign(self, key.get(), EVP_sha256()) == 0) return internal_failure();
  return as_pem(self, key.get());
}

Result<CertificateAndKey> issue(const CertificateAndKey& authority,
                                std::span<const std::string> names, Validity validity) {
  // Nobody reads a host from the common name any more; it only tells people what they look at.
  return issue_below(authority, "Outrider server", validity, kServerExtensions,
                     [&](X509* server) { return add_subject_alternative_names(server, names); });
}

Result<CertificateAndKey> issue_client(const CertificateAndKey& authority, const std::string& name,
                                       Validity validity) {
  return issue_below(authority, name, validity, kClientExtensions,
                     [](X509*) -> Result<void> { return {}; });
}

Result<void> check_certificates(const std::string& pem, const std::string& where) {
  const auto read = read_certificates(pem, where);
  if (!read) return tl::unexpected(read.error());
  return {};
}

}  // namespace outrider::crypto
