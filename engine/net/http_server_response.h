// From an answer to its bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "net/http_server.h"

namespace outrider::net {

struct ResponseFraming {
  bool head_only = false;  // the request was HEAD
  bool http_1_0 = false;
  bool close = false;
  std::string date;  // IMF-fixdate; empty: no Date field
};

// Nothing when a field could not be sent as given: a name that is no token, a value with a line end
// or control character, one of the fields that are the server's own, a status outside 200-599.
[[nodiscard]] std::optional<std::string> serialize(const ServerResponse& response,
                                                   const ResponseFraming& framing);

// A plain-text answer of the server's own.
[[nodiscard]] ServerResponse plain_answer(int status, std::string_view reason);

// "Sun, 06 Nov 1994 08:49:37 GMT"
[[nodiscard]] std::string http_date(std::int64_t utc_seconds);

}  // namespace outrider::net
