#include "command.h"

#include <pwd.h>
#include <unistd.h>

#include "outcome.h"
#include "terminal_text.h"

namespace outrider::cli {

Result<std::unique_ptr<Database>> open_database(const Globals& globals, IfMissing if_missing,
                                                std::uint64_t max_payload_bytes, bool seal) {
  auto providers = Providers::load(globals.providers);
  if (!providers) return tl::unexpected(providers.error());
  DatabaseOptions options;
  options.path = globals.database;
  options.create = if_missing == IfMissing::kCreate;
  options.max_payload_bytes = max_payload_bytes;
  options.key_file = globals.key_file;
  options.seal = seal;
  options.actor = who_runs_this();
  options.key_created = [](const std::string& path) {
    complain("outrider: made the key file " + printable(path) +
             ": back it up, without it nothing that is sealed can be read\n");
  };
  return Database::open(std::move(options), std::move(*providers));
}

void plain_option(CLI::App& app, bool& plain) {
  app.add_flag("--plain", plain,
               "Where this makes the database: keep payloads and secrets in it unsealed, for good");
}

std::string who_runs_this() {
  const uid_t id = ::getuid();
  std::string buffer(4096, '\0');
  passwd entry{};
  passwd* found = nullptr;
  const bool known =
      ::getpwuid_r(id, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr;
  const std::string number = "uid " + std::to_string(id);
  return known ? std::string(entry.pw_name) + " (" + number + ")" : number;
}

}  // namespace outrider::cli
