// CLI11 could read variables and a file itself, but would let the file win over a variable, and
// would keep from us where a value came from. So it parses the arguments alone; the rest is laid
// under them here, nearest first, through the same options and their checks.
#include "settings.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <regex>
#include <set>
#include <utility>

#include "command_line.h"

namespace outrider::cli {
namespace {

constexpr std::string_view kPrefix = "OUTRIDER_";
// Options that say how a command ends or where to look, and are no settings.
constexpr std::array<std::string_view, 3> kNotSettings{"help", "version", kConfigOption};

std::string long_name(const CLI::Option& option) {
  return option.get_lnames().empty() ? std::string() : option.get_lnames().front();
}

std::vector<CLI::Option*> configurable(CLI::App& app) {
  std::vector<CLI::Option*> options;
  for (CLI::Option* option : app.get_options()) {
    const std::string name = long_name(*option);
    if (std::find(kNotSettings.begin(), kNotSettings.end(), name) == kNotSettings.end()) {
      options.push_back(option);
    }
  }
  return options;
}

std::vector<std::string> known_names(const CLI::App& root, const CLI::App& serve) {
  std::vector<std::string> names;
  for (const CLI::App* app : {&root, &serve}) {
    for (const CLI::Option* option : app->get_options()) {
      const std::string name = long_name(*option);
      const bool setting =
          std::find(kNotSettings.begin(), kNotSettings.end(), name) == kNotSettings.end();
      if (setting) names.push_back(name);
    }
  }
  return names;
}

Setting described(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  Setting setting{.name = long_name(option), .list = option.get_items_expected_max() > 1};
  if (option.get_items_expected_max() == 0) {
    setting.kind = ValueKind::kSwitch;
  } else if (type == "N" || type == "PORT") {
    setting.kind = ValueKind::kWhole;
  } else if (type == "RATE") {
    setting.kind = ValueKind::kFraction;
  }
  return setting;
}

std::map<std::string, std::string> own_variables() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (!text.starts_with(kPrefix) || equals == std::string_view::npos) continue;
    if (equals + 1 == text.size()) continue;  // empty: not set
    variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

// Values and where they stand: what one variable, or one line of the file, says.
struct Given {
  std::vector<std::string> values;
  Origin origin;
  std::string from;
  std::string where;  // for an error
};

Error wrong(std::string message, const Given& given, std::string hint) {
  return {ErrorCode::kInvalidArgument, std::move(message), given.where, std::move(hint)};
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (true) {
    const std::size_t comma = text.find(',', begin);
    parts.push_back(CLI::detail::trim_copy(text.substr(begin, comma - begin)));
    if (comma == std::string::npos) return parts;
    begin = comma + 1;
  }
}

Result<Given> from_variable(const Setting& setting, const std::string& text) {
  const std::string variable = variable_name(setting.name);
  Given given{{text}, Origin::kVariable, variable, variable};
  if (setting.list) {
    given.values = split(text);
    if (std::find(given.values.begin(), given.values.end(), "") != given.values.end()) {
      return tl::unexpected(wrong("an empty item in a list", given, "part the items by one comma"));
    }
  }
  if (setting.kind == ValueKind::kSwitch) {
    const std::string word = CLI::detail::to_lower(text);
    const bool on = word == "true" || word == "1" || word == "yes" || word == "on";
    const bool off = word == "false" || word == "0" || word == "no" || word == "off";
    if (!on && !off) return tl::unexpected(wrong("neither true nor false", given, {}));
    given.values = {on ? "true" : "false"};
  }
  return given;
}

std::string_view wanted(ValueKind kind) {
  switch (kind) {
    case ValueKind::kWhole:
      return "a whole number, without quotes";
    case ValueKind::kFraction:
      return "a number, without quotes";
    case ValueKind::kSwitch:
      return "true or false, without quotes";
    case ValueKind::kText:
      break;
  }
  return "a text in quotes";
}

Result<Given> from_file(const Setting& setting, const FileEntry& entry) {
  Given given{entry.values, Origin::kFile, entry.where, entry.where + ", " + entry.key};
  if (entry.list && !setting.list) {
    return tl::unexpected(wrong("a list, where one value belongs", given,
                                "give " + std::string(wanted(setting.kind))));
  }
  const bool fits = entry.kind == setting.kind || entry.values.empty() ||
                    (setting.kind == ValueKind::kFraction && entry.kind == ValueKind::kWhole);
  if (!fits) {
    return tl::unexpected(
        wrong("a value of the wrong kind", given, "give " + std::string(wanted(setting.kind))));
  }
  return given;
}

// What CLI11 says of a wrong value, without the name of the option in front.
std::string complaint(const CLI::Option& option, const std::string& text) {
  for (const std::string& name : {option.get_name(), "--" + long_name(option)}) {
    if (text.starts_with(name + ": ")) return text.substr(name.size() + 2);
  }
  return text;
}

class Layers {
 public:
  Layers(std::map<std::string, std::string> variables, std::vector<FileEntry> entries,
         const std::vector<CLI::Option*>& options)
      : variables_(std::move(variables)), entries_(std::move(entries)) {
    for (const CLI::Option* option : options) {
      if (option->count() > 0) arguments_.insert(option);
    }
  }

