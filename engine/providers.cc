// Providers: the built-in definitions and a directory's, loaded once into one immutable set.
//
// A definition refers to its schemas by path. For the built-in ones that is a lookup in what the
// library carries; for files it is the file system, fenced: a schema lies in the definition's
// folder or below it, or in the folder `events` beside that one (the layout of schemas/ in the
// source tree), whatever `..` and symbolic links say. So a definition from somewhere else cannot
// make its user's process open other files.
#include "outrider/provider.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

#include "core/provider.h"
#include "schemas/embedded.h"

namespace outrider {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBuiltIn = "built-in";
constexpr std::string_view kDefinitionSuffix = ".json";
constexpr std::string_view kSchemaSuffix = ".schema.json";
constexpr std::uintmax_t kMaxFileBytes = 1024 * 1024;

bool is_definition(std::string_view file) {
  return file.ends_with(kDefinitionSuffix) && !file.ends_with(kSchemaSuffix);
}

Result<std::string> read_file(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) {
    return fail(ErrorCode::kNotFound, "no such file", path.string());
  }
  if (error || !fs::is_regular_file(status)) {
    return fail(ErrorCode::kIo, error ? error.message() : "not a regular file", path.string());
  }
  const std::uintmax_t size = fs::file_size(path, error);
  if (!error && size > kMaxFileBytes) {
    return fail(ErrorCode::kCorrupt, "is over 1 MiB", path.string());
  }
  std::ifstream file(path, std::ios::binary);
  std::string text(error ? 0 : static_cast<std::size_t>(size), '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (error || !file || file.peek() != std::ifstream::traits_type::eof()) {
    return fail(ErrorCode::kIo, "cannot be read", path.string(), "check its permissions");
  }
  return text;
}

bool is_inside(const fs::path& path, const fs::path& folder) {
  const auto [end, rest] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return end == folder.end() && rest != path.end();
}

// Reads a schema for the definition in `folder`.
Result<std::string> read_schema_file(const fs::path& folder, std::string_view relative) {
  const std::string shown = "the schema " + std::string(relative);
  std::error_code error;
  const fs::path base = fs::canonical(folder.empty() ? fs::path(".") : folder, error);
  if (error) return fail(ErrorCode::kIo, shown + ": " + error.message());
  const fs::path path = fs::weakly_canonical(base / fs::path(relative), error);
  if (error) return fail(ErrorCode::kIo, shown + ": " + error.message());
  const fs::path events = base.parent_path() / "events";
  if (fs::path(relative).is_absolute() || !(is_inside(path, base) || is_inside(path, events))) {
    return fail(ErrorCode::kRefused, shown + " lies outside the definition's folder", {},
                "put it beside the definition, or into a folder named events beside its folder");
  }
  auto text = read_file(path);
  if (text) return text;
  return fail(text.error().code, shown + ": " + text.error().message, {},
              "the path is relative to the definition's file");
}

std::optional<std::string_view> embedded(std::string_view path) {
  const auto files = schemas::embedded_files();
  const auto found =
      std::find_if(files.begin(), files.end(),
                   [&](const schemas::EmbeddedFile& file) { return file.path == path; });
  if (found == files.end()) return std::nullopt;
  return found->text;
}

Result<std::string> read_embedded_schema(std::string_view relative) {
  const std::string path = (fs::path("providers") / fs::path(relative)).lexically_normal().string();
  if (const auto text = embedded(path)) return std::string(*text);
  return fail(ErrorCode::kNotFound, "no built-in schema " + path);
}

core::Lint load_embedded(const schemas::EmbeddedFile& file) {
  core::Lint lint = core::load_provider(file.text, file.path, read_embedded_schema);
  if (lint.provider) lint.provider->origin = kBuiltIn;
  return lint;
}

core::Lint load_file(const fs::path& path) {
  auto text = read_file(path);
  if (!text) return {{std::move(text.error())}, std::nullopt};
  return core::load_provider(*text, path.string(), [&](std::string_view relative) {
    return read_schema_file(path.parent_path(), relative);
  });
}

// The first fault, and how many there are beside it.
tl::unexpected<Error> first_fault(std::vector<Error> faults, const std::string& file) {
  Error error = std::move(faults.front());
  if (faults.size() > 1) {
    if (!error.hint.empty()) error.hint += "; ";
    error.hint +=
        std::to_string(faults.size() - 1) + " more: see \"outrider provider check " + file + "\"";
  }
  return tl::unexpected(std::move(error));
}

Result<std::vector<fs::path>> definitions_in(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code error;
  const fs::file_status status = fs::status(directory, error);
  if (status.type() == fs::file_type::not_found) {
    return fail(ErrorCode::kNotFound, "no such directory of provider files", directory.string());
  }
  if (error || !fs::is_directory(status)) {
    return fail(ErrorCode::kIo, error ? error.message() : "not a directory", directory.string());
  }
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    if (is_definition(entry->path().filename().string())) files.push_back(entry->path());
  }
  if (error) return fail(ErrorCode::kIo, error.message(), directory.string());
  std::sort(files.begin(), files.end());
  return files;
}

constexpr std::string_view algorithm_name(core::Algorithm algorithm) {
  switch (algorithm) {
    case core::Algorithm::kHmacSha256:
      return "hmac-sha256";
    case core::Algorithm::kHmacSha512:
      return "hmac-sha512";
    case core::Algorithm::kHmacSha1:
      return "hmac-sha1";
    case core::Algorithm::kEd25519:
      return "ed25519";
  }
  return {};
}

