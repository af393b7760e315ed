#include "commit_watch.h"

#include <utility>

namespace outrider {
namespace {

using std::chrono::microseconds;
constexpr microseconds kSoon{250};
constexpr microseconds kSoonWhenBusy{1000};
constexpr microseconds kLast{64'000};
constexpr core::Duration kAnyway{1000};
constexpr core::Duration kWithoutWatch{20};

}  // namespace

CommitWatch::CommitWatch(Parts parts)
    : parts_(std::move(parts)), timer_(parts_.loop, [this] { look_again(); }) {}

Result<void> CommitWatch::start(const std::string& wal) {
  auto watched = parts_.loop.on_file_change(wal, [this] { written(); });
  if (watched) wal_ = std::move(*watched);
  look_anyway();
  if (!watched) return tl::unexpected(std::move(watched.error()));
  return {};
}

void CommitWatch::stop() {
  wal_.reset();
  timer_.stop();
  parts_.loop.cancel(anyway_);
}

// Once more where a look is near already: the commit need not be the one that it is for.
void CommitWatch::written() {
  const microseconds soon = parts_.busy() ? kSoonWhenBusy : kSoon;
  if (timer_.running() && after_ <= soon) return;
  after_ = soon;
  timer_.start(after_);
}

void CommitWatch::look_again() {
  parts_.look();
  if (after_ >= kLast) return;
  after_ *= 2;
  timer_.start(after_);
}

void CommitWatch::look_anyway() {
  anyway_ = parts_.loop.start(wal_ ? kAnyway : kWithoutWatch, [this] {
    parts_.look();
    look_anyway();
  });
}

}  // namespace outrider
