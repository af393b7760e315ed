// Wiring: which thread owns what, how it starts, how it stops. No decisions about events are made
// here.
//
//   any thread      publish(): checks and canonicalises, then submits to the commit queue
//   loop threads    Loop, Resolver, HttpSender, StorageLink, Dispatcher of each (EngineLoop)
//   the first loop  Housekeeper, NoticeFeed, CommitWatch as well
//   storage thread  Outbox
//   API             its server is the first loop's; two threads of its own read bodies and the
//                   database
//
// Stopping runs the same way back: the dispatchers stop claiming, requests in flight finish or are
// aborted at the drain limit, results become durable, the loops end, the storage thread ends, then
// everything is taken down in reverse order.
#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <future>
#include <mutex>
#include <numeric>
#include <optional>
#include <vector>

#include "api/routes.h"
#include "commit_watch.h"
#include "core/target.h"
#include "dispatchers.h"
#include "engine_api.h"
#include "engine_loop.h"
#include "engine_readings.h"
#include "housekeeper.h"
#include "intake.h"
#include "log.h"
#include "metrics.h"
#include "net/egress_proxy.h"
#include "net/own_addresses.h"
#include "net/wall_clock.h"
#include "notice_feed.h"
#include "notice_views.h"
#include "outrider/database.h"
#include "outrider/outrider.h"
#include "outrider/provider.h"
#include "storage/sqlite/sqlite_outbox.h"
#include "storage/storage_thread.h"
#include "wake.h"

