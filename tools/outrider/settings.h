// Where the value of an option comes from: an argument, else a variable, else the configuration
// file, else its default. Each option of `serve` has one name in three spellings: --max-in-flight,
// OUTRIDER_MAX_IN_FLIGHT, max-in-flight = 512. Values from anywhere go through the option itself,
// so that one check refuses them all, and the error names the place that the value came from.
//
// A list that is given nearer replaces the one further away; it is not added to it. An empty
// variable is one that is not set. What is not known is refused: a key of the file always, a
// variable by the commands that read settings.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config_file.h"
#include "outrider/result.h"

namespace outrider::cli {

enum class Origin : std::uint8_t { kArgument, kVariable, kFile, kDefault };

struct Setting {
  std::string name;  // "max-in-flight"
  ValueKind kind = ValueKind::kText;
  bool list = false;
  std::vector<std::string> values;  // none: not set
  Origin origin = Origin::kDefault;
  std::string from;  // "--max-in-flight", "OUTRIDER_MAX_IN_FLIGHT", "FILE:LINE", or empty
};
using Settings = std::vector<Setting>;

[[nodiscard]] std::string_view origin_name(Origin origin);
[[nodiscard]] const Setting* find_setting(const Settings& settings, std::string_view name);

// "max-in-flight" -> "OUTRIDER_MAX_IN_FLIGHT"
[[nodiscard]] std::string variable_name(std::string_view option);
// A variable that Kubernetes, or a container engine, sets in every container beside a service whose
// name begins with "outrider": OUTRIDER_SERVICE_HOST, OUTRIDER_PORT=tcp://…
[[nodiscard]] bool is_service_link(std::string_view variable, std::string_view value);

// After `root` was parsed: gives its options, and those of `reader` (a command that reads settings;
// null: none does), the values that no argument gave. `serve` says which names there are.
// Errors: kInvalidArgument, kNotFound, kIo.
[[nodiscard]] Result<Settings> apply_settings(CLI::App& root, const CLI::App& serve,
                                              CLI::App* reader);

// The option by which the file is named.
inline constexpr std::string_view kConfigOption = "config";

}  // namespace outrider::cli
