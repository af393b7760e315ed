#include "command.h"

namespace outrider::cli {

Result<std::unique_ptr<Database>> open_database(const Globals& globals, IfMissing if_missing,
                                                std::uint64_t max_payload_bytes) {
  auto providers = Providers::load(globals.providers);
  if (!providers) return tl::unexpected(providers.error());
  DatabaseOptions options;
  options.path = globals.database;
  options.create = if_missing == IfMissing::kCreate;
  options.max_payload_bytes = max_payload_bytes;
  return Database::open(std::move(options), std::move(*providers));
}

}  // namespace outrider::cli
