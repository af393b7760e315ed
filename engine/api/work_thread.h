// A thread for what must not run on the loop: reading bodies, and the disk. Work is taken in the
// order it came and bounded in number; what does not fit is refused at once, so that a slow disk
// turns into answers ("try again") and not into memory.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace outrider::api {

class WorkThread {
 public:
  using Work = std::function<void()>;
  // Starts at once. `most` pieces may wait.
  explicit WorkThread(std::size_t most);
  ~WorkThread();  // end()
  WorkThread(const WorkThread&) = delete;
  WorkThread& operator=(const WorkThread&) = delete;

  // Any thread. False: too much waits already, or it has ended; `work` is dropped.
  [[nodiscard]] bool submit(Work work);
  // The next part of something that was admitted: never too much. False: it has ended.
  bool proceed(Work work);
  // What runs ends, what waits is dropped. Not from its own thread.
  void end();

 private:
  bool add(Work work, bool admitted);
  void run();

  const std::size_t most_;
  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<Work> waiting_;  // guarded by mutex_
  bool ending_ = false;       // guarded by mutex_
  std::thread thread_;
};

}  // namespace outrider::api
