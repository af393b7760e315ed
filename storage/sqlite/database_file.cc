// Creation and first inspection. The database file is never opened here once it has its name:
// closing a descriptor of it would drop the POSIX locks that this process's own SQLite connections
// (the host application's too) hold on it.
#include "storage/sqlite/database_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>

#include "storage/files.h"
#include "storage/sqlite/chain.h"
#include "storage/sqlite/db.h"
#include "storage/sqlite/schema.h"

namespace outrider::storage {
namespace {

struct FreeMemory {
  void operator()(char* memory) const noexcept { std::free(memory); }
};

std::optional<std::string> resolved(const std::string& path) {
  const std::unique_ptr<char, FreeMemory> real(::realpath(path.c_str(), nullptr));
  if (real == nullptr) return std::nullopt;
  return std::string(real.get());
}

// The unfinished database; removed with everything SQLite put beside it unless it got its name.
class Scratch {
 public:
  static Result<Scratch> make(const std::string& path) {
    auto name = unused_name_beside(path);
    if (!name) return tl::unexpected(std::move(name.error()));
    const int file =
        ::open(name->c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) {
      return os_failure("cannot create the database", path,
                        "its directory must be writable and the disk not full");
    }
    ::close(file);
    return Scratch(std::move(*name));
  }
  Scratch(Scratch&& other) noexcept : name_(std::exchange(other.name_, {})) {}
  Scratch& operator=(Scratch&&) = delete;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    if (name_.empty()) return;
    for (const char* suffix : {"", "-journal", "-wal", "-shm"}) {
      ::unlink((name_ + suffix).c_str());
    }
  }

  [[nodiscard]] const std::string& name() const { return name_; }

  // False: somebody else's file already has the name.
  Result<bool> publish(const std::string& path) {
    if (::renameat2(AT_FDCWD, name_.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0) {
      name_.clear();
      return true;
    }
    // Some file systems know no RENAME_NOREPLACE; a hard link never replaces anything either.
    if ((errno == EINVAL || errno == ENOSYS) && ::link(name_.c_str(), path.c_str()) == 0) {
      return true;
    }
    if (errno == EEXIST) return false;
    return os_failure("cannot name the new database", path, "check the file system");
  }

 private:
  explicit Scratch(std::string name) : name_(std::move(name)) {}
  std::string name_;
};

Result<void> fill(const std::string& name, const SealingOptions& sealing) {
  auto db = Db::open(name, {});
  if (!db) return tl::unexpected(std::move(db.error()));
  (*db)->run_script("PRAGMA page_size = 4096; PRAGMA synchronous = FULL;");
  if ((*db)->failed()) return tl::unexpected((*db)->failure());
  if (auto done = bring_up_to_date(**db); !done) return done;
  auto sealed = Sealing::open(**db, sealing);
  if (!sealed) return tl::unexpected(std::move(sealed.error()));
  if (auto begun = begin_chain(**db, *sealed); !begun) return begun;
  // Last, so that a process that finds the file finds it in WAL mode and need not change it.
  (*db)->run_script("PRAGMA journal_mode = WAL");
  if ((*db)->failed()) return tl::unexpected((*db)->failure());
  return {};
}

Result<void> make(const std::string& path, const SealingOptions& sealing) {
  auto scratch = Scratch::make(path);
  if (!scratch) return tl::unexpected(std::move(scratch.error()));
  if (auto filled = fill(scratch->name(), sealing); !filled) {
    if (filled.error().where == scratch->name()) filled.error().where = path;
    return filled;
  }
  auto published = scratch->publish(path);
  if (!published) return tl::unexpected(std::move(published.error()));
  return sync_directory_of(path);
}

}  // namespace

std::string real_path(const std::string& path) {
  if (auto real = resolved(path)) return *real;
  const auto directory = resolved(directory_of(path));
  if (!directory) return path;
  const std::size_t slash = path.rfind('/');
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  return (*directory == "/" ? "" : *directory) + "/" + name;
}

Result<FileState> examine(const std::string& path) {
  struct stat found{};
  const bool present = ::stat(path.c_str(), &found) == 0;
  if (!present && errno != ENOENT && errno != ENOTDIR) {
    return os_failure("cannot look at the database", path, "give this user access");
  }
  if (present && !S_ISREG(found.st_mode)) {
    return fail(ErrorCode::kCorrupt,
                S_ISDIR(found.st_mode) ? "this is a directory, not a database"
                                       : "this is no regular file, so no database",
                path, "name an Outrider database file");
  }
  if (!present) return FileState::kMissing;
  if (::access(directory_of(path).c_str(), W_OK | X_OK) != 0) {
    return os_failure(
        "cannot write beside the database", directory_of(path),
        "its directory must be writable: the write-ahead log and the lock live there");
  }
  return FileState::kPresent;
}

Result<void> create_database(const std::string& path, const SealingOptions& sealing) {
  bool key_is_ours = false;
  SealingOptions noting = sealing;
  noting.key_created = [&key_is_ours](const std::string&) { key_is_ours = true; };
  noting.need = true;
  auto made = make(path, noting);
  if (!made && key_is_ours && !resolved(path)) ::unlink(sealing.key_file.c_str());
  if (made && key_is_ours && sealing.key_created) sealing.key_created(sealing.key_file);
  return made;
}

}  // namespace outrider::storage
