// A world in virtual time for the production dispatchers: a clock that moves only when told, timers
// on it, receivers that are functions, and a real SQLite outbox on the real storage thread. Days of
// retries run in milliseconds, and each run is the same: the storage thread is waited for before
// time moves.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/provider.h"
#include "core/time.h"
#include "dispatcher.h"
#include "dispatchers.h"
#include "housekeeper.h"
#include "intake.h"
#include "log.h"
#include "metrics.h"
#include "net/http_sender.h"
#include "outrider/provider.h"
#include "storage/storage_thread.h"
#include "storage_link.h"

namespace outrider::simulation {

class VirtualTime final : public core::Clock, public core::Timers {
 public:
  [[nodiscard]] core::Instant now() const override { return now_; }
  [[nodiscard]] core::WallTime wall() const override { return wall_; }
  Id start(core::Duration after, std::function<void()> callback) override;
  void cancel(Id id) override;

  void step_wall(core::Duration by) { wall_ += by; }  // as an operator or NTP sets the clock
  [[nodiscard]] std::optional<core::Instant> next() const;
  void advance_to(core::Instant at);  // moves both clocks; runs nothing
  void clear() { timers_.clear(); }   // the process died
  bool run_one();                     // runs the earliest timer that is due

 private:
  struct Timer {
    Id id;
    std::function<void()> callback;
  };
  core::Instant now_{core::Duration(1'000'000)};
  core::WallTime wall_{core::Duration(1'790'000'000'000)};  // September 2026
  std::multimap<core::Instant, Timer> timers_;
  Id last_ = 0;
};

// What a receiver does with a request: after `takes`, this outcome.
struct Answer {
  int status = 200;
  ErrorClass error = ErrorClass::kNone;
  core::Duration takes{5};
  std::optional<core::Duration> retry_after;
  std::optional<core::Duration> leaves_after = core::Duration(1);  // unset: nothing left
};
struct Sent {
  std::string url;
  std::string body;
  std::string webhook_id;
  core::Instant at{};
  int status = 0;
};

class VirtualSender final : public net::HttpSender {
 public:
  explicit VirtualSender(VirtualTime& time) : time_(time) {}
  void send(net::HttpRequest request, Done done) override;
  void abort_all() override;
  void vanish() { flying_.clear(); }  // the process died: answers reach nobody
  [[nodiscard]] std::uint32_t in_flight() const override {
    return static_cast<std::uint32_t>(flying_.size());
  }
  // By URL; called when the request arrives.
  std::map<std::string, std::function<Answer(const net::HttpRequest&)>> receivers;
  std::vector<Sent> sent;
  std::uint32_t most_in_flight = 0;

 private:
  void answer(std::uint64_t id, const Answer& answer);
  VirtualTime& time_;
  std::map<std::uint64_t, Done> flying_;
  std::uint64_t last_ = 0;
};

// The same sender as a loop of several sees it: with its own requests in flight.
class SharedSender final : public net::HttpSender {
 public:
  explicit SharedSender(VirtualSender& sender) : sender_(sender) {}
  void send(net::HttpRequest request, Done done) override {
    ++in_flight_;
    sender_.send(std::move(request), [this, done = std::move(done)](net::HttpOutcome outcome) {
      --in_flight_;
      done(std::move(outcome));
    });
  }
  void abort_all() override { sender_.abort_all(); }
  [[nodiscard]] std::uint32_t in_flight() const override { return in_flight_; }

 private:
  VirtualSender& sender_;
  std::uint32_t in_flight_ = 0;
};

// The tests of this folder run twice: with one loop, and with as many as OUTRIDER_WORLD_LOOPS says.
[[nodiscard]] std::size_t loops_by_default();

struct WorldOptions {
  std::string providers_dir;
  std::uint32_t max_in_flight = 256;
  std::size_t loops = loops_by_default();
};

class World {
 public:
  explicit World(WorldOptions options = {});
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // A URL is invented from `name`; the receiver answers 200 until told otherwise.
  storage::EndpointRow add_endpoint(const std::string& name, const std::string& provider,
                                    const std::string& account = "acme");
  // Through Intake and the engine's own commit, as Engine::publish does.
  Result<storage::Enqueued> publish(const Event& event);
  // Many at once through a second connection, in one commit.
  void publish_many(const std::vector<Event>& events);
  // Through a second connection, as the CLI does; the engine then looks.
  Result<storage::Applied> operate(storage::Mutation mutation);

  void answer(const std::string& name, std::function<Answer(const net::HttpRequest&)> receiver);
  void answer(const std::string& name, int status);

  // Runs until nothing happens any more within `span` of virtual time (and moves to its end).
  void run_for(core::Duration span);
  // Runs until the engine has nothing to do before a timer; time does not move.
  void settle();
  // Kills the engine without a goodbye (what is in flight is lost), and starts a new one on the
  // same file.
  void crash();

  [[nodiscard]] std::vector<Sent> sent_to(const std::string& name) const;
  [[nodiscard]] static std::string url(const std::string& name);
  [[nodiscard]] storage::EndpointRecord endpoint(storage::EndpointRow row);
  [[nodiscard]] std::vector<storage::DeliveryRecord> deliveries(storage::EventRow event);
  [[nodiscard]] std::vector<storage::AttemptRecord> attempts(storage::DeliveryRow delivery);
  [[nodiscard]] storage::QueueCounts queue();
  [[nodiscard]] std::uint32_t in_flight() const { return sender.in_flight(); }
  [[nodiscard]] std::string public_id(storage::EndpointRow row) const;
  [[nodiscard]] std::vector<storage::RejectedRecord> rejected();
  // A statement by another program on the same file; the engine then looks.
  void sql(const std::string& text);
  void sql_unnoticed(const std::string& text);  // the engine looks another time
  // True when the engine had nothing left to do within that time.
  bool stop_within(core::Duration limit);
  [[nodiscard]] std::optional<Error> failure() const { return failure_; }

  VirtualTime time;
  VirtualSender sender{time};
  std::vector<std::string> log_lines;

 private:
  WorldOptions options_;
  std::string folder_;
  Providers providers_;

 public:
  Metrics metrics;  // of all the engines that ran

 private:
  struct SendLoop {
    std::unique_ptr<SharedSender> sender;
    std::unique_ptr<StorageLink> link;
    std::unique_ptr<Dispatcher> dispatcher;
  };
  void boot();
  void add_loop();
  void halt();
  bool drain();       // what came back; false: nothing
  bool wait_drain();  // the same, waiting for what was asked for
  std::unique_ptr<storage::Outbox> open(bool engine) const;

  std::unique_ptr<storage::Outbox> side_;  // the operator's connection
  std::unique_ptr<Intake> intake_;
  Log log_;
  std::unique_ptr<storage::StorageThread> storage_;
  std::vector<SendLoop> loops_;
  std::unique_ptr<Dispatchers> dispatchers_;
  std::unique_ptr<Housekeeper> housekeeper_;
  std::optional<Error> failure_;
};

}  // namespace outrider::simulation
