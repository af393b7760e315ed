// One thread, one loop: wait until there is something to do, commit one batch, run the reads that
// wait, again. While a batch commits the next one gathers, so waiting for more gains nothing, but
// for outcomes that are patient.
#include "storage/storage_thread.h"

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "core/assert.h"

namespace outrider::storage {

class StorageThread::Impl {
 public:
  Impl(std::unique_ptr<Outbox> outbox, const CommitQueue::Limits& limits,
       CommitQueue::Measured measured)
      : outbox_(std::move(outbox)),
        queue_(*outbox_, limits, std::move(measured)),
        most_reads_(limits.capacity) {
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "outrider-store");
      run();
    });
  }

  Result<void> submit(Mutation mutation, CommitQueue::Done done, CommitQueue::Place place) {
    auto sooner = queue_.submit(std::move(mutation), std::move(done), place);
    if (!sooner) return tl::unexpected(std::move(sooner.error()));
    if (*sooner) wake();  // another one that may wait changes nothing for the thread
    return {};
  }

  Result<void> read(Read read) {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return fail(ErrorCode::kStopped, "the outbox is closing");
      if (reads_.size() >= most_reads_) {
        return fail(ErrorCode::kOverloaded, "too many reads wait already", "", "try again later");
      }
      reads_.push_back(std::move(read));
    }
    changed_.notify_one();
    return {};
  }

  void stop() {
    OUTRIDER_ASSERT(on_this_thread_ != this);  // it cannot wait for itself
    queue_.close();
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_one();
    const std::lock_guard lock(join_);  // a second caller returns when the first has finished
    if (thread_.joinable()) thread_.join();
  }

  std::optional<Error> poisoned() const { return queue_.poisoned(); }

 private:
  // Passing through the mutex: the thread either sees the queue filled or is already waiting and
  // hears the call.
  void wake() {
    {
      const std::lock_guard lock(mutex_);
    }
    changed_.notify_one();
  }

  void run() {
    on_this_thread_ = this;
    std::deque<Read> reads;
    while (wait_for_work(reads)) {
      if (is_due(queue_.due_at())) queue_.commit_once();
      for (Read& read : reads) read(*outbox_);
      reads.clear();
    }
    outbox_.reset();
  }

  static bool is_due(std::optional<CommitQueue::Clock::time_point> at) {
    return at && *at <= CommitQueue::Clock::now();
  }

  // Takes the reads. False: everything was done, and nothing can come any more.
  bool wait_for_work(std::deque<Read>& reads) {
    std::unique_lock lock(mutex_);
    for (;;) {
      const auto due = queue_.due_at();
      if (!reads_.empty() || is_due(due)) break;
      // What was submitted before the queue closed is committed; nothing can come after.
      if (stopping_ && !due) return false;
      if (due) {
        changed_.wait_until(lock, *due);
      } else {
        changed_.wait(lock);
      }
    }
    reads.swap(reads_);
    return true;
  }

  std::unique_ptr<Outbox> outbox_;  // used by the thread alone
  CommitQueue queue_;
  const std::size_t most_reads_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Read> reads_;  // guarded by mutex_
  bool stopping_ = false;   // guarded by mutex_
  std::mutex join_;
  std::thread thread_;
  // Not a thread's id: those are given out again once a thread has ended.
  static thread_local const Impl* on_this_thread_;
};
thread_local const StorageThread::Impl* StorageThread::Impl::on_this_thread_ = nullptr;

StorageThread::StorageThread(std::unique_ptr<Outbox> outbox, const CommitQueue::Limits& limits,
                             CommitQueue::Measured measured)
    : impl_(std::make_unique<Impl>(std::move(outbox), limits, std::move(measured))) {}
StorageThread::~StorageThread() { stop(); }

Result<void> StorageThread::submit(Mutation mutation, CommitQueue::Done done,
                                   CommitQueue::Place place) {
  return impl_->submit(std::move(mutation), std::move(done), place);
}
Result<void> StorageThread::read(Read read) { return impl_->read(std::move(read)); }
void StorageThread::stop() { impl_->stop(); }
std::optional<Error> StorageThread::poisoned() const { return impl_->poisoned(); }

}  // namespace outrider::storage