  Result<Setting> apply(CLI::Option& option) const {
    Setting setting = described(option);
    setting.origin = origin_of(option);
    for (const CLI::Option* other : option.get_excludes()) {
      const Origin nearer = origin_of(*other);
      if (nearer < setting.origin) setting.origin = Origin::kDefault;  // it stands instead
      if (nearer == setting.origin && nearer != Origin::kDefault) {
        return fail(ErrorCode::kInvalidArgument,
                    setting.name + " and " + long_name(*other) + " exclude each other",
                    place(setting), "give one of them");
      }
    }
    if (setting.origin == Origin::kDefault) {
      if (!option.get_default_str().empty()) setting.values = {option.get_default_str()};
      if (setting.kind == ValueKind::kSwitch) setting.values = {"false"};
      return setting;
    }
    if (setting.origin == Origin::kArgument) {
      setting.from = "--" + setting.name;
      setting.values = option.results();
      if (setting.kind == ValueKind::kSwitch) {  // --allow-http=no is said in many ways
        setting.values = {CLI::detail::to_flag_value(setting.values.back()) > 0 ? "true" : "false"};
      }
      return setting;
    }
    const auto given = setting.origin == Origin::kVariable
                           ? from_variable(setting, variables_.at(variable_name(setting.name)))
                           : from_file(setting, *entry(setting.name));
    if (!given) return tl::unexpected(given.error());
    setting.from = given->from;
    setting.values = given->values;
    if (auto taken = take(option, *given); !taken) return tl::unexpected(taken.error());
    return setting;
  }

 private:
  [[nodiscard]] const FileEntry* entry(const std::string& key) const {
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&key](const FileEntry& one) { return one.key == key; });
    return found == entries_.end() ? nullptr : &*found;
  }

  [[nodiscard]] Origin origin_of(const CLI::Option& option) const {
    const std::string name = long_name(option);
    if (arguments_.contains(&option)) return Origin::kArgument;
    if (variables_.contains(variable_name(name))) return Origin::kVariable;
    return entry(name) != nullptr ? Origin::kFile : Origin::kDefault;
  }

  [[nodiscard]] std::string place(const Setting& setting) const {
    if (setting.origin == Origin::kVariable) return variable_name(setting.name);
    const FileEntry* found = entry(setting.name);
    return found == nullptr ? "--" + setting.name : found->where;
  }

  static Result<void> take(CLI::Option& option, const Given& given) {
    if (given.values.empty()) return {};
    try {
      for (const std::string& value : given.values) option.add_result(value);
      option.run_callback();
    } catch (const CLI::ParseError& error) {
      return tl::unexpected(wrong(complaint(option, error.what()), given, {}));
    }
    return {};
  }

  std::map<std::string, std::string> variables_;
  std::vector<FileEntry> entries_;
  std::set<const CLI::Option*> arguments_;  // looked into, never walked through
};

Result<void> check_keys(const std::vector<FileEntry>& entries,
                        const std::vector<std::string>& known) {
  for (const FileEntry& entry : entries) {
    if (std::find(known.begin(), known.end(), entry.key) != known.end()) continue;
    const std::string meant = nearest(entry.key, known);
    return fail(ErrorCode::kInvalidArgument, "unknown key", entry.where + ", " + entry.key,
                meant.empty() ? "keys are the options of serve without the dashes; see: outrider "
                                "serve --help"
                              : "did you mean " + meant + "?");
  }
  return {};
}

