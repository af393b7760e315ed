// Numbered SQL, applied in order. A database's version is the number of the last file applied to
// it; a file that was released is never edited, only followed by the next number.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "outrider/result.h"

namespace outrider::storage {

struct SqlFile {
  std::string_view path;  // "sql/sqlite/0001_outbox.sql"
  std::string_view text;
};
struct Migration {
  std::uint32_t version = 0;
  std::string_view path;
  std::string_view sql;
};

// The migrations among `files` that lie in `folder` ("sql/sqlite"), ordered. Numbers run from 1
// without a gap; anything else is a bug of the build and an assertion.
[[nodiscard]] std::vector<Migration> migrations_in(std::span<const SqlFile> files,
                                                   std::string_view folder);

// Applies what is newer than `from`; `apply` runs each in a transaction of its own. Errors: kTooNew
// when the database is newer than the newest migration (names both); what `apply` answers.
[[nodiscard]] Result<void> migrate(std::uint32_t from, std::span<const Migration> migrations,
                                   const std::function<Result<void>(const Migration&)>& apply);

}  // namespace outrider::storage
