// The loop: one uv_loop_t, one uv timer for all timers, and watches that own their handle.
//
// All timers share one uv_timer_t over a heap: starting and cancelling one is an operation on it,
// with no handle to close, and timers due at the same millisecond fire in the order they were
// started. A timer started by a timer's callback waits for the next turn, so a zero-length one
// cannot starve the sockets.
//
// What must hold: every Waker, Watch and other user of the loop is destroyed before the loop. The
// destructor runs the loop until the close callbacks are through and asserts that nothing is left.
#include "net/loop.h"

#include <uv.h>

#include <algorithm>
#include <string>
#include <utility>

#include "core/assert.h"
#include "net/loop_datagram.h"
#include "net/sigpipe.h"
#include "net/timer_heap.h"
#include "net/uv_handle.h"
#include "net/wall_clock.h"

namespace outrider::net {
namespace {

struct AsyncHandle {
  uv_async_t uv{};
  std::function<void()> callback;
};

// A handle that only has to be started and stopped.
template <class T>
struct PhaseHandle {
  T uv{};
  void* owner = nullptr;
};

struct SignalHandle {
  uv_signal_t uv{};
  std::function<void()> callback;
};

struct FileHandle {
  uv_fs_event_t uv{};
  std::string path;
  std::function<void()> callback;
};

class AsyncWaker final : public Loop::Waker {
 public:
  AsyncWaker(uv_loop_t* loop, std::function<void()> callback) {
    auto handle = std::make_unique<AsyncHandle>();
    handle->callback = std::move(callback);
    const int failed = uv_async_init(
        loop, &handle->uv, [](uv_async_t* async) { from_uv<AsyncHandle>(async).callback(); });
    OUTRIDER_ASSERT(failed == 0);
    handle_ = own_uv(std::move(handle));
  }
  void wake() noexcept override { uv_async_send(&handle_->uv); }

 private:
  UvOwned<AsyncHandle> handle_;
};

template <class T>
class OwningWatch final : public Loop::Watch {
 public:
  explicit OwningWatch(UvOwned<T> handle) : handle_(std::move(handle)) {}

 private:
  UvOwned<T> handle_;
};

// A file that is replaced (renamed over, deleted and created again) leaves the watch on the old
// inode: watch the path anew. Where there is nothing at the path any more, the watch stays silent.
void on_file_event(uv_fs_event_t* event, const char* /*name*/, int events, int /*status*/) {
  auto& file = from_uv<FileHandle>(event);
  if ((events & UV_RENAME) != 0) {
    uv_fs_event_stop(event);
    uv_fs_event_start(event, on_file_event, file.path.c_str(), 0);
  }
  file.callback();
}

[[nodiscard]] core::Instant instant_from(std::uint64_t ms) {
  return core::Instant(core::Duration(static_cast<std::int64_t>(ms)));
}

}  // namespace

class Loop::Impl {
 public:
  Impl() {
    OUTRIDER_ASSERT(uv_loop_init(&loop_) == 0);
    auto timer = std::make_unique<TimerHandle>();
    timer->loop = this;
    OUTRIDER_ASSERT(uv_timer_init(&loop_, &timer->uv) == 0);
    timer_ = own_uv(std::move(timer));
    // Keeps run() going while there is nothing to wait for but another thread.
    keep_alive_ = std::make_unique<AsyncWaker>(&loop_, [] {});
    idle_ = make_phase<uv_idle_t>(uv_idle_init);
    prepare_ = make_phase<uv_prepare_t>(uv_prepare_init);
    check_ = make_phase<uv_check_t>(uv_check_init);
    busy_ = make_phase<uv_idle_t>(uv_idle_init);
    turned_ = make_phase<uv_check_t>(uv_check_init);
  }

