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

Result<void> CommitQueue::submit(Mutation mutation, Done done, Place place) {
  const std::lock_guard lock(mutex_);
  if (poison_) return tl::unexpected(stopped(*poison_));
  if (closed_) return fail(ErrorCode::kStopped, "the outbox is closing");
  const std::size_t limit =
      place == Place::kNormal ? limits_.capacity - limits_.reserved : limits_.capacity;
  if (waiting_.size() >= limit) {
    return fail(ErrorCode::kOverloaded,
                std::to_string(waiting_.size()) + " changes already wait to be committed", "",
                "try again later");
  }
  if (waiting_.empty()) oldest_since_ = Clock::now();
  if (place != Place::kPatient) ++in_a_hurry_;
  waiting_.push_back({std::move(mutation), std::move(done), place});
  return {};
}

std::size_t CommitQueue::commit_once() {
  std::vector<Mutation> batch;
  std::vector<Done> answers;
  std::optional<Error> poison;
  {
    const std::lock_guard lock(mutex_);
    poison = poison_;
    const std::size_t count = std::min(waiting_.size(), limits_.batch);
    batch.reserve(count);
    answers.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      batch.push_back(std::move(waiting_.front().mutation));
      answers.push_back(std::move(waiting_.front().done));
      if (waiting_.front().place != Place::kPatient) --in_a_hurry_;
      waiting_.pop_front();
    }
  }
  if (batch.empty()) return 0;
  const std::vector<Outcome> outcomes =
      poison ? std::vector<Outcome>(batch.size(), tl::unexpected(stopped(*poison))) : commit(batch);
  OUTRIDER_ASSERT(outcomes.size() == answers.size());
  for (std::size_t i = 0; i < answers.size(); ++i) answers[i](outcomes[i]);
  return answers.size();
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
  if (waiting_.empty()) return std::nullopt;
  const bool at_once = in_a_hurry_ > 0 || closed_ || waiting_.size() >= limits_.enough;
  return at_once ? oldest_since_ : oldest_since_ + limits_.patience;
}

bool CommitQueue::empty() const {
  const std::lock_guard lock(mutex_);
  return waiting_.empty();
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
