// The configuration file: TOML, keys at the top level alone, each named as its option is without
// the dashes. What a key means, and whether there is such a key, is for settings.h to know.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "outrider/result.h"

namespace outrider::cli {

enum class ValueKind : std::uint8_t { kText, kWhole, kFraction, kSwitch };

struct FileEntry {
  std::string key;
  ValueKind kind = ValueKind::kText;  // of each value
  bool list = false;
  std::vector<std::string> values;
  std::string where;  // "FILE:LINE"
};

// The entries in the order of their lines. Errors: kNotFound, kIo, kInvalidArgument (with the
// line); they never repeat a value.
[[nodiscard]] Result<std::vector<FileEntry>> read_config_file(const std::string& path);

}  // namespace outrider::cli
