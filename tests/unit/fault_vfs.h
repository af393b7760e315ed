// A SQLite VFS over the real one, made the default, that fails chosen calls on chosen files: disk
// full, a failed write, a failed fdatasync. It passes shared memory through, or WAL mode would
// silently be refused. One at a time, and only in a process of its own tests: registered for good
// at first use.
#pragma once

#include <string>

namespace outrider::storage {

class FaultVfs {
 public:
  enum class Call { kWrite, kSync, kOpen };
  struct Fault {
    Call call = Call::kSync;
    std::string file_suffix;  // "-wal"
    int code = 0;             // what SQLite is told
    int after = 0;            // calls that still succeed
    bool once = true;         // or until cleared
  };

  static void install();  // the process's default VFS from now on
  static void set(Fault fault);
  static void clear();
  [[nodiscard]] static int hits();  // calls that were failed since set()
};

}  // namespace outrider::storage
