// outrider serve: an engine on the database until a signal ends it. The signals are blocked before
// the engine starts its threads; this thread waits for them, and tells the service manager how it
// is. The first one stops cleanly: no new sends, what is in flight ends, its results are written. A
// second one ends the process at once; nothing acknowledged is lost by that.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "command.h"
#include "json_output.h"
#include "log_writer.h"
#include "outcome.h"
#include "outrider/outrider.h"
#include "serve_options.h"
#include "stop_signals.h"
#include "supervisor.h"
#include "terminal_text.h"

namespace outrider::cli {
namespace {

// How soon an engine that cannot go on is noticed.
constexpr std::int64_t kHealthCheckMs = 500;

// Thousands of idle connections beside those in flight: the usual soft limit is no limit we need.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);  // as many as we may have; with fewer it works too
}

std::int64_t monotonic_ms() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
}

class Serve final : public Command {
 public:
  explicit Serve(CLI::App& app) : Command(app), options_(app) {
    app.footer(
        "Prints one line when it is ready; logs JSON lines to standard error.\n"
        "SIGTERM, SIGINT or SIGHUP: stops cleanly, within 5 s, exit code 0. A second one: at "
        "once.\n"
        "Each option can be given by a variable too (--max-in-flight: OUTRIDER_MAX_IN_FLIGHT; "
        "lists: A,B)\n"
        "and in a file (--config FILE, max-in-flight = 512). An argument wins over a variable, a "
        "variable\n"
        "over the file; see: outrider config show\n"
        "Under systemd (Type=notify) it says when it is ready and stops, and feeds the watchdog.\n"
        "\nExamples:\n"
        "  outrider serve --db platform.db\n"
        "  outrider serve --db test.db --allow-net 127.0.0.0/8 --allow-port 0 --ca-file ca.pem\n");
  }

  [[nodiscard]] CLI::App* settings_reader() override { return app(); }

  Result<int> run(const Globals& globals) override {
    const StopSignals signals;
    raise_descriptor_limit();
    auto options = options_.engine_options(globals);
    if (!options) return tl::unexpected(options.error());
    // Outlives the engine, whose threads write to it.
    std::unique_ptr<LogWriter> log;
    if (!options_.quiet()) {
      log = std::make_unique<LogWriter>();
      options->log = [&log](std::string_view line) { log->write(line); };
    }
    const auto supervisor = Supervisor::from_environment();
    if (!supervisor) return tl::unexpected(supervisor.error());
    // Outlives the engine, too, whose thread answers it.
    Heartbeat heartbeat(supervisor->watchdog_ms());
    auto engine = Engine::open(std::move(*options));
    if (!engine) return tl::unexpected(engine.error());
    if (auto started = (*engine)->start(); !started) return tl::unexpected(started.error());
    // The line is a courtesy: a closed standard output does not keep anything from being delivered.
    (void)print(ready_line(globals));
    supervisor->tell("READY=1");
    return serve(**engine, signals, *supervisor, heartbeat);
  }

 private:
  static std::string ready_line(const Globals& globals) {
    const std::string number(version());
    if (!globals.json) {
      return "outrider " + number + " serving " + printable(globals.database) + "\n";
    }
    // One line, so that a program can read it as it comes.
    JsonOutput json(JsonOutput::Layout::kOneLine);
    json.begin_object().member("version", number).member("serving", globals.database).end_object();
    return json.document() + "\n";
  }

  static Result<int> serve(Engine& engine, const StopSignals& signals, const Supervisor& supervisor,
                           Heartbeat& heartbeat) {
    const std::int64_t look_ms =
        std::min(kHealthCheckMs, heartbeat.interval_ms().value_or(kHealthCheckMs));
    const Heartbeat::Ask next_turn = [&engine](std::function<void()> answer) {
      engine.on_next_turn(std::move(answer));
    };
    while (!signals.wait(look_ms)) {
      // The watchdog hears nothing of an engine that cannot go on.
      if (auto health = engine.health(); !health) return tl::unexpected(health.error());
      if (heartbeat.due(monotonic_ms(), next_turn)) supervisor.tell("WATCHDOG=1");
    }
    supervisor.tell("STOPPING=1");
    signals.end_process_at_next();
    const auto stopped = engine.stop();
    if (!stopped) return tl::unexpected(stopped.error());
    if (!*stopped) {
      complain("outrider: some requests were still in flight; they are sent again next time\n");
    }
    return kDone;
  }

  ServeOptions options_;
};

}  // namespace

void add_serve(CLI::App& app, Commands& commands) {
  auto* sub = app.add_subcommand("serve", "Run the engine: deliver what is in the database");
  commands.push_back(std::make_unique<Serve>(*sub));
}

}  // namespace outrider::cli
