// outrider verify: is this saved request signed rightly? For developers of receivers. The check
// shares no code with the sender's signing.
#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "json_output.h"
#include "options.h"
#include "outcome.h"
#include "outrider/receiver.h"
#include "time_text.h"
#include "wiped.h"

namespace outrider::cli {
namespace {

constexpr std::size_t kMaxBodyBytes = 64 * 1024 * 1024;

class Verify final : public Command {
 public:
  explicit Verify(CLI::App& app) : Command(app) {
    app.add_option("--provider", provider_, "The provider whose rules apply")->required();
    secret_.add_to(app, "The signing secret");
    list_option(app, "--header", headers_, "A header of the request (repeatable)")
        ->type_name("'Name: value'")
        ->required();
    app.add_option("--body-file", body_file_, "The body, byte for byte as it came (-: stdin)")
        ->type_name("FILE")
        ->required();
    app.add_option("--path", request_.path, "Path and query it came to, where those are signed")
        ->capture_default_str();
    duration_option(app, "--tolerance", tolerance_ms_,
                    "How far a signed time may lie from now (default: not checked)");
    time_option(app, "--at", at_ms_, "Instead of now, for a request that was saved earlier");
    app.footer(
        "Example:\n"
        "  outrider verify --provider NAME --secret-file acme.secret --body-file body.json \\\n"
        "      --header 'Signature: 5d41402a…' --tolerance 5m\n");
  }

  Result<int> run(const Globals& globals) override {
    auto headers = parse_headers(headers_);
    if (!headers) return tl::unexpected(headers.error());
    auto secret = secret_.read();
    if (!secret) return tl::unexpected(secret.error());
    const WipedAtEnd wiped(*secret);
    if (secret->empty()) {
      return fail(ErrorCode::kInvalidArgument, "no secret given", {},
                  "use --secret-file, --secret-env or --secret-stdin");
    }
    auto body = read_input(body_file_, kMaxBodyBytes);
    if (!body) return tl::unexpected(body.error());
    const auto providers = Providers::load(globals.providers);
    if (!providers) return tl::unexpected(providers.error());

    request_.method = "POST";
    request_.headers = std::move(*headers);
    request_.body = std::move(*body);
    const std::int64_t now_s = at_ms_.value_or(wall_now_ms()) / 1000;
    const auto verdict =
        verify(*providers, provider_, {*secret}, request_, now_s, (tolerance_ms_ + 999) / 1000);
    if (!verdict) return tl::unexpected(verdict.error());
    if (!globals.json) return done_with("the signature is right\n");
    JsonOutput json;
    json.begin_object().member("verified", true).end_object();
    return done_with(json.document() + "\n");
  }

 private:
  std::string provider_;
  SecretSource secret_;
  std::vector<std::string> headers_;
  std::string body_file_;
  ReceivedRequest request_{.method = {}, .path = "/", .headers = {}, .body = {}};
  std::int64_t tolerance_ms_ = 0;
  std::optional<std::int64_t> at_ms_;
};

}  // namespace

void add_verify(CLI::App& app, Commands& commands) {
  auto* sub = app.add_subcommand("verify", "Check the signature of one saved request");
  commands.push_back(std::make_unique<Verify>(*sub));
}

}  // namespace outrider::cli
