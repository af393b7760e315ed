// One request, read: who asks, for what, with which words. And what comes back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "api/problem.h"
#include "core/json_output.h"
#include "net/http_server.h"
#include "outrider/types.h"

namespace outrider::api {

struct Principal {
  Role role = Role::kNone;
  std::string account;  // not empty: sees and does only this account's
  std::string actor;    // for the audit trail: "token deploy", "unix uid 1000"

  [[nodiscard]] bool may(Role need) const noexcept {
    return need == Role::kNone || role == need || role == Role::kOperate;
  }
  [[nodiscard]] bool sees(std::string_view other) const noexcept {
    return account.empty() || account == other;
  }
};

struct Call {
  std::string method;
  std::string path;  // decoded
  std::vector<std::pair<std::string, std::string>> query;
  std::vector<HeaderField> headers;
  std::string body;
  std::string id;  // from the path
  std::string request_id;
  Principal who;

  // Null: not given. Case of a field's name does not matter.
  [[nodiscard]] const std::string* header(std::string_view name) const noexcept;
  [[nodiscard]] const std::string* parameter(std::string_view name) const noexcept;
};

struct Reply {
  int status = 200;
  std::string body;
  std::string_view content_type = "application/json";
  std::vector<HeaderField> headers = {};
  bool nothing = false;  // there was nothing to tell: whoever waits for something may wait on
};
[[nodiscard]] Reply reply(const core::JsonOutput& json, int status = 200);
using Answer = tl::expected<Reply, Problem>;
template <class T>
using Read = tl::expected<T, Problem>;

[[nodiscard]] tl::unexpected<Problem> refuse(const ProblemKind& kind, std::string detail,
                                             std::string pointer = {}, std::string hint = {});
[[nodiscard]] tl::unexpected<Problem> refuse_parameter(std::string_view name, std::string detail);
[[nodiscard]] tl::unexpected<Problem> refuse(const Error& error);

// Splits and decodes the target, which begins with a slash. Refused: a malformed escape, a NUL, a
// parameter twice, bytes that are not UTF-8.
[[nodiscard]] Read<Call> read_target(std::string_view target);

// RFC 3339, as everywhere in the API; a date alone is not a time. Milliseconds since 1970.
[[nodiscard]] std::optional<std::int64_t> timestamp(std::string_view text);
inline constexpr const char* kNotATime = "not a time, as in 2026-01-31T09:30:00Z";

// Parameters of a query, strictly.
[[nodiscard]] Read<std::uint32_t> number_parameter(const Call& call, std::string_view name,
                                                   std::uint32_t least, std::uint32_t most,
                                                   std::uint32_t otherwise);
// RFC 3339; nothing where it is not given.
[[nodiscard]] Read<std::optional<std::int64_t>> time_parameter(const Call& call,
                                                               std::string_view name);
[[nodiscard]] Read<bool> flag_parameter(const Call& call, std::string_view name);
// The account that a list is asked for, within what the caller sees; empty: all.
[[nodiscard]] Read<std::string> account_filter(const Call& call);
// What every list has: whose, and how much of it at once.
struct Page {
  std::string account;  // as above
  std::uint32_t limit = 0;
};
[[nodiscard]] Read<Page> page_parameters(const Call& call);

// The client's, where it is 1 to 128 letters, digits, dots, dashes and underscores; else a new one.
[[nodiscard]] std::string request_id(const net::ServerRequest& request);

}  // namespace outrider::api
