// outrider endpoint stats: how an endpoint fares.
#include <array>
#include <cstdio>
#include <string>

#include "command.h"
#include "endpoint.h"
#include "options.h"
#include "outcome.h"
#include "table.h"
#include "time_text.h"
#include "views_json.h"

namespace outrider::cli {
namespace {

std::string percent(const std::optional<double>& ratio) {
  if (!ratio) return "-";
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%.2f %%", *ratio * 100);
  return text.data();
}

std::string errors_text(const EndpointStats& stats) {
  std::string text;
  for (const auto& [error, count] : stats.errors) {
    text += (text.empty() ? "" : ", ") + std::string(error_class_name(error)) + " " +
            std::to_string(count);
  }
  return text;
}

std::string latency_text(const EndpointStats& stats) {
  if (!stats.p50_ms || !stats.p95_ms || !stats.p99_ms) return "-";
  return duration_text(*stats.p50_ms) + " median, " + duration_text(*stats.p95_ms) + " for 95 %, " +
         duration_text(*stats.p99_ms) + " for 99 %";
}

std::string stats_text(const EndpointStats& stats, std::int64_t now_ms) {
  FieldList fields;
  fields.add("Endpoint", stats.endpoint);
  fields.add("State", std::string(state_name(stats.state)));
  fields.add("From", rfc3339(stats.since));
  fields.add("Until", rfc3339(stats.until));
  fields.add("Attempts", std::to_string(stats.attempts));
  fields.add("  succeeded",
             std::to_string(stats.succeeded) + " (" + percent(stats.success_ratio) + ")");
  fields.add("  failed", std::to_string(stats.failed));
  fields.add("  errors", errors_text(stats));
  fields.add("Duration", latency_text(stats));
  fields.add("Last success", when(stats.last_success_at, now_ms));
  fields.add("Last failure", when(stats.last_failure_at, now_ms));
  fields.add("Waiting now", std::to_string(stats.waiting));
  fields.add("  due now", std::to_string(stats.due));
  fields.add("  held", std::to_string(stats.held));
  fields.add("Oldest waiting", when(stats.oldest_at, now_ms));
  fields.add("Next attempt", when(stats.next_at, now_ms));
  fields.add("On record", std::to_string(stats.delivered) + " delivered, " +
                              std::to_string(stats.exhausted) + " exhausted, " +
                              std::to_string(stats.expired) + " expired, " +
                              std::to_string(stats.cancelled) + " cancelled");
  fields.add("Failures", std::to_string(stats.consecutive_failures) + " in a row, " +
                             std::to_string(stats.window_failures) + " within " +
                             duration_text(stats.window_s * 1000));
  fields.add("In flight, most", std::to_string(stats.max_in_flight));
  return fields.text();
}

class Stats final : public Command {
 public:
  explicit Stats(CLI::App& app) : Command(app) {
    endpoint_id(app, id_);
    const auto back = [](const std::string& text) {
      const auto duration = parse_duration(text);
      return duration ? Result<std::int64_t>(wall_now_ms() - *duration)
                      : parse_instant(text, wall_now_ms());
    };
    const auto option = [&](const std::string& name, std::optional<std::int64_t>& value,
                            const std::string& description) {
      app.add_option_function<std::string>(
             name,
             [&value, name, back](const std::string& text) {
               const auto at = back(text);
               if (!at) throw CLI::ValidationError(name, at.error().message);
               value = *at;
             },
             description)
          ->type_name("TIME");
    };
    option("--since", since_, "From then on: a time, or how long ago (default 24h, at most 93d)");
    option("--until", until_, "Until then (default now)");
    app.footer(
        "Attempts are those that ended within the time; the rest is as it is now.\n"
        "\nExamples:\n"
        "  outrider endpoint stats ep_…\n"
        "  outrider endpoint stats ep_… --since 7d --json\n");
  }

  Result<int> run(const Globals& globals) override {
    auto database = open_database(globals);
    if (!database) return tl::unexpected(database.error());
    const auto stats = (*database)->endpoint_stats(id_, since_, until_);
    if (!stats) {
      Error error = stats.error();
      if (error.where == "since") error.where = "--since";
      return tl::unexpected(std::move(error));
    }
    return done_with(globals.json ? json_document(*stats) : stats_text(*stats, wall_now_ms()));
  }

 private:
  std::string id_;
  std::optional<std::int64_t> since_, until_;
};

}  // namespace

void add_endpoint_stats(CLI::App& endpoint, Commands& commands) {
  commands.push_back(std::make_unique<Stats>(
      *endpoint.add_subcommand("stats", "How it fares: attempts, latency, what waits, health")));
}

}  // namespace outrider::cli
