// The API between the server and the engine: finds the route, asks who is there, and brings the
// work to where it may be done and its answer back.
//
//   loop          reads the head, finds the route, checks the token once; answers without a disk
//   intake        reads bodies of events and hands them to the engine's commit queue
//   desk          has a Database of its own: what operators read and change
//   storage       the engine's: calls back when an event is durable
//
// Only the loop holds a Responder: the other threads know a number. What waits for a thread is
// bounded in number and in bytes, and refused with 503 beyond that.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/access.h"
#include "api/batches.h"
#include "api/call.h"
#include "api/routes.h"
#include "api/work_thread.h"
#include "core/time.h"
#include "metrics.h"
#include "net/http_server.h"
#include "outrider/database.h"

namespace outrider::api {

// What the API needs of the engine. All must outlive the service.
struct Engine {
  Batch::Publish publish;                                // any thread
  std::function<void(std::function<void()> call)> post;  // any thread: runs it on the loop
  std::function<Result<void>()> health;                  // any thread
  std::function<void(std::function<void(Result<void>)> done)> probe;  // a commit; done: any thread
  std::unique_ptr<Database> database;                                 // for the desk
  Metrics& metrics;
  std::function<std::string()> metrics_text;  // any thread
  core::Timers& timers;
  core::Clock& clock;
  bool unix_needs_token = false;
};

class Service {
 public:
  // Errors: what reading the tokens answers.
  [[nodiscard]] static Result<std::unique_ptr<Service>> make(Engine engine);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // Loop thread, all three. Before a body is read: how large it may be, or why it is not wanted.
  [[nodiscard]] net::BodyRule body_rule(const net::ServerRequest& head) const;
  void handle(net::ServerRequest request, net::Responder responder);
  // The same for a body that comes piece by piece: a batch.
  [[nodiscard]] std::unique_ptr<net::BodySink> stream(net::ServerRequest head,
                                                      net::Responder responder);

  // What the server refuses by itself, as a problem document.
  [[nodiscard]] net::ServerResponse fault_answer(int status, std::string_view reason) const;

  [[nodiscard]] bool has_tokens() const { return access_.has_tokens(); }

  // Loop thread. There may be something new for those who wait for it.
  void noted();
  // Loop thread. Nobody is kept waiting any more.
  void stop_waiting();

  // Ends both threads; what waited is dropped, its requests stay unanswered until the server goes.
  void end_threads();

 private:
  explicit Service(Engine engine);
  struct Waiting {
    net::Responder responder;
    std::string request_id;
    std::size_t body_bytes = 0;        // counted in waiting_bytes_
    std::optional<std::size_t> route;  // its place in routes()
  };
  // A request that waits for something to tell. Not on the desk's thread: it asks there again each
  // time that something may be new.
  struct Follower {
    Call call;
    DatabaseCall work = nullptr;
    core::Instant until{};
    core::Timers::Id timer = 0;
    std::optional<Answer> nothing;  // set: it rests, and this is its answer when its time is over
  };

  // What is settled on a request's head.
  struct Admitted {
    const Route* route = nullptr;
    Call call;
  };
  [[nodiscard]] Read<Admitted> admit(const net::ServerRequest& request) const;
  std::uint64_t expect_answer(const net::ServerRequest& request, net::Responder responder);
  void answer(std::uint64_t number, Answer answer);
  void answer_later(std::uint64_t number, Answer answer);  // any thread
  void publish(std::uint64_t number, Call call);
  void try_again(std::function<void()> work);  // any thread: on the intake's, in a moment
  void ask_desk(std::uint64_t number, Call call, DatabaseCall work);
  void show_metrics(std::uint64_t number, const Principal& who);
  Answer too_much(BoundedQueue queue);
  void follow(std::uint64_t number, Call call, DatabaseCall work);
  void ask_again(std::uint64_t number);
  void followed(std::uint64_t number, std::uint64_t seen, Answer given);
  void end_following(std::uint64_t number, Answer given);
  void ready(std::uint64_t number);
  void readiness(const Result<void>& state);
  void follow_tokens();

  Engine engine_;
  Access access_;
  std::map<std::uint64_t, Waiting> waiting_;
  std::uint64_t last_number_ = 0;
  std::size_t waiting_bytes_ = 0;  // of bodies handed to the threads and not answered
  std::map<std::uint64_t, Follower> followers_;
  std::uint64_t noted_ = 0;  // how often
  core::Timers::Id noted_timer_ = 0;
  bool stopping_ = false;
  std::vector<std::uint64_t> ready_askers_;
  bool probing_ = false;
  std::uint64_t probe_ = 0;  // the last one's number
  core::Timers::Id probe_timer_ = 0;
  std::optional<core::Instant> ready_at_;  // of the last probe that went well
  core::Timers::Id token_timer_ = 0;
  core::Timers::Id again_timer_ = 0;
  std::vector<std::function<void()>> again_;
  WorkThread intake_;
  WorkThread desk_;
  Batches batches_;
};

}  // namespace outrider::api
