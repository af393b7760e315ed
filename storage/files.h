// What the files of a database need of the file system, beside what SQLite does for itself.
#pragma once

#include <string>

#include "outrider/result.h"

namespace outrider::storage {

// "." for a name without a slash.
[[nodiscard]] std::string directory_of(const std::string& path);

// "what: errno's reason", kIo.
[[nodiscard]] tl::unexpected<Error> os_failure(std::string what, const std::string& where,
                                               std::string hint);

// A name in the same directory that nobody uses: `path`.new- and random digits. Errors: kInternal.
[[nodiscard]] Result<std::string> unused_name_beside(const std::string& path);

// So that a name given in it lasts. Errors: kIo.
[[nodiscard]] Result<void> sync_directory_of(const std::string& path);

}  // namespace outrider::storage
