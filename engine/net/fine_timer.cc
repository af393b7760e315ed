#include "net/fine_timer.h"

#include <sys/timerfd.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/assert.h"
#include "net/unique_fd.h"

namespace outrider::net {

struct FineTimer::Handle {
  uv_poll_t uv{};
  UniqueFd fd;
  FineTimer* timer = nullptr;
};

FineTimer::FineTimer(Loop& loop, std::function<void()> callback) : callback_(std::move(callback)) {
  auto handle = std::make_unique<Handle>();
  handle->timer = this;
  handle->fd = UniqueFd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  OUTRIDER_ASSERT(handle->fd);
  OUTRIDER_ASSERT(uv_poll_init(loop.raw(), &handle->uv, handle->fd.get()) == 0);
  handle_ = own_uv(std::move(handle));
  const int failed = uv_poll_start(&handle_->uv, UV_READABLE, [](uv_poll_t* uv, int, int) {
    auto& self = from_uv<Handle>(uv);
    std::uint64_t times = 0;
    if (read(self.fd.get(), &times, sizeof times) == sizeof times) self.timer->fired();
  });
  OUTRIDER_ASSERT(failed == 0);
}

FineTimer::~FineTimer() = default;

void FineTimer::fired() {
  running_ = false;
  callback_();
}

void FineTimer::start(std::chrono::microseconds after) {
  const auto us = std::max<std::int64_t>(1, after.count());
  const itimerspec once{.it_interval = {},
                        .it_value = {.tv_sec = us / 1'000'000, .tv_nsec = us % 1'000'000 * 1000}};
  OUTRIDER_ASSERT(timerfd_settime(handle_->fd.get(), 0, &once, nullptr) == 0);
  running_ = true;
}

void FineTimer::stop() {
  if (!running_) return;
  const itimerspec never{};
  OUTRIDER_ASSERT(timerfd_settime(handle_->fd.get(), 0, &never, nullptr) == 0);
  running_ = false;
}

}  // namespace outrider::net
