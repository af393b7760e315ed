// One engine per database file. The lock is the kernel's, on `<database>.lock`, and ends with the
// process however it ends; the file's content only says who holds it. A lock file that is left over
// means nothing.
//
// It is a file of its own, because closing any descriptor of the database file itself would drop
// SQLite's locks on it (POSIX record locks belong to the process, not to the descriptor). It is
// locked by open file description, so that two engines in one process exclude each other too.
#pragma once

#include <string>

#include "outrider/result.h"

namespace outrider::storage {

class EngineLock {
 public:
  // `database` is a path without symbolic links. Errors: kLocked ("process 1234 on host"), kIo.
  [[nodiscard]] static Result<EngineLock> take(const std::string& database);
  ~EngineLock();
  EngineLock(EngineLock&& other) noexcept : file_(other.file_) { other.file_ = -1; }
  EngineLock& operator=(EngineLock&&) = delete;
  EngineLock(const EngineLock&) = delete;
  EngineLock& operator=(const EngineLock&) = delete;

 private:
  explicit EngineLock(int file) : file_(file) {}
  int file_;
};

}  // namespace outrider::storage
