// What counting costs the loop for each attempt, and what rendering costs whoever asks. Nanoseconds
// of processor time, so that a busy machine does not spoil them.
//
//   metrics_bench [attempts]
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "metrics.h"

namespace outrider {
namespace {

template <class Work>
double cpu_ns_each(std::size_t count, const Work& work) {
  const std::clock_t begun = std::clock();
  for (std::size_t i = 0; i < count; ++i) work(i);
  return 1e9 * static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC /
         static_cast<double>(count);
}

void run(std::size_t attempts) {
  MetricsSetup setup{.version = "bench", .providers = {}, .routes = {}};
  for (int i = 0; i < 20; ++i) setup.providers.push_back("provider-" + std::to_string(i));
  for (int i = 0; i < 25; ++i) setup.routes.push_back({"GET", "/route/" + std::to_string(i)});
  Metrics metrics(setup);
  const auto provider = metrics.provider("provider-7");
  // All that a delivered event tells on the loop.
  const double delivery = cpu_ns_each(attempts, [&](std::size_t i) {
    const core::Duration took(static_cast<std::int64_t>(i % 3000));
    metrics.attempt(provider, AttemptFate::kDelivered, ErrorClass::kNone, took);
    metrics.first_byte(provider, took);
    metrics.delivered(provider, took);
    metrics.deactivated(provider, 0);
    metrics.delivery_ended(provider, DeliveryState::kDelivered);
  });
  const double event = cpu_ns_each(attempts, [&](std::size_t) {
    metrics.event(metrics.provider("provider-13"), EventFate::kAccepted);
  });
  std::size_t bytes = 0;
  const double text =
      cpu_ns_each(attempts / 10'000 + 1, [&](std::size_t) { bytes = metrics.text({}).size(); });
  std::printf("counting a delivered attempt: %.0f ns\ncounting an event, by name: %.0f ns\n",
              delivery, event);
  std::printf("rendering %zu KB for 20 providers: %.1f ms\n", bytes / 1024, text / 1e6);
}

}  // namespace
}  // namespace outrider

int main(int argc, char** argv) {
  const long attempts = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 1'000'000;
  outrider::run(static_cast<std::size_t>(attempts > 0 ? attempts : 1));
  return 0;
}
