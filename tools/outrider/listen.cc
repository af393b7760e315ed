// outrider listen: a receiver on this machine that verifies what comes and prints it.
#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "json_output.h"
#include "options.h"
#include "outcome.h"
#include "outrider/receiver.h"
#include "stop_signals.h"
#include "table.h"
#include "terminal_text.h"
#include "time_text.h"
#include "view_members.h"

namespace outrider::cli {
namespace {

// How soon --count and a closed output are noticed.
constexpr std::int64_t kCheckMs = 50;
constexpr std::int64_t kLongestDelayMs = 3'600'000;

std::string in_words(const Reception& reception) {
  const ReceivedRequest& request = reception.request;
  std::string text = rfc3339(reception.received_at) + " " + printable(request.method) + " " +
                     printable(request.path) + " answered " + std::to_string(reception.answered);
  text += reception.verdict ? ", signature right\n"
                            : ", " + printable(reception.verdict.error().to_string()) + "\n";
  FieldList headers;
  for (const HeaderField& header : request.headers) headers.add_always(header.name, header.value);
  return text + headers.text(2) + "\n" + printable(request.body, Lines::kMany) + "\n\n";
}

// One line a request, so that a program can follow.
std::string as_json(const Reception& reception) {
  JsonOutput json(JsonOutput::Layout::kOneLine);
  json.begin_object()
      .member("received_at", reception.received_at)
      .member("method", reception.request.method)
      .member("path", reception.request.path)
      .member("verified", reception.verdict.has_value())
      .member("fault", reception.verdict ? std::optional<std::string>()
                                         : std::optional(reception.verdict.error().to_string()))
      .member("answered", reception.answered)
      .key("headers");
  write_headers(json, reception.request.headers);
  json.member("body", reception.request.body).end_object();
  return json.document() + "\n";
}

class Listen final : public Command {
 public:
  explicit Listen(CLI::App& app) : Command(app) {
    app.add_option("--provider", options_.provider, "The provider whose rules apply")->required();
    secret_.add_to(app, "The signing secret");
    app.add_option("--bind", options_.bind, "The address to listen on")
        ->type_name("ADDRESS")
        ->capture_default_str();
    number_option<std::uint16_t>(app, "--port", options_.port, 0, 65535,
                                 "The port to listen on (default 0: a free one)");
    number_option<int>(app, "--status", options_.status, 200, 599,
                       "Answer so to what is signed rightly (default 200; the rest gets 401)");
    number_option<std::uint32_t>(app, "--fail-first", options_.fail_first, 0, 1'000'000,
                                 "Answer 500 to the first so many that are signed rightly");
    duration_option(app, "--delay", delay_ms_, "Wait so long before each answer");
    app.add_flag("--tls", options_.tls, "HTTPS, by a throw-away CA unless a certificate is given");
    app.add_option("--tls-cert", options_.tls_cert_file, "The certificate chain, PEM")
        ->type_name("FILE");
    app.add_option("--tls-key", options_.tls_key_file, "Its key, PEM")->type_name("FILE");
    app.add_option("--ca-out", options_.ca_out_file,
                   "Write the throw-away CA here, for `outrider serve --ca-file`")
        ->type_name("FILE");
    number_option<std::uint64_t>(app, "--count", count_, 1, 1'000'000'000,
                                 "End after so many requests");
    app.footer(
        "Example:\n"
        "  outrider listen --provider NAME --secret-file acme.secret --tls --ca-out ca.pem\n");
  }

  Result<int> run(const Globals& globals) override {
    const StopSignals signals;
    auto secret = secret_.read();
    if (!secret) return tl::unexpected(secret.error());
    if (secret->empty()) {
      return fail(ErrorCode::kInvalidArgument, "no secret given", {},
                  "use --secret-file, --secret-env or --secret-stdin");
    }
    if (delay_ms_ > kLongestDelayMs) {
      return fail(ErrorCode::kInvalidArgument, "longer than an hour", "--delay");
    }
    options_.secrets = {std::move(*secret)};
    options_.delay_ms = static_cast<std::uint32_t>(delay_ms_);
    auto providers = Providers::load(globals.providers);
    if (!providers) return tl::unexpected(providers.error());

    std::atomic<std::uint64_t> received = 0;
    std::atomic<bool> output_failed = false;
    const auto show = [&](const Reception& reception) {
      const auto printed = print(globals.json ? as_json(reception) : in_words(reception));
      if (!printed) output_failed = true;
      ++received;
    };
    auto receiver = Receiver::start(options_, *providers, show);
    if (!receiver) return tl::unexpected(receiver.error());
    const auto ready = print(globals.json ? url_json((*receiver)->url())
                                          : "listening on " + (*receiver)->url() + "\n");
    if (!ready) return tl::unexpected(ready.error());

    const auto enough = [&] { return count_ != 0 && received >= count_; };
    while (!enough() && !output_failed && !signals.wait(kCheckMs)) {
    }
    (*receiver)->stop();
    if (output_failed) return done_with("\n");  // meets the fault again, and says it
    return kDone;
  }

 private:
  static std::string url_json(const std::string& url) {
    JsonOutput json(JsonOutput::Layout::kOneLine);
    json.begin_object().member("listening", url).end_object();
    return json.document() + "\n";
  }

  ReceiverOptions options_;
  SecretSource secret_;
  std::int64_t delay_ms_ = 0;
  std::uint64_t count_ = 0;  // 0: no end
};

}  // namespace

void add_listen(CLI::App& app, Commands& commands) {
  auto* sub = app.add_subcommand("listen", "A local receiver that verifies and prints");
  commands.push_back(std::make_unique<Listen>(*sub));
}

}  // namespace outrider::cli
