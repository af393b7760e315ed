// A walk over the words as CLI11 will take them: options with their values, subcommands,
// positionals. It judges spelling alone; everything else (missing, twice, too many) is CLI11's to
// find.
#include "command_line.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace outrider::cli {
namespace {

// Edits (insert, delete, change, swap neighbours) that turn one word into the other.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last, last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    before_last = std::exchange(last, row);
  }
  return last[b.size()];
}

std::vector<std::string> subcommand_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands({})) names.push_back(sub->get_name());
  return names;
}

// The option's entry here or further out; null: there is none.
const CLI::Option* find_option(const CLI::App* app, const std::string& name) {
  for (; app != nullptr; app = app->get_parent()) {
    if (const CLI::Option* option = app->get_option_no_throw(name)) return option;
  }
  return nullptr;
}

std::vector<std::string> option_names(const CLI::App* app) {
  std::vector<std::string> names;
  for (; app != nullptr; app = app->get_parent()) {
    for (const CLI::Option* option : app->get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  }
  return names;
}

Error unknown(const std::string& what, const std::string& word, const std::string& meant,
              const CLI::App& where) {
  const std::string hint =
      meant.empty() ? "see: " + full_name(where) + " --help" : "did you mean " + meant + "?";
  return {ErrorCode::kInvalidArgument, what, word, hint};
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = word.size() / 3 + 2;
  for (const std::string& candidate : candidates) {
    const bool begins = word.size() >= 2 && candidate.starts_with(word);
    const std::size_t edits = begins ? 1 : distance(word, candidate);
    if (edits < best_distance && edits < std::max(word.size(), candidate.size())) {
      best = candidate;
      best_distance = edits;
    }
  }
  return best;
}

std::optional<Error> misspelling(const CLI::App& app, const std::vector<std::string>& arguments) {
  const CLI::App* current = &app;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word == "--") return std::nullopt;
    if (word.starts_with("-") && word.size() > 1) {
      const std::string name = word.substr(0, word.find('='));
      const CLI::Option* option = find_option(current, name);
      if (option == nullptr) {
        return unknown("unknown option", name, nearest(name, option_names(current)), *current);
      }
      if (option->get_items_expected_max() > 0 && name == word) ++i;  // its value
      continue;
    }
    const auto names = subcommand_names(*current);
    if (names.empty()) continue;  // a positional
    const auto sub = std::find(names.begin(), names.end(), word);
    if (sub == names.end()) {
      return unknown("unknown command", word, nearest(word, names), *current);
    }
    current = current->get_subcommand(word);
  }
  return std::nullopt;
}

const CLI::App& innermost(const CLI::App& app) {
  const CLI::App* current = &app;
  while (true) {
    const auto parsed = current->get_subcommands();
    if (parsed.empty()) return *current;
    current = parsed.front();
  }
}

std::string full_name(const CLI::App& app) {
  const CLI::App* parent = app.get_parent();
  return parent == nullptr ? app.get_name() : full_name(*parent) + " " + app.get_name();
}

}  // namespace outrider::cli
