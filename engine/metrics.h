// What the engine tells Prometheus. The one place that knows its library; the others hand in
// values.
//
// Counting is for the hot path, from any thread: no lock, no allocation, no name is looked up. A
// provider's series are found once, by name, and then known by a number. Rendering is for whoever
// asks, on a thread that may take its time: it copies the counters and writes them out.
//
// Labels come from closed sets alone: the providers that were loaded, the routes of the API, our
// own states and error classes. A name that is none of them counts under `_unknown`, which no
// provider can be called. No URL, account, id or text of an error is ever a label.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.h"
#include "outrider/types.h"

namespace outrider {

struct MetricsSetup {
  struct Route {
    std::string method;
    std::string pattern;
  };
  std::string version;
  std::vector<std::string> providers;
  std::vector<Route> routes;
};

enum class EventFate : std::uint8_t { kAccepted, kDuplicate, kRejected };
enum class AttemptFate : std::uint8_t { kDelivered, kRetry, kExhausted };
// What is bounded, and refuses more when it is full.
enum class BoundedQueue : std::uint8_t { kCommit, kIntake, kDesk, kBodies };

// What is not counted as it happens, but looked at when somebody asks. What is unset is left out of
// the text: no value is better than one that is made up.
struct StoredReadings {
  std::uint64_t due = 0, scheduled = 0, held = 0;  // deliveries
  std::uint64_t inbox_new = 0, inbox_rejected = 0;
  std::map<EndpointState, std::uint64_t> endpoints;
  double oldest_due_age_s = 0;
  double age_s = 0;   // of this reading: a large queue is not counted anew for each scrape
  double took_s = 0;  // to read it
};
struct FileReadings {
  std::optional<std::uint64_t> database_bytes, wal_bytes, disk_free_bytes, disk_size_bytes;
};
struct ProcessReadings {
  double start_time_s = 0, cpu_s = 0;
  std::uint64_t resident_bytes = 0, virtual_bytes = 0, open_fds = 0, max_fds = 0;
};
struct Readings {
  bool healthy = false;
  std::uint32_t in_flight = 0;
  std::optional<StoredReadings> stored;
  FileReadings files;
  std::optional<ProcessReadings> process;
};

class MetricsSeries;

class Metrics {
 public:
  explicit Metrics(const MetricsSetup& setup);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  using Provider = std::size_t;  // whose series
  [[nodiscard]] Provider provider(std::string_view name) const noexcept;

  void event(Provider provider, EventFate fate) noexcept;
  void attempt(Provider provider, AttemptFate fate, ErrorClass error, core::Duration took) noexcept;
  // The first request of a delivery began to leave, or a delivery succeeded, so long after the
  // event was committed. Negative (a clock was set back) counts as nothing.
  void first_byte(Provider provider, core::Duration after_commit) noexcept;
  void delivered(Provider provider, core::Duration after_commit) noexcept;
  void delivery_ended(Provider provider, DeliveryState state) noexcept;
  void deactivated(Provider provider, std::size_t endpoints) noexcept;

  void commit(std::size_t changes, std::chrono::nanoseconds took, bool failed) noexcept;
  void loop_lag(core::Duration lag) noexcept;
  void refused(BoundedQueue queue) noexcept;

  // Index in MetricsSetup::routes; none for a request that reached no route.
  void request(std::optional<std::size_t> route, int status) noexcept;

  // Text format 0.0.4. Any thread, several at once.
  [[nodiscard]] std::string text(const Readings& readings) const;

 private:
  std::unique_ptr<MetricsSeries> series_;
};

inline constexpr std::string_view kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace outrider
