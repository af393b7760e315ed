// Counting: each is a pointer followed and an atomic number raised.
#include "metrics.h"

#include <algorithm>

#include "metrics_series.h"

namespace outrider {
namespace {

double seconds(core::Duration duration) {
  return std::chrono::duration<double>(std::max(duration, core::Duration(0))).count();
}

template <class Enum>
std::size_t index(Enum value) {
  return static_cast<std::size_t>(value);
}

void raise(prometheus::Counter* counter, double by = 1) {
  if (counter != nullptr) counter->Increment(by);
}

}  // namespace

Metrics::Metrics(const MetricsSetup& setup) : series_(std::make_unique<MetricsSeries>(setup)) {}
Metrics::~Metrics() = default;

Metrics::Provider Metrics::provider(std::string_view name) const noexcept {
  const auto& providers = series_->providers;
  const auto last = providers.end() - 1;
  const auto found = std::lower_bound(
      providers.begin(), last, name,
      [](const ProviderSeries& series, std::string_view wanted) { return series.name < wanted; });
  if (found == last || found->name != name) return providers.size() - 1;
  return static_cast<Provider>(found - providers.begin());
}

void Metrics::event(Provider provider, EventFate fate) noexcept {
  raise(series_->providers[provider].events[index(fate)]);
}

void Metrics::attempt(Provider provider, AttemptFate fate, ErrorClass error,
                      core::Duration took) noexcept {
  ProviderSeries& series = series_->providers[provider];
  raise(series.attempts[index(fate)][index(error)]);
  series.attempt.observe(seconds(took));
}

void Metrics::first_byte(Provider provider, core::Duration after_commit) noexcept {
  series_->providers[provider].first_byte.observe(seconds(after_commit));
}

void Metrics::delivered(Provider provider, core::Duration after_commit) noexcept {
  series_->providers[provider].delivery.observe(seconds(after_commit));
}

void Metrics::delivery_ended(Provider provider, DeliveryState state) noexcept {
  raise(series_->providers[provider].ended[index(state)]);
}

void Metrics::deactivated(Provider provider, std::size_t endpoints) noexcept {
  raise(series_->providers[provider].deactivations, static_cast<double>(endpoints));
}

void Metrics::commit(std::size_t changes, std::chrono::nanoseconds took, bool failed) noexcept {
  if (failed) {
    raise(series_->commit_failures);
    return;
  }
  series_->batch.observe(static_cast<double>(changes));
  series_->commit.observe(std::chrono::duration<double>(took).count());
}

void Metrics::loop_lag(core::Duration lag) noexcept { series_->lag.observe(seconds(lag)); }

void Metrics::refused(BoundedQueue queue) noexcept { raise(series_->refused[index(queue)]); }

void Metrics::request(std::optional<std::size_t> route, int status) noexcept {
  const std::size_t none = series_->routes.size() - 1;
  const std::size_t status_class = static_cast<std::size_t>(std::clamp(status / 100, 1, 5) - 1);
  raise(series_->routes[std::min(route.value_or(none), none)][status_class]);
}

}  // namespace outrider
