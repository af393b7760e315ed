// outrider config show: what `outrider serve` would run with, given the same arguments, variables
// and file, and where each value comes from. It opens nothing but the file.
#include <string>

#include "command.h"
#include "json_output.h"
#include "outcome.h"
#include "serve_options.h"
#include "table.h"

namespace outrider::cli {
namespace {

// The one value that may hold a secret: a proxy's credentials, in a variable.
std::string masked(const Setting& setting, const std::string& value) {
  const std::size_t at = value.rfind('@');
  if (setting.name != "egress-proxy" || at == std::string::npos) return value;
  const std::size_t scheme = value.find("://");
  const std::string before = scheme < at ? value.substr(0, scheme + 3) : std::string();
  return before + "[masked]" + value.substr(at);
}

void write_value(JsonOutput& json, const Setting& setting, const std::string& value) {
  if (setting.kind == ValueKind::kWhole || setting.kind == ValueKind::kSwitch) {
    json.raw(value);
  } else {
    json.text(masked(setting, value));
  }
}

std::string as_json(const Settings& settings) {
  JsonOutput json;
  json.begin_object().key("settings").begin_array();
  for (const Setting& setting : settings) {
    json.begin_object().member("name", setting.name);
    json.member("variable", variable_name(setting.name)).key("value");
    if (setting.list) {
      json.begin_array();
      for (const std::string& value : setting.values) write_value(json, setting, value);
      json.end_array();
    } else if (setting.values.empty()) {
      json.null();
    } else {
      write_value(json, setting, setting.values.back());
    }
    json.member("source", origin_name(setting.origin));
    if (setting.from.empty()) {
      json.key("from").null();
    } else {
      json.member("from", setting.from);
    }
    json.end_object();
  }
  json.end_array().end_object();
  return json.document() + "\n";
}

std::string as_table(const Settings& settings) {
  Table table(
      {{.title = "SETTING"}, {.title = "VALUE", .widest = 200}, {.title = "FROM", .widest = 200}});
  for (const Setting& setting : settings) {
    std::string values;
    for (const std::string& value : setting.values) {
      values += (values.empty() ? "" : ", ") + masked(setting, value);
    }
    table.add({setting.name, values, setting.from.empty() ? "default" : setting.from});
  }
  return table.text();
}

class ConfigShow final : public Command {
 public:
  explicit ConfigShow(CLI::App& app) : Command(app), options_(app) {
    app.footer(
        "Takes the options of `serve`, and shows what each of them is and where that was said: an\n"
        "argument, else a variable, else the file, else the default.\n"
        "\nA list in a variable has commas: "
        "OUTRIDER_LISTEN=unix:/run/outrider/api.sock,[::1]:8480\n"
        "The file is TOML:\n"
        "  db = \"/var/lib/outrider/outrider.db\"\n"
        "  listen = [\"unix:/run/outrider/api.sock\"]\n"
        "  max-in-flight = 512\n");
  }

  [[nodiscard]] CLI::App* settings_reader() override { return app(); }

  Result<int> run(const Globals& globals) override {
    if (auto checked = options_.check(globals); !checked) return tl::unexpected(checked.error());
    return done_with(globals.json ? as_json(globals.settings) : as_table(globals.settings));
  }

 private:
  ServeOptions options_;
};

}  // namespace

void add_config(CLI::App& app, Commands& commands) {
  auto* sub = app.add_subcommand("config", "What serve would run with, and where that was said");
  sub->require_subcommand(0, 1);
  commands.push_back(std::make_unique<ConfigShow>(
      *sub->add_subcommand("show", "Each setting, its value, and where it comes from")));
}

}  // namespace outrider::cli
