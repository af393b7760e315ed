#include "stop_signals.h"

#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <thread>

namespace outrider::cli {

StopSignals::StopSignals() {
  sigemptyset(&set_);
  sigaddset(&set_, SIGINT);
  sigaddset(&set_, SIGTERM);
  // nohup means it: a SIGHUP that is ignored stays so. Blocked, it would not be.
  struct sigaction hangup{};
  sigaction(SIGHUP, nullptr, &hangup);
  if (hangup.sa_handler != SIG_IGN) sigaddset(&set_, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
}

std::optional<int> StopSignals::wait(std::int64_t timeout_ms) const {
  const timespec timeout{.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1'000'000};
  const int signal = sigtimedwait(&set_, nullptr, &timeout);
  if (signal > 0) return signal;
  return std::nullopt;  // EAGAIN, or EINTR after a stop: the caller asks again
}

void StopSignals::end_process_at_next() const {
  // Detached: it lives as long as the process, and touches nothing but its own copy of the set.
  std::thread([set = set_] {
    int signal = 0;
    if (sigwait(&set, &signal) == 0) _exit(128 + signal);
  }).detach();
}

}  // namespace outrider::cli
