#include "engine_loop.h"

#include <pthread.h>

#include <utility>

#include "core/assert.h"
#include "crypto/random.h"

namespace outrider {
namespace {

constexpr core::Duration kLagEvery{250};

}  // namespace

Result<std::unique_ptr<EngineLoop>> EngineLoop::make(Setup setup) {
  std::unique_ptr<EngineLoop> made(
      new EngineLoop(std::move(setup.thread_name), setup.metrics, setup.in_flight));
  auto resolver = net::Resolver::make(*made->loop_, {.servers = std::move(setup.dns_servers)});
  if (!resolver) return tl::unexpected(std::move(resolver.error()));
  made->resolver_ = std::move(*resolver);
  auto sender = net::make_curl_sender(*made->loop_, *made->resolver_, std::move(setup.rules),
                                      std::move(setup.sending));
  if (!sender) return tl::unexpected(std::move(sender.error()));
  made->sender_ = std::move(*sender);
  return made;
}

EngineLoop::EngineLoop(std::string thread_name, Metrics& metrics,
                       std::atomic<std::uint32_t>& in_flight)
    : thread_name_(std::move(thread_name)),
      metrics_(metrics),
      in_flight_(in_flight),
      loop_(std::make_unique<net::Loop>()),
      waker_(loop_->make_waker([this] { drain(); })) {}

EngineLoop::~EngineLoop() {
  OUTRIDER_ASSERT(!thread_.joinable());
  dispatcher_.reset();
  sender_.reset();
  resolver_.reset();
  link_.reset();
  waker_.reset();
}

void EngineLoop::connect(storage::StorageThread& storage, Shared shared,
                         DispatcherOptions options) {
  link_ = std::make_unique<StorageLink>(storage, [this] { waker_->wake(); });
  dispatcher_ = std::make_unique<Dispatcher>(
      Dispatcher::Parts{
          .clock = *loop_,
          .timers = *loop_,
          .sender = *sender_,
          .storage = *link_,
          .providers = shared.providers,
          .intake = shared.intake,
          .log = shared.log,
          .metrics = metrics_,
          .roll = crypto::random_unit,
          .load_endpoint = std::move(shared.load_endpoint),
          .failed = std::move(shared.failed),
          .maintain = std::move(shared.maintain),
          .noticed = std::move(shared.noticed),
          .after_poll = [this](std::function<void()> call) { loop_->after_poll(std::move(call)); },
          .after_turn = [this](std::function<void()> call) { loop_->after_turn(std::move(call)); }},
      std::move(options));
}

void EngineLoop::run(std::function<void()> begin) {
  watch_lag();
  thread_ = std::thread([this, begin = std::move(begin)] {
    pthread_setname_np(pthread_self(), thread_name_.c_str());
    begin();
    loop_->run();
  });
}

void EngineLoop::join() {
  if (thread_.joinable()) thread_.join();
}

void EngineLoop::end() {
  ending_ = true;
  loop_->stop();
}

void EngineLoop::drain() {
  link_->drain();
  dispatcher_->pump();
  in_flight_.store(dispatcher_->in_flight(), std::memory_order_relaxed);
}

void EngineLoop::watch_lag() {
  const core::Instant due = loop_->now() + kLagEvery;
  loop_->start(kLagEvery, [this, due] {
    metrics_.loop_lag(loop_->now() - due);
    if (!ending_) watch_lag();
  });
}

}  // namespace outrider
