// outrider: the command line. Parses, runs one command, prints its error, ends with its exit code.
// Nothing else decides how the process ends, but a second signal to `serve`.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "command.h"
#include "command_line.h"
#include "outcome.h"
#include "outrider/outrider.h"
#include "settings.h"

namespace outrider {
namespace cli {
namespace {

void add_globals(CLI::App& app, Globals& globals) {
  app.add_option("--db", globals.database, "The database file")
      ->type_name("PATH")
      ->capture_default_str();
  app.add_option("--providers", globals.providers,
                 "A directory of provider definitions, beside the built-in ones")
      ->type_name("DIR");
  app.add_option("--key-file", globals.key_file,
                 "What the sealed database hangs on (default: the service manager's credential\n"
                 "outrider.key, else the database's path with .key behind it)")
      ->type_name("FILE");
  app.add_option("--config", globals.config_file,
                 "A file of settings, TOML (or OUTRIDER_CONFIG); none is read unless it is named")
      ->type_name("FILE");
  app.add_flag("--json", globals.json, "One JSON document on standard output, for programs");
  app.set_version_flag("--version", "outrider " + std::string(version()), "Print the version");
}

void add_commands(CLI::App& app, Commands& commands) {
  add_serve(app, commands);
  add_send(app, commands);
  add_endpoint(app, commands);
  add_queue(app, commands);
  add_event(app, commands);
  add_notices(app, commands);
  add_audit(app, commands);
  add_token(app, commands);
  add_key(app, commands);
  add_forget(app, commands);
  add_provider(app, commands);
  add_verify(app, commands);
  add_listen(app, commands);
  add_config(app, commands);
  add_health(app, commands);
  add_version(app, commands);
}

int complain_about(const Error& error) {
  if (reader_is_gone()) return kDone;  // `outrider … | head -1`: it had enough
  complain(error_line(error));
  return exit_code(error.code);
}

// `app` has been parsed without an error, or with one that means: say something and stop.
int run_chosen(CLI::App& app, Commands& commands, Globals& globals) {
  for (auto& command : commands) {
    if (!command->chosen()) continue;
    auto settings = apply_settings(app, *app.get_subcommand("serve"), command->settings_reader());
    if (!settings) return complain_about(settings.error());
    globals.settings = std::move(*settings);
    const Result<int> ended = command->run(globals);
    return ended ? *ended : complain_about(ended.error());
  }
  return complain_about({ErrorCode::kInvalidArgument,
                         "no command given",
                         {},
                         "see: " + full_name(innermost(app)) + " --help"});
}

std::string help_text(const CLI::App& app) {
  const CLI::App* outer = app.get_parent();
  std::string text = app.help(outer == nullptr ? "" : full_name(*outer));
  text.erase(text.find_last_not_of('\n') + 1);
  if (outer != nullptr) {
    text +=
        "\n\nBefore or behind any command: --db PATH, --key-file FILE, --providers DIR, --config "
        "FILE, --json; see: outrider --help";
  }
  return text + "\n";
}

int run(const std::vector<std::string>& arguments) {
  Globals globals;
  Commands commands;
  CLI::App app("Outrider: webhooks from an outbox, signed, retried, delivered.", "outrider");
  app.fallthrough();
  app.require_subcommand(0, 1);
  app.set_help_flag("-h,--help", "Print this help");
  app.footer(
      "The commands work on the database file, whether or not `serve` runs.\n"
      "--db, --providers, --key-file and --json, and every option of `serve`, can also be given "
      "by\n"
      "a variable (OUTRIDER_KEY_FILE) or a file (--config FILE); see: outrider config show "
      "--help\n\n" +
      exit_code_table());
  add_globals(app, globals);
  add_commands(app, commands);

  if (const auto error = misspelling(app, arguments)) return complain_about(*error);
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::CallForHelp&) {
    const auto printed = print(help_text(innermost(app)));
    return printed ? kDone : complain_about(printed.error());
  } catch (const CLI::CallForVersion& text) {
    const auto printed = print(std::string(text.what()) + "\n");
    return printed ? kDone : complain_about(printed.error());
  } catch (const CLI::ParseError& wrong) {
    return complain_about({ErrorCode::kInvalidArgument,
                           wrong.what(),
                           {},
                           "see: " + full_name(innermost(app)) + " --help"});
  }
  return run_chosen(app, commands, globals);
}

}  // namespace
}  // namespace cli
}  // namespace outrider

namespace {

// A standard stream that is closed: the next file or socket would get its number, and be written to
// as if it were the stream. Opened the wrong way round, so that using it stays an error.
void occupy_closed_streams() {
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream) {
    if (::fcntl(stream, F_GETFD) >= 0) continue;
    // Cannot fail in a way that matters: then no other file can be opened either.
    (void)::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

// Payloads and secrets are in this process's memory: what is left of it after a crash goes nowhere,
// and no other process of this user may read it. A host that embeds the library decides for itself.
void leave_no_core() {
  const rlimit none{.rlim_cur = 0, .rlim_max = 0};
  (void)::setrlimit(RLIMIT_CORE, &none);
  // The limit alone does not hold where cores are piped into a program.
  (void)::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

}  // namespace

int main(int argc, char** argv) {
  leave_no_core();
  occupy_closed_streams();
  // A reader that goes away is an error of write(), not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return outrider::cli::run(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
  } catch (const std::exception& error) {
    // CLI11 and the standard library throw; nothing of ours does.
    return outrider::cli::complain_about({outrider::ErrorCode::kInternal, error.what(), {}, {}});
  }
}
