// The peer of an attempt as it is stored: an address and a port take 6 or 18 bytes instead of their
// text, where nothing else is said and the text is the usual one. Whoever reads gets the text back,
// byte for byte.
#pragma once

#include <string>
#include <string_view>

namespace outrider::storage {

// "192.0.2.1:443", "[2001:db8::1]:443": the bytes of the address and two of the port, in network
// order. Anything else: empty.
[[nodiscard]] std::string packed_peer(std::string_view text);
// What packed_peer() made, as text; empty for bytes of another length.
[[nodiscard]] std::string peer_text(std::string_view packed);

}  // namespace outrider::storage
