// An open-file-description lock over the whole file, and the holder's name in it.
#include "storage/sqlite/engine_lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace outrider::storage {
namespace {

std::string holder_of(int file) {
  std::array<char, 320> bytes{};
  const ssize_t size = ::pread(file, bytes.data(), bytes.size(), 0);
  std::string text(bytes.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  text.erase(std::min(text.find('\n'), text.size()));
  // Empty between another engine's taking the lock and its writing this line.
  return text.empty() ? "another process" : text;
}

std::string own_name() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  return "process " + std::to_string(::getpid()) + " on " + host.data() + "\n";
}

}  // namespace

Result<EngineLock> EngineLock::take(const std::string& database) {
  const std::string path = database + ".lock";
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) {
    return fail(ErrorCode::kIo, std::string("cannot open the lock file: ") + std::strerror(errno),
                path, "the database's directory must be writable");
  }
  struct flock whole{};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(file, F_OFD_SETLK, &whole) != 0) {
    const int reason = errno;
    const std::string holder = holder_of(file);
    ::close(file);
    if (reason == EAGAIN || reason == EACCES) {
      return fail(ErrorCode::kLocked, "an engine already runs on this database: " + holder,
                  database, "stop it first; there is one engine per database");
    }
    return fail(ErrorCode::kIo, std::string("cannot lock the database: ") + std::strerror(reason),
                path, "the file system must support locks");
  }
  // Who holds it is a courtesy: the lock holds without it, on a full disk too.
  const std::string name = own_name();
  if (::ftruncate(file, 0) == 0) {
    [[maybe_unused]] const ssize_t written = ::pwrite(file, name.data(), name.size(), 0);
  }
  return EngineLock(file);
}

EngineLock::~EngineLock() {
  if (file_ < 0) return;
  [[maybe_unused]] const int cleared = ::ftruncate(file_, 0);
  // The file stays: removing it would let a third process lock a new file while a second one waits
  // on this one.
  ::close(file_);
}

}  // namespace outrider::storage
