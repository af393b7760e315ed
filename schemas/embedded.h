// The files of schemas/ that the binary carries with it (providers, event schemas, SQL), as they
// are in the source tree.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace outrider::schemas {

struct EmbeddedFile {
  std::string_view path;  // relative to schemas/: "providers/github.json"
  std::string_view text;
};

// Sorted by path.
[[nodiscard]] std::span<const EmbeddedFile> embedded_files() noexcept;

}  // namespace outrider::schemas
