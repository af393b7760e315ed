// outrider key, outrider forget: what a sealed database hangs on. Neither prints a byte of a key.
#include <unistd.h>

#include <string>

#include "command.h"
#include "json_output.h"
#include "outcome.h"
#include "outrider/database.h"
#include "table.h"
#include "terminal_text.h"

namespace outrider::cli {
namespace {

// "[#########---------]  1500 of 3000", over itself, where somebody looks.
class ProgressBar {
 public:
  void show(std::uint64_t done, std::uint64_t all) {
    if (!shown_ && ::isatty(STDERR_FILENO) == 0) return;
    shown_ = true;
    constexpr std::uint64_t kWidth = 40;
    const std::uint64_t full = all == 0 ? kWidth : done * kWidth / all;
    complain("\r[" + std::string(full, '#') + std::string(kWidth - full, '-') + "]  " +
             std::to_string(done) + " of " + std::to_string(all));
  }
  ~ProgressBar() {
    if (shown_) complain("\n");
  }
  ProgressBar() = default;
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

 private:
  bool shown_ = false;
};

class KeyStatusCommand final : public Command {
 public:
  explicit KeyStatusCommand(CLI::App& app) : Command(app) {}

  Result<int> run(const Globals& globals) override {
    auto database = open_database(globals);
    if (!database) return tl::unexpected(database.error());
    const auto keys = (*database)->keys();
    if (!keys) return tl::unexpected(keys.error());
    const auto printed = print(globals.json ? as_json(*keys) : as_text(*keys));
    if (!printed) return tl::unexpected(printed.error());
    if (keys->problem.empty()) return kDone;
    return fail(ErrorCode::kKey, keys->problem, keys->key_file,
                "restore the key file from its backup, or name it with --key-file");
  }

 private:
  static std::string as_json(const KeyView& keys) {
    JsonOutput json;
    json.begin_object()
        .member("sealed", keys.sealed)
        .member("key_file", keys.key_file)
        .member("problem", keys.problem)
        .member("generation", keys.generation)
        .member("rotating", keys.rotating)
        .member("keys", keys.keys)
        .member("keys_behind", keys.keys_behind)
        .member("accounts", keys.accounts)
        .end_object();
    return json.document() + "\n";
  }
  static std::string as_text(const KeyView& keys) {
    if (!keys.sealed) {
      return "This database is kept plain: its payloads and secrets are not sealed.\n";
    }
    FieldList fields;
    fields.add_always("Key file", keys.key_file);
    fields.add("Problem", keys.problem);
    fields.add_always("Generation", keys.generation == 0 ? "" : std::to_string(keys.generation));
    fields.add_always("Data keys", std::to_string(keys.keys) + " of " +
                                       std::to_string(keys.accounts) + " accounts");
    if (keys.rotating || keys.keys_behind != 0) {
      fields.add("Rotation", "begun; " + std::to_string(keys.keys_behind) +
                                 " keys to go: outrider key rotate goes on with it");
    }
    return fields.text();
  }
};

class KeyRotate final : public Command {
 public:
  explicit KeyRotate(CLI::App& app) : Command(app) {
    app.footer(
        "Begins a new generation of the key file and wraps every data key with it; payloads are\n"
        "not touched, an engine that runs goes on. Interrupted, the next call goes on with it.\n"
        "Afterwards: replace the key file's backup, and keep the older one as long as you keep\n"
        "backups of the database from before.\n");
  }

  Result<int> run(const Globals& globals) override {
    auto database = open_database(globals);
    if (!database) return tl::unexpected(database.error());
    Result<std::uint64_t> wrapped = 0;
    {
      ProgressBar bar;
      wrapped = (*database)->rotate_keys(
          [&bar](std::uint64_t done, std::uint64_t all) { bar.show(done, all); });
    }
    if (!wrapped) return tl::unexpected(wrapped.error());
    const auto keys = (*database)->keys();
    if (!keys) return tl::unexpected(keys.error());
    if (!globals.json) {
      return done_with("Generation " + std::to_string(keys->generation) + " of " +
                       printable(keys->key_file) + "; " + std::to_string(*wrapped) +
                       " data keys wrapped anew. Back the key file up now.\n");
    }
    JsonOutput json;
    json.begin_object()
        .member("generation", keys->generation)
        .member("wrapped", *wrapped)
        .end_object();
    return done_with(json.document() + "\n");
  }
};

class Forget final : public Command {
 public:
  explicit Forget(CLI::App& app) : Command(app) {
    app.add_option("--account", account_, "Whose data")->required()->type_name("ACCOUNT");
    app.add_flag("--yes", yes_, "Do it; without this nothing happens");
    app.footer(
        "Destroys the account's keys, in the database and in the key file. Its payloads, answers,\n"
        "headers and secrets become unreadable, also in backups of the database; its endpoints\n"
        "are removed, what is pending is cancelled. What was attempted, and when, stays.\n"
        "This cannot be undone. Replace the key file's backups afterwards: with an old one and an\n"
        "old backup of the database together, the data could still be read.\n"
        "\nExample:\n  outrider forget --account acme --yes\n");
  }

  Result<int> run(const Globals& globals) override {
    if (!yes_) {
      return fail(ErrorCode::kRefused, "this destroys the account's data for good", "--account",
                  "say --yes if that is what you want");
    }
    auto database = open_database(globals);
    if (!database) return tl::unexpected(database.error());
    const auto removed = (*database)->forget(account_);
    if (!removed) return tl::unexpected(removed.error());
    if (!globals.json) {
      return done_with("Forgotten: " + printable(account_) + "; " + std::to_string(*removed) +
                       " endpoints removed. Replace the backups of the key file now.\n");
    }
    JsonOutput json;
    json.begin_object()
        .member("account", account_)
        .member("endpoints_removed", *removed)
        .end_object();
    return done_with(json.document() + "\n");
  }

 private:
  std::string account_;
  bool yes_ = false;
};

}  // namespace

void add_key(CLI::App& app, Commands& commands) {
  auto* key = app.add_subcommand("key", "The key file that what is sealed hangs on");
  key->require_subcommand(0, 1);
  commands.push_back(std::make_unique<KeyStatusCommand>(
      *key->add_subcommand("status", "Which key file, its generation, how many data keys")));
  commands.push_back(std::make_unique<KeyRotate>(
      *key->add_subcommand("rotate", "A new generation: wrap every data key anew")));
}

void add_forget(CLI::App& app, Commands& commands) {
  commands.push_back(std::make_unique<Forget>(
      *app.add_subcommand("forget", "Destroy an account's keys: its data becomes unreadable")));
}

}  // namespace outrider::cli
