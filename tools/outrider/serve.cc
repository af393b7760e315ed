// outrider serve: an engine on the database until a signal ends it. The signals are blocked before
// the engine starts its threads; this thread waits for them. The first one stops cleanly: no new
// sends, what is in flight ends, its results are written. A second one ends the process at once;
// nothing acknowledged is lost by that.
#include <sys/resource.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "command.h"
#include "egress_proxy_source.h"
#include "json_output.h"
#include "log_writer.h"
#include "options.h"
#include "outcome.h"
#include "outrider/outrider.h"
#include "stop_signals.h"
#include "terminal_text.h"

namespace outrider::cli {
namespace {

// How soon an engine that cannot go on is noticed.
constexpr std::int64_t kHealthCheckMs = 500;

// A thousand idle connections beside those in flight: the usual soft limit is no limit we need.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);  // as many as we may have; with fewer it works too
}

class Serve final : public Command {
 public:
  explicit Serve(CLI::App& app) : Command(app) {
    app.add_option("--ca-file", options_.ca_file, "Trust these certificates (PEM) too")
        ->type_name("FILE");
    list_option(app, "--allow-net", options_.targets.allow_nets,
                "Send to this network although it is not public, 10.1.0.0/16 (repeatable)")
        ->type_name("CIDR");
    port_list_option(app, "--allow-port", options_.targets.allow_ports,
                     "Send to this port beside 443 (repeatable; 0: every port)");
    app.add_flag("--allow-http", options_.targets.allow_http,
                 "Send to plain http:// too, for tests and private networks");
    egress_proxy_.add_to(app);
    number_option<std::uint32_t>(app, "--max-in-flight", options_.max_in_flight, 1, 4096,
                                 "Requests at once over all endpoints (default 256)");
    number_option<std::uint64_t>(app, "--max-payload-bytes", options_.max_payload_bytes, 1024,
                                 16 * 1024 * 1024, "Refuse larger payloads (default 262144)");
    list_option(app, "--dns-server", options_.dns_servers,
                "Ask this server, ADDRESS[:PORT], instead of the system's (repeatable)")
        ->type_name("SERVER");
    number_option<std::uint32_t>(app, "--retain-payload-days", options_.retain_payload_days, 0,
                                 36'500, "Payloads of finished events (default 30; 0: for ever)");
    number_option<std::uint32_t>(app, "--retain-attempt-days", options_.retain_attempt_days, 0,
                                 36'500, "Attempts and finished events (default 400; 0: for ever)");
    list_option(app, "--listen", options_.api.listen,
                "Serve the HTTP API at unix:/PATH, 127.0.0.1:PORT or ADDRESS:PORT (repeatable)")
        ->type_name("PLACE");
    app.add_option("--tls-cert", options_.api.tls_certificate,
                   "The API's certificate (PEM), its chain after it")
        ->type_name("FILE");
    app.add_option("--tls-key", options_.api.tls_key, "Its private key (PEM)")->type_name("FILE");
    app.add_flag("--unix-needs-token", options_.api.unix_needs_token,
                 "Ask for a token on the API's Unix socket too");
    plain_option(app, plain_);
    app.add_flag("--quiet", quiet_, "No log on standard error");
    app.footer(
        "Prints one line when it is ready; logs JSON lines to standard error.\n"
        "SIGTERM, SIGINT or SIGHUP: stops cleanly, within 5 s, exit code 0. A second one: at "
        "once.\n"
        "\nExamples:\n"
        "  outrider serve --db platform.db\n"
        "  outrider serve --db test.db --allow-net 127.0.0.0/8 --allow-port 0 --ca-file ca.pem\n");
  }

  Result<int> run(const Globals& globals) override {
    const StopSignals signals;
    raise_descriptor_limit();
    options_.database = globals.database;
    options_.providers_dir = globals.providers;
    options_.key_file = globals.key_file;
    options_.seal = !plain_;
    auto egress_proxy = egress_proxy_.read();
    if (!egress_proxy) return tl::unexpected(egress_proxy.error());
    options_.egress_proxy = std::move(*egress_proxy);
    // Outlives the engine, whose threads write to it.
    std::unique_ptr<LogWriter> log;
    if (!quiet_) {
      log = std::make_unique<LogWriter>();
      options_.log = [&log](std::string_view line) { log->write(line); };
    }
    auto engine = Engine::open(options_);
    if (!engine) return tl::unexpected(engine.error());
    if (auto started = (*engine)->start(); !started) return tl::unexpected(started.error());
    // The line is a courtesy: a closed standard output does not keep anything from being delivered.
    (void)print(ready_line(globals));
    return serve(**engine, signals);
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

  static Result<int> serve(Engine& engine, const StopSignals& signals) {
    while (!signals.wait(kHealthCheckMs)) {
      if (auto health = engine.health(); !health) return tl::unexpected(health.error());
    }
    signals.end_process_at_next();
    const auto stopped = engine.stop();
    if (!stopped) return tl::unexpected(stopped.error());
    if (!*stopped) {
      complain("outrider: some requests were still in flight; they are sent again next time\n");
    }
    return kDone;
  }

  Options options_;
  EgressProxySource egress_proxy_;
  bool quiet_ = false;
  bool plain_ = false;
};

}  // namespace

void add_serve(CLI::App& app, Commands& commands) {
  auto* sub = app.add_subcommand("serve", "Run the engine: deliver what is in the database");
  commands.push_back(std::make_unique<Serve>(*sub));
}

}  // namespace outrider::cli
