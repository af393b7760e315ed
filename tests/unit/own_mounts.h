// Mounts of this process's own: what it mounts from then on nobody else sees, and it goes with the
// process. For a disk that is really small, in a child process of a test.
//
// Works as root with the right to mount; for anybody where the kernel lets users have namespaces;
// and in a chroot as on a whole machine. In a chroot "/" is in general no mount point, so that it
// cannot be made private, and without that a mount could get out to where the chroot was made. The
// namespace's own root is a mount point. setns() goes there, also when the namespace is the own one
// already, and chroot() returns.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace outrider::storage {

// False: not allowed here. The working directory is "/" afterwards.
[[nodiscard]] inline bool take_own_mounts() {
  const std::string user = std::to_string(::geteuid());
  const std::string group = std::to_string(::getegid());
  if (::unshare(CLONE_NEWNS) != 0) {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    std::ofstream("/proc/self/setgroups") << "deny";
    std::ofstream("/proc/self/uid_map") << "0 " + user + " 1";
    std::ofstream("/proc/self/gid_map") << "0 " + group + " 1";
  }
  const int root = ::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  const int mounts = ::open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  const bool taken = ::setns(mounts, CLONE_NEWNS) == 0 &&
                     ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                     ::fchdir(root) == 0 && ::chroot(".") == 0;
  ::close(root);
  ::close(mounts);
  return taken;
}

}  // namespace outrider::storage
