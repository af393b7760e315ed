// Each option can be given as an argument, as a variable and in a file (settings.h); so each has a
// long name alone, and a default that can be told.
#include "serve_options.h"

#include <string>
#include <utility>

#include "options.h"

namespace outrider::cli {

ServeOptions::ServeOptions(CLI::App& app) {
  add_sending(app);
  add_api(app);
  plain_option(app, plain_);
  app.add_flag("--quiet", quiet_, "No log on standard error");
}

void ServeOptions::add_sending(CLI::App& app) {
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
                               "Requests at once over all endpoints")
      ->default_str(std::to_string(options_.max_in_flight));
  number_option<std::uint32_t>(app, "--loops", options_.loops, 1, 16,
                               "Threads that send, each for endpoints of its own")
      ->default_str(std::to_string(options_.loops));
  number_option<std::uint64_t>(app, "--max-payload-bytes", options_.max_payload_bytes, 1024,
                               16 * 1024 * 1024, "Refuse larger payloads")
      ->default_str(std::to_string(options_.max_payload_bytes));
  list_option(app, "--dns-server", options_.dns_servers,
              "Ask this server, ADDRESS[:PORT], instead of the system's (repeatable)")
      ->type_name("SERVER");
  number_option<std::uint32_t>(app, "--retain-payload-days", options_.retain_payload_days, 0,
                               36'500, "Payloads of finished events (0: for ever)")
      ->default_str(std::to_string(options_.retain_payload_days));
  number_option<std::uint32_t>(app, "--retain-attempt-days", options_.retain_attempt_days, 0,
                               36'500, "Attempts and finished events (0: for ever)")
      ->default_str(std::to_string(options_.retain_attempt_days));
}

void ServeOptions::add_api(CLI::App& app) {
  list_option(app, "--listen", options_.api.listen,
              "Serve the HTTP API at unix:/PATH, 127.0.0.1:PORT or ADDRESS:PORT (repeatable)")
      ->type_name("PLACE");
  app.add_option("--tls-cert", options_.api.tls_certificate,
                 "The API's certificate (PEM), its chain after it")
      ->type_name("FILE");
  app.add_option("--tls-key", options_.api.tls_key, "Its private key (PEM)")->type_name("FILE");
  app.add_flag("--unix-needs-token", options_.api.unix_needs_token,
               "Ask for a token on the API's Unix socket too");
}

Result<Options> ServeOptions::engine_options(const Globals& globals) const {
  auto egress_proxy = egress_proxy_.read(globals.settings);
  if (!egress_proxy) return tl::unexpected(egress_proxy.error());
  Options options = options_;
  options.database = globals.database;
  options.providers_dir = globals.providers;
  options.key_file = globals.key_file;
  options.seal = !plain_;
  options.egress_proxy = std::move(*egress_proxy);
  return options;
}

}  // namespace outrider::cli
