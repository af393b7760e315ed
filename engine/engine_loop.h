// One of the loops that send: its thread, and what lives on it.
//
//   make()     what can fail: resolver, certificates
//   connect()  to the storage thread; then the dispatcher is there
//   run()      the thread begins
//   stop()     the dispatcher ends what it has begun
//   end()      the loop ends; join()
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/target.h"
#include "dispatcher.h"
#include "metrics.h"
#include "net/curl_sender.h"
#include "net/loop.h"
#include "net/resolver.h"
#include "outrider/result.h"
#include "storage/storage_thread.h"
#include "storage_link.h"

namespace outrider {

class EngineLoop {
 public:
  struct Setup {
    std::string thread_name;  // 15 characters at most
    std::vector<std::string> dns_servers;
    core::AddressRules rules;
    net::CurlSenderOptions sending;
    Metrics& metrics;
    std::atomic<std::uint32_t>& in_flight;  // requests of this loop, for reports
  };
  // What comes from the engine; but for `in_flight` the same for all loops. The calls come from
  // this loop's thread.
  struct Shared {
    const core::ProviderSet& providers;
    const Intake& intake;
    const Log& log;
    std::function<void(storage::EndpointRow)> load_endpoint;
    std::function<void(Error)> failed;
    std::function<void()> maintain;
    std::function<void()> noticed;
  };

  // Errors: those of Resolver::make and make_curl_sender.
  [[nodiscard]] static Result<std::unique_ptr<EngineLoop>> make(Setup setup);
  // After join(), where it ran; and after the storage thread has stopped.
  ~EngineLoop();
  EngineLoop(const EngineLoop&) = delete;
  EngineLoop& operator=(const EngineLoop&) = delete;

  void connect(storage::StorageThread& storage, Shared shared, DispatcherOptions options);

  // Starts the thread. `begin` is the first thing it does.
  void run(std::function<void()> begin);
  void join();

  // Any thread: calls back on this loop's thread.
  void post(std::function<void()> call) { link_->post(std::move(call)); }

  // This loop's thread; before run(), any.
  [[nodiscard]] net::Loop& loop() noexcept { return *loop_; }
  [[nodiscard]] StorageLink& link() noexcept { return *link_; }
  [[nodiscard]] Dispatcher& dispatcher() noexcept { return *dispatcher_; }
  void abort_all() { sender_->abort_all(); }
  void end();

 private:
  EngineLoop(std::string thread_name, Metrics& metrics, std::atomic<std::uint32_t>& in_flight);
  void drain();
  void watch_lag();

  std::string thread_name_;
  Metrics& metrics_;
  std::atomic<std::uint32_t>& in_flight_;
  std::unique_ptr<net::Loop> loop_;
  std::unique_ptr<net::Loop::Waker> waker_;
  std::unique_ptr<net::Resolver> resolver_;
  std::unique_ptr<net::HttpSender> sender_;
  std::unique_ptr<StorageLink> link_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::thread thread_;
  bool ending_ = false;
};

}  // namespace outrider
