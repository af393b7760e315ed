// Database and key file come into being the same way: whole, under another name, then named, then
// the directory is synced. These are the steps that both take.
#include "storage/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/signature.h"
#include "crypto/random.h"

namespace outrider::storage {

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

tl::unexpected<Error> os_failure(std::string what, const std::string& where, std::string hint) {
  return fail(ErrorCode::kIo, std::move(what) + ": " + std::strerror(errno), where,
              std::move(hint));
}

Result<std::string> unused_name_beside(const std::string& path) {
  auto random = crypto::random_bytes(8);
  if (!random) return random;
  return path + ".new-" + core::encode(core::Encoding::kHex, *random);
}

Result<void> sync_directory_of(const std::string& path) {
  const std::string directory = directory_of(path);
  const int file = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = file >= 0 && ::fsync(file) == 0;
  const int reason = errno;
  if (file >= 0) ::close(file);
  errno = reason;
  if (!synced) return os_failure("cannot sync the directory", directory, "check the file system");
  return {};
}

}  // namespace outrider::storage