namespace outrider {
namespace {

// How long a success may wait for others to be committed with it.
constexpr std::chrono::milliseconds kCommitPatience{4};

Result<void> check(const Options& options) {
  const auto bad = [](const char* what, const char* where) {
    return fail(ErrorCode::kInvalidArgument, what, where);
  };
  if (options.database.empty()) return bad("no database file is named", "database");
  if (options.max_payload_bytes < 1024 || options.max_payload_bytes > 16 * 1024 * 1024) {
    return bad("must be 1 KiB to 16 MiB", "max_payload_bytes");
  }
  if (options.max_in_flight < 1 || options.max_in_flight > 4096) {
    return bad("must be 1 to 4096", "max_in_flight");
  }
  if (options.loops < 1 || options.loops > 16) return bad("must be 1 to 16", "loops");
  if (!options.egress_proxy.empty()) {
    if (auto proxy = net::parse_egress_proxy(options.egress_proxy); !proxy) {
      return tl::unexpected(std::move(proxy.error()));
    }
  }
  if (options.busy_timeout_ms > 600'000) return bad("must be at most 600000", "busy_timeout_ms");
  if (options.drain_timeout_ms > 600'000) return bad("must be at most 600000", "drain_timeout_ms");
  return {};
}

// New threads must not take the host's signals, and a write to a closed connection must not end the
// process.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

void log_new_key_file(const Log& log, const std::string& path) {
  const std::string_view advice = "back it up: without it nothing that is sealed can be read";
  log.line(net::wall_now(), "key_file_created",
           {{LogField::kFile, path}, {LogField::kDetail, advice}});
}

// A connection is made anew where none was kept, which costs three times a request, or thirty times
// with TLS. Half of what this process may open is left for everything else.
std::uint32_t connections_to_keep() {
  constexpr std::uint32_t kFewest = 64, kMost = 4096;
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return kFewest;
  return static_cast<std::uint32_t>(std::clamp<rlim_t>(files.rlim_cur / 2, kFewest, kMost));
}

MetricsSetup metrics_setup(const Providers& providers) {
  MetricsSetup setup{.version = std::string(version()), .providers = {}, .routes = {}};
  for (const core::Provider* provider : providers.core().list()) {
    setup.providers.push_back(provider->name);
  }
  for (const api::Route& route : api::routes()) {
    setup.routes.push_back({std::string(route.method), std::string(route.pattern)});
  }
  return setup;
}

}  // namespace

class Engine::Impl {
 public:
  Impl(Options options, Providers providers, core::AddressRules rules,
       std::unique_ptr<storage::Outbox> outbox, const std::string& id_key)
      : options_(std::move(options)),
        providers_(std::move(providers)),
        rules_(std::move(rules)),
        outbox_(std::move(outbox)),
        intake_(providers_.core(), crypto::PublicIds(id_key),
                IntakeLimits{.max_payload_bytes = options_.max_payload_bytes}),
        log_(options_.log),
        metrics_(metrics_setup(providers_)),
        readings_({.database = options_.database, .key_file = options_.key_file}),
        in_flight_(options_.loops) {}

  ~Impl() { (void)stop(); }

  Result<void> begin_notices();  // before start()
  Result<void> start();
  Result<bool> stop();
  void publish(const Event& event, std::function<void(Result<EventReceipt>)> done);
  std::uint32_t in_flight() const noexcept {
    return std::accumulate(in_flight_.begin(), in_flight_.end(), std::uint32_t{0});
  }
  Result<void> health() const;
  std::string metrics_text(ReadProcess process) const;
  void on_next_turn(std::function<void()> call) {
    if (running_) first().post(std::move(call));
  }

 private:
  // The loop that everything but the sending of the others is on.
  EngineLoop& first() { return *loops_.front(); }
  Result<void> build_loops();
  void connect_loops();
  void build_housekeeping();
  Result<void> build_api();
  void watch_database();
  void count_publication(Metrics::Provider provider, const storage::Outcome& outcome);
  void noticed();
  std::string on_datagram(const std::string& message);
  void probe(const std::function<void(Result<void>)>& done);
  void begin_stop();
  void part_stopped();
  void end_stop(bool drained);
  void failed(Error error);

  Options options_;
  Providers providers_;
  core::AddressRules rules_;
  std::unique_ptr<storage::Outbox> outbox_;  // until start()
  Intake intake_;
  Log log_;
  Metrics metrics_;
  mutable EngineReadings readings_;  // has its own locks
  std::optional<storage::NoticeRow> notices_after_;

  std::vector<std::unique_ptr<EngineLoop>> loops_;
  std::unique_ptr<storage::StorageThread> storage_;
  Dispatchers dispatchers_;
  std::unique_ptr<NoticeFeed> notices_;
  std::unique_ptr<Housekeeper> housekeeper_;
  std::unique_ptr<CommitWatch> commit_watch_;
  std::unique_ptr<net::Loop::Watch> wake_socket_;
  std::unique_ptr<EngineApi> api_;
  std::size_t dispatchers_stopping_ = 0;
  int parts_stopping_ = 0;  // the dispatchers and the notices behind them; the API
  bool ended_ = false;
  bool drained_ = false;  // written by the first loop's thread, read after it was joined

  std::atomic<bool> running_ = false;
  std::vector<std::atomic<std::uint32_t>> in_flight_;  // by loop; told to any thread at any time
  mutable std::mutex failure_mutex_;
  std::optional<Error> failure_;
};

Result<void> Engine::Impl::build_loops() {
  net::CurlSenderOptions sending{
      .user_agent = "outrider/" + std::string(version()),
      .ca_file = options_.ca_file,
      .max_idle_connections = std::max(1U, connections_to_keep() / options_.loops)};
  if (!options_.egress_proxy.empty()) {
    auto proxy = net::parse_egress_proxy(options_.egress_proxy);
    if (!proxy) return tl::unexpected(std::move(proxy.error()));
    log_.line(net::wall_now(), "egress_proxy", {{LogField::kDetail, net::place_of(*proxy)}});
    sending.proxy = std::move(*proxy);
  }
  std::vector<std::unique_ptr<EngineLoop>> loops;
  for (std::uint32_t i = 0; i < options_.loops; ++i) {
    auto made = EngineLoop::make(
        {.thread_name = "outrider-loop" + (i == 0 ? std::string() : std::to_string(i)),
         .dns_servers = options_.dns_servers,
         .rules = rules_,
         .sending = sending,
         .metrics = metrics_,
         .in_flight = in_flight_[i]});
    if (!made) return tl::unexpected(std::move(made.error()));
    loops.push_back(std::move(*made));
  }
  loops_ = std::move(loops);
  return {};
}

// Everything that is not an endpoint's own is done on the first loop, also where another one needs
// it.
void Engine::Impl::connect_loops() {
  core::UrlRules urls;
  urls.allow_http = options_.targets.allow_http;
  if (urls.allow_http) urls.ports.push_back(80);
  urls.ports.insert(urls.ports.end(), options_.targets.allow_ports.begin(),
                    options_.targets.allow_ports.end());
  const std::uint32_t share = (options_.max_in_flight + options_.loops - 1) / options_.loops;
  for (const std::unique_ptr<EngineLoop>& each : loops_) {
    each->connect(*storage_,
                  {.providers = providers_.core(),
                   .intake = intake_,
                   .log = log_,
                   .load_endpoint =
                       [this](storage::EndpointRow row) {
                         first().post([this, row] { housekeeper_->load_endpoint(row); });
                       },
                   .failed = [this](Error error) { failed(std::move(error)); },
                   .maintain = [this] { first().post([this] { housekeeper_->maintain(); }); },
                   .noticed = [this] { first().post([this] { noticed(); }); }},
                  {.scheduler = {.max_in_flight = share}, .urls = urls});
    dispatchers_.add(each->dispatcher(), each->link());
  }
}

void Engine::Impl::build_housekeeping() {
  net::Loop& loop = first().loop();
  housekeeper_ = std::make_unique<Housekeeper>(
      Housekeeper::Parts{.clock = loop,
                         .timers = loop,
                         .storage = first().link(),
                         .providers = providers_.core(),
                         .intake = intake_,
                         .metrics = metrics_,
                         .dispatchers = dispatchers_,
                         .failed = [this](Error error) { failed(std::move(error)); },
                         .noticed = [this] { noticed(); }},
      HousekeeperOptions{.retain_payload_days = options_.retain_payload_days,
                         .retain_attempt_days = options_.retain_attempt_days});
  notices_ = std::make_unique<NoticeFeed>(NoticeFeed::Parts{
      .clock = loop,
      .timers = loop,
      .storage = first().link(),
      .providers = providers_.core(),
      .ids = intake_.ids(),
      .log = log_,
      .has_endpoints =
          [this](const std::string& name) { return housekeeper_->has_listeners(name); },
      .enqueued =
          [this](const storage::Enqueued& made) { dispatchers_.due(made.due, net::wall_now()); },
      .tell = options_.on_notice});
}

void Engine::Impl::noticed() {
  notices_->look();
  if (api_) api_->noted();
}

Result<void> Engine::Impl::build_api() {
  if (options_.api.listen.empty()) return {};
  auto database = Database::open({.path = options_.database,
                                  .max_payload_bytes = options_.max_payload_bytes,
                                  .busy_timeout_ms = options_.busy_timeout_ms,
                                  .key_file = options_.key_file,
                                  .seal = options_.seal},
                                 providers_);
  if (!database) return tl::unexpected(std::move(database.error()));
  auto made = EngineApi::make(
      options_.api, first().loop(), log_,
      {.publish =
           [this](const Event& event, std::function<void(Result<EventReceipt>)> done) {
             publish(event, std::move(done));
           },
       .post = [this](std::function<void()> call) { first().post(std::move(call)); },
       .health = [this] { return health(); },
       .probe = [this](const std::function<void(Result<void>)>& done) { probe(done); },
       .database = std::move(*database),
       .metrics = metrics_,
       .metrics_text = [this] { return metrics_text(ReadProcess::kYes); },
       .timers = first().loop(),
       .clock = first().loop(),
       .unix_needs_token = options_.api.unix_needs_token});
  if (!made) return tl::unexpected(std::move(made.error()));
  api_ = std::move(*made);
  return {};
}

// A commit that goes the way of all others: it waits its turn, and takes the write lock.
void Engine::Impl::probe(const std::function<void(Result<void>)>& done) {
  const auto answered = [done](const storage::Outcome& outcome) {
    done(outcome ? Result<void>() : tl::unexpected(outcome.error()));
  };
  auto sent = storage_->submit(storage::Touch{.now = core::to_ms(net::wall_now())}, answered);
  if (!sent) done(tl::unexpected(std::move(sent.error())));
}

Result<void> Engine::Impl::begin_notices() {
  if (!options_.notices_after) return {};
  auto row = notice_row(*options_.notices_after, intake_.ids());
  if (!row) {
    return fail(ErrorCode::kInvalidArgument, row.error().message, "notices_after",
                row.error().hint);
  }
  notices_after_ = *row;
  return {};
}

Result<void> Engine::Impl::start() {
  if (running_ || storage_) return fail(ErrorCode::kConflict, "the engine was started before");
  if (auto built = build_loops(); !built) return built;

  const SignalsBlocked blocked;
  storage_ = std::make_unique<storage::StorageThread>(
      std::move(outbox_), storage::CommitQueue::Limits{.patience = kCommitPatience},
      [this](const storage::CommitQueue::Measure& commit) {
        metrics_.commit(commit.changes, commit.took, commit.failed);
      });
  connect_loops();
  build_housekeeping();

  for (const std::string& net : options_.targets.allow_nets) {
    log_.line(net::wall_now(), "net_allowed", {{LogField::kNet, net}});
  }
  if (auto built = build_api(); !built) return built;
  watch_database();
  std::promise<void> ready;
  auto is_ready = ready.get_future();
  running_ = true;
  for (std::size_t i = 1; i < loops_.size(); ++i) loops_[i]->run([] {});
  first().run([this, &ready] {
    notices_->start(notices_after_);
    housekeeper_->start([this, &ready] {
      notices_->look();
      ready.set_value();
    });
  });
  is_ready.wait();
  return health();
}

void Engine::Impl::watch_database() {
  commit_watch_ = std::make_unique<CommitWatch>(
      CommitWatch::Parts{.loop = first().loop(),
                         .look = [this] { housekeeper_->on_foreign_commit(); },
                         .busy = [this] { return first().link().outstanding() > 0; }});
  if (auto watched = commit_watch_->start(storage::wal_path(options_.database)); !watched) {
    log_.line(net::wall_now(), "wal_not_watched", {{LogField::kDetail, watched.error().message}});
  }
  auto socket = first().loop().on_datagram(
      storage::wake_path(options_.database),
      [this](const std::string& message) { return on_datagram(message); });
  if (socket) {
    wake_socket_ = std::move(*socket);
  } else {
    log_.line(net::wall_now(), "no_wake_socket", {{LogField::kDetail, socket.error().message}});
  }
}

std::string Engine::Impl::on_datagram(const std::string& message) {
  if (message == kStatusQuestion) return format_status({.in_flight = in_flight()});
  housekeeper_->on_foreign_commit();
  return {};
}

void Engine::Impl::failed(Error error) {
  log_.line(net::wall_now(), "engine_failed",
            {{LogField::kError, error_code_name(error.code)}, {LogField::kDetail, error.message}});
  const std::lock_guard lock(failure_mutex_);
  if (!failure_) failure_ = std::move(error);
}

Result<void> Engine::Impl::health() const {
  const std::lock_guard lock(failure_mutex_);
  if (failure_) return tl::unexpected(*failure_);
  if (storage_) {
    if (auto poison = storage_->poisoned()) return tl::unexpected(*poison);
  }
  return {};
}

std::string Engine::Impl::metrics_text(ReadProcess process) const {
  return metrics_.text(readings_.take(health().has_value(), in_flight(), process));
}

// What a rule refused is rejected; what found no disk or no room is neither.
void Engine::Impl::count_publication(Metrics::Provider provider, const storage::Outcome& outcome) {
  if (outcome) {
    const bool duplicate = std::get<storage::Enqueued>(*outcome).duplicate;
    metrics_.event(provider, duplicate ? EventFate::kDuplicate : EventFate::kAccepted);
  } else if (is_refusal(outcome.error().code)) {
    metrics_.event(provider, EventFate::kRejected);
  } else if (outcome.error().code == ErrorCode::kOverloaded) {
    metrics_.refused(BoundedQueue::kCommit);
  }
}

void Engine::Impl::publish(const Event& event, std::function<void(Result<EventReceipt>)> done) {
  if (!running_) {
    done(fail(ErrorCode::kStopped, "the engine is not running", {}, "call start() first"));
    return;
  }
  const Metrics::Provider series = metrics_.provider(event.provider);
  auto enqueue = intake_.check(event, core::to_ms(net::wall_now()));
  if (!enqueue) {
    count_publication(series, tl::unexpected(enqueue.error()));
    done(tl::unexpected(std::move(enqueue.error())));
    return;
  }
  // Shared: one of two ways calls it, the commit or the refusal below.
  auto shared_done = std::make_shared<std::function<void(Result<EventReceipt>)>>(std::move(done));
  auto committed = [this, series, shared_done](storage::Outcome outcome) {
    count_publication(series, outcome);
    if (!outcome) {
      (*shared_done)(tl::unexpected(std::move(outcome.error())));
      return;
    }
    auto& enqueued = std::get<storage::Enqueued>(*outcome);
    (*shared_done)(intake_.receipt(enqueued));
    if (!enqueued.due.empty()) dispatchers_.due(std::move(enqueued.due), net::wall_now());
  };
  auto sent = storage_->submit(std::move(*enqueue), std::move(committed));
  if (!sent) {
    count_publication(series, tl::unexpected(sent.error()));
    (*shared_done)(tl::unexpected(std::move(sent.error())));
  }
}

void Engine::Impl::begin_stop() {
  first().loop().start(core::Duration(options_.drain_timeout_ms), [this] { end_stop(false); });
  housekeeper_->stop();
  parts_stopping_ = api_ ? 2 : 1;
  dispatchers_stopping_ = loops_.size();
  const auto stopped = [this] {
    if (--dispatchers_stopping_ == 0) notices_->stop([this] { part_stopped(); });
  };
  for (const std::unique_ptr<EngineLoop>& each : loops_) {
    each->post([this, loop = each.get(), stopped] {
      loop->dispatcher().stop([this, stopped] { first().post(stopped); });
    });
  }
  if (api_) api_->stop([this] { part_stopped(); });
}

void Engine::Impl::part_stopped() {
  if (--parts_stopping_ == 0) end_stop(true);
}

void Engine::Impl::end_stop(bool drained) {
  if (ended_) return;  // what is aborted ends too
  ended_ = true;
  drained_ = drained;
  commit_watch_->stop();
  wake_socket_.reset();
  for (const std::unique_ptr<EngineLoop>& each : loops_) {
    each->post([loop = each.get(), drained] {
      if (!drained) loop->abort_all();
      loop->end();
    });
  }
}

Result<bool> Engine::Impl::stop() {
  if (!running_.exchange(false)) return true;
  first().post([this] { begin_stop(); });
  for (const std::unique_ptr<EngineLoop>& each : loops_) each->join();
  if (api_) api_->end_threads();
  readings_.close();
  storage_->stop();  // commits what publishers still have waiting; nothing calls back after this
  auto state = health();
  api_.reset();
  commit_watch_.reset();
  notices_.reset();
  housekeeper_.reset();
  loops_.clear();
  if (!state) return tl::unexpected(std::move(state.error()));
  return drained_;
}

Result<std::unique_ptr<Engine>> Engine::open(Options options) {
  if (auto ok = check(options); !ok) return tl::unexpected(std::move(ok.error()));
  auto providers = Providers::load(options.providers_dir);
  if (!providers) return tl::unexpected(std::move(providers.error()));
  auto rules = core::AddressRules::make(options.targets.allow_nets, net::interface_addresses());
  if (!rules) return tl::unexpected(std::move(rules.error()));
  auto outbox = storage::open_sqlite_outbox({.path = options.database,
                                             .create = true,
                                             .engine = true,
                                             .busy_timeout_ms = options.busy_timeout_ms,
                                             .key_file = options.key_file,
                                             .seal = options.seal,
                                             .key_created = [&options](const std::string& path) {
                                               log_new_key_file(Log(options.log), path);
                                             }});
  if (!outbox) return tl::unexpected(std::move(outbox.error()));
  auto id_key = (*outbox)->id_key();
  if (!id_key) return tl::unexpected(std::move(id_key.error()));
  auto impl = std::make_unique<Impl>(std::move(options), std::move(*providers), std::move(*rules),
                                     std::move(*outbox), *id_key);
  if (auto begun = impl->begin_notices(); !begun) return tl::unexpected(std::move(begun.error()));
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

Result<void> Engine::start() { return impl_->start(); }
Result<bool> Engine::stop() { return impl_->stop(); }
std::uint32_t Engine::in_flight() const noexcept { return impl_->in_flight(); }
Result<void> Engine::health() const { return impl_->health(); }
std::string Engine::metrics_text() const { return impl_->metrics_text(ReadProcess::kNo); }
void Engine::on_next_turn(std::function<void()> call) { impl_->on_next_turn(std::move(call)); }

Result<EventReceipt> Engine::publish(const Event& event) {
  std::promise<Result<EventReceipt>> promise;
  auto answer = promise.get_future();
  impl_->publish(
      event, [&promise](Result<EventReceipt> receipt) { promise.set_value(std::move(receipt)); });
  return answer.get();
}

void Engine::publish_async(const Event& event, std::function<void(Result<EventReceipt>)> done) {
  impl_->publish(event, std::move(done));
}

}  // namespace outrider
