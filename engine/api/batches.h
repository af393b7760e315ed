// The batches under way: a few at a time, each fed by its connection. One more waits for its place
// with what its client has sent already, and its client with the rest; so their memory has a bound,
// however many come.
//
// Threads: the loop's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "api/batch.h"
#include "api/call.h"
#include "net/http_server.h"

namespace outrider::api {

class Batches {
 public:
  // Together they leave a quarter of the commit queue to single events.
  static constexpr std::size_t kMostAtOnce = 6;

  struct Parts {
    const Batch::Publish& publish;
    WorkThread& intake;
    std::function<void(std::function<void()>)> later;  // as Batch::Parts
    std::function<void(std::function<void()>)> post;   // any thread: runs it on the loop
    std::function<void(std::uint64_t number)> resume;  // more of its body is wanted
    std::function<void(std::uint64_t number, Answer)> answer;
  };
  explicit Batches(Parts parts) : parts_(std::move(parts)) {}

  // `number`: the request's, for resume and answer. It is resumed once more after it has its place.
  // Must outlive the sink.
  [[nodiscard]] std::unique_ptr<net::BodySink> begin(std::uint64_t number, Batch::Origin origin);

 private:
  class Sink;
  struct Entry {
    std::uint64_t number = 0;
    Batch::Origin origin;
    std::shared_ptr<Batch> batch = {};  // null: it waits for its place
    std::string early = {};             // what has come meanwhile
    bool whole = false;                 // nothing more will
    bool gone = false;                  // neither will the rest, nor anybody to tell
  };
  void start(Entry& entry);
  void left();

  const Parts parts_;
  std::size_t at_work_ = 0;
  // Shared with the sinks: either may go first.
  std::deque<std::shared_ptr<Entry>> waiting_;
};

}  // namespace outrider::api
