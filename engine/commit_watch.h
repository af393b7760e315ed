// When to ask the database what other processes committed. The kernel says that the write-ahead log
// was written to; the commit becomes visible only when its fdatasync is done: mostly within half
// a millisecond, later on a busy disk. So somebody looks soon after, and again after twice as long,
// up to a last time; and every second anyway, should no word have come. Where the file cannot be
// watched at all, 50 times a second.
//
// The engine's own commits write to the same file. While it has work under way, it looks every
// millisecond at most: then a look costs more than the part of a millisecond it would win.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/time.h"
#include "net/fine_timer.h"
#include "net/loop.h"

namespace outrider {

// Everything on the loop's thread; destroyed before the loop.
class CommitWatch {
 public:
  struct Parts {
    net::Loop& loop;
    std::function<void()> look;
    std::function<bool()> busy;  // the engine has work under way
  };
  explicit CommitWatch(Parts parts);

  // Error: kIo, why the file cannot be watched; it is looked at more often then.
  [[nodiscard]] Result<void> start(const std::string& wal);
  void stop();

 private:
  void written();
  void look_again();
  void look_anyway();

  Parts parts_;
  net::FineTimer timer_;
  std::chrono::microseconds after_{0};
  core::Timers::Id anyway_ = 0;
  std::unique_ptr<net::Loop::Watch> wal_;
};

}  // namespace outrider
