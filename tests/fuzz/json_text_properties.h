// What must hold for json_text on any bytes at all. The fuzzer tries to break it, and the unit
// tests hold it against a corpus.
#pragma once

#include <string>
#include <string_view>

namespace outrider::core {

// The first property that `text` breaks, in words; empty: none.
[[nodiscard]] std::string broken_json_property(std::string_view text);

}  // namespace outrider::core
