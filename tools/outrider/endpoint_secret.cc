// outrider endpoint rotate-secret: a new signing secret beside the old ones, or in their place.
#include <string>

#include "command.h"
#include "endpoint.h"
#include "options.h"
#include "outcome.h"
#include "time_text.h"
#include "views_json.h"
#include "wiped.h"

namespace outrider::cli {
namespace {

class RotateSecret final : public Command {
 public:
  explicit RotateSecret(CLI::App& app) : Command(app) {
    endpoint_id(app, id_);
    secret_.add_to(app, "The new secret (default: one is generated)");
    duration_option(
        app, "--overlap", overlap_ms_,
        "How long the old secrets still sign beside it (default 24h; 0s: they end now)");
    app.footer(
        "Examples:\n"
        "  outrider endpoint rotate-secret ep_… --overlap 24h\n"
        "  outrider endpoint rotate-secret ep_… --secret-file new.secret --overlap 0s\n");
  }

  Result<int> run(const Globals& globals) override {
    auto secret = secret_.read();
    if (!secret) return tl::unexpected(secret.error());
    const WipedAtEnd wiped(*secret);
    auto database = open_database(globals);
    if (!database) return tl::unexpected(database.error());
    // Whole seconds, rounded up: an overlap is never shorter than what was asked for.
    const auto generated = (*database)->rotate_secret(id_, *secret, (overlap_ms_ + 999) / 1000);
    if (!generated) return tl::unexpected(generated.error());
    if (globals.json) {
      JsonOutput json;
      json.begin_object().member("id", id_).member("generated_secret", *generated).end_object();
      return done_with(json.document() + "\n");
    }
    std::string text = id_ + ": new secret; the old ones " +
                       (overlap_ms_ == 0 ? "have ended" : "end in " + duration_text(overlap_ms_)) +
                       "\n";
    if (*generated) text += "\nThe signing secret, shown this once:\n" + **generated + "\n";
    return done_with(text);
  }

 private:
  std::string id_;
  SecretSource secret_;
  std::int64_t overlap_ms_ = 24 * 3'600'000;
};

}  // namespace

void add_endpoint_rotate_secret(CLI::App& endpoint, Commands& commands) {
  auto* sub = endpoint.add_subcommand("rotate-secret", "Give it a new signing secret");
  commands.push_back(std::make_unique<RotateSecret>(*sub));
}

}  // namespace outrider::cli
