// One mutex, one condition. Work is destroyed outside the lock: it may hold much.
#include "api/work_thread.h"

#include <utility>

namespace outrider::api {

WorkThread::WorkThread(std::size_t most) : most_(most), thread_([this] { run(); }) {}
WorkThread::~WorkThread() { end(); }

bool WorkThread::submit(Work work) { return add(std::move(work), false); }
bool WorkThread::proceed(Work work) { return add(std::move(work), true); }

bool WorkThread::add(Work work, bool admitted) {
  {
    const std::lock_guard lock(mutex_);
    if (ending_ || (!admitted && waiting_.size() >= most_)) return false;
    waiting_.push_back(std::move(work));
  }
  filled_.notify_one();
  return true;
}

void WorkThread::run() {
  for (;;) {
    Work work;
    {
      std::unique_lock lock(mutex_);
      filled_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
      if (ending_) return;
      work = std::move(waiting_.front());
      waiting_.pop_front();
    }
    work();
  }
}

void WorkThread::end() {
  std::deque<Work> dropped;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    dropped.swap(waiting_);
  }
  filled_.notify_one();
  if (thread_.joinable()) thread_.join();
}

}  // namespace outrider::api
