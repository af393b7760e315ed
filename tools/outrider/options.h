// Options of the kinds that several subcommands have, read strictly: "08", "0x10" and "1e3" are not
// whole numbers here. A wrong value throws CLI::ValidationError, which main turns into the one line
// of an error.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "outrider/result.h"
#include "outrider/types.h"

namespace outrider::cli {

// One value each time it is given; any number of times.
CLI::Option* list_option(CLI::App& app, const std::string& name, std::vector<std::string>& values,
                         const std::string& description);

[[nodiscard]] std::uint64_t parse_number(const std::string& option, const std::string& text,
                                         std::uint64_t least, std::uint64_t most);
template <class T>
CLI::Option* number_option(CLI::App& app, const std::string& name, T& value, T least, T most,
                           const std::string& description) {
  return app
      .add_option_function<std::string>(
          name,
          [&value, name, least, most](const std::string& text) {
            value = static_cast<T>(parse_number(name, text, least, most));
          },
          description)
      ->type_name("N");
}
// The same as a list.
CLI::Option* port_list_option(CLI::App& app, const std::string& name,
                              std::vector<std::uint16_t>& ports, const std::string& description);
CLI::Option* duration_option(CLI::App& app, const std::string& name, std::int64_t& value_ms,
                             const std::string& description);
CLI::Option* time_option(CLI::App& app, const std::string& name,
                         std::optional<std::int64_t>& value_ms, const std::string& description);
CLI::Option* rate_option(CLI::App& app, const std::string& name, double& value,
                         const std::string& description);

// "Name: value". Errors: kInvalidArgument.
[[nodiscard]] Result<std::vector<HeaderField>> parse_headers(const std::vector<std::string>& lines);

// Where a secret comes from: a file, the environment or standard input, never an argument, which
// every process may read.
class SecretSource {
 public:
  void add_to(CLI::App& app, const std::string& what);
  [[nodiscard]] bool given() const { return file_ || variable_ || stdin_; }
  // Without the line end it was written with; empty when no source was given. Errors: kNotFound,
  // kIo, kInvalidArgument.
  [[nodiscard]] Result<std::string> read() const;

 private:
  // Given but empty (a script's unset variable) is not the same as not given.
  std::optional<std::string> file_;
  std::optional<std::string> variable_;
  bool stdin_ = false;
};

// A whole file, or standard input for "-". Errors: kNotFound, kIo, kInvalidArgument (more than
// `most` bytes).
[[nodiscard]] Result<std::string> read_input(const std::string& path, std::size_t most);

}  // namespace outrider::cli
