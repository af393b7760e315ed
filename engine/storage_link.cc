#include "storage_link.h"

namespace outrider {

StorageLink::Submission& StorageLink::new_submission() {
  if (free_.empty()) free_.push_back(&submissions_.emplace_back());
  Submission& submission = *free_.back();
  free_.pop_back();
  return submission;
}

void StorageLink::submit(storage::Mutation mutation,
                         std::function<void(const storage::Outcome&)> done,
                         storage::CommitQueue::Place place) {
  ++outstanding_;
  Submission& submission = new_submission();
  submission.done = std::move(done);
  auto sent = storage_.submit(
      std::move(mutation),
      [this, &submission](storage::Outcome outcome) {
        submission.outcome.emplace(std::move(outcome));
        put({.submission = &submission});
      },
      place);
  if (sent) return;
  submission.outcome.emplace(tl::unexpected(std::move(sent.error())));
  put({.submission = &submission});
}

void StorageLink::post(std::function<void()> call) { put({.call = std::move(call)}); }

void StorageLink::put(Letter letter) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = mailbox_.empty();
    mailbox_.push_back(std::move(letter));
  }
  if (!first) return;  // whoever put the first has woken them
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
  std::vector<Letter> letters = std::move(opened_);
  {
    const std::lock_guard lock(mutex_);
    letters.swap(mailbox_);
  }
  for (Letter& letter : letters) open(letter);
  const std::size_t count = letters.size();
  letters.clear();
  opened_ = std::move(letters);
  return count;
}

void StorageLink::open(Letter& letter) {
  if (letter.submission == nullptr) {
    letter.call();
    return;
  }
  --outstanding_;
  // `done` may submit anew, and may find this one free again.
  const auto done = std::move(letter.submission->done);
  const storage::Outcome outcome = std::move(*letter.submission->outcome);
  letter.submission->outcome.reset();
  free_.push_back(letter.submission);
  done(outcome);
}

void StorageLink::wait() {
  std::unique_lock lock(mutex_);
  filled_.wait(lock, [this] { return !mailbox_.empty(); });
}

}  // namespace outrider
