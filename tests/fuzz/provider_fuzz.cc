// Whatever a definition, a schema, a pattern and a payload say: no crash, no endless loop, and what
// was accepted holds its promises. The first byte chooses; a schema and its payload are separated
// by a line of "---".
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/provider.h"

namespace {

using namespace outrider;

// An accepted definition's own test events are ones that it accepts.
void load(std::string_view text) {
  const auto read_schema = [](std::string_view path) -> Result<std::string> {
    if (path.empty()) return fail(ErrorCode::kNotFound, "no schema");
    return std::string(path);  // the path is the schema: the fuzzer reaches both with one file
  };
  const core::Lint lint = core::load_provider(text, "fuzz.json", read_schema);
  if (lint.provider.has_value() == !lint.faults.empty()) std::abort();
  if (!lint.provider) return;
  for (const auto& [name, event] : lint.provider->events) {
    if (!event.is_test) continue;
    if (!core::prepare(*lint.provider, name, event.test_payload, {}, {}, 0, {})) std::abort();
  }
}

// A payload is judged alike in every form that is the same JSON.
void validate(std::string_view text) {
  const std::size_t line = text.find("\n---\n");
  if (line == std::string_view::npos) return;
  const auto schema = core::PayloadSchema::compile(text.substr(0, line));
  const auto payload = core::canonical_json(text.substr(line + 5), core::BodyMode::kRaw, {});
  if (!schema || !payload) return;
  const auto compact = core::canonical_json(*payload, core::BodyMode::kCompact, {});
  if (!compact) std::abort();
  const auto first = (*schema)->validate(*payload);
  const auto second = (*schema)->validate(*compact);
  if (first.has_value() != second.has_value()) std::abort();
  if (!first && first.error() != second.error()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      load(text);
      break;
    case 1:
      validate(text);
      break;
    default:
      (void)core::parse_time(text);
      break;
  }
  return 0;
}
