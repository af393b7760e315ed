// Writing to a connection the peer has closed raises SIGPIPE, which kills the process by default.
// libuv and libcurl's plain sockets ask the kernel not to; OpenSSL writes with write(2) and does
// not. A library must not change the host's signal handlers, so SIGPIPE is blocked in this one
// thread for as long as an object of this class lives: the signal goes to the thread that wrote,
// the write answers EPIPE, and a signal that is left pending is taken away at the end.
#pragma once

#include <csignal>
#include <ctime>

namespace outrider::net {

class SigpipeBlock {
 public:
  SigpipeBlock() noexcept {
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    sigset_t pipe = only_sigpipe();
    pthread_sigmask(SIG_BLOCK, &pipe, &before_);
  }
  ~SigpipeBlock() {
    sigset_t pipe = only_sigpipe();
    const timespec at_once{0, 0};
    if (!was_pending_) {
      while (sigtimedwait(&pipe, nullptr, &at_once) == SIGPIPE) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  SigpipeBlock(const SigpipeBlock&) = delete;
  SigpipeBlock& operator=(const SigpipeBlock&) = delete;

 private:
  static sigset_t only_sigpipe() noexcept {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    return set;
  }
  sigset_t before_{};
  bool was_pending_ = false;
};

}  // namespace outrider::net
