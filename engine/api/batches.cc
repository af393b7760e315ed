// A sink may go at any time, and its batch goes on without it: the place is free when the batch has
// ended, not when the client has gone.
#include "api/batches.h"

#include <utility>

namespace outrider::api {

class Batches::Sink final : public net::BodySink {
 public:
  explicit Sink(std::shared_ptr<Entry> entry) : entry_(std::move(entry)) {}
  ~Sink() override {
    if (entry_->whole) return;
    entry_->gone = true;
    if (entry_->batch) entry_->batch->abandon();
  }
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  bool take(std::string_view piece) override {
    if (entry_->batch) return entry_->batch->feed(piece);
    entry_->early += piece;
    return false;
  }

  void end() override {
    entry_->whole = true;
    if (entry_->batch) entry_->batch->end();
  }

 private:
  std::shared_ptr<Entry> entry_;
};

std::unique_ptr<net::BodySink> Batches::begin(std::uint64_t number, Batch::Origin origin) {
  auto entry = std::make_shared<Entry>(Entry{.number = number, .origin = std::move(origin)});
  if (at_work_ < kMostAtOnce) {
    start(*entry);
  } else {
    waiting_.push_back(entry);
  }
  return std::make_unique<Sink>(std::move(entry));
}

void Batches::start(Entry& entry) {
  ++at_work_;
  const std::uint64_t number = entry.number;
  entry.batch = Batch::make(
      std::move(entry.origin),
      {.publish = parts_.publish,
       .intake = parts_.intake,
       .later = parts_.later,
       .hungry = [this, number] { parts_.post([this, number] { parts_.resume(number); }); },
       .done =
           [this, number](Answer given) {
             parts_.post([this, number, given = std::move(given)]() mutable {
               parts_.answer(number, std::move(given));
               left();
             });
           }});
}

void Batches::left() {
  --at_work_;
  while (!waiting_.empty() && at_work_ < kMostAtOnce) {
    const std::shared_ptr<Entry> next = std::move(waiting_.front());
    waiting_.pop_front();
    if (next->gone) {  // its request is forgotten
      parts_.answer(next->number, refuse(kBadRequest, "the body was cut off"));
      continue;
    }
    start(*next);
    const bool more = next->batch->feed(std::exchange(next->early, {}));
    if (next->whole) next->batch->end();
    if (more || next->whole) parts_.resume(next->number);
  }
}

}  // namespace outrider::api
