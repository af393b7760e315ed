// outrider health: the health check of a container, without a shell or a client in it. It reads the
// settings that `serve` reads, and asks at one of the places that they say it listens at.
#include <algorithm>
#include <string>
#include <vector>

#include "command.h"
#include "json_output.h"
#include "options.h"
#include "outcome.h"
#include "outrider/health.h"

namespace outrider::cli {
namespace {

class Health final : public Command {
 public:
  explicit Health(CLI::App& app) : Command(app) {
    // Named like those of `serve`, so that variables and the file give them the same values.
    list_option(app, "--listen", places_, "Where serve listens; a Unix socket is asked first")
        ->type_name("PLACE");
    app.add_option("--tls-cert", certificate_, "Given: its TCP places speak TLS")
        ->type_name("FILE");
    app.add_flag("--alive", alive_, "Ask whether it is there, not whether it can take events");
    duration_option(app, "--timeout", timeout_ms_, "How long to wait for the answer (default 3s)");
    app.footer(
        "Exit code 0: well. 1: not ready, or nobody answers. 2: no place to ask at.\n"
        "--listen and --tls-cert come from the variables and the file of serve where they are not "
        "given.\n"
        "\nExamples:\n"
        "  outrider health --listen unix:/run/outrider/api.sock\n"
        "  OUTRIDER_LISTEN=127.0.0.1:8480 outrider health --alive\n");
  }

  [[nodiscard]] CLI::App* settings_reader() override { return app(); }

  Result<int> run(const Globals& globals) override {
    if (places_.empty()) {
      return fail(ErrorCode::kInvalidArgument, "no place to ask at", "--listen",
                  "name one as for serve, which without --listen has no API");
    }
    const auto local = std::find_if(places_.begin(), places_.end(), [](const std::string& place) {
      return place.starts_with("unix:");
    });
    const std::string& place = local == places_.end() ? places_.front() : *local;
    auto answer = ask_health({.place = place,
                              .tls = !certificate_.empty(),
                              .ready = !alive_,
                              .timeout_ms = timeout_ms_});
    if (!answer) return tl::unexpected(std::move(answer.error()));
    const std::string state = alive_ ? "alive" : "ready";
    if (!globals.json) return done_with(state + "\n");
    JsonOutput json;
    json.begin_object().member("state", state).member("place", place).end_object();
    return done_with(json.document() + "\n");
  }

 private:
  std::vector<std::string> places_;
  std::string certificate_;
  bool alive_ = false;
  std::int64_t timeout_ms_ = 3000;
};

}  // namespace

void add_health(CLI::App& app, Commands& commands) {
  commands.push_back(std::make_unique<Health>(
      *app.add_subcommand("health", "Ask a serve that runs whether it is ready")));
}

}  // namespace outrider::cli
