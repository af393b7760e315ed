// Rendering: the registry's counters, then families of our own for the histograms and for what was
// looked at just now; sorted, so that two texts can be compared.
#include <prometheus/text_serializer.h>

#include <algorithm>

#include "metrics_series.h"

namespace outrider {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

class Families {
 public:
  explicit Families(std::vector<MetricFamily> counters) : all_(std::move(counters)) {}

  // Opens a family; what follows belongs to it.
  Families& begin(const char* name, MetricType type, const char* help) {
    all_.push_back({.name = name, .help = help, .type = type, .metric = {}});
    return *this;
  }
  Families& value(double value, Labels labels = {}) {
    ClientMetric& metric = add(std::move(labels));
    metric.gauge.value = value;
    metric.counter.value = value;
    return *this;
  }
  Families& histogram(const MetricsHistogram& observed, Labels labels = {}) {
    ClientMetric& metric = add(std::move(labels));
    metric.histogram = observed.collect();
    return *this;
  }
  Families& gauge(const char* name, const char* help) {
    return begin(name, MetricType::Gauge, help);
  }
  void maybe(const char* name, const std::optional<std::uint64_t>& given, const char* help) {
    if (given) gauge(name, help).value(static_cast<double>(*given));
  }

  [[nodiscard]] std::string text() {
    for (MetricFamily& family : all_) {
      std::ranges::sort(family.metric, {}, [](const ClientMetric& metric) { return metric.label; });
    }
    std::ranges::sort(all_, {}, &MetricFamily::name);
    return prometheus::TextSerializer().Serialize(all_);
  }

 private:
  ClientMetric& add(Labels labels) {
    ClientMetric& metric = all_.back().metric.emplace_back();
    metric.label = std::move(labels);
    return metric;
  }
  std::vector<MetricFamily> all_;
};

void add_histograms(Families& families, const MetricsSeries& series) {
  const auto by_provider = [&](const char* name, MetricsHistogram ProviderSeries::* which,
                               const char* help) {
    families.begin(name, MetricType::Histogram, help);
    for (const ProviderSeries& provider : series.providers) {
      if (&provider == &series.providers.back()) break;
      families.histogram(provider.*which, {{"provider", provider.name}});
    }
  };
  by_provider("outrider_attempt_duration_seconds", &ProviderSeries::attempt,
              "From the start of an attempt (DNS and connect included) to its answer or end.");
  by_provider("outrider_first_byte_latency_seconds", &ProviderSeries::first_byte,
              "From an event's commit to the moment the first byte of a delivery's first request "
              "leaves on a ready connection: DNS, connect and TLS are done, the way to the "
              "receiver is not counted. Where this engine did not make the commit or no longer "
              "holds the event in memory it counts from the event's acceptance, just before the "
              "commit. What waited for a paused endpoint, a rate or an ordering key is included. "
              "To the millisecond.");
  by_provider("outrider_delivery_latency_seconds", &ProviderSeries::delivery,
              "From an event's commit (as above) to the end of the successful answer, retries and "
              "waits included.");
  families
      .begin("outrider_commit_batch_size", MetricType::Histogram,
             "Changes committed together: events, results, operators' changes.")
      .histogram(series.batch);
  families
      .begin("outrider_commit_duration_seconds", MetricType::Histogram,
             "A commit, from its begin to the disk; waiting for another process's lock included.")
      .histogram(series.commit);
  families
      .begin("outrider_loop_lag_seconds", MetricType::Histogram,
             "How late a timer of the loop fires that is set four times a second: how long "
             "everything else waits too.")
      .histogram(series.lag);
}

void add_stored(Families& families, const StoredReadings& stored) {
  const auto number = [](std::uint64_t value) { return static_cast<double>(value); };
  families
      .gauge("outrider_queue_deliveries",
             "Deliveries that wait: due now, scheduled for later (or behind another one with their "
             "ordering key), held because their endpoint is not active.")
      .value(number(stored.due), {{"state", "due"}})
      .value(number(stored.scheduled), {{"state", "scheduled"}})
      .value(number(stored.held), {{"state", "held"}});
  families
      .gauge(
          "outrider_queue_oldest_due_age_seconds",
          "How long the most overdue delivery of an active endpoint has been due; 0: nothing is.")
      .value(stored.oldest_due_age_s);
  families
      .gauge("outrider_inbox_rows",
             "Rows of outrider_outbox that were not picked up yet, or were rejected.")
      .value(number(stored.inbox_new), {{"state", "new"}})
      .value(number(stored.inbox_rejected), {{"state", "rejected"}});
  families.gauge("outrider_endpoints", "Endpoints by state.");
  for (const auto state :
       {EndpointState::kActive, EndpointState::kPaused, EndpointState::kDeactivated}) {
    const auto found = stored.endpoints.find(state);
    families.value(found == stored.endpoints.end() ? 0 : number(found->second),
                   {{"state", std::string(state_name(state))}});
  }
  families
      .gauge("outrider_queue_read_age_seconds",
             "Age of the queue's figures: they are read at most every 5 s, and so seldom that "
             "reading takes at most a twentieth of the time.")
      .value(stored.age_s);
  families.gauge("outrider_queue_read_duration_seconds", "How long reading them took.")
      .value(stored.took_s);
}

void add_process(Families& families, const ProcessReadings& process) {
  const auto number = [](std::uint64_t value) { return static_cast<double>(value); };
  families
      .begin("process_cpu_seconds_total", MetricType::Counter,
             "Total user and system CPU time spent in seconds.")
      .value(process.cpu_s);
  families
      .gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.")
      .value(process.start_time_s);
  families.gauge("process_resident_memory_bytes", "Resident memory size in bytes.")
      .value(number(process.resident_bytes));
  families.gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.")
      .value(number(process.virtual_bytes));
  families.gauge("process_open_fds", "Number of open file descriptors.")
      .value(number(process.open_fds));
  families.gauge("process_max_fds", "Maximum number of open file descriptors.")
      .value(number(process.max_fds));
}

}  // namespace

std::string Metrics::text(const Readings& readings) const {
  Families families(series_->registry.Collect());
  add_histograms(families, *series_);
  families.gauge("outrider_build_info", "1, with the version that runs.")
      .value(1, {{"version", series_->version}});
  families
      .gauge("outrider_healthy",
             "1 while the engine can go on; 0 once a commit's outcome is unknown or the disk is "
             "gone.")
      .value(readings.healthy ? 1 : 0);
  families.gauge("outrider_attempts_in_flight", "Requests on the wire.").value(readings.in_flight);
  families.maybe("outrider_database_file_bytes", readings.files.database_bytes,
                 "Size of the database file.");
  families.maybe("outrider_database_wal_bytes", readings.files.wal_bytes,
                 "Size of its write-ahead log.");
  families.maybe("outrider_disk_free_bytes", readings.files.disk_free_bytes,
                 "Free to us on the file system of the database.");
  families.maybe("outrider_disk_size_bytes", readings.files.disk_size_bytes,
                 "Size of that file system.");
  if (readings.stored) add_stored(families, *readings.stored);
  if (readings.process) add_process(families, *readings.process);
  return families.text();
}

}  // namespace outrider
