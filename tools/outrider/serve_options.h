// The options of `outrider serve`, by themselves: `serve` runs with them, `config show` tells them.
#pragma once

#include <CLI/CLI.hpp>

#include "command.h"
#include "egress_proxy_source.h"
#include "outrider/outrider.h"

namespace outrider::cli {

class ServeOptions {
 public:
  // Must stay where it is: the options are bound to its members.
  explicit ServeOptions(CLI::App& app);
  ServeOptions(const ServeOptions&) = delete;
  ServeOptions& operator=(const ServeOptions&) = delete;

  // What the engine is opened with. Errors: those of EgressProxySource::read().
  [[nodiscard]] Result<Options> engine_options(const Globals& globals) const;
  // What can be found wrong without opening anything. Error: kInvalidArgument.
  [[nodiscard]] Result<void> check(const Globals& globals) const {
    return egress_proxy_.check(globals.settings);
  }
  [[nodiscard]] bool quiet() const { return quiet_; }

 private:
  void add_sending(CLI::App& app);
  void add_api(CLI::App& app);

  Options options_;
  EgressProxySource egress_proxy_;
  bool quiet_ = false;
  bool plain_ = false;
};

}  // namespace outrider::cli
