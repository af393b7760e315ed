// TLS identities on the command line: given as files, shown without the key.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "json_output.h"
#include "outrider/result.h"
#include "outrider/types.h"
#include "table.h"

namespace outrider::cli {

// --tls-ca, --tls-cert, --tls-key, --tls-min. The key is never an argument, which every process may
// read.
class TlsSource {
 public:
  void add_to(CLI::App& app);
  [[nodiscard]] bool given() const { return ca_ || certificate_ || key_ || at_least_; }
  // Errors: kNotFound, kIo, kInvalidArgument.
  [[nodiscard]] Result<TlsIdentity> read() const;
  // The same as a change: what is not given stays.
  [[nodiscard]] Result<TlsChange> read_change() const;
  // An error of the library about a field of the identity, told by its option and file.
  [[nodiscard]] Error told(Error error) const;

 private:
  std::optional<std::string> ca_;
  std::optional<std::string> certificate_;
  std::optional<std::string> key_;
  std::optional<std::string> at_least_;
};

[[nodiscard]] std::string tls_version_text(TlsVersion version);  // "1.2"
void add_fields(FieldList& fields, const TlsIdentity& tls, std::int64_t now_ms);
// An object: minimum, certificate and ca, the last two as lists of what each certificate says.
void write_json(JsonOutput& json, const TlsIdentity& tls);

}  // namespace outrider::cli
