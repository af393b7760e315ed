#include "metrics_histogram.h"

#include <algorithm>

namespace outrider {

void MetricsHistogram::observe(double value) noexcept {
  const auto bucket = std::ranges::lower_bound(bounds_, value) - bounds_.begin();
  counts_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

prometheus::ClientMetric::Histogram MetricsHistogram::collect() const {
  prometheus::ClientMetric::Histogram histogram;
  histogram.bucket.reserve(bounds_.size());
  for (std::size_t i = 0; i < bounds_.size(); ++i) {
    histogram.sample_count += counts_[i].load(std::memory_order_relaxed);
    histogram.bucket.push_back(
        {.cumulative_count = histogram.sample_count, .upper_bound = bounds_[i]});
  }
  histogram.sample_count += counts_.back().load(std::memory_order_relaxed);
  histogram.sample_sum = sum_.load(std::memory_order_relaxed);
  return histogram;
}

}  // namespace outrider
