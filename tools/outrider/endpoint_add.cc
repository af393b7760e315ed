// outrider endpoint add. A secret comes from a file, the environment or standard input; without
// one, it is generated and printed this once.
#include <string>
#include <vector>

#include "command.h"
#include "endpoint.h"
#include "endpoint_text.h"
#include "endpoint_tls.h"
#include "options.h"
#include "outcome.h"
#include "time_text.h"
#include "views_json.h"
#include "wiped.h"

namespace outrider::cli {
namespace {

class Add final : public Command {
 public:
  explicit Add(CLI::App& app) : Command(app) {
    app.add_option("--account", spec_.account, "Whose events it hears of")->required();
    app.add_option("--provider", spec_.provider, "The provider whose rules apply")->required();
    app.add_option("--url", spec_.url, "Where to: https://host[:port]/path")->required();
    secret_.add_to(app, "The signing secret (default: one is generated)");
    list_option(app, "--type", spec_.types, "An event type it wants (repeatable; default: all)");
    list_option(app, "--header", headers_, "A header for each request (repeatable)")
        ->type_name("'Name: value'");
    app.add_option("--description", spec_.description, "For people");
    tls_.add_to(app);
    rate_option(app, "--rate", spec_.rate_per_second, "Requests a second, at most (0: unlimited)");
    number_option<std::uint32_t>(app, "--max-in-flight", spec_.max_in_flight, 1, 1024,
                                 "Requests at once, at most (default 32)");
    plain_option(app, plain_);
    app.footer(
        "Examples:\n"
        "  outrider endpoint add --account acme --provider NAME --url https://acme.example/hooks\n"
        "  outrider endpoint add --account acme --provider NAME --url https://acme.example/hooks "
        "\\\n"
        "      --secret-file acme.secret --type loan.paid --header 'X-Tenant: 7' --rate 5\n"
        "  outrider endpoint add --account acme --provider NAME --url https://acme.example/hooks "
        "\\\n"
        "      --tls-cert client.pem --tls-key client.key --tls-ca acme-ca.pem --tls-min 1.3\n");
  }

  Result<int> run(const Globals& globals) override {
    auto headers = parse_headers(headers_);
    if (!headers) return tl::unexpected(headers.error());
    spec_.headers = std::move(*headers);
    auto secret = secret_.read();
    if (!secret) return tl::unexpected(secret.error());
    spec_.secret = std::move(*secret);
    const WipedAtEnd wiped_secret(spec_.secret);
    auto tls = tls_.read();
    if (!tls) return tl::unexpected(tls.error());
    spec_.tls = std::move(*tls);
    const WipedAtEnd wiped_key(spec_.tls.key);
    auto database =
        open_database(globals, IfMissing::kCreate, DatabaseOptions{}.max_payload_bytes, !plain_);
    if (!database) return tl::unexpected(database.error());
    const auto added = (*database)->add_endpoint(spec_);
    if (!added) return tl::unexpected(tls_.told(added.error()));
    return done_with(globals.json ? as_json(*added) : in_words(*added));
  }

 private:
  static std::string as_json(const Database::Added& added) {
    JsonOutput json;
    json.begin_object().key("endpoint");
    write_json(json, added.endpoint);
    json.member("generated_secret", added.generated_secret).end_object();
    return json.document() + "\n";
  }
  static std::string in_words(const Database::Added& added) {
    std::string text = endpoint_text(added.endpoint, wall_now_ms());
    if (added.generated_secret) {
      text += "\nThe signing secret, shown this once:\n" + *added.generated_secret + "\n";
    }
    return text;
  }

  EndpointSpec spec_;
  std::vector<std::string> headers_;
  SecretSource secret_;
  TlsSource tls_;
  bool plain_ = false;
};

}  // namespace

void add_endpoint_add(CLI::App& endpoint, Commands& commands) {
  auto* sub = endpoint.add_subcommand("add", "Add an endpoint");
  commands.push_back(std::make_unique<Add>(*sub));
}

}  // namespace outrider::cli
