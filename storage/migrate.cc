// From numbered files to steps. What a step does is the database's part; the order and the refusal
// to touch a newer database are the same for all.
#include "storage/migrate.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "core/assert.h"

namespace outrider::storage {

std::vector<Migration> migrations_in(std::span<const SqlFile> files, std::string_view folder) {
  std::vector<Migration> found;
  for (const SqlFile& file : files) {
    if (!file.path.starts_with(folder) || file.path.size() <= folder.size() ||
        file.path[folder.size()] != '/') {
      continue;
    }
    const std::string_view name = file.path.substr(folder.size() + 1);
    Migration migration{.path = file.path, .sql = file.text};
    const auto [end, error] =
        std::from_chars(name.data(), name.data() + name.size(), migration.version);
    OUTRIDER_ASSERT(error == std::errc() && end != name.data() + name.size() && *end == '_');
    found.push_back(migration);
  }
  std::sort(found.begin(), found.end(),
            [](const Migration& a, const Migration& b) { return a.version < b.version; });
  for (std::size_t i = 0; i < found.size(); ++i) OUTRIDER_ASSERT(found[i].version == i + 1);
  return found;
}

Result<void> migrate(std::uint32_t from, std::span<const Migration> migrations,
                     const std::function<Result<void>(const Migration&)>& apply) {
  const std::uint32_t newest = migrations.empty() ? 0 : migrations.back().version;
  if (from > newest) {
    return fail(ErrorCode::kTooNew,
                "the database has schema version " + std::to_string(from) +
                    ", this program knows up to " + std::to_string(newest),
                "", "use the newer Outrider that wrote it");
  }
  for (const Migration& migration : migrations) {
    if (migration.version <= from) continue;
    if (auto applied = apply(migration); !applied) return applied;
  }
  return {};
}

}  // namespace outrider::storage
