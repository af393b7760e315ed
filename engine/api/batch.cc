// Two threads meet here: the intake's, which reads lines and hands them on, and the storage
// thread, which says what became of them. Whoever settles the last line sends the answer.
#include "api/batch.h"

#include <utility>

#include "api/publishing.h"

namespace outrider::api {
namespace {

// What one turn on the intake's thread may read.
constexpr std::size_t kStretch = 256;

// One more than a batch may have is enough to refuse it by.
std::vector<std::string_view> split(std::string_view body) {
  std::vector<std::string_view> lines;
  while (!body.empty() && lines.size() <= Batch::kMostLines) {
    const std::size_t end = body.find('\n');
    std::string_view line = body.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    if (end == std::string_view::npos) break;
    body.remove_prefix(end + 1);
  }
  return lines;
}

std::string refused(const Problem& problem) { return problem_json(problem, {}) + "\n"; }

}  // namespace

std::shared_ptr<Batch> Batch::make(Call call, const Publish& publish, WorkThread& intake,
                                   std::function<void(Answer)> done) {
  return std::shared_ptr<Batch>(new Batch(std::move(call), publish, intake, std::move(done)));
}

Batch::Batch(Call call, const Publish& publish, WorkThread& intake,
             std::function<void(Answer)> done)
    : call_(std::move(call)),
      trace_(trace_of(call_)),
      publish_(publish),
      intake_(intake),
      done_(std::move(done)),
      lines_(split(call_.body)),
      answers_(lines_.size()) {}

void Batch::begin() {
  if (lines_.empty()) return done_(refuse(kBadRequest, "the batch has no line"));
  if (lines_.size() > kMostLines) {
    return done_(refuse(kTooLarge, "a batch has at most " + std::to_string(kMostLines) + " lines"));
  }
  advance();
}

void Batch::advance() {
  for (std::size_t read = 0; next_ < lines_.size(); ++read) {
    {
      const std::lock_guard lock(mutex_);
      if (outstanding_ >= kWindow) {
        resting_ = true;
        return;
      }
    }
    if (read == kStretch) {
      intake_.proceed([self = shared_from_this()] { self->advance(); });
      return;
    }
    publish_line(next_++);
  }
}

void Batch::publish_line(std::size_t line) {
  {
    const std::lock_guard lock(mutex_);
    ++outstanding_;
  }
  auto event = event_from_json(lines_[line], call_.who);
  if (!event) return settled(line, refused(event.error()));
  adopt_trace(*event, trace_);
  publish_(*event, [self = shared_from_this(), line](Result<EventReceipt> receipt) {
    if (receipt) {
      self->settled(line, receipt_json(*receipt) + "\n");
    } else {
      self->settled(line, refused(publishing_problem(receipt.error(), "/payload")));
    }
  });
}

void Batch::settled(std::size_t line, std::string answer) {
  bool resume = false;
  {
    const std::lock_guard lock(mutex_);
    answers_[line] = std::move(answer);
    --outstanding_;
    ++settled_;
    if (settled_ < lines_.size()) {
      if (!resting_ || outstanding_ > kWindow / 2) return;
      resting_ = false;
      resume = true;
    }
  }
  if (resume) {
    intake_.proceed([self = shared_from_this()] { self->advance(); });
    return;
  }
  // Nobody else comes here any more: every line is settled.
  Reply reply{.status = 200, .body = {}, .content_type = "application/x-ndjson"};
  for (const std::string& text : answers_) reply.body += text;
  done_(std::move(reply));
}

}  // namespace outrider::api
