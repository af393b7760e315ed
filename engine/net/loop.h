// The libuv loop as the rest of the engine sees it: clocks, timers, wake-ups from other threads,
// signals, a watched file and a datagram socket. One loop, one thread; only Waker::wake() may be
// called from others.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/time.h"
#include "outrider/result.h"

struct uv_loop_s;

namespace outrider::net {

class Loop final : public core::Clock, public core::Timers {
 public:
  Loop();
  // Timers still pending are dropped, and the loop runs until all that was closed is gone.
  // Requires: what was made from this loop (wakers, watches, senders, servers) is destroyed
  // already.
  ~Loop() override;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Clock: both sampled once per turn.
  [[nodiscard]] core::Instant now() const override;
  [[nodiscard]] core::WallTime wall() const override;
  // Timers. Equal times fire in the order of their start; `after` counts from the call, not from
  // the turn's beginning, so a timer is never early. One started by a timer's callback fires in a
  // later turn.
  Id start(core::Duration after, std::function<void()> callback) override;
  void cancel(Id id) override;

  // Once: after the loop has looked for what is ready, without waiting, and handled it. What the
  // present turn still handles does not count. Requires: none is outstanding.
  void after_poll(std::function<void()> callback);
  // Once: after what this turn has found ready is handled, before the loop may wait. Requires: none
  // is outstanding.
  void after_turn(std::function<void()> callback);

  // Runs until stop(), also while there is nothing to do. `stop` from a callback on the loop's
  // thread only (or before run(), which then returns at once). SIGPIPE is blocked in this thread
  // meanwhile.
  void run();
  void stop();

  // Calls `callback` on the loop's thread soon after wake(), from any thread; many wakes may become
  // one call. Must be made before run() or on the loop's thread, and outlive every call of wake().
  class Waker {
   public:
    virtual ~Waker() = default;
    virtual void wake() noexcept = 0;
  };
  [[nodiscard]] std::unique_ptr<Waker> make_waker(std::function<void()> callback);

  // Anything whose destruction ends it; its own callback may do so.
  class Watch {
   public:
    virtual ~Watch() = default;
  };
  [[nodiscard]] Result<std::unique_ptr<Watch>> on_signal(int signal,
                                                         std::function<void()> callback);
  // Something wrote to the file, or put another in its place (inotify). The file must exist; once
  // it is deleted, the watch stays silent. Errors: kIo.
  [[nodiscard]] Result<std::unique_ptr<Watch>> on_file_change(const std::string& path,
                                                              std::function<void()> callback);
  // Receives datagrams on a Unix socket bound at `path` (removed first, mode 0600, removed at the
  // end). The callback's return value, where not empty, is sent back to the sender's address. At
  // most 64 KiB each way; what is longer is dropped. Errors: kInvalidArgument (path too long), kIo.
  [[nodiscard]] Result<std::unique_ptr<Watch>> on_datagram(
      const std::string& path, std::function<std::string(const std::string& message)> callback);

  [[nodiscard]] uv_loop_s* raw() noexcept;  // for the other files of engine/net

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrider::net
