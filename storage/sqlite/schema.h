// Outrider's tables in a SQLite file: which version is there, bringing it to the newest, and a look
// at their health.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "outrider/result.h"
#include "storage/sqlite/db.h"

namespace outrider::storage {

// Nothing: the file has no Outrider tables. The version is kept in outrider_meta; PRAGMA
// user_version is the host's.
[[nodiscard]] Result<std::optional<std::uint32_t>> schema_version(Db& db);

// Refuses a newer schema (kTooNew) without touching the file.
[[nodiscard]] Result<void> check_version(const Db& db, std::uint32_t version);

// Applies what is missing, each migration in a transaction of its own. Two processes may do it at
// once.
[[nodiscard]] Result<void> bring_up_to_date(Db& db);

// Every table can be read. Reads one row of each: a damaged header, a truncated file and
// overwritten roots show here, at a cost that does not grow with the file. A full `PRAGMA
// quick_check` reads every page, which for a file of gigabytes is a minute at each start; damage
// deeper inside answers kCorrupt when it is met.
[[nodiscard]] Result<void> check_tables(Db& db);

// The key that public ids are made with; written by the first migration.
[[nodiscard]] Result<std::string> read_id_key(Db& db);

}  // namespace outrider::storage
