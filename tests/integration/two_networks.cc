// Root makes the namespaces directly; others make a user namespace first, in which they are root.
// The outside needs no address for each target: a local route for everything (AnyIP) makes the
// kernel answer for all of them. In IPv6 it stands in the main table, behind the cable's own route,
// or answers to the sender would be taken for local too.
#include "two_networks.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>

namespace outrider::net::testing {
namespace {

[[nodiscard]] UniqueFd this_network() {
  return UniqueFd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
}

void write_file(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

[[nodiscard]] bool become_root_of_a_user_namespace() {
  const auto uid = std::to_string(getuid());
  const auto gid = std::to_string(getgid());
  if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return false;
  write_file("/proc/self/setgroups", "deny");
  write_file("/proc/self/uid_map", "0 " + uid + " 1");
  write_file("/proc/self/gid_map", "0 " + gid + " 1");
  return getuid() == 0;
}

[[nodiscard]] pid_t start_holder() {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  while (true) pause();
}

}  // namespace

std::unique_ptr<TwoNetworks> TwoNetworks::make(std::string& why) {
  std::unique_ptr<TwoNetworks> made(new TwoNetworks);
  made->before_ = this_network();
  if (unshare(CLONE_NEWNET) != 0 && !become_root_of_a_user_namespace()) {
    why = std::string("no network namespaces: ") + std::strerror(errno);
    return nullptr;
  }
  made->outside_ = this_network();
  made->holder_ = start_holder();
  if (made->holder_ < 0 || !made->outside_ || unshare(CLONE_NEWNET) != 0) {
    why = std::string("no second network namespace: ") + std::strerror(errno);
    return nullptr;
  }
  made->inside_ = this_network();
  if (!made->join()) {
    why = "the two networks cannot be joined (is `ip` of iproute2 there?)";
    return nullptr;
  }
  return made;
}

bool TwoNetworks::join() const {
  const std::string pid = std::to_string(holder_);
  bool joined =
      run("ip link set lo up && ip link add inner0 type veth peer name outer0 netns " + pid +
          " && ip addr add 198.18.0.1/30 dev inner0"
          " && ip -6 addr add fd00:a::1/64 dev inner0 nodad"
          " && ip link set inner0 up");
  outside([&joined] {
    joined = joined && run("ip link set lo up && ip addr add 198.18.0.2/30 dev outer0"
                           " && ip -6 addr add fd00:a::2/64 dev outer0 nodad"
                           " && ip link set outer0 up"
                           " && ip route add local 0.0.0.0/0 dev lo table main"
                           " && ip -6 route add local ::/0 dev lo table main");
  });
  return joined && run("ip route add default via 198.18.0.2"
                       " && ip -6 route add default via fd00:a::2");
}

TwoNetworks::~TwoNetworks() {
  if (holder_ > 0) {
    kill(holder_, SIGKILL);
    waitpid(holder_, nullptr, 0);
  }
  // Refused where a user namespace came with it; then the process stays inside.
  if (before_) (void)setns(before_.get(), CLONE_NEWNET);
}

void TwoNetworks::outside(const std::function<void()>& action) const {
  if (setns(outside_.get(), CLONE_NEWNET) != 0) std::abort();
  action();
  if (setns(inside_.get(), CLONE_NEWNET) != 0) std::abort();
}

bool TwoNetworks::run(const std::string& command) {
  return std::system(("PATH=$PATH:/usr/sbin:/sbin; " + command).c_str()) == 0;
}

}  // namespace outrider::net::testing
