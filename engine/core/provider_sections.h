// The sections of a provider definition, one function each. Every function takes the file's root,
// reads its own keys into the provider, and records the faults it meets. Internal to
// provider_load.cc.
#pragma once

#include "core/provider.h"
#include "core/provider_reader.h"

namespace outrider::core {

void read_signature(const ObjectReader& root, Provider& provider);
// body, content_type, headers
void read_request(const ObjectReader& root, Provider& provider);
// success, timeout_ms, retry, deactivate, gone, endpoints_per_account, no_endpoint
void read_delivery(const ObjectReader& root, Provider& provider);
// events, sensitive, expires, ordering
void read_events(const ObjectReader& root, std::string_view file, const SchemaReader& read_schema,
                 Provider& provider);

// A field name of RFC 9110 (a token), and a field value without control characters or outer blanks.
[[nodiscard]] bool is_header_name(std::string_view name) noexcept;
[[nodiscard]] bool is_header_value(std::string_view value) noexcept;
// Headers that belong to the connection or to the engine: nobody else may set them.
[[nodiscard]] bool is_engine_header(std::string_view name) noexcept;
// 1-255 bytes, no control characters; visible ASCII when the type is sent in a header or signed.
[[nodiscard]] bool event_type_fits(const Provider& provider, std::string_view type) noexcept;

}  // namespace outrider::core
