// outrider provider: the definitions that are loaded, and what is wrong with one that is being
// written.
#include <string>
#include <vector>

#include "command.h"
#include "endpoint_text.h"
#include "outcome.h"
#include "table.h"
#include "terminal_text.h"
#include "views_json.h"

namespace outrider::cli {
namespace {

std::string provider_table(const std::vector<ProviderView>& providers) {
  using enum Column::Align;
  Table table({{"PROVIDER"},
               {"ALGORITHM"},
               {"HEADERS", kLeft, 48},
               {"SUCCESS"},
               {"EVENTS", kRight},
               {"SOURCE"}});
  for (const ProviderView& provider : providers) {
    table.add({provider.name, provider.algorithm, joined(provider.signature_headers),
               provider.success, std::to_string(provider.events.size()), provider.source});
  }
  return table.empty() ? "no providers\n" : table.text();
}

std::string provider_text(const ProviderView& provider) {
  FieldList fields;
  fields.add("Provider", provider.name);
  fields.add("Title", provider.title);
  fields.add("Source", provider.source);
  fields.add("Event types", joined(provider.events));
  fields.add("Signature headers", joined(provider.signature_headers));
  fields.add("Algorithm", provider.algorithm);
  fields.add("Body", provider.body);
  fields.add("Success", provider.success);
  fields.add("Time limit", std::to_string(provider.timeout_ms) + " ms");
  std::string delays;
  for (const std::int64_t delay : provider.retry_delays_s) {
    delays += (delays.empty() ? "" : ", ") + std::to_string(delay);
  }
  fields.add("Attempts", std::to_string(provider.max_attempts) +
                             (delays.empty() ? "" : ", after " + delays + " s"));
  fields.add("Deactivation", provider.deactivation);
  return fields.text();
}

class List final : public Command {
 public:
  explicit List(CLI::App& app) : Command(app) {}

  Result<int> run(const Globals& globals) override {
    const auto providers = Providers::load(globals.providers);
    if (!providers) return tl::unexpected(providers.error());
    if (!globals.json) return done_with(provider_table(providers->list()));
    JsonOutput json;
    json.begin_object().key("providers").begin_array();
    for (const ProviderView& provider : providers->list()) write_json(json, provider, false);
    json.end_array().end_object();
    return done_with(json.document() + "\n");
  }
};

class Show final : public Command {
 public:
  explicit Show(CLI::App& app) : Command(app) {
    app.add_option("name", name_, "The provider")->required()->type_name("NAME");
    app.add_flag("--definition", definition_, "The file's text alone, to start one's own from");
  }

  Result<int> run(const Globals& globals) override {
    const auto providers = Providers::load(globals.providers);
    if (!providers) return tl::unexpected(providers.error());
    const auto provider = providers->find(name_);
    if (!provider) return tl::unexpected(provider.error());
    if (globals.json) return done_with(json_document(*provider, definition_));
    if (definition_) return done_with(printable(provider->definition, Lines::kMany));
    return done_with(provider_text(*provider));
  }

 private:
  std::string name_;
  bool definition_ = false;
};

class Check final : public Command {
 public:
  explicit Check(CLI::App& app) : Command(app) {
    app.add_option("files", files_, "Provider definitions")->required()->type_name("FILE");
    app.footer("Each fault is a line on standard error: what, where, what to do.\n");
  }

  Result<int> run(const Globals& globals) override {
    int worst = kDone;
    JsonOutput json;
    json.begin_object().key("files").begin_array();
    std::string right;
    for (const std::string& file : files_) {
      const std::vector<Error> faults = Providers::check_file(file);
      json.begin_object().member("file", file).key("faults").begin_array();
      for (const Error& fault : faults) {
        write_json(json, fault);
        complain(error_line(fault));
        if (worst == kDone) worst = exit_code(fault.code);
      }
      json.end_array().end_object();
      if (faults.empty()) right += printable(file) + ": right\n";
    }
    json.end_array().end_object();
    const auto printed = print(globals.json ? json.document() + "\n" : right);
    if (!printed) return tl::unexpected(printed.error());
    return worst;
  }

 private:
  std::vector<std::string> files_;
};

}  // namespace

void add_provider(CLI::App& app, Commands& commands) {
  auto* provider = app.add_subcommand("provider", "Look at provider definitions, check new ones");
  provider->require_subcommand(0, 1);
  provider->footer(
      "Examples:\n"
      "  outrider provider list --providers definitions/\n"
      "  outrider provider show NAME --definition > definitions/ours.json\n"
      "  outrider provider check definitions/ours.json\n");
  const auto add = [&]<class Chosen>(const std::string& name, const std::string& description) {
    commands.push_back(std::make_unique<Chosen>(*provider->add_subcommand(name, description)));
  };
  add.operator()<List>("list", "All that are loaded");
  add.operator()<Show>("show", "One provider's rules");
  add.operator()<Check>("check", "Name every fault of a definition file");
}

}  // namespace outrider::cli
