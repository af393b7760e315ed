// POST /v1/events:batch: each line an event in JSON, each with an answer of its own, in order. Not
// a transaction: a line that is refused does not keep the others from being published.
//
// The body is read as it comes and never kept: a line is handed on when it is whole. What a batch
// holds is bounded by the constants below: text that waits to be read, lines in the commit queue
// (by number and bytes), and answers. Where the commit queue is full, a line waits for its turn
// instead of being refused, what is behind it waits too, and through feed() so does the client.
// Lines are published in their order. The intake's thread is given back after each stretch, so that
// single events are not kept waiting.
//
// The answer goes out when the last line is durable or refused. A client that reads it before it
// has sent everything is rare, and one that does not would wait for us while we wait for it.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "api/call.h"
#include "api/work_thread.h"
#include "core/trace_context.h"
#include "outrider/types.h"

namespace outrider::api {

class Batch : public std::enable_shared_from_this<Batch> {
 public:
  static constexpr std::size_t kMostLines = 50'000;
  static constexpr std::size_t kMostLineBytes = 1024 * 1024;
  static constexpr std::size_t kMostUnread = 256 * 1024;        // bytes; a piece may exceed it
  static constexpr std::size_t kWindow = 512;                   // lines in the commit queue
  static constexpr std::size_t kWindowBytes = 2 * 1024 * 1024;  // or so many bytes, or one line
  static constexpr std::size_t kMostAnswerBytes = 8 * 1024 * 1024;

  // kOverloaded is told before it returns, anything else when it is so.
  using Publish =
      std::function<void(const Event& event, std::function<void(Result<EventReceipt>)> done)>;
  // What its lines have in common.
  struct Origin {
    Principal who;
    core::TraceContext trace;  // the request's, for lines without one
  };
  struct Parts {
    const Publish& publish;
    WorkThread& intake;
    std::function<void(std::function<void()>)> later;  // any thread: on the intake's, in a moment
    std::function<void()> hungry;                      // any thread: feed() will take more
    std::function<void(Answer)> done;                  // any thread, once
  };

  // Shared, because its lines' commits come back one by one and the last one ends it. What the
  // parts refer to must outlive its work.
  static std::shared_ptr<Batch> make(Origin origin, Parts parts);

  // One thread, these three. False: enough for now, until `hungry`.
  [[nodiscard]] bool feed(std::string_view piece);
  void end();      // the body is whole
  void abandon();  // the rest will not come: what was read is published, nobody is told

 private:
  struct Line {
    std::size_t number = 0;
    std::size_t bytes = 0;
    Event event;
  };
  Batch(Origin origin, Parts parts);

  void wake();  // calls advance() on the intake's thread, unless that is on its way
  // The intake's thread, all of these.
  void advance();
  enum class Step { kAgain, kWait, kLater };
  Step step();
  [[nodiscard]] bool refill();  // false: nothing is there, advance() ends
  [[nodiscard]] std::optional<std::string_view> next_line();
  void take_line(std::string_view line);
  void stop_reading();
  void publish(Line line);
  void settled(std::size_t line, std::size_t bytes, std::string answer);  // any thread
  void finish_if_over();                                                  // any thread

  const Origin origin_;
  const Parts parts_;

  // The intake's thread only.
  std::string text_;        // read from here on
  std::size_t at_ = 0;      // position in it
  std::size_t looked_ = 0;  // no line end before it
  bool skipping_ = false;   // a line that is too long, up to its end
  std::size_t lines_ = 0;
  std::optional<Line> deferred_;  // the commit queue was full
  bool overloaded_ = false;

  std::mutex mutex_;  // guards all below
  std::string unread_;
  bool ended_ = false;  // no more is fed
  bool abandoned_ = false;
  bool hungry_ = true;      // the last feed() said true, or hungry() was called since
  bool scheduled_ = false;  // advance() runs or will
  bool resting_ = false;    // it ended because the window was full
  bool all_read_ = false;   // every line that counts has been handed on; what comes is dropped
  bool over_ = false;       // done() was called
  std::size_t outstanding_ = 0;
  std::size_t outstanding_bytes_ = 0;
  std::deque<std::optional<std::string>> open_;  // answers from the first unsettled line on
  std::size_t first_open_ = 0;
  std::string answers_;           // of all lines before it
  std::size_t answer_bytes_ = 0;  // both
};

}  // namespace outrider::api
