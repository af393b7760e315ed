// A provider definition: loaded from JSON, linted to the last key, immutable from then on.
// No provider's name appears in code: everything a provider wants is one of these values.
// The file format is described by schemas/providers/provider.schema.json.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/deactivation_policy.h"
#include "core/json_text.h"
#include "core/retry_policy.h"
#include "core/signature.h"
#include "core/verdict.h"
#include "outrider/result.h"

namespace outrider::core {

// A JSON Schema (draft 4, the subset RapidJSON checks rightly), compiled.
class PayloadSchema {
 public:
  // Refuses every keyword outside the supported subset (provider_schema_lint.h lists it), patterns
  // its regular expressions would misread, `multipleOf` with a fraction, and references other than
  // to the schema's own definitions; cyclic ones too. Errors: kCorrupt with pointer and reason.
  [[nodiscard]] static Result<std::shared_ptr<const PayloadSchema>> compile(std::string_view text);
  // Any thread. Errors: kInvalidPayload; where = the payload's JSON pointer (of the missing one,
  // where a property is missing); message names the rule that it breaks, never a value.
  [[nodiscard]] Result<void> validate(std::string_view json) const;
  ~PayloadSchema();

 private:
  struct Impl;
  explicit PayloadSchema(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct EventType {
  std::string name;  // "*" stands for every type that is not named
  std::shared_ptr<const PayloadSchema>
      schema;  // shared by types and threads, immutable; null: any JSON object or value
  std::uint32_t max_attempts = 0;  // 0: the provider's
  bool is_test =
      false;  // goes to named endpoints only, once, and does not count toward deactivation
  std::string test_payload;  // JSON, for test events
};

enum class NoEndpointRule : std::uint8_t { kKeep, kRefuse };

struct Provider {
  std::string name;
  std::string title;
  std::string origin;      // "built-in" or the file it came from
  std::string definition;  // the file's text
  SignatureRule signature;
  BodyMode body = BodyMode::kEcmascript;
  SuccessRule success{.codes = {}, .classes = {2}};
  Duration timeout{3000};
  RetryPolicy retry;
  DeactivationRule deactivate;
  std::vector<int> gone;
  std::optional<std::uint32_t> endpoints_per_account;
  NoEndpointRule no_endpoint = NoEndpointRule::kKeep;
  std::map<std::string, EventType, std::less<>> events;
  std::vector<SensitivePointer> sensitive;
  std::string expires_pointer;   // empty: none
  std::string ordering_pointer;  // empty: none
  std::string content_type = "application/json";
  std::vector<HeaderField> headers;  // fixed extra headers
  bool notices = false;              // its events are the engine's own notices, and nobody else's

  // The type's entry, or the "*" one; null: the provider does not know this type.
  [[nodiscard]] const EventType* event(std::string_view type) const;
  // Names that an endpoint's own headers may not have: signature headers, engine headers,
  // hop-by-hop ones.
  [[nodiscard]] bool reserves_header(std::string_view name) const;
};

// Reads a file a definition refers to (a schema), by its path relative to the definition's folder.
using SchemaReader = std::function<Result<std::string>(std::string_view relative_path)>;

// All faults, each with where = "file#/pointer" (kCorrupt). Empty: `provider` is set.
struct Lint {
  std::vector<Error> faults;
  std::optional<Provider> provider;
};
[[nodiscard]] Lint load_provider(std::string_view text, std::string_view file,
                                 const SchemaReader& read_schema);

class ProviderSet {
 public:
  void put(Provider provider);  // replaces one with the same name
  [[nodiscard]] const Provider* find(std::string_view name) const;
  [[nodiscard]] std::vector<const Provider*> list() const;  // by name

 private:
  std::map<std::string, Provider, std::less<>> providers_;
};

// An event that passed every check, ready to be stored: the exact body, and what the provider's
// pointers say.
struct PreparedEvent {
  std::string body;
  std::string ordering_key;                // empty: none
  std::optional<std::int64_t> expires_at;  // UTC ms; the publisher's, else the pointer's
  bool expiry_spares_first =
      false;  // from the provider's pointer: stops retries, never the first attempt
  bool is_test = false;
  std::uint32_t max_attempts = 0;
};
// Type known, payload canonical and valid under its schema, every value that the signature takes
// from it present, expiry read (the pointer's date is ignored when already past at `now_ms`),
// ordering key read. Errors: kInvalidArgument, kInvalidPayload.
[[nodiscard]] Result<PreparedEvent> prepare(const Provider& provider, std::string_view type,
                                            std::string_view payload,
                                            std::optional<std::int64_t> expires_at,
                                            std::optional<std::string_view> ordering_key,
                                            std::int64_t now_ms, const JsonLimits& limits);

// RFC 3339 / ECMAScript date-time ("2020-08-22T00:00:00.000Z", "2024-07-01") to UTC ms; a date
// alone ends with its day.
[[nodiscard]] std::optional<std::int64_t> parse_time(std::string_view text);

}  // namespace outrider::core
