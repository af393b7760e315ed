#include "metrics_series.h"

#include <algorithm>

namespace outrider {
namespace {

using prometheus::Counter;

constexpr const char* kUnknown = "_unknown";

// A request's time limit is 3 s unless its provider says otherwise; the first retry comes after
// 10 s, the last after a day.
constexpr double kAttemptBounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30};
constexpr double kLatencyBounds[] = {0.001, 0.0025, 0.005, 0.01,  0.025, 0.05,  0.1, 0.25,
                                     0.5,   1,      2.5,   5,     10,    30,    120, 600,
                                     1800,  3600,   10800, 43200, 86400, 172800};
constexpr double kBatchBounds[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};
constexpr double kCommitBounds[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                    0.1,    0.25,  0.5,    1,     2.5,  5};
constexpr double kLagBounds[] = {0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5};

prometheus::Family<Counter>& family(prometheus::Registry& registry, const char* name,
                                    const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

// Success has no error class, and everything else has one.
bool can_be(std::size_t fate, std::size_t error) {
  return (fate == static_cast<std::size_t>(AttemptFate::kDelivered)) == (error == 0);
}

}  // namespace

ProviderSeries::ProviderSeries(std::string its_name)
    : name(std::move(its_name)),
      attempt(kAttemptBounds),
      first_byte(kLatencyBounds),
      delivery(kLatencyBounds) {}

MetricsSeries::MetricsSeries(const MetricsSetup& setup)
    : version(setup.version), batch(kBatchBounds), commit(kCommitBounds), lag(kLagBounds) {
  std::vector<std::string> names = setup.providers;
  std::ranges::sort(names);
  for (std::string& name : names) providers.emplace_back(std::move(name));
  providers.emplace_back(kUnknown);
  add_events();
  add_attempts();
  add_endings();
  add_requests(setup.routes);
  add_refusals();
}

void MetricsSeries::add_events() {
  constexpr std::array kFates{"accepted", "duplicate", "rejected"};
  auto& events = family(registry, "outrider_events_total",
                        "Events that came by publish(), by HTTP or as rows of outrider_outbox: "
                        "accepted once durable, duplicates of a known idempotency key, rejected by "
                        "a rule. Events that other processes commit themselves (outrider send) are "
                        "not seen here; bodies that could not be read are API requests only.");
  for (ProviderSeries& provider : providers) {
    const bool known = &provider != &providers.back();
    for (std::size_t fate = known ? 0 : 2; fate < kFates.size(); ++fate) {
      provider.events[fate] = &events.Add({{"provider", provider.name}, {"outcome", kFates[fate]}});
    }
  }
}

void MetricsSeries::add_attempts() {
  constexpr std::array kFates{"delivered", "retry", "exhausted"};
  auto& attempts =
      family(registry, "outrider_attempts_total",
             "Attempts that ended, by what follows from them and by error class. Those "
             "that were cut short by a stop are made again and not counted.");
  for (ProviderSeries& provider : providers) {
    if (&provider == &providers.back()) break;  // it has no endpoint that is served
    for (std::size_t fate = 0; fate < kFates.size(); ++fate) {
      for (std::size_t error = 0; error < kErrorClasses; ++error) {
        if (!can_be(fate, error)) continue;
        const std::string name(error_class_name(static_cast<ErrorClass>(error)));
        provider.attempts[fate][error] = &attempts.Add(
            {{"provider", provider.name}, {"outcome", kFates[fate]}, {"error", name}});
      }
    }
  }
}

void MetricsSeries::add_endings() {
  auto& ended = family(registry, "outrider_deliveries_ended_total",
                       "Deliveries that this engine ended, once that was durable. What operators "
                       "cancel is not among them.");
  auto& deactivations = family(registry, "outrider_endpoint_deactivations_total",
                               "Endpoints that were deactivated because they kept failing.");
  for (ProviderSeries& provider : providers) {
    if (&provider == &providers.back()) break;
    for (const auto state : {DeliveryState::kDelivered, DeliveryState::kExhausted,
                             DeliveryState::kExpired, DeliveryState::kCancelled}) {
      provider.ended[static_cast<std::size_t>(state)] =
          &ended.Add({{"provider", provider.name}, {"state", std::string(state_name(state))}});
    }
    provider.deactivations = &deactivations.Add({{"provider", provider.name}});
  }
}

void MetricsSeries::add_requests(const std::vector<MetricsSetup::Route>& described) {
  constexpr std::array kClasses{"1xx", "2xx", "3xx", "4xx", "5xx"};
  auto& requests = family(registry, "outrider_api_requests_total",
                          "Requests that the HTTP API answered, by route and class of status. "
                          "Route `none`: the path is no route, or it was not HTTP.");
  const auto add = [&](const std::string& method, const std::string& route) {
    StatusClasses by_class{};
    for (const std::size_t status : {1U, 3U, 4U}) {
      by_class[status] =
          &requests.Add({{"method", method}, {"route", route}, {"status", kClasses[status]}});
    }
    routes.push_back(by_class);
  };
  for (const MetricsSetup::Route& route : described) add(route.method, route.pattern);
  add("none", "none");
}

void MetricsSeries::add_refusals() {
  constexpr std::array kQueues{"commit", "intake", "desk", "bodies"};
  auto& refusals = family(registry, "outrider_overload_refusals_total",
                          "What was refused because a bounded queue was full: events to be "
                          "committed, bodies to be read, operators' requests, bytes of bodies.");
  for (std::size_t i = 0; i < kQueues.size(); ++i) {
    refused[i] = &refusals.Add({{"queue", kQueues[i]}});
  }
  commit_failures = &family(registry, "outrider_commit_failures_total",
                            "Commits that failed as a whole: disk full, locked too long, I/O.")
                         .Add({});
}

}  // namespace outrider
