// Statuses: 4xx is the caller's to mend, 503 is worth trying again, 500 is ours.
#include "api/problem.h"

#include <algorithm>
#include <array>

#include "core/json_output.h"

namespace outrider::api {
namespace {

struct Row {
  ErrorCode code;
  ProblemKind kind;
};
// Named as error_code_name() does, in the order of the codes.
constexpr std::array kKinds{
    Row{ErrorCode::kInvalidArgument, {"invalid_argument", 400, "A field is wrong"}},
    Row{ErrorCode::kInvalidPayload, {"invalid_payload", 422, "The payload is refused"}},
    Row{ErrorCode::kNotFound, {"not_found", 404, "There is no such object"}},
    Row{ErrorCode::kConflict, {"conflict", 409, "It contradicts what is there"}},
    Row{ErrorCode::kRefused, {"refused", 409, "The rules of the provider or the object say no"}},
    Row{ErrorCode::kOverloaded, {"overloaded", 503, "Too much at once", 1}},
    Row{ErrorCode::kBusy, {"busy", 503, "The database is locked by another process", 1}},
    Row{ErrorCode::kLocked, {"locked", 503, "Another engine runs on the database", 5}},
    Row{ErrorCode::kCorrupt, {"corrupt", 500, "The database is damaged"}},
    Row{ErrorCode::kTooNew, {"too_new", 500, "The database is of a newer version"}},
    Row{ErrorCode::kIo, {"io", 503, "The disk or the network failed", 5}},
    Row{ErrorCode::kUnknownOutcome,
        {"unknown_outcome", 503, "It is unknown whether it is durable", 5}},
    Row{ErrorCode::kStopped, {"stopped", 503, "The engine is stopping", 5}},
    Row{ErrorCode::kInternal, {"internal", 500, "An internal failure"}},
    Row{ErrorCode::kKey, {"key", 503, "The key file cannot be used", 30}},
};

// What an Error calls by its name, and the body too.
constexpr std::array<std::string_view, 20> kFields{
    "account",       "provider",   "type",  "idempotency_key", "ordering_key", "expires_at",
    "url",           "secret",     "types", "headers",         "description",  "rate_per_second",
    "max_in_flight", "since",      "until", "states",          "limit",        "cursor",
    "traceparent",   "tracestate",
};

struct Renamed {
  std::string_view where;
  const char* pointer;
};
constexpr std::array<Renamed, 5> kRenamed{{{"tls", "/tls"},
                                           {"tls_ca", "/tls/ca"},
                                           {"tls_certificate", "/tls/certificate"},
                                           {"tls_key", "/tls/key"},
                                           {"tls_min", "/tls/minimum"}}};

}  // namespace

const ProblemKind kUnauthenticated{"unauthenticated", 401, "A valid token is needed"};
const ProblemKind kForbidden{"forbidden", 403, "The token does not allow this"};
const ProblemKind kNoRoute{"no_route", 404, "There is nothing at this path"};
const ProblemKind kMethodNotAllowed{"method_not_allowed", 405, "Not with this method"};
const ProblemKind kUnsupportedMedia{"unsupported_media_type", 415, "Not a body that is read here"};
const ProblemKind kTooLarge{"too_large", 413, "The body is too large"};
const ProblemKind kBadRequest{"bad_request", 400, "The request is wrong"};
const ProblemKind kNotReady{"not_ready", 503, "Events cannot be taken now", 1};

const ProblemKind& kind_of(ErrorCode code) noexcept {
  const auto* row = std::ranges::find(kKinds, code, &Row::code);
  return row == kKinds.end() ? kKinds[static_cast<std::size_t>(ErrorCode::kInternal)].kind
                             : row->kind;
}

Problem problem_of(const Error& error, std::string_view payload_at) {
  Problem problem{.kind = &kind_of(error.code),
                  .detail = error.message,
                  .pointer = {},
                  .parameter = {},
                  .hint = error.hint,
                  .headers = {}};
  if (error.code == ErrorCode::kInvalidPayload) {
    problem.pointer = std::string(payload_at) + error.where;
  } else if (std::ranges::find(kFields, error.where) != kFields.end()) {
    problem.pointer = "/" + error.where;
  } else if (const auto* renamed = std::ranges::find(kRenamed, error.where, &Renamed::where);
             renamed != kRenamed.end()) {
    problem.pointer = renamed->pointer;
  } else if (!error.where.empty() && problem.kind->status < 500) {
    problem.detail += " (" + error.where + ")";
  }
  return problem;
}

std::string problem_json(const Problem& problem, std::string_view request_id) {
  core::JsonOutput json(core::JsonOutput::Layout::kOneLine);
  json.begin_object()
      .member("type", "urn:outrider:problem:" + std::string(problem.kind->name))
      .member("title", problem.kind->title)
      .member("status", problem.kind->status)
      .member("detail", problem.detail);
  if (!problem.pointer.empty()) json.member("pointer", problem.pointer);
  if (!problem.parameter.empty()) json.member("parameter", problem.parameter);
  if (!problem.hint.empty()) json.member("hint", problem.hint);
  if (!request_id.empty()) json.member("request_id", request_id);
  json.end_object();
  return json.document();
}

}  // namespace outrider::api
