#include "egress_proxy_source.h"

#include <string_view>
#include <utility>

#include "options.h"

namespace outrider::cli {
namespace {

constexpr std::size_t kMaxBytes = 4096;
constexpr const char* kOption = "--egress-proxy";
constexpr const char* kFileOption = "--egress-proxy-file";
constexpr std::string_view kName = "egress-proxy";

}  // namespace

void EgressProxySource::add_to(CLI::App& app) {
  auto* url = app.add_option(kOption, url_,
                             "Send everything through this proxy, http://HOST:PORT (CONNECT)");
  auto* file = app.add_option(kFileOption, file_,
                              "The same, read from this file, where it may have credentials,\n"
                              "http://USER:PASSWORD@HOST:PORT (or OUTRIDER_EGRESS_PROXY)");
  url->type_name("URL")->excludes(file);
  file->type_name("FILE");
}

Result<void> EgressProxySource::check(const Settings& settings) const {
  if (!url_) return {};
  const Setting* setting = find_setting(settings, kName);
  const Origin origin = setting == nullptr ? Origin::kArgument : setting->origin;
  if (origin != Origin::kVariable && url_->find('@') != std::string::npos) {
    const bool in_file = origin == Origin::kFile;
    return fail(ErrorCode::kInvalidArgument,
                in_file ? "credentials are not for this file" : "credentials are not for arguments",
                in_file ? setting->from : kOption,
                std::string("give them in ") + kFileOption + " or in " + variable_name(kName));
  }
  if (url_->empty()) return fail(ErrorCode::kInvalidArgument, "names no proxy", kOption);
  return {};
}

Result<std::string> EgressProxySource::read(const Settings& settings) const {
  if (auto checked = check(settings); !checked) return tl::unexpected(checked.error());
  if (url_) return *url_;
  if (!file_) return std::string();
  auto text = read_input(*file_, kMaxBytes);
  if (!text) return text;
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
  if (text->empty()) return fail(ErrorCode::kInvalidArgument, "the file is empty", kFileOption);
  return std::move(*text);
}

}  // namespace outrider::cli
