// Group commit. Mutations gather while the previous batch commits; commit_once() then commits all
// of them (up to a limit) in one transaction and answers each by its tag. No thread of its own:
// storage_thread drives it, tests drive it by hand.
//
// Whoever waits for an answer is served at once. Outcomes that nobody waits for (kPatient) may
// gather: until there are enough of them, or the first has waited long enough, or somebody is in a
// hurry. A commit costs its pages and its fdatasync however much it holds.
//
// Bounded: submit() refuses with kOverloaded when full. Outcomes of requests already on the wire
// must not be refused, so `reserved` places are kept for kReserved and kPatient submissions. A
// batch that fails as a whole is answered as a whole, except where it stumbled over one of them
// (kInternal, kCorrupt, kKey): then each is tried alone. Poisoned: once a batch's outcome is
// unknown, it is answered kUnknownOutcome, everything after it kStopped, and nothing is committed
// any more.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "storage/outbox.h"

namespace outrider::storage {

class CommitQueue {
 public:
  using Done = std::function<void(Outcome)>;  // called by commit_once()'s thread, after the commit
  enum class Place : std::uint8_t { kNormal, kReserved, kPatient };
  using Clock = std::chrono::steady_clock;
  struct Limits {
    std::size_t capacity = 8192;  // waiting mutations
    std::size_t reserved = 4096;  // of it only for kReserved and kPatient
    std::size_t batch = 1024;     // mutations per commit
    std::size_t enough = 64;      // patient ones that are worth a commit
    std::chrono::milliseconds patience{0};
  };

  // One attempt to commit, however it ended. Told on commit_once()'s thread, before the answers.
  struct Measure {
    std::size_t changes = 0;
    std::chrono::nanoseconds took{0};
    bool failed = false;  // as a whole
  };
  using Measured = std::function<void(const Measure&)>;

  // batch > 0, capacity > reserved
  CommitQueue(Outbox& outbox, Limits limits, Measured measured = {});

  // Any thread. True: it is due sooner now, so whoever waits for it must look again. Error:
  // kOverloaded, kStopped (closed or poisoned): `done` is then never called.
  [[nodiscard]] Result<bool> submit(Mutation mutation, Done done, Place place = Place::kNormal);

  // Since when, or from when on, it is time for commit_once(); nothing while nothing waits.
  [[nodiscard]] std::optional<Clock::time_point> due_at() const;

  // Commits what waits, at most one batch. Returns how many mutations were answered.
  std::size_t commit_once();

  [[nodiscard]] bool empty() const;
  void close();  // no more submissions
  [[nodiscard]] std::optional<Error> poisoned() const;

 private:
  // Of one commit; full with limits_.batch.
  struct Batch {
    std::vector<Mutation> mutations;
    std::vector<Done> answers;
    std::size_t in_a_hurry = 0;  // of them: not patient
  };
  [[nodiscard]] Batch& open_batch();
  [[nodiscard]] Batch take();
  void give_back(Batch batch);
  [[nodiscard]] std::optional<Clock::time_point> due() const;
  [[nodiscard]] std::vector<Outcome> commit(std::span<const Mutation> batch);
  [[nodiscard]] Result<std::vector<Outcome>> apply(std::span<const Mutation> batch);
  [[nodiscard]] static Error stopped(const Error& poison);

  Outbox& outbox_;
  const Limits limits_;
  const Measured measured_;
  mutable std::mutex mutex_;
  // Filled as they will be committed, so that nothing is moved while publishers wait for the lock.
  std::deque<Batch> waiting_;
  Batch spare_;                     // empty; its memory is used again
  std::size_t count_ = 0;           // of mutations that wait
  std::size_t in_a_hurry_ = 0;      // of them: not patient
  Clock::time_point oldest_since_;  // of those that wait, or of their batch
  bool closed_ = false;
  std::optional<Error> poison_;
};

}  // namespace outrider::storage
