// What the kernel knows of a connected TCP socket, asked at the moments when libcurl cannot tell.
#pragma once

#include <cstdint>

namespace outrider::net {

enum class Unread : std::uint8_t {
  kNothing,  // and it is still there
  kBytes,
  kEnd,  // closed or reset by the peer
};

// What a read would find, without reading.
[[nodiscard]] Unread unread(int fd);

// The peer's TCP has acknowledged all that was written. An answer to all of a request cannot be
// read before that is so: whoever has read the request has had its bytes acknowledged, and the
// segments of the answer say so themselves.
[[nodiscard]] bool is_acknowledged(int fd);

[[nodiscard]] bool is_at_local_port(int fd, bool v6, int port);

}  // namespace outrider::net
