#include "api_place.h"

#include <charconv>
#include <cstddef>
#include <system_error>

namespace outrider {
namespace {

tl::unexpected<Error> bad_place(const std::string& place) {
  return fail(ErrorCode::kInvalidArgument, "not a place to listen at: " + place, "listen",
              "write unix:/run/outrider/api.sock, 127.0.0.1:8480 or [::1]:8480");
}

}  // namespace

Result<TcpPlace> tcp_place(const std::string& place) {
  const std::size_t colon = place.rfind(':');
  if (colon == std::string::npos || colon == 0) return bad_place(place);
  TcpPlace found{.address = place.substr(0, colon), .port = 0};
  if (found.address.starts_with('[') && found.address.ends_with(']')) {
    found.address = found.address.substr(1, found.address.size() - 2);
  } else if (found.address.find(':') != std::string::npos) {
    return bad_place(place);
  }
  if (found.address.find_first_not_of("0123456789abcdefABCDEF.:") != std::string::npos) {
    return bad_place(place);  // a name
  }
  const char* const end = place.data() + place.size();
  const auto [rest, error] = std::from_chars(place.data() + colon + 1, end, found.port);
  if (error != std::errc() || rest != end) return bad_place(place);
  return found;
}

}  // namespace outrider
