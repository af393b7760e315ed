// outrider version
#include <string>

#include "command.h"
#include "json_output.h"
#include "outcome.h"
#include "outrider/outrider.h"

namespace outrider::cli {
namespace {

class Version final : public Command {
 public:
  explicit Version(CLI::App& app) : Command(app) {}

  Result<int> run(const Globals& globals) override {
    const std::string number(version());
    std::string text = "outrider " + number;
    if (globals.json) {
      JsonOutput json;
      json.begin_object().member("version", number).end_object();
      text = json.document();
    }
    return done_with(text + "\n");
  }
};

}  // namespace

void add_version(CLI::App& app, Commands& commands) {
  auto* sub = app.add_subcommand("version", "Print the version");
  commands.push_back(std::make_unique<Version>(*sub));
}

}  // namespace outrider::cli
