// Where the egress proxy is named: an option, a file or OUTRIDER_EGRESS_PROXY. Its credentials only
// in the latter two: every process may read a command's arguments.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "outrider/result.h"
#include "settings.h"

namespace outrider::cli {

class EgressProxySource {
 public:
  void add_to(CLI::App& app);
  // Whether what was given may stand where it was given. Error: kInvalidArgument.
  [[nodiscard]] Result<void> check(const Settings& settings) const;
  // "http://[user:password@]host:port", or empty: none. `settings` tell where it came from.
  // Errors: kInvalidArgument, kNotFound, kIo; they never repeat what was read.
  [[nodiscard]] Result<std::string> read(const Settings& settings) const;

 private:
  std::optional<std::string> url_;
  std::optional<std::string> file_;
};

}  // namespace outrider::cli
