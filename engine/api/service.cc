// Numbers instead of Responders across threads: an answer whose request is gone finds nothing.
#include "api/service.h"

#include <any>
#include <utility>

#include "api/publishing.h"
#include "schemas/embedded.h"

namespace outrider::api {
namespace {

constexpr std::size_t kMostAtIntake = 2048;
constexpr std::size_t kMostAtDesk = 256;
constexpr std::size_t kMostWaitingBytes = 64 * 1024 * 1024;
constexpr core::Duration kProbeLimit{2000};
constexpr core::Duration kReadyFor{1000};
constexpr const char* kReadyBody = "{\"status\": \"ready\"}\n";
constexpr core::Duration kTokensEvery{1000};
constexpr core::Duration kAgainAfter{5};  // the commit queue was full

bool has_body(const net::ServerRequest& request) {
  const std::string* length = request.header("content-length");
  return request.header("transfer-encoding") != nullptr ||
         (length != nullptr && length->find_first_not_of('0') != std::string::npos);
}

net::ServerResponse response_of(const Problem& problem, const std::string& request_id) {
  net::ServerResponse response{.status = problem.kind->status,
                               .headers = {{"Content-Type", "application/problem+json"}},
                               .body = problem_json(problem, request_id) + "\n"};
  if (problem.kind->retry_after_s > 0) {
    response.headers.push_back({"Retry-After", std::to_string(problem.kind->retry_after_s)});
  }
  response.headers.insert(response.headers.end(), problem.headers.begin(), problem.headers.end());
  return response;
}

net::ServerResponse response_of(Answer answer, const std::string& request_id) {
  net::ServerResponse response;
  if (!answer) {
    response = response_of(answer.error(), request_id);
  } else {
    response.status = answer->status;
    if (!answer->body.empty()) {
      response.headers.push_back({"Content-Type", std::string(answer->content_type)});
    }
    for (HeaderField& field : answer->headers) response.headers.push_back(std::move(field));
    response.body = std::move(answer->body);
  }
  response.headers.push_back({"X-Request-Id", request_id});
  response.headers.push_back({"Cache-Control", "no-store"});
  return response;
}

Answer description() {
  for (const schemas::EmbeddedFile& file : schemas::embedded_files()) {
    if (file.path == "openapi.yaml") {
      return Reply{
          .status = 200, .body = std::string(file.text), .content_type = "application/yaml"};
    }
  }
  return refuse(kind_of(ErrorCode::kInternal), "the description is missing");
}

std::size_t place_of(const Route& route) {
  return static_cast<std::size_t>(&route - routes().data());
}

}  // namespace

Service::Service(Engine engine)
    : engine_(std::move(engine)),
      access_(engine_.unix_needs_token),
      intake_(kMostAtIntake),
      desk_(kMostAtDesk),
      batches_({.publish = engine_.publish,
                .intake = intake_,
                .later = [this](std::function<void()> work) { try_again(std::move(work)); },
                .post = engine_.post,
                .resume =
                    [this](std::uint64_t number) {
                      const auto found = waiting_.find(number);
                      if (found != waiting_.end()) found->second.responder.resume_body();
                    },
                .answer = [this](std::uint64_t number,
                                 Answer given) { answer(number, std::move(given)); }}) {}

Result<std::unique_ptr<Service>> Service::make(Engine engine) {
  auto tokens = engine.database->tokens();
  if (!tokens) return tl::unexpected(std::move(tokens.error()));
  std::unique_ptr<Service> service(new Service(std::move(engine)));
  service->access_.set_tokens(std::move(*tokens));
  service->follow_tokens();
  return service;
}

Service::~Service() {
  end_threads();
  engine_.timers.cancel(token_timer_);
  engine_.timers.cancel(noted_timer_);
  for (const auto& [number, follower] : followers_) engine_.timers.cancel(follower.timer);
  engine_.timers.cancel(probe_timer_);
  engine_.timers.cancel(again_timer_);
}

// Tokens are added and removed by other processes, and the file says nothing when they are. While
// the desk is busy the old ones count.
void Service::follow_tokens() {
  token_timer_ = engine_.timers.start(kTokensEvery, [this] {
    follow_tokens();
    (void)desk_.submit([this] {
      auto tokens = engine_.database->tokens();
      if (!tokens) return;
      engine_.post([this, tokens = std::move(*tokens)] { access_.set_tokens(tokens); });
    });
  });
}

void Service::end_threads() {
  intake_.end();
  desk_.end();
}

Read<Service::Admitted> Service::admit(const net::ServerRequest& request) const {
  auto call = read_target(request.target);
  if (!call) return tl::unexpected(std::move(call.error()));
  call->method = request.method;
  auto route = find_route(*call);
  if (!route) return tl::unexpected(std::move(route.error()));
  if ((*route)->need != Role::kNone) {
    auto who = access_.identify(request);
    if (!who) return tl::unexpected(std::move(who.error()));
    call->who = std::move(*who);
    if (!call->who.may((*route)->need)) {
      return refuse(kForbidden, "this needs the role " + std::string(role_name((*route)->need)));
    }
  }
  if (auto known = check_parameters(**route, *call); !known) {
    return tl::unexpected(std::move(known.error()));
  }
  return Admitted{.route = *route, .call = std::move(*call)};
}

net::BodyRule Service::body_rule(const net::ServerRequest& head) const {
  auto admitted = admit(head);
  if (admitted) {
    const Route& route = *admitted->route;
    return {.max_bytes = route.max_body_bytes,
            .refusal = {},
            .streamed = route.work == Work::kBatch,
            .admitted = std::move(*admitted)};
  }
  const std::string id = request_id(head);
  auto refusal = response_of(Answer(tl::unexpected(admitted.error())), id);
  engine_.metrics.request(std::nullopt, refusal.status);
  return {.max_bytes = 0, .refusal = std::move(refusal)};
}

std::uint64_t Service::expect_answer(const net::ServerRequest& request, net::Responder responder) {
  const std::uint64_t number = ++last_number_;
  waiting_.emplace(number,
                   Waiting{.responder = std::move(responder), .request_id = request_id(request)});
  return number;
}

std::unique_ptr<net::BodySink> Service::stream(net::ServerRequest head, net::Responder responder) {
  const std::uint64_t number = expect_answer(head, std::move(responder));
  auto admitted = std::any_cast<Admitted>(std::move(head.admitted));
  waiting_.at(number).route = place_of(*admitted.route);
  admitted.call.headers = std::move(head.headers);
  const core::TraceContext trace = trace_of(admitted.call);
  return batches_.begin(number, {.who = std::move(admitted.call.who), .trace = trace});
}

void Service::handle(net::ServerRequest request, net::Responder responder) {
  const std::uint64_t number = expect_answer(request, std::move(responder));
  auto admitted = request.admitted.has_value()
                      ? Read<Admitted>(std::any_cast<Admitted>(std::move(request.admitted)))
                      : admit(request);
  if (!admitted) return answer(number, tl::unexpected(std::move(admitted.error())));
  auto& [route, call] = *admitted;
  waiting_.at(number).route = place_of(*route);
  if (route->max_body_bytes == 0 && has_body(request)) {
    return answer(number, refuse(kTooLarge, "this request has no body"));
  }
  const std::size_t bytes = request.body.size();
  if (waiting_bytes_ + bytes > kMostWaitingBytes) {
    return answer(number, too_much(BoundedQueue::kBodies));
  }
  waiting_bytes_ += bytes;
  waiting_.at(number).body_bytes = bytes;
  call.headers = std::move(request.headers);
  call.body = std::move(request.body);
  call.request_id = waiting_.at(number).request_id;
  switch (route->work) {
    case Work::kAlive:
      return answer(number, Reply{.status = 200, .body = "{\"status\": \"alive\"}\n"});
    case Work::kReady:
      return ready(number);
    case Work::kDescription:
      return answer(number, description());
    case Work::kPublish:
      return publish(number, std::move(call));
    case Work::kBatch:
      return answer(number, refuse(kBadRequest, "the batch has no line"));  // it has no body
    case Work::kMetrics:
      return show_metrics(number, call.who);
    case Work::kDatabase:
      return ask_desk(number, std::move(call), route->call);
    case Work::kFollow:
      return follow(number, std::move(call), route->call);
  }
}

void Service::answer(std::uint64_t number, Answer answer) {
  const auto found = waiting_.find(number);
  if (found == waiting_.end()) return;
  Waiting waiting = std::move(found->second);
  waiting_.erase(found);
  waiting_bytes_ -= waiting.body_bytes;
  net::ServerResponse response = response_of(std::move(answer), waiting.request_id);
  engine_.metrics.request(waiting.route, response.status);
  waiting.responder.send(std::move(response));
}

Answer Service::too_much(BoundedQueue queue) {
  engine_.metrics.refused(queue);
  return refuse(kind_of(ErrorCode::kOverloaded), "too many requests wait already");
}

void Service::answer_later(std::uint64_t number, Answer given) {
  engine_.post(
      [this, number, given = std::move(given)]() mutable { answer(number, std::move(given)); });
}

void Service::publish(std::uint64_t number, Call call) {
  const bool taken = intake_.submit([this, number, call = std::move(call)] {
    auto publication = publication_from(call);
    if (!publication) return answer_later(number, tl::unexpected(std::move(publication.error())));
    engine_.publish(publication->event, [this, number, at = publication->payload_at](
                                            Result<EventReceipt> receipt) {
      if (receipt) {
        answer_later(number, Reply{.status = 202, .body = receipt_json(*receipt) + "\n"});
      } else {
        answer_later(number, tl::unexpected(publishing_problem(receipt.error(), at)));
      }
    });
  });
  if (!taken) answer(number, too_much(BoundedQueue::kIntake));
}

void Service::try_again(std::function<void()> work) {
  engine_.post([this, work = std::move(work)]() mutable {
    again_.push_back(std::move(work));
    if (again_timer_ != 0) return;
    again_timer_ = engine_.timers.start(kAgainAfter, [this] {
      again_timer_ = 0;
      for (std::function<void()>& each : std::exchange(again_, {}))
        intake_.proceed(std::move(each));
    });
  });
}

void Service::ask_desk(std::uint64_t number, Call call, DatabaseCall work) {
  const bool taken = desk_.submit([this, number, work, call = std::move(call)] {
    engine_.database->act_as(call.who.actor);
    answer_later(number, work(*engine_.database, call));
  });
  if (!taken) answer(number, too_much(BoundedQueue::kDesk));
}

// On the desk's thread, which may read from the disk and take its time.
void Service::show_metrics(std::uint64_t number, const Principal& who) {
  if (!who.account.empty()) {
    return answer(number, refuse(kForbidden,
                                 "metrics are about all accounts, the token is bound "
                                 "to one"));
  }
  const bool taken = desk_.submit([this, number] {
    answer_later(
        number,
        Reply{.status = 200, .body = engine_.metrics_text(), .content_type = kMetricsContentType});
  });
  if (!taken) answer(number, too_much(BoundedQueue::kDesk));
}

// One commit at a time, however many ask: the path needs no token.
void Service::ready(std::uint64_t number) {
  const core::Instant now = engine_.clock.now();
  if (ready_at_ && now - *ready_at_ < kReadyFor && engine_.health()) {
    return answer(number, Reply{.status = 200, .body = kReadyBody});
  }
  ready_askers_.push_back(number);
  if (probing_) return;
  probing_ = true;
  if (auto healthy = engine_.health(); !healthy) return readiness(healthy);
  const std::uint64_t probe = ++probe_;
  probe_timer_ = engine_.timers.start(kProbeLimit, [this] {
    probe_timer_ = 0;
    readiness(fail(ErrorCode::kBusy, "the database did not answer within two seconds"));
  });
  engine_.probe([this, probe](Result<void> state) {
    engine_.post([this, probe, state = std::move(state)] {
      if (probe == probe_) readiness(state);
    });
  });
}

void Service::readiness(const Result<void>& state) {
  if (!probing_) return;
  probing_ = false;
  ready_at_ = state ? std::optional(engine_.clock.now()) : std::nullopt;
  engine_.timers.cancel(std::exchange(probe_timer_, 0));
  for (const std::uint64_t number : std::exchange(ready_askers_, {})) {
    if (state) {
      answer(number, Reply{.status = 200, .body = kReadyBody});
    } else {
      answer(number, refuse(kNotReady, state.error().message, {}, state.error().hint));
    }
  }
}

net::ServerResponse Service::fault_answer(int status, std::string_view reason) const {
  engine_.metrics.request(std::nullopt, status);
  const ProblemKind kind{"http", status, "Not a request that is read here"};
  auto problem = refuse(kind, std::string(reason));
  return response_of(problem.value(), {});
}

}  // namespace outrider::api
