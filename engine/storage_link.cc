#include "storage_link.h"

namespace outrider {

void StorageLink::submit(storage::Mutation mutation, std::function<void(storage::Outcome)> done,
                         storage::CommitQueue::Place place) {
  asked();
  // Shared between the two ways an answer can come: from the commit, or at once from a full queue.
  auto shared_done = std::make_shared<std::function<void(storage::Outcome)>>(std::move(done));
  auto sent = storage_.submit(
      std::move(mutation),
      [this, shared_done](storage::Outcome outcome) {
        answered([shared_done, outcome = std::move(outcome)]() mutable {
          (*shared_done)(std::move(outcome));
        });
      },
      place);
  if (!sent) {
    answered([shared_done, error = sent.error()] { (*shared_done)(tl::unexpected(error)); });
  }
}

void StorageLink::post(std::function<void()> call) {
  {
    const std::lock_guard lock(mutex_);
    mailbox_.push_back(std::move(call));
  }
  filled_.notify_one();
  wake_();
}

void StorageLink::answered(std::function<void()> call) {
  post([this, call = std::move(call)] {
    --outstanding_;
    call();
  });
}

std::size_t StorageLink::drain() {
  std::vector<std::function<void()>> calls;
  {
    const std::lock_guard lock(mutex_);
    calls.swap(mailbox_);
  }
  for (auto& call : calls) call();
  return calls.size();
}

void StorageLink::wait() {
  std::unique_lock lock(mutex_);
  filled_.wait(lock, [this] { return !mailbox_.empty(); });
}

}  // namespace outrider
