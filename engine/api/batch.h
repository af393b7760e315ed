// POST /v1/events:batch: each line an event in JSON, each with an answer of its own, in order. Not
// a transaction: a line that is refused does not keep the others from being published.
//
// A batch never has more than kWindow lines in the commit queue, so that one cannot fill it, and
// gives the intake's thread back after each stretch, so that single events are not kept waiting.
// Its lines meet in few commits; the answer goes out when the last of them is durable.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "api/call.h"
#include "api/work_thread.h"
#include "core/trace_context.h"
#include "outrider/types.h"

namespace outrider::api {

class Batch : public std::enable_shared_from_this<Batch> {
 public:
  static constexpr std::size_t kMostLines = 50'000;
  static constexpr std::size_t kWindow = 1024;
  using Publish =
      std::function<void(const Event& event, std::function<void(Result<EventReceipt>)> done)>;

  // Shared, because its lines' commits come back one by one and the last one ends it. `publish` and
  // `intake` must outlive its work; `done` is called once, on either of their threads.
  static std::shared_ptr<Batch> make(Call call, const Publish& publish, WorkThread& intake,
                                     std::function<void(Answer)> done);
  // On the intake's thread.
  void begin();

 private:
  Batch(Call call, const Publish& publish, WorkThread& intake, std::function<void(Answer)> done);
  void advance();
  void publish_line(std::size_t line);
  void settled(std::size_t line, std::string answer);

  const Call call_;
  const core::TraceContext trace_;  // the request's, for lines without one
  const Publish& publish_;
  WorkThread& intake_;
  std::function<void(Answer)> done_;
  std::vector<std::string_view> lines_;
  std::size_t next_ = 0;  // intake's thread only

  std::mutex mutex_;
  std::vector<std::string> answers_;  // guarded, as all below
  std::size_t outstanding_ = 0;
  std::size_t settled_ = 0;
  bool resting_ = false;  // advance() has stopped and must be called again
};

}  // namespace outrider::api
