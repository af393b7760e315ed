// A histogram whose observations wait for nobody. The library's own takes a mutex, which a scrape
// holds while it copies: the loop must not wait for the thread that renders. Here each bucket is an
// atomic number; what a scrape sees may be a few observations old, but its count is always the sum
// of its buckets.
#pragma once

#include <prometheus/client_metric.h>

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

namespace outrider {

class MetricsHistogram {
 public:
  // Upper bounds, rising; they must outlive it.
  explicit MetricsHistogram(std::span<const double> bounds)
      : bounds_(bounds), counts_(bounds.size() + 1) {}

  void observe(double value) noexcept;  // any thread
  [[nodiscard]] prometheus::ClientMetric::Histogram collect() const;

 private:
  std::span<const double> bounds_;
  std::vector<std::atomic<std::uint64_t>> counts_;  // the last is what lies above all bounds
  std::atomic<double> sum_ = 0;
};

}  // namespace outrider
