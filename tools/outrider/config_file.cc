// Read by toml++, because what CLI11 2.1.2 calls TOML is not: it cuts a text at '#', takes a list
// over several lines apart, and reads a line without '=' as a switch; and it knows no line numbers.
#include "config_file.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include "options.h"

namespace outrider::cli {
namespace {

constexpr std::size_t kMaxBytes = 65536;

std::string place(const std::string& path, const toml::source_region& region) {
  return path + ":" + std::to_string(region.begin.line);
}

std::string fraction_text(double value) {
  char text[64];
  const auto written = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed);
  return written.ec == std::errc{} ? std::string(text, written.ptr) : std::string();
}

struct Scalar {
  ValueKind kind;
  std::string text;
};

// Nothing for what is no text, number or switch: a table, a date, a list in a list.
std::optional<Scalar> scalar(const toml::node& node) {
  if (const auto* text = node.as_string()) return Scalar{ValueKind::kText, text->get()};
  if (const auto* whole = node.as_integer()) {
    return Scalar{ValueKind::kWhole, std::to_string(whole->get())};
  }
  if (const auto* fraction = node.as_floating_point()) {
    return Scalar{ValueKind::kFraction, fraction_text(fraction->get())};
  }
  if (const auto* on = node.as_boolean()) {
    return Scalar{ValueKind::kSwitch, on->get() ? "true" : "false"};
  }
  return std::nullopt;
}

tl::unexpected<Error> wrong(std::string message, std::string where, std::string hint) {
  return fail(ErrorCode::kInvalidArgument, std::move(message), std::move(where), std::move(hint));
}

Result<FileEntry> entry(const std::string& path, std::string key, const toml::node& node) {
  FileEntry made{.key = std::move(key), .where = place(path, node.source())};
  if (node.is_table()) {
    return wrong("a table", made.where + ", " + made.key,
                 "there are none here: write the keys themselves, above any [table]");
  }
  const auto unfit = [&made] {
    return wrong("no value that an option can have", made.where + ", " + made.key,
                 "give a text in quotes, a number, true or false, or a list of one of these");
  };
  const auto* list = node.as_array();
  if (list == nullptr) {
    auto value = scalar(node);
    if (!value) return unfit();
    made.kind = value->kind;
    made.values.push_back(std::move(value->text));
    return made;
  }
  made.list = true;
  for (const toml::node& element : *list) {
    auto value = scalar(element);
    if (!value) return unfit();
    if (!made.values.empty() && value->kind != made.kind) return unfit();
    made.kind = value->kind;
    made.values.push_back(std::move(value->text));
  }
  return made;
}

}  // namespace

Result<std::vector<FileEntry>> read_config_file(const std::string& path) {
  auto text = read_input(path, kMaxBytes);
  if (!text) return tl::unexpected(text.error());
  const toml::parse_result parsed = toml::parse(std::string_view(*text), std::string_view(path));
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return wrong("not TOML: " + std::string(error.description()), place(path, error.source()),
                 "write lines like: max-in-flight = 512");
  }
  std::vector<std::pair<std::uint32_t, FileEntry>> numbered;
  for (const auto& [key, node] : parsed.table()) {
    auto made = entry(path, std::string(key.str()), node);
    if (!made) return tl::unexpected(std::move(made.error()));
    numbered.emplace_back(node.source().begin.line, std::move(*made));
  }
  // A line holds one key at most.
  std::sort(numbered.begin(), numbered.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<FileEntry> entries;
  entries.reserve(numbered.size());
  for (auto& [line, made] : numbered) entries.push_back(std::move(made));
  return entries;
}

}  // namespace outrider::cli
