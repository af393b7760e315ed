// Which series there are. All are made at the start, so that the first rise of a counter is one
// from 0, which rate() sees, and so that counting is following a pointer.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <array>
#include <cstddef>
#include <deque>
#include <string>
#include <vector>

#include "metrics.h"
#include "metrics_histogram.h"

namespace outrider {

inline constexpr std::size_t kErrorClasses = static_cast<std::size_t>(ErrorClass::kAborted) + 1;

struct ProviderSeries {
  explicit ProviderSeries(std::string its_name);
  std::string name;
  // Null: it cannot happen.
  std::array<prometheus::Counter*, 3> events{};                               // by EventFate
  std::array<std::array<prometheus::Counter*, kErrorClasses>, 3> attempts{};  // by AttemptFate
  std::array<prometheus::Counter*, 6> ended{};                                // by DeliveryState
  prometheus::Counter* deactivations = nullptr;
  MetricsHistogram attempt, first_byte, delivery;  // seconds
};

class MetricsSeries {
 public:
  explicit MetricsSeries(const MetricsSetup& setup);

  // Of a status from 100 to 599.
  using StatusClasses = std::array<prometheus::Counter*, 5>;

  std::string version;
  prometheus::Registry registry;
  std::deque<ProviderSeries> providers;           // by name; the last is whatever has no other
  std::vector<StatusClasses> routes;              // the last: no route was reached
  std::array<prometheus::Counter*, 4> refused{};  // by BoundedQueue
  prometheus::Counter* commit_failures = nullptr;
  MetricsHistogram batch, commit, lag;

 private:
  void add_events();
  void add_attempts();
  void add_endings();
  void add_requests(const std::vector<MetricsSetup::Route>& described);
  void add_refusals();
};

}  // namespace outrider
