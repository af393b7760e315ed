// Why a request was not done, as RFC 9457 says it: a `type` that never changes its meaning, the
// same status for it everywhere, our own words in `detail`, and where in the body the fault lies.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "outrider/result.h"
#include "outrider/types.h"

namespace outrider::api {

struct ProblemKind {
  std::string_view name;  // the last part of `type`: "urn:outrider:problem:not_found"
  int status = 500;
  std::string_view title;
  int retry_after_s = 0;  // 0: no Retry-After
};

struct Problem {
  const ProblemKind* kind = nullptr;
  std::string detail;
  std::string pointer;    // JSON pointer into the body, a parameter's or field's name; may be empty
  std::string parameter;  // of the query or a header field; may be empty
  std::string hint;
  std::vector<HeaderField> headers;  // beside those of its kind
};

// Kinds without an ErrorCode: what only HTTP knows.
extern const ProblemKind kUnauthenticated;   // 401
extern const ProblemKind kForbidden;         // 403
extern const ProblemKind kNoRoute;           // 404
extern const ProblemKind kMethodNotAllowed;  // 405
extern const ProblemKind kUnsupportedMedia;  // 415
extern const ProblemKind kTooLarge;          // 413
extern const ProblemKind kBadRequest;        // 400
extern const ProblemKind kNotReady;          // 503

// The one table from ErrorCode.
[[nodiscard]] const ProblemKind& kind_of(ErrorCode code) noexcept;
// An error of the library. `where` becomes the pointer where it names a place in the body: a
// payload's pointer stands behind `payload_at`, and a field's name behind a slash.
[[nodiscard]] Problem problem_of(const Error& error, std::string_view payload_at = "/payload");

[[nodiscard]] std::string problem_json(const Problem& problem, std::string_view request_id);

}  // namespace outrider::api
