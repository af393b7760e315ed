// Three threads meet here: the loop's, which feeds; the intake's, which reads lines and hands them
// on; and the storage thread, which says what became of them. Whoever settles the last line sends
// the answer. At most one advance() runs or waits to run at a time (`scheduled_`): it ends by
// clearing that under the lock, together with looking at what would make it go on.
#include "api/batch.h"

#include <algorithm>
#include <utility>

#include "api/publishing.h"

namespace outrider::api {
namespace {

// What one turn on the intake's thread may read.
constexpr std::size_t kStretch = 256;

std::string refused(const Problem& problem) { return problem_json(problem, {}) + "\n"; }

}  // namespace

std::shared_ptr<Batch> Batch::make(Origin origin, Parts parts) {
  return std::shared_ptr<Batch>(new Batch(std::move(origin), std::move(parts)));
}

Batch::Batch(Origin origin, Parts parts) : origin_(std::move(origin)), parts_(std::move(parts)) {}

// ---- from the loop

bool Batch::feed(std::string_view piece) {
  bool enough = false;
  {
    const std::lock_guard lock(mutex_);
    if (all_read_) return true;
    unread_.append(piece);
    enough = unread_.size() >= kMostUnread;
    hungry_ = !enough;
  }
  wake();
  return !enough;
}

void Batch::end() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  wake();
  finish_if_over();
}

void Batch::abandon() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = abandoned_ = true;
  }
  wake();
  finish_if_over();
}

void Batch::wake() {
  {
    const std::lock_guard lock(mutex_);
    if (scheduled_ || all_read_) return;
    scheduled_ = true;
  }
  parts_.intake.proceed([self = shared_from_this()] { self->advance(); });
}

// ---- on the intake's thread

void Batch::advance() {
  for (std::size_t steps = 0; steps < kStretch; ++steps) {
    switch (step()) {
      case Step::kAgain:
        continue;
      case Step::kWait:
        return finish_if_over();
      case Step::kLater:
        parts_.later([self = shared_from_this()] { self->advance(); });
        return;
    }
  }
  parts_.intake.proceed([self = shared_from_this()] { self->advance(); });
}

Batch::Step Batch::step() {
  {
    const std::lock_guard lock(mutex_);
    const bool full =
        outstanding_ >= kWindow || (outstanding_ > 0 && outstanding_bytes_ >= kWindowBytes);
    if (full || all_read_) {
      resting_ = full;  // settled() goes on
      scheduled_ = false;
      return Step::kWait;
    }
  }
  if (deferred_) {
    publish(*std::exchange(deferred_, std::nullopt));
  } else if (const auto line = next_line()) {
    take_line(*line);
  } else if (!refill()) {
    return Step::kWait;
  }
  return deferred_ ? Step::kLater : Step::kAgain;
}

// A line without its end, which is left behind; the last one of a whole body needs none.
std::optional<std::string_view> Batch::next_line() {
  const std::size_t end = text_.find('\n', std::max(at_, looked_));
  if (end == std::string::npos) {
    looked_ = text_.size();
    if (text_.size() - at_ > kMostLineBytes) {
      skipping_ = true;
      text_.clear();
      at_ = looked_ = 0;
    }
    return std::nullopt;
  }
  std::string_view line = std::string_view(text_).substr(at_, end - at_);
  at_ = end + 1;
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool Batch::refill() {
  bool hungry = false;
  {
    const std::lock_guard lock(mutex_);
    if (unread_.empty()) {
      if (!ended_) {
        scheduled_ = false;  // feed() goes on
        return false;
      }
      // What has no end of its own is a line where the body is whole.
      if (!abandoned_ && (skipping_ || at_ < text_.size())) {
        unread_ = "\n";
      } else {
        all_read_ = true;
        scheduled_ = false;
        return false;
      }
    }
    text_.erase(0, at_);
    looked_ -= at_;
    at_ = 0;
    text_ += unread_;
    unread_.clear();
    hungry = !std::exchange(hungry_, true) && !ended_;
  }
  if (hungry) parts_.hungry();
  return true;
}

void Batch::take_line(std::string_view line) {
  const std::size_t number = lines_++;
  std::size_t answered = 0;
  {
    const std::lock_guard lock(mutex_);
    open_.emplace_back();
    ++outstanding_;
    outstanding_bytes_ += line.size();
    answered = answer_bytes_;
  }
  const auto refuse_it = [&](const Problem& problem) {
    settled(number, line.size(), refused(problem));
  };
  if (number == kMostLines || answered > kMostAnswerBytes) {
    refuse_it(refuse(kTooLarge, number == kMostLines
                                    ? "a batch has at most " + std::to_string(kMostLines) +
                                          " lines; this one and all after it were not read"
                                    : "the answer is too large; this line and all after it were "
                                      "not read")
                  .value());
    return stop_reading();
  }
  if (std::exchange(skipping_, false) || line.size() > kMostLineBytes) {
    return refuse_it(refuse(kTooLarge, "a line has at most 1 MiB").value());
  }
  auto event = event_from_json(line, origin_.who);
  if (!event) return refuse_it(event.error());
  adopt_trace(*event, origin_.trace);
  publish({.number = number, .bytes = line.size(), .event = std::move(*event)});
}

void Batch::stop_reading() {
  bool hungry = false;
  {
    const std::lock_guard lock(mutex_);
    all_read_ = true;
    unread_.clear();
    hungry = !std::exchange(hungry_, true);
  }
  if (hungry) parts_.hungry();  // what still comes is dropped
}

void Batch::publish(Line line) {
  overloaded_ = false;
  parts_.publish(line.event, [self = shared_from_this(), number = line.number,
                              bytes = line.bytes](Result<EventReceipt> receipt) {
    if (receipt) {
      self->settled(number, bytes, receipt_json(*receipt) + "\n");
    } else if (receipt.error().code == ErrorCode::kOverloaded) {
      self->overloaded_ = true;  // on this thread: see Publish
    } else {
      self->settled(number, bytes, refused(publishing_problem(receipt.error(), "/payload")));
    }
  });
  if (overloaded_) deferred_ = std::move(line);
}

// ---- on any thread

void Batch::settled(std::size_t line, std::size_t bytes, std::string answer) {
  bool go_on = false;
  {
    const std::lock_guard lock(mutex_);
    answer_bytes_ += answer.size();
    open_[line - first_open_] = std::move(answer);
    while (!open_.empty() && open_.front()) {
      answers_ += *open_.front();
      open_.pop_front();
      ++first_open_;
    }
    --outstanding_;
    outstanding_bytes_ -= bytes;
    go_on = resting_ && outstanding_ <= kWindow / 2 && outstanding_bytes_ <= kWindowBytes / 2;
    if (go_on) resting_ = false;
  }
  if (go_on) wake();
  finish_if_over();
}

void Batch::finish_if_over() {
  Answer answer;
  {
    const std::lock_guard lock(mutex_);
    if (over_ || !all_read_ || !ended_ || outstanding_ > 0 || scheduled_) return;
    over_ = true;
    if (first_open_ == 0) {
      answer = refuse(kBadRequest, "the batch has no line");
    } else {
      answer =
          Reply{.status = 200, .body = std::move(answers_), .content_type = "application/x-ndjson"};
    }
  }
  parts_.done(std::move(answer));
}

}  // namespace outrider::api
