// A subcommand: its options are its members, bound when it is made; run() does it. One file per
// group of subcommands registers them through one of the functions at the end.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "outrider/database.h"
#include "outrider/provider.h"
#include "outrider/result.h"
#include "settings.h"

namespace outrider::cli {

// Options that stand before or behind any subcommand.
struct Globals {
  std::string database = "outrider.db";
  std::string providers;  // directory of extra definitions; empty: none
  std::string key_file;   // empty: a credential, or beside the database
  bool json = false;
  std::string config_file;
  Settings settings;  // of these options, and of the command's where it reads settings
};

class Command {
 public:
  virtual ~Command() = default;
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  [[nodiscard]] bool chosen() const { return app_->parsed(); }
  // The exit code, or the error that main prints.
  [[nodiscard]] virtual Result<int> run(const Globals& globals) = 0;
  // The options that variables and the configuration file may set too; null: none of them.
  [[nodiscard]] virtual CLI::App* settings_reader() { return nullptr; }

 protected:
  explicit Command(CLI::App& app) : app_(&app) {}
  [[nodiscard]] CLI::App* app() { return app_; }

 private:
  CLI::App* app_;
};
using Commands = std::vector<std::unique_ptr<Command>>;

enum class IfMissing { kFail, kCreate };
// The database that the options name, with the providers they name.
[[nodiscard]] Result<std::unique_ptr<Database>> open_database(
    const Globals& globals, IfMissing if_missing = IfMissing::kFail,
    std::uint64_t max_payload_bytes = DatabaseOptions{}.max_payload_bytes, bool seal = true);

// A flag of the commands that may make a database.
void plain_option(CLI::App& app, bool& plain);
// Who runs this, for the audit trail: "name (uid 1000)".
[[nodiscard]] std::string who_runs_this();

void add_serve(CLI::App& app, Commands& commands);
void add_send(CLI::App& app, Commands& commands);
void add_endpoint(CLI::App& app, Commands& commands);
void add_queue(CLI::App& app, Commands& commands);
void add_event(CLI::App& app, Commands& commands);
void add_notices(CLI::App& app, Commands& commands);
void add_audit(CLI::App& app, Commands& commands);
void add_token(CLI::App& app, Commands& commands);
void add_key(CLI::App& app, Commands& commands);
void add_forget(CLI::App& app, Commands& commands);
void add_provider(CLI::App& app, Commands& commands);
void add_verify(CLI::App& app, Commands& commands);
void add_listen(CLI::App& app, Commands& commands);
void add_config(CLI::App& app, Commands& commands);
void add_health(CLI::App& app, Commands& commands);
void add_version(CLI::App& app, Commands& commands);

}  // namespace outrider::cli