Result<void> check_variables(const std::map<std::string, std::string>& variables,
                             const std::vector<std::string>& known) {
  std::vector<std::string> names{variable_name(kConfigOption)};
  for (const std::string& name : known) names.push_back(variable_name(name));
  for (const auto& [variable, value] : variables) {
    if (std::find(names.begin(), names.end(), variable) != names.end()) continue;
    if (is_service_link(variable, value)) continue;
    // The prefix is the same for all, and would make any two look alike.
    std::string rest = CLI::detail::to_lower(variable.substr(kPrefix.size()));
    std::replace(rest.begin(), rest.end(), '_', '-');
    const std::string meant = nearest(rest, known);
    return fail(ErrorCode::kInvalidArgument, "unknown variable", variable,
                meant.empty() ? "variables are the options of serve: --max-in-flight is "
                                "OUTRIDER_MAX_IN_FLIGHT; unset it, or rename what is your own"
                              : "did you mean " + variable_name(meant) + "?");
  }
  return {};
}

// The file that is named, and by what: as a setting like the others.
Setting named_file(const CLI::App& root, const std::map<std::string, std::string>& variables) {
  Setting setting{.name = std::string(kConfigOption)};
  const CLI::Option* option = root.get_option("--" + setting.name);
  const std::string variable = variable_name(kConfigOption);
  if (option->count() > 0) {
    setting.origin = Origin::kArgument;
    setting.from = "--" + setting.name;
    setting.values = option->results();
  } else if (const auto found = variables.find(variable); found != variables.end()) {
    setting.origin = Origin::kVariable;
    setting.from = variable;
    setting.values = {found->second};
  }
  return setting;
}

Result<std::vector<FileEntry>> entries_of(const Setting& file) {
  if (file.values.empty()) return std::vector<FileEntry>{};
  if (file.values.back().empty()) {
    return fail(ErrorCode::kInvalidArgument, "names no file", file.from);
  }
  return read_config_file(file.values.back());
}

}  // namespace

std::string_view origin_name(Origin origin) {
  switch (origin) {
    case Origin::kArgument:
      return "argument";
    case Origin::kVariable:
      return "variable";
    case Origin::kFile:
      return "file";
    case Origin::kDefault:
      break;
  }
  return "default";
}

const Setting* find_setting(const Settings& settings, std::string_view name) {
  const auto found = std::find_if(settings.begin(), settings.end(),
                                  [name](const Setting& one) { return one.name == name; });
  return found == settings.end() ? nullptr : &*found;
}

std::string variable_name(std::string_view option) {
  std::string name(kPrefix);
  for (const char c : option) {
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

bool is_service_link(std::string_view variable, std::string_view value) {
  static const std::regex name_alone(
      "OUTRIDER_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|"
      "PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)");
  static const std::regex with_address("OUTRIDER_([A-Z0-9_]+_)?PORT");
  const std::string name(variable);
  if (std::regex_match(name, name_alone)) return true;
  return std::regex_match(name, with_address) && value.find("://") != std::string_view::npos;
}

Result<Settings> apply_settings(CLI::App& root, const CLI::App& serve, CLI::App* reader) {
  auto variables = own_variables();
  Settings settings{named_file(root, variables)};
  auto entries = entries_of(settings.front());
  if (!entries) return tl::unexpected(std::move(entries.error()));
  const std::vector<std::string> known = known_names(root, serve);
  if (auto ok = check_keys(*entries, known); !ok) return tl::unexpected(std::move(ok.error()));
  std::vector<CLI::Option*> options = configurable(root);
  if (reader != nullptr) {
    if (auto ok = check_variables(variables, known); !ok) {
      return tl::unexpected(std::move(ok.error()));
    }
    for (CLI::Option* option : configurable(*reader)) {
      const std::string name = long_name(*option);
      if (std::find(known.begin(), known.end(), name) != known.end()) options.push_back(option);
    }
  }
  const Layers layers(std::move(variables), std::move(*entries), options);
  for (CLI::Option* option : options) {
    auto setting = layers.apply(*option);
    if (!setting) return tl::unexpected(std::move(setting.error()));
    settings.push_back(std::move(*setting));
  }
  return settings;
}

}  // namespace outrider::cli
