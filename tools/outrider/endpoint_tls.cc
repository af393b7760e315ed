// What is shown of a certificate is what it says of itself: enough to tell whose it is and to see
// its end coming. The texts themselves are public but of no use to a reader.
#include "endpoint_tls.h"

#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "options.h"
#include "outrider/certificate.h"
#include "time_text.h"

namespace outrider::cli {
namespace {

constexpr std::size_t kMaxFileBytes = 1024 * 1024;  // the library's own limits are narrower

Result<std::string> read_file(const std::optional<std::string>& path, const char* option) {
  if (!path) return std::string();
  if (path->empty()) return fail(ErrorCode::kInvalidArgument, "names no file", option);
  auto text = read_input(*path, kMaxFileBytes);
  if (text && text->empty()) return fail(ErrorCode::kInvalidArgument, *path + " is empty", option);
  return text;
}

// What cannot be read here was read when it was stored; it is shown as something unknown.
std::vector<CertificateSummary> summaries_of(const std::string& pem) {
  if (pem.empty()) return {};
  auto read = summarize_certificates(pem);
  if (read) return std::move(*read);
  return {CertificateSummary{.subject = "cannot be read", .issuer = {}, .sha256 = {}}};
}

std::string in_words(const CertificateSummary& certificate, std::int64_t now_ms) {
  const char* const ends = certificate.valid_through < now_ms ? ", EXPIRED " : ", ends ";
  return certificate.subject + ends + when(certificate.valid_through, now_ms);
}

void write_list(JsonOutput& json, const std::string& pem) {
  json.begin_array();
  for (const CertificateSummary& certificate : summaries_of(pem)) {
    json.begin_object()
        .member("subject", certificate.subject)
        .member("issuer", certificate.issuer)
        .member("valid_from", certificate.valid_from)
        .member("valid_through", certificate.valid_through)
        .member("sha256", certificate.sha256)
        .end_object();
  }
  json.end_array();
}

}  // namespace

void TlsSource::add_to(CLI::App& app) {
  app.add_option("--tls-ca", ca_,
                 "Trust these authorities (PEM) for it, and no others (default: the system's and\n"
                 "those of serve --ca-file)")
      ->type_name("FILE");
  auto* certificate =
      app.add_option("--tls-cert", certificate_,
                     "Present this client certificate (PEM), its issuers after it in the file")
          ->type_name("FILE");
  app.add_option("--tls-key", key_, "The client certificate's private key (PEM, not encrypted)")
      ->type_name("FILE")
      ->needs(certificate);
  app.add_option("--tls-min", at_least_, "The oldest TLS to speak with it (default 1.2)")
      ->type_name("1.2|1.3");
}

Result<TlsIdentity> TlsSource::read() const {
  TlsIdentity identity;
  if (at_least_ && *at_least_ != "1.2" && *at_least_ != "1.3") {
    return fail(ErrorCode::kInvalidArgument, "must be 1.2 or 1.3", "--tls-min");
  }
  if (at_least_ == "1.3") identity.at_least = TlsVersion::k13;
  const std::array<
      std::pair<std::string*, std::pair<const std::optional<std::string>*, const char*>>, 3>
      files{{{&identity.ca, {&ca_, "--tls-ca"}},
             {&identity.certificate, {&certificate_, "--tls-cert"}},
             {&identity.key, {&key_, "--tls-key"}}}};
  for (const auto& [text, file] : files) {
    auto read = read_file(*file.first, file.second);
    if (!read) return tl::unexpected(std::move(read.error()));
    *text = std::move(*read);
  }
  return identity;
}

Result<TlsChange> TlsSource::read_change() const {
  auto identity = read();
  if (!identity) return tl::unexpected(std::move(identity.error()));
  TlsChange change;
  if (ca_) change.ca = std::move(identity->ca);
  if (certificate_) change.certificate = std::move(identity->certificate);
  if (key_) change.key = std::move(identity->key);
  if (at_least_) change.at_least = identity->at_least;
  return change;
}

Error TlsSource::told(Error error) const {
  struct Field {
    std::string_view where;
    const char* option;
    const std::optional<std::string>& file;
  };
  const std::optional<std::string> none;
  const std::array fields{Field{"tls_ca", "--tls-ca", ca_},
                          Field{"tls_certificate", "--tls-cert", certificate_},
                          Field{"tls_key", "--tls-key", key_}, Field{"tls_min", "--tls-min", none},
                          Field{"tls", "--tls-…", none}};
  for (const Field& field : fields) {
    if (error.where != field.where) continue;
    error.where = field.file ? std::string(field.option) + " " + *field.file : field.option;
    break;
  }
  return error;
}

std::string tls_version_text(TlsVersion version) {
  return version == TlsVersion::k13 ? "1.3" : "1.2";
}

void add_fields(FieldList& fields, const TlsIdentity& tls, std::int64_t now_ms) {
  if (tls == TlsIdentity{}) return;
  fields.add("TLS, oldest", tls_version_text(tls.at_least));
  const auto chain = summaries_of(tls.certificate);
  if (!chain.empty()) {
    fields.add("Client certificate", in_words(chain.front(), now_ms));
    fields.add("Issued by", chain.front().issuer);
  }
  for (const CertificateSummary& authority : summaries_of(tls.ca)) {
    fields.add("Trusts only", in_words(authority, now_ms));
  }
}

void write_json(JsonOutput& json, const TlsIdentity& tls) {
  json.begin_object().member("minimum", tls_version_text(tls.at_least)).key("certificate");
  write_list(json, tls.certificate);
  json.key("ca");
  write_list(json, tls.ca);
  json.end_object();
}

}  // namespace outrider::cli
