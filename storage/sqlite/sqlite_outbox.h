// The Outbox on one SQLite file: WAL, synchronous=FULL, one writer connection, one connection for
// reads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "outrider/result.h"
#include "storage/outbox.h"

namespace outrider::storage {

struct SqliteOptions {
  std::string path;
  bool create = false;  // with mode 0600; the directory is synced. False and missing: kNotFound
  bool engine = false;  // take the single-engine lock; kLocked says which process holds it
  std::uint32_t busy_timeout_ms = 5000;
  // The key file; empty: see default_key_file(). A new database whose key file does not exist gets
  // one.
  std::string key_file;
  bool seal = true;  // of a new database; an existing one stays what it is
  std::function<void(const std::string& path)> key_created;  // called while opening
};

// Where the key file is unless somebody says otherwise: the service manager's credential
// `outrider.key` where there is one, else `<database>.key`.
struct KeyFilePlace {
  std::string path;
  bool credential = false;
};
[[nodiscard]] KeyFilePlace default_key_file(const std::string& database);

// Opens, migrates (numbered SQL of schemas/sql/sqlite, compiled in; each in a transaction of its
// own), checks. Errors: kNotFound, kCorrupt (not a database, or damaged), kTooNew (says both
// versions), kLocked, kBusy, kIo (read-only, disk full: nothing half-made is left behind), kKey
// (the key file is another database's; for an engine also: it is missing or cannot be used. Without
// an engine everything that needs no key works without one).
[[nodiscard]] Result<std::unique_ptr<Outbox>> open_sqlite_outbox(const SqliteOptions& options);

// The wal file of a database, for watching it.
[[nodiscard]] std::string wal_path(const std::string& database);
// The Unix datagram socket an engine on this file listens on.
[[nodiscard]] std::string wake_path(const std::string& database);

}  // namespace outrider::storage
