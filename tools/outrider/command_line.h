// What CLI11 leaves to say better: an unknown word is named with the one that was probably meant.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "outrider/result.h"

namespace outrider::cli {

// The first word of the command line that is no subcommand and no option where it stands.
[[nodiscard]] std::optional<Error> misspelling(const CLI::App& app,
                                               const std::vector<std::string>& arguments);

// The candidate nearest to `word`, where one is near enough to have been meant; else empty.
[[nodiscard]] std::string nearest(std::string_view word,
                                  const std::vector<std::string>& candidates);

// The subcommand that was chosen last ("endpoint add"), and its full name ("outrider endpoint
// add").
[[nodiscard]] const CLI::App& innermost(const CLI::App& app);
[[nodiscard]] std::string full_name(const CLI::App& app);

}  // namespace outrider::cli
