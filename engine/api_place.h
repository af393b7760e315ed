// A place that the HTTP API listens at, as it is written: for who listens there, and who asks
// there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "outrider/result.h"

namespace outrider {

inline constexpr std::string_view kUnixPlace = "unix:";

struct TcpPlace {
  std::string address;  // of IPv6 without brackets
  std::uint16_t port = 0;
};
// "127.0.0.1:8480" or "[::1]:8480"; no names. Error: kInvalidArgument.
[[nodiscard]] Result<TcpPlace> tcp_place(const std::string& place);

}  // namespace outrider
