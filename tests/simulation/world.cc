#include "tests/simulation/world.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "crypto/public_id.h"
#include "storage/sqlite/sqlite_outbox.h"

namespace outrider::simulation {
namespace {

template <class T>
T must(Result<T> result) {
  if (!result) {
    ADD_FAILURE() << result.error().to_string();
    std::abort();
  }
  return std::move(*result);
}

std::string header(const net::HttpRequest& request, const std::string& name) {
  for (const HeaderField& field : request.headers) {
    if (field.name == name) return field.value;
  }
  return {};
}

std::vector<std::string> provider_names(const Providers& providers) {
  std::vector<std::string> names;
  for (const core::Provider* provider : providers.core().list()) names.push_back(provider->name);
  return names;
}

}  // namespace

core::Timers::Id VirtualTime::start(core::Duration after, std::function<void()> callback) {
  const core::Instant at = now_ + std::max(after, core::Duration(0));
  timers_.emplace(at, Timer{++last_, std::move(callback)});
  return last_;
}

void VirtualTime::cancel(Id id) {
  for (auto it = timers_.begin(); it != timers_.end(); ++it) {
    if (it->second.id == id) {
      timers_.erase(it);
      return;
    }
  }
}

std::optional<core::Instant> VirtualTime::next() const {
  if (timers_.empty()) return std::nullopt;
  return timers_.begin()->first;
}

void VirtualTime::advance_to(core::Instant at) {
  if (at <= now_) return;
  wall_ += at - now_;
  now_ = at;
}

bool VirtualTime::run_one() {
  if (timers_.empty() || timers_.begin()->first > now_) return false;
  auto callback = std::move(timers_.begin()->second.callback);
  timers_.erase(timers_.begin());
  callback();
  return true;
}

void VirtualSender::send(net::HttpRequest request, Done done) {
  const std::uint64_t id = ++last_;
  flying_.emplace(id, std::move(done));
  most_in_flight = std::max(most_in_flight, in_flight());
  const auto receiver = receivers.find(request.to->target.url);
  Answer given;
  if (receiver != receivers.end()) given = receiver->second(request);
  sent.push_back({.url = request.to->target.url,
                  .body = request.body,
                  .webhook_id = header(request, "webhook-id"),
                  .at = time_.now(),
                  .status = given.status});
  if (given.takes > request.timeout) {
    given = {
        .status = 0, .error = ErrorClass::kTimeout, .takes = request.timeout, .retry_after = {}};
  }
  time_.start(given.takes, [this, id, given] { answer(id, given); });
}

void VirtualSender::answer(std::uint64_t id, const Answer& given) {
  const auto found = flying_.find(id);
  if (found == flying_.end()) return;  // aborted
  const Done done = std::move(found->second);
  flying_.erase(found);
  net::HttpOutcome outcome;
  outcome.error = given.error;
  outcome.status = given.status;
  outcome.retry_after = given.retry_after;
  outcome.duration = given.takes;
  if (given.leaves_after) outcome.left_after = given.leaves_after;
  done(std::move(outcome));
}

void VirtualSender::abort_all() {
  auto flying = std::move(flying_);
  flying_.clear();
  for (auto& [id, done] : flying) {
    net::HttpOutcome outcome;
    outcome.error = ErrorClass::kAborted;
    done(std::move(outcome));
  }
}

std::size_t loops_by_default() {
  const char* asked = std::getenv("OUTRIDER_WORLD_LOOPS");
  return asked == nullptr ? 1 : std::stoul(asked);
}

World::World(WorldOptions options)
    : options_(std::move(options)),
      providers_(must(Providers::load(options_.providers_dir))),
      metrics({.version = "test", .providers = provider_names(providers_), .routes = {}}),
      log_([this](std::string_view line) { log_lines.emplace_back(line); }) {
  std::string pattern = (std::filesystem::temp_directory_path() / "outrider-world-XXXXXX").string();
  folder_ = ::mkdtemp(pattern.data());
  boot();
  side_ = open(false);
}

World::~World() {
  halt();
  side_.reset();
  std::filesystem::remove_all(folder_);
}

std::unique_ptr<storage::Outbox> World::open(bool engine) const {
  return must(storage::open_sqlite_outbox(
      {.path = folder_ + "/world.db", .create = true, .engine = engine}));
}

void World::boot() {
  auto outbox = open(true);
  intake_ = std::make_unique<Intake>(providers_.core(), crypto::PublicIds(must(outbox->id_key())),
                                     IntakeLimits{});
  storage_ =
      std::make_unique<storage::StorageThread>(std::move(outbox), storage::CommitQueue::Limits{});
  dispatchers_ = std::make_unique<Dispatchers>();
  for (std::size_t i = 0; i < options_.loops; ++i) add_loop();
  housekeeper_ = std::make_unique<Housekeeper>(
      Housekeeper::Parts{.clock = time,
                         .timers = time,
                         .storage = *loops_.front().link,
                         .providers = providers_.core(),
                         .intake = *intake_,
                         .metrics = metrics,
                         .dispatchers = *dispatchers_,
                         .failed = [this](Error error) { failure_ = std::move(error); }},
      HousekeeperOptions{});
  housekeeper_->start([] {});
  settle();
}

void World::add_loop() {
  const auto loops = static_cast<std::uint32_t>(options_.loops);
  const std::uint32_t share = (options_.max_in_flight + loops - 1) / loops;
  SendLoop loop{.sender = std::make_unique<SharedSender>(sender),
                .link = std::make_unique<StorageLink>(*storage_, [] {}),
                .dispatcher = nullptr};
  loop.dispatcher = std::make_unique<Dispatcher>(
      Dispatcher::Parts{
          .clock = time,
          .timers = time,
          .sender = *loop.sender,
          .storage = *loop.link,
          .providers = providers_.core(),
          .intake = *intake_,
          .log = log_,
          .metrics = metrics,
          .roll = [] { return 0.5; },
          .load_endpoint =
              [this](storage::EndpointRow row) {
                loops_.front().link->post([this, row] { housekeeper_->load_endpoint(row); });
              },
          .failed = [this](Error error) { failure_ = std::move(error); },
          .maintain = [this] { loops_.front().link->post([this] { housekeeper_->maintain(); }); }},
      DispatcherOptions{.scheduler = {.max_in_flight = share}, .urls = {}});
  dispatchers_->add(*loop.dispatcher, *loop.link);
  loops_.push_back(std::move(loop));
}

void World::halt() {
  storage_->stop();
  housekeeper_.reset();
  loops_.clear();
  dispatchers_.reset();
  storage_.reset();
}

void World::crash() {
  // The sender's requests die with the process: their answers reach nobody.
  sender.vanish();
  time.clear();
  halt();
  boot();
}

storage::EndpointRow World::add_endpoint(const std::string& name, const std::string& provider,
                                         const std::string& account) {
  storage::AddEndpoint add;
  add.spec.account = account;
  add.spec.provider = provider;
  add.spec.url = url(name);
  add.spec.secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  add.max_per_account = providers_.core().find(provider)->endpoints_per_account;
  add.now = core::to_ms(time.wall());
  return std::get<storage::Changed>(must(operate(std::move(add)))).id;
}

Result<storage::Enqueued> World::publish(const Event& event) {
  auto enqueue = intake_->check(event, core::to_ms(time.wall()));
  if (!enqueue) return tl::unexpected(enqueue.error());
  std::optional<storage::Outcome> outcome;
  loops_.front().link->submit(std::move(*enqueue), [&](storage::Outcome answer) {
    outcome = std::move(answer);
    if (*outcome) dispatchers_->due(std::get<storage::Enqueued>(**outcome).due, time.wall());
  });
  settle();
  if (!*outcome) return tl::unexpected(outcome->error());
  return std::get<storage::Enqueued>(std::move(**outcome));
}

void World::publish_many(const std::vector<Event>& events) {
  std::vector<storage::Mutation> batch;
  batch.reserve(events.size());
  for (const Event& event : events) {
    batch.emplace_back(must(intake_->check(event, core::to_ms(time.wall()))));
  }
  for (storage::Outcome& outcome : must(side_->apply(batch))) must(std::move(outcome));
  housekeeper_->on_foreign_commit();
  settle();
}

Result<storage::Applied> World::operate(storage::Mutation mutation) {
  if (!side_) side_ = open(false);
  auto outcomes = must(side_->apply({&mutation, 1}));
  housekeeper_->on_foreign_commit();
  settle();
  return std::move(outcomes.front());
}

void World::answer(const std::string& name,
                   std::function<Answer(const net::HttpRequest&)> receiver) {
  sender.receivers[url(name)] = std::move(receiver);
}

void World::answer(const std::string& name, int status) {
  answer(name, [status](const net::HttpRequest&) { return Answer{.status = status}; });
}

bool World::drain() {
  bool any = false;
  for (const SendLoop& loop : loops_) {
    if (loop.link->drain() == 0) continue;
    loop.dispatcher->pump();
    any = true;
  }
  return any;
}

bool World::wait_drain() {
  bool any = false;
  for (const SendLoop& loop : loops_) {
    if (loop.link->outstanding() == 0) continue;
    loop.link->wait();
    any = true;
  }
  return drain() || any;
}

void World::settle() {
  while (wait_drain() || time.run_one()) {
  }
}

void World::run_for(core::Duration span) {
  const core::Instant end = time.now() + span;
  settle();
  for (auto next = time.next(); next && *next <= end; next = time.next()) {
    time.advance_to(*next);
    settle();
  }
  time.advance_to(end);
}

std::vector<Sent> World::sent_to(const std::string& name) const {
  std::vector<Sent> found;
  std::copy_if(sender.sent.begin(), sender.sent.end(), std::back_inserter(found),
               [&](const Sent& sent) { return sent.url == url(name); });
  return found;
}

std::string World::url(const std::string& name) { return "https://" + name + ".example/hook"; }

storage::EndpointRecord World::endpoint(storage::EndpointRow row) {
  return must(side_->endpoint(row, core::to_ms(time.wall()))).value();
}
std::vector<storage::DeliveryRecord> World::deliveries(storage::EventRow event) {
  return must(side_->deliveries(event));
}
std::vector<storage::AttemptRecord> World::attempts(storage::DeliveryRow delivery) {
  return must(side_->attempts(delivery));
}
std::string World::public_id(storage::EndpointRow row) const {
  return intake_->ids().text(crypto::IdKind::kEndpoint, row);
}
std::vector<storage::RejectedRecord> World::rejected() { return must(side_->rejected(100)); }

void World::sql_unnoticed(const std::string& text) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((folder_ + "/world.db").c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, text.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(db);
  sqlite3_close(db);
}

void World::sql(const std::string& text) {
  sql_unnoticed(text);
  housekeeper_->on_foreign_commit();
  settle();
}

bool World::stop_within(core::Duration limit) {
  std::size_t stopped = 0;
  housekeeper_->stop();
  for (const SendLoop& loop : loops_) loop.dispatcher->stop([&] { ++stopped; });
  run_for(limit);
  return stopped == loops_.size();
}

storage::QueueCounts World::queue() { return must(side_->queue(core::to_ms(time.wall()))); }

}  // namespace outrider::simulation
