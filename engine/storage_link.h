// The loop's side of the storage thread: mutations and reads go out, their results come back as
// calls on the loop's thread.
//
// The storage thread puts each result into a mailbox and wakes the loop; drain() runs what lies
// there, in order. The mailbox needs no limit of its own: it never holds more than was asked for,
// and asking is bounded by the commit queue. Nothing here waits for the disk.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "storage/storage_thread.h"

namespace outrider {

class StorageLink {
 public:
  // `wake` is called from the storage thread, and from post()'s caller; it must make the loop call
  // drain() soon.
  StorageLink(storage::StorageThread& storage, std::function<void()> wake)
      : storage_(storage), wake_(std::move(wake)) {}

  // Loop thread. `done` is called by drain(), also when the queue refuses (then with its error).
  void submit(storage::Mutation mutation, std::function<void(const storage::Outcome&)> done,
              storage::CommitQueue::Place place = storage::CommitQueue::Place::kNormal);

  // Loop thread. `work` runs on the storage thread, `done` gets its result in drain().
  template <class T>
  void read(std::function<Result<T>(storage::Outbox&)> work, std::function<void(Result<T>)> done) {
    ++outstanding_;
    auto shared_done = std::make_shared<std::function<void(Result<T>)>>(std::move(done));
    auto sent = storage_.read([this, work = std::move(work), shared_done](storage::Outbox& outbox) {
      answered(
          [shared_done, result = work(outbox)]() mutable { (*shared_done)(std::move(result)); });
    });
    if (!sent) {
      answered([shared_done, error = sent.error()] { (*shared_done)(tl::unexpected(error)); });
    }
  }

  // Any thread: runs `call` on the loop's thread.
  void post(std::function<void()> call);

  // Loop thread: runs what came back. Returns how many calls were made.
  std::size_t drain();

  // Loop thread: asked for, and not yet handed out by drain().
  [[nodiscard]] std::uint64_t outstanding() const noexcept { return outstanding_; }

  // For drivers without a loop: waits until the mailbox holds something.
  void wait();

 private:
  // A submission under way. Used again, and referred to by its address: what goes to the other
  // thread and back allocates nothing.
  struct Submission {
    std::function<void(const storage::Outcome&)> done;
    std::optional<storage::Outcome> outcome;  // by the storage thread, before it is in the mailbox
  };
  struct Letter {
    Submission* submission = nullptr;  // or:
    std::function<void()> call{};
  };

  Submission& new_submission();
  void answered(std::function<void()> call);
  void put(Letter letter);
  void open(Letter& letter);

  storage::StorageThread& storage_;
  std::function<void()> wake_;
  // Loop thread only.
  std::uint64_t outstanding_ = 0;
  std::deque<Submission> submissions_;  // all there ever were at once
  std::vector<Submission*> free_;
  std::vector<Letter> opened_;  // kept for its room
  std::mutex mutex_;
  std::condition_variable filled_;
  std::vector<Letter> mailbox_;
};

}  // namespace outrider