  ~Impl() {
    timer_.reset();
    keep_alive_.reset();
    idle_.reset();
    prepare_.reset();
    check_.reset();
    busy_.reset();
    turned_.reset();
    uv_run(&loop_, UV_RUN_DEFAULT);
    const int busy = uv_loop_close(&loop_);
    OUTRIDER_ASSERT(busy == 0);  // something made from this loop outlives it
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void run() {
    OUTRIDER_ASSERT(!running_);
    const SigpipeBlock no_sigpipe;
    running_ = true;
    uv_run(&loop_, UV_RUN_DEFAULT);
    running_ = false;
  }

  core::Instant now() {
    if (!running_) uv_update_time(&loop_);
    return instant_from(uv_now(&loop_));
  }

  // One reading per value of now(), so that both clocks move together within a turn.
  core::WallTime wall() {
    const core::Instant at = now();
    if (!wall_read_ || at != wall_read_at_) {
      wall_read_ = true;
      wall_read_at_ = at;
      wall_ = wall_now();
    }
    return wall_;
  }

  // Counted from the real now, rounded up, not from the turn's: a turn that took long must not
  // shorten anybody's time limit.
  Timers::Id start(core::Duration after, std::function<void()> callback) {
    const auto wait = static_cast<std::uint64_t>(std::max<std::int64_t>(0, after.count()));
    const std::uint64_t now_ns = uv_hrtime();
    const std::uint64_t due_ms = (now_ns + (wait > 0 ? 999'999 : 0)) / 1'000'000 + wait;
    const bool is_first = timers_.empty() || due_ms < timers_.first_due();
    const Timers::Id id = timers_.add(due_ms, std::move(callback));
    if (is_first) arm();
    return id;
  }

  void cancel(Timers::Id id) {
    timers_.remove(id);
    if (timers_.empty()) uv_timer_stop(&timer_->uv);
  }

  // An idle handle keeps the loop from waiting. The next poll begins after a prepare callback, and
  // what it found is handled before a check callback.
  void after_poll(std::function<void()> callback) {
    OUTRIDER_ASSERT(!after_poll_);
    after_poll_ = std::move(callback);
    uv_idle_start(&idle_->uv, [](uv_idle_t*) {});
    uv_prepare_start(&prepare_->uv, [](uv_prepare_t* prepare) {
      uv_prepare_stop(prepare);
      Impl& self = *static_cast<Impl*>(from_uv<PhaseHandle<uv_prepare_t>>(prepare).owner);
      uv_check_start(&self.check_->uv, [](uv_check_t* check) {
        static_cast<Impl*>(from_uv<PhaseHandle<uv_check_t>>(check).owner)->polled();
      });
    });
  }

  void after_turn(std::function<void()> callback) {
    OUTRIDER_ASSERT(!after_turn_);
    after_turn_ = std::move(callback);
    uv_idle_start(&busy_->uv, [](uv_idle_t*) {});  // where it was asked for before the poll
    uv_check_start(&turned_->uv, [](uv_check_t* check) {
      static_cast<Impl*>(from_uv<PhaseHandle<uv_check_t>>(check).owner)->turned();
    });
  }

  uv_loop_t loop_{};

 private:
  template <class T>
  UvOwned<PhaseHandle<T>> make_phase(int (*init)(uv_loop_t*, T*)) {
    auto handle = std::make_unique<PhaseHandle<T>>();
    handle->owner = this;
    OUTRIDER_ASSERT(init(&loop_, &handle->uv) == 0);
    return own_uv(std::move(handle));
  }

  void polled() {
    uv_idle_stop(&idle_->uv);
    uv_check_stop(&check_->uv);
    std::exchange(after_poll_, nullptr)();
  }

  void turned() {
    uv_idle_stop(&busy_->uv);
    uv_check_stop(&turned_->uv);
    std::exchange(after_turn_, nullptr)();
  }

  struct TimerHandle {
    uv_timer_t uv{};
    Impl* loop = nullptr;
  };
  void arm() {
    const std::uint64_t due = timers_.first_due();
    const std::uint64_t turn = uv_now(&loop_);
    uv_timer_start(
        &timer_->uv, [](uv_timer_t* timer) { from_uv<TimerHandle>(timer).loop->fire(); },
        due > turn ? due - turn : 0, 0);
  }

  // Those that a callback starts wait for the next turn.
  void fire() {
    const std::uint64_t among = timers_.added();
    const std::uint64_t turn = uv_now(&loop_);
    while (const auto callback = timers_.take(turn, among)) (*callback)();
    if (!timers_.empty()) arm();
  }

  UvOwned<TimerHandle> timer_;
  UvOwned<PhaseHandle<uv_idle_t>> idle_;
  UvOwned<PhaseHandle<uv_prepare_t>> prepare_;
  UvOwned<PhaseHandle<uv_check_t>> check_;
  std::function<void()> after_poll_;
  UvOwned<PhaseHandle<uv_idle_t>> busy_;
  UvOwned<PhaseHandle<uv_check_t>> turned_;
  std::function<void()> after_turn_;
  std::unique_ptr<AsyncWaker> keep_alive_;
  TimerHeap timers_;
  bool running_ = false;
  bool wall_read_ = false;
  core::Instant wall_read_at_;
  core::WallTime wall_;
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {}
Loop::~Loop() = default;

core::Instant Loop::now() const { return impl_->now(); }
core::WallTime Loop::wall() const { return impl_->wall(); }
Loop::Id Loop::start(core::Duration after, std::function<void()> callback) {
  return impl_->start(after, std::move(callback));
}
void Loop::cancel(Id id) { impl_->cancel(id); }
void Loop::after_poll(std::function<void()> callback) { impl_->after_poll(std::move(callback)); }
void Loop::after_turn(std::function<void()> callback) { impl_->after_turn(std::move(callback)); }
void Loop::run() { impl_->run(); }
void Loop::stop() { uv_stop(&impl_->loop_); }
uv_loop_s* Loop::raw() noexcept { return &impl_->loop_; }

std::unique_ptr<Loop::Waker> Loop::make_waker(std::function<void()> callback) {
  return std::make_unique<AsyncWaker>(&impl_->loop_, std::move(callback));
}

Result<std::unique_ptr<Loop::Watch>> Loop::on_signal(int signal, std::function<void()> callback) {
  auto handle = std::make_unique<SignalHandle>();
  handle->callback = std::move(callback);
  OUTRIDER_ASSERT(uv_signal_init(&impl_->loop_, &handle->uv) == 0);
  auto owned = own_uv(std::move(handle));
  const int failed = uv_signal_start(
      &owned->uv, [](uv_signal_t* uv, int) { from_uv<SignalHandle>(uv).callback(); }, signal);
  if (failed != 0) {
    return fail(ErrorCode::kInternal,
                std::string("cannot wait for a signal: ") + uv_strerror(failed),
                "signal " + std::to_string(signal));
  }
  return std::make_unique<OwningWatch<SignalHandle>>(std::move(owned));
}

Result<std::unique_ptr<Loop::Watch>> Loop::on_file_change(const std::string& path,
                                                          std::function<void()> callback) {
  auto handle = std::make_unique<FileHandle>();
  handle->path = path;
  handle->callback = std::move(callback);
  OUTRIDER_ASSERT(uv_fs_event_init(&impl_->loop_, &handle->uv) == 0);
  auto owned = own_uv(std::move(handle));
  const int failed = uv_fs_event_start(&owned->uv, on_file_event, path.c_str(), 0);
  if (failed != 0) {
    return fail(ErrorCode::kIo, std::string("cannot watch the file: ") + uv_strerror(failed), path,
                failed == UV_ENOSPC ? "raise fs.inotify.max_user_watches" : "");
  }
  return std::make_unique<OwningWatch<FileHandle>>(std::move(owned));
}

Result<std::unique_ptr<Loop::Watch>> Loop::on_datagram(
    const std::string& path, std::function<std::string(const std::string& message)> callback) {
  return watch_datagrams(&impl_->loop_, path, std::move(callback));
}

}  // namespace outrider::net
