// A timer finer than the loop's milliseconds, through a timerfd. For the few places where a part of
// a millisecond is what somebody waits for.
#pragma once

#include <chrono>
#include <functional>

#include "net/loop.h"
#include "net/uv_handle.h"

namespace outrider::net {

// Everything on the loop's thread; destroyed before the loop.
class FineTimer {
 public:
  FineTimer(Loop& loop, std::function<void()> callback);
  ~FineTimer();
  FineTimer(const FineTimer&) = delete;
  FineTimer& operator=(const FineTimer&) = delete;

  // Once, after that time, at least a microsecond; instead of what was set before.
  void start(std::chrono::microseconds after);
  void stop();
  [[nodiscard]] bool running() const noexcept { return running_; }

 private:
  struct Handle;
  void fired();
  std::function<void()> callback_;
  UvOwned<Handle> handle_;
  bool running_ = false;
};

}  // namespace outrider::net
