// The definitions, schemas and examples of schemas/, for tests: read from the source tree, and
// changed in one place.
#pragma once

#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <rapidjson/pointer.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/provider.h"
#include "tests/source_dir.h"

namespace outrider {
inline void PrintTo(const Error& error, std::ostream* out) { *out << error.to_string(); }
}  // namespace outrider

namespace outrider::test {

inline std::string read_schemas_file(const std::string& path) {
  std::ifstream file(source_dir() + "/schemas/" + path, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

inline Result<std::string> read_event_schema(std::string_view relative) {
  const auto path = (std::filesystem::path("providers") / relative).lexically_normal().string();
  if (!std::filesystem::is_regular_file(source_dir() + "/schemas/" + path)) {
    return fail(ErrorCode::kNotFound, "no schema " + path);
  }
  return read_schemas_file(path);
}

// Everything a definition can say, said rightly.
inline constexpr const char* kFull = R"({
  "format": 1, "name": "acme", "title": "Acme", "documentation": "https://example.com/webhooks",
  "signature": {
    "schemes": [
      {"algorithm": "hmac-sha512", "key": {"form": "base64", "prefix": "whsec_"},
       "signed": "{id}.{timestamp}.{type}.{url}.{payload:/id}.{header:x-tenant}.{body}",
       "encoding": "base64", "value": "v1,{digest}"},
      {"algorithm": "ed25519", "key": {"form": "hex", "prefix": "whsk_"}, "signed": "{body}"}],
    "headers": {"Acme-Signature": "t={timestamp},{signatures}", "Acme-Event": "{type}"},
    "join": " "},
  "body": "compact", "content_type": "application/json; charset=utf-8",
  "headers": {"Acme-Version": "2"},
  "success": ["2xx", 304], "timeout_ms": 5000,
  "retry": {"delays_s": [1, 60], "max_attempts": 4, "jitter": 0.25, "retry_after": true},
  "deactivate": {"consecutive": 7, "window": {"failures": 20, "seconds": 60}, "scope": "account",
                 "pending": "cancel", "new_events": "refuse"},
  "gone": [410], "endpoints_per_account": 3, "no_endpoint": "refuse",
  "events": {
    "*": {},
    "paid": {"schema": "../events/lender-spender/webhook_test.schema.json", "max_attempts": 2},
    "test": {"description": "a test",
             "test": {"payload": {"id": "1", "a~b/c": [1.5, -7, true, null, "é"]}}}},
  "sensitive": {"/person/*/name": "identity", "/person/*/sin": "critical", "/amount": "financial"},
  "expires": "/until", "ordering": "/person/id"
})";

inline core::Lint lint(std::string_view text) {
  return core::load_provider(text, "p.json", read_event_schema);
}

inline core::Provider load(const std::string& name) {
  core::Lint loaded = lint(read_schemas_file("providers/" + name + ".json"));
  for (const Error& fault : loaded.faults) ADD_FAILURE() << name << ": " << fault.to_string();
  return loaded.provider.value_or(core::Provider{});
}

inline std::string example(const std::string& provider, const std::string& type) {
  return read_schemas_file("examples/" + provider + "/" + type + ".json");
}

// `json` with the value at `pointer` set to `value` (JSON text), or removed where `value` is empty.
inline std::string changed(const std::string& json, const std::string& pointer,
                           const std::string& value) {
  rapidjson::Document document;
  document.Parse(json.c_str());
  EXPECT_FALSE(document.HasParseError());
  const rapidjson::Pointer place(pointer.c_str());
  EXPECT_TRUE(place.IsValid()) << pointer;
  if (value.empty()) {
    EXPECT_TRUE(place.Erase(document)) << pointer;
  } else {
    rapidjson::Document replacement(&document.GetAllocator());
    replacement.Parse(value.c_str());
    EXPECT_FALSE(replacement.HasParseError()) << value;
    place.Set(document, replacement);
  }
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  document.Accept(writer);
  return buffer.GetString();
}

inline const std::vector<std::string>& provider_names() {
  static const std::vector<std::string> names = {
      "credit-app",        "github", "lender-spender", "lossexpress", "operational-webhooks",
      "standard-webhooks", "stripe"};
  return names;
}

}  // namespace outrider::test
