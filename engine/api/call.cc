// A target is decoded once, and only then compared, so that no spelling of a path means two things.
#include "api/call.h"

#include <algorithm>
#include <charconv>

#include "core/ascii.h"
#include "core/code_point.h"
#include "core/provider.h"
#include "core/signature.h"
#include "crypto/random.h"

namespace outrider::api {
namespace {

constexpr std::size_t kMostIdBytes = 128;

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const core::CodePoint next = core::read_code_point(text);
    if (!next.valid || next.value == 0) return false;
    text.remove_prefix(next.bytes);
  }
  return true;
}

std::optional<std::string> decoded(std::string_view text, bool plus_is_blank) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_blank) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      unsigned value = 0;
      if (text.size() - i < 3) return std::nullopt;
      const char* const end = text.data() + i + 3;
      if (std::from_chars(text.data() + i + 1, end, value, 16).ptr != end) return std::nullopt;
      out += static_cast<char>(value);
      i += 2;
    }
  }
  if (!is_utf8(out)) return std::nullopt;
  return out;
}

}  // namespace

const std::string* Call::header(std::string_view name) const noexcept {
  for (const HeaderField& field : headers) {
    if (core::equal_ignoring_case(field.name, name)) return &field.value;
  }
  return nullptr;
}

const std::string* Call::parameter(std::string_view name) const noexcept {
  for (const auto& [known, value] : query) {
    if (known == name) return &value;
  }
  return nullptr;
}

tl::unexpected<Problem> refuse(const ProblemKind& kind, std::string detail, std::string pointer,
                               std::string hint) {
  return tl::unexpected(Problem{.kind = &kind,
                                .detail = std::move(detail),
                                .pointer = std::move(pointer),
                                .parameter = {},
                                .hint = std::move(hint),
                                .headers = {}});
}

tl::unexpected<Problem> refuse_parameter(std::string_view name, std::string detail) {
  auto problem = refuse(kBadRequest, std::move(detail));
  problem.value().parameter = name;
  return problem;
}

tl::unexpected<Problem> refuse(const Error& error) { return tl::unexpected(problem_of(error)); }

Read<Call> read_target(std::string_view target) {
  Call call;
  const std::size_t mark = target.find('?');
  const std::string_view raw_path = target.substr(0, mark);
  auto path = decoded(raw_path, false);
  // An escaped slash is none to whoever stands before us and routes by paths.
  if (!path || std::ranges::count(*path, '/') != std::ranges::count(raw_path, '/')) {
    return refuse(kBadRequest, "the path has a malformed escape or is not UTF-8");
  }
  call.path = std::move(*path);
  if (mark == std::string_view::npos) return call;
  std::string_view rest = target.substr(mark + 1);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    auto name = decoded(pair.substr(0, equals), true);
    auto value = decoded(pair.substr(std::min(equals + 1, pair.size())), true);
    if (!name || !value) {
      return refuse(kBadRequest, "the query has a malformed escape or is not UTF-8");
    }
    if (call.parameter(*name) != nullptr) return refuse_parameter(*name, "given twice");
    call.query.emplace_back(std::move(*name), std::move(*value));
  }
  return call;
}

Read<std::uint32_t> number_parameter(const Call& call, std::string_view name, std::uint32_t least,
                                     std::uint32_t most, std::uint32_t otherwise) {
  const std::string* text = call.parameter(name);
  if (text == nullptr) return otherwise;
  std::uint32_t value = 0;
  const char* const end = text->data() + text->size();
  const auto [rest, error] = std::from_chars(text->data(), end, value);
  if (error != std::errc() || rest != end || value < least || value > most) {
    return refuse_parameter(
        name, "not a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return value;
}

std::optional<std::int64_t> timestamp(std::string_view text) {
  return text.find('T') == std::string_view::npos ? std::nullopt : core::parse_time(text);
}

Read<std::optional<std::int64_t>> time_parameter(const Call& call, std::string_view name) {
  const std::string* text = call.parameter(name);
  if (text == nullptr) return std::nullopt;
  const auto time = timestamp(*text);
  if (!time) return refuse_parameter(name, kNotATime);
  return time;
}

Read<bool> flag_parameter(const Call& call, std::string_view name) {
  const std::string* text = call.parameter(name);
  if (text == nullptr || *text == "false") return false;
  if (*text == "true") return true;
  return refuse_parameter(name, "neither true nor false");
}

Read<std::string> account_filter(const Call& call) {
  const std::string* wanted = call.parameter("account");
  if (wanted == nullptr) return call.who.account;
  if (!call.who.sees(*wanted)) return refuse(kForbidden, "the token is bound to another account");
  return *wanted;
}

Read<Page> page_parameters(const Call& call) {
  auto account = account_filter(call);
  if (!account) return tl::unexpected(std::move(account.error()));
  auto limit = number_parameter(call, "limit", 1, 1000, 50);
  if (!limit) return tl::unexpected(std::move(limit.error()));
  return Page{.account = std::move(*account), .limit = *limit};
}

Reply reply(const core::JsonOutput& json, int status) {
  return {.status = status, .body = json.document() + "\n"};
}

std::string request_id(const net::ServerRequest& request) {
  if (const std::string* given = request.header("x-request-id")) {
    const auto plain = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
             c == '-' || c == '_' || c == '.';
    };
    if (!given->empty() && given->size() <= kMostIdBytes && std::ranges::all_of(*given, plain)) {
      return *given;
    }
  }
  return core::encode(core::Encoding::kHex, crypto::random_bytes(16).value_or(std::string()));
}

}  // namespace outrider::api