constexpr std::string_view body_name(core::BodyMode body) {
  switch (body) {
    case core::BodyMode::kRaw:
      return "raw";
    case core::BodyMode::kCompact:
      return "compact";
    case core::BodyMode::kEcmascript:
      return "ecmascript";
  }
  return {};
}

std::string success_words(const core::SuccessRule& rule) {
  std::string words;
  const auto append = [&](const std::string& word) { words += (words.empty() ? "" : ", ") + word; };
  for (const int kind : rule.classes) append(std::to_string(kind) + "xx");
  for (const int code : rule.codes) append(std::to_string(code));
  return words;
}

std::string deactivation_words(const core::Provider& provider) {
  const core::DeactivationRule& rule = provider.deactivate;
  std::string words;
  if (rule.consecutive != 0) {
    words = "after " + core::describe(core::DeactivationReason::kConsecutive, rule);
  }
  if (rule.window_count != 0) {
    words += (words.empty() ? "after " : " or ") +
             core::describe(core::DeactivationReason::kWindow, rule);
  }
  std::string gone;
  for (const int code : provider.gone) gone += (gone.empty() ? "" : ", ") + std::to_string(code);
  if (!gone.empty()) words += (words.empty() ? "at once on " : ", at once on ") + gone;
  if (words.empty()) return "never";
  words += rule.scope == core::DeactivationScope::kAccount ? "; all of the account's endpoints"
                                                           : "; the endpoint";
  words += rule.pending == core::PendingRule::kCancel ? "; pending deliveries are cancelled"
                                                      : "; pending deliveries are held";
  if (rule.refuse_new_events) words += "; new events are refused until reactivation";
  return words;
}

ProviderView view_of(const core::Provider& provider) {
  ProviderView view;
  view.name = provider.name;
  view.title = provider.title;
  view.source = provider.origin;
  for (const auto& [name, event] : provider.events) view.events.push_back(name);
  for (const auto& header : provider.signature.headers)
    view.signature_headers.push_back(header.name);
  view.algorithm = algorithm_name(provider.signature.schemes.front().algorithm);
  view.body = body_name(provider.body);
  view.success = success_words(provider.success);
  view.timeout_ms = provider.timeout.count();
  for (const core::Duration delay : provider.retry.delays) {
    view.retry_delays_s.push_back(delay.count() / 1000);
  }
  view.max_attempts = provider.retry.max_attempts;
  view.deactivation = deactivation_words(provider);
  view.definition = provider.definition;
  return view;
}

tl::unexpected<Error> no_such_provider(const core::ProviderSet& set, std::string_view name) {
  std::string known;
  for (const core::Provider* provider : set.list()) {
    known += (known.empty() ? "known: " : ", ") + provider->name;
  }
  return fail(ErrorCode::kNotFound, "no provider is named \"" + std::string(name) + "\"",
              "provider", std::move(known));
}

}  // namespace

Result<Providers> Providers::load(const std::string& directory) {
  auto set = std::make_shared<core::ProviderSet>();
  for (const schemas::EmbeddedFile& file : schemas::embedded_files()) {
    if (!file.path.starts_with("providers/") || !is_definition(file.path)) continue;
    core::Lint lint = load_embedded(file);
    if (!lint.faults.empty()) return first_fault(std::move(lint.faults), std::string(file.path));
    set->put(std::move(*lint.provider));
  }
  if (!directory.empty()) {
    auto files = definitions_in(directory);
    if (!files) return tl::unexpected(std::move(files.error()));
    std::map<std::string, std::string> seen;  // name -> file
    for (const fs::path& file : *files) {
      core::Lint lint = load_file(file);
      if (!lint.faults.empty()) return first_fault(std::move(lint.faults), file.string());
      const auto [earlier, is_new] = seen.emplace(lint.provider->name, file.string());
      if (!is_new) {
        return fail(ErrorCode::kCorrupt,
                    "the provider \"" + lint.provider->name + "\" is defined by " +
                        earlier->second + " already",
                    file.string() + "#/name", "give one of the two another name");
      }
      set->put(std::move(*lint.provider));
    }
  }
  Providers providers;
  providers.set_ = std::move(set);
  return providers;
}

std::vector<ProviderView> Providers::list() const {
  std::vector<ProviderView> views;
  for (const core::Provider* provider : set_->list()) views.push_back(view_of(*provider));
  return views;
}

Result<ProviderView> Providers::find(std::string_view name) const {
  const core::Provider* provider = set_->find(name);
  if (provider == nullptr) return no_such_provider(*set_, name);
  return view_of(*provider);
}

std::vector<Error> Providers::check_file(const std::string& path) { return load_file(path).faults; }

Result<std::string> Providers::canonical_body(const Event& event, std::uint64_t max_bytes) const {
  const core::Provider* provider = set_->find(event.provider);
  if (provider == nullptr) return no_such_provider(*set_, event.provider);
  std::optional<std::string_view> ordering_key;
  if (event.ordering_key) ordering_key = *event.ordering_key;
  // No date is in the past at 0, so that a bad one is refused whenever this is asked.
  auto prepared = core::prepare(*provider, event.type, event.payload, event.expires_at,
                                ordering_key, 0, core::JsonLimits{.max_bytes = max_bytes});
  if (!prepared) return tl::unexpected(std::move(prepared.error()));
  return std::move(prepared->body);
}

}  // namespace outrider
