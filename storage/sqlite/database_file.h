// The file itself: where it really is, how it comes into being, what it must look like before
// SQLite may have it.
#pragma once

#include <string>

#include "outrider/result.h"
#include "storage/sqlite/sealing.h"

namespace outrider::storage {

// The path without symbolic links, as SQLite names its own companion files. Where nothing exists
// yet, the directory's.
[[nodiscard]] std::string real_path(const std::string& path);

enum class FileState { kMissing, kPresent };
// Errors: kCorrupt (exists, but is no regular file), kIo (its directory is missing or cannot be
// written: the write-ahead log and the lock live there).
[[nodiscard]] Result<FileState> examine(const std::string& path);

// Makes the database complete under another name, its key file beside it, then gives it its own,
// and syncs the directory: nobody ever sees a half-made one, and none is there before its key is.
// If somebody else was faster, theirs stays. Mode 0600.
[[nodiscard]] Result<void> create_database(const std::string& path, const SealingOptions& sealing);

}  // namespace outrider::storage
