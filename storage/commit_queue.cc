// Gather, commit, answer. The outbox is used without the lock held, so that submitting never waits
// for the disk.
#include "storage/commit_queue.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/assert.h"

namespace outrider::storage {

CommitQueue::CommitQueue(Outbox& outbox, Limits limits, Measured measured)
    : outbox_(outbox), limits_(limits), measured_(std::move(measured)) {
  OUTRIDER_ASSERT(limits.batch > 0 && limits.capacity > limits.reserved);
}

Result<bool> CommitQueue::submit(Mutation mutation, Done done, Place place) {
  const std::lock_guard lock(mutex_);
  if (poison_) return tl::unexpected(stopped(*poison_));
  if (closed_) return fail(ErrorCode::kStopped, "the outbox is closing");
  const std::size_t limit =
      place == Place::kNormal ? limits_.capacity - limits_.reserved : limits_.capacity;
  if (count_ >= limit) {
    return fail(ErrorCode::kOverloaded,
                std::to_string(count_) + " changes already wait to be committed", "",
                "try again later");
  }
  const auto before = due();
  if (count_ == 0) oldest_since_ = Clock::now();
  Batch& batch = open_batch();
  batch.mutations.push_back(std::move(mutation));
  batch.answers.push_back(std::move(done));
  ++count_;
  if (place != Place::kPatient) {
    ++batch.in_a_hurry;
    ++in_a_hurry_;
  }
  return due() != before;
}

CommitQueue::Batch& CommitQueue::open_batch() {
  if (waiting_.empty() || waiting_.back().mutations.size() == limits_.batch) {
    waiting_.push_back(std::exchange(spare_, {}));
  }
  return waiting_.back();
}

CommitQueue::Batch CommitQueue::take() {
  if (waiting_.empty()) return {};
  Batch batch = std::move(waiting_.front());
  waiting_.pop_front();
  count_ -= batch.mutations.size();
  in_a_hurry_ -= batch.in_a_hurry;
  return batch;
}

void CommitQueue::give_back(Batch batch) {
  batch.mutations.clear();
  batch.answers.clear();
  batch.in_a_hurry = 0;
  const std::lock_guard lock(mutex_);
  spare_ = std::move(batch);
}

std::size_t CommitQueue::commit_once() {
  Batch batch;
  std::optional<Error> poison;
  {
    const std::lock_guard lock(mutex_);
    poison = poison_;
    batch = take();
  }
  const std::size_t count = batch.answers.size();
  if (count == 0) return 0;
  std::vector<Outcome> outcomes =
      poison ? std::vector<Outcome>(count, tl::unexpected(stopped(*poison)))
             : commit(batch.mutations);
  OUTRIDER_ASSERT(outcomes.size() == count);
  for (std::size_t i = 0; i < count; ++i) batch.answers[i](std::move(outcomes[i]));
  give_back(std::move(batch));
  return count;
}

Result<std::vector<Outcome>> CommitQueue::apply(std::span<const Mutation> batch) {
  const auto begun = std::chrono::steady_clock::now();
  auto applied = outbox_.apply(batch);
  if (measured_) {
    measured_({.changes = batch.size(),
               .took = std::chrono::steady_clock::now() - begun,
               .failed = !applied});
  }
  return applied;
}

std::vector<Outcome> CommitQueue::commit(std::span<const Mutation> batch) {
  auto applied = apply(batch);
  if (applied) return std::move(*applied);
  const Error error = std::move(applied.error());
  if (error.code == ErrorCode::kUnknownOutcome) {
    const std::lock_guard lock(mutex_);
    poison_ = error;
  }
  // No answer of the disk or of a lock, but something about one of them that the database cannot
  // take, or an account's key that does not open: the others must not suffer for it. Nothing was
  // committed, so each may be tried alone.
  const bool about_one = error.code == ErrorCode::kInternal || error.code == ErrorCode::kCorrupt ||
                         error.code == ErrorCode::kKey;
  if (about_one && batch.size() > 1) {
    std::vector<Outcome> outcomes;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (auto poison = poisoned()) {
        outcomes.push_back(tl::unexpected(stopped(*poison)));
      } else {
        outcomes.push_back(std::move(commit(batch.subspan(i, 1)).front()));
      }
    }
    return outcomes;
  }
  return std::vector<Outcome>(batch.size(), tl::unexpected(error));
}

Error CommitQueue::stopped(const Error& poison) {
  return {ErrorCode::kStopped, "not committed, the outbox has stopped: " + poison.message,
          poison.where, poison.hint};
}

std::optional<CommitQueue::Clock::time_point> CommitQueue::due_at() const {
  const std::lock_guard lock(mutex_);
  return due();
}

std::optional<CommitQueue::Clock::time_point> CommitQueue::due() const {
  if (count_ == 0) return std::nullopt;
  const bool at_once = in_a_hurry_ > 0 || closed_ || count_ >= limits_.enough;
  return at_once ? oldest_since_ : oldest_since_ + limits_.patience;
}

bool CommitQueue::empty() const {
  const std::lock_guard lock(mutex_);
  return count_ == 0;
}

void CommitQueue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

std::optional<Error> CommitQueue::poisoned() const {
  const std::lock_guard lock(mutex_);
  return poison_;
}

}  // namespace outrider::storage
