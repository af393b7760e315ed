// The thread that owns the Outbox. Commits whenever something is due (CommitQueue::due_at(); the
// next batch gathers while this one commits), and runs reads between commits.
#pragma once

#include <functional>
#include <memory>

#include "outrider/result.h"
#include "storage/commit_queue.h"
#include "storage/outbox.h"

namespace outrider::storage {

class StorageThread {
 public:
  using Read =
      std::function<void(Outbox&)>;  // runs on the storage thread; hands its result on by itself

  // Starts at once. Takes the outbox; it is closed on the storage thread.
  StorageThread(std::unique_ptr<Outbox> outbox, const CommitQueue::Limits& limits,
                CommitQueue::Measured measured = {});
  ~StorageThread();  // stop()
  StorageThread(const StorageThread&) = delete;
  StorageThread& operator=(const StorageThread&) = delete;

  // Any thread. `done` runs on the storage thread.
  [[nodiscard]] Result<void> submit(Mutation mutation, CommitQueue::Done done,
                                    CommitQueue::Place place = CommitQueue::Place::kNormal);
  // Bounded like the queue. Error: kOverloaded, kStopped.
  [[nodiscard]] Result<void> read(Read read);

  // Commits and reads what waits, then ends. Idempotent.
  void stop();
  [[nodiscard]] std::optional<Error> poisoned() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrider::storage
