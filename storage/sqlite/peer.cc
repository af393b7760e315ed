#include "storage/sqlite/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <array>
#include <charconv>
#include <cstdint>

namespace outrider::storage {
namespace {

constexpr std::size_t kPortBytes = 2;
constexpr std::size_t kAddress4Bytes = 4;
constexpr std::size_t kAddress6Bytes = 16;

// The text between the brackets, or before the colon, and that of the port.
bool split(std::string_view text, std::string& address, std::uint16_t& port) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view digits = text.substr(colon + 1);
  const char* const end = digits.data() + digits.size();
  const auto [rest, error] = std::from_chars(digits.data(), end, port);
  if (error != std::errc() || rest != end) return false;
  if (digits.starts_with('0') && digits.size() > 1) return false;  // would not come back
  address = text.substr(0, colon);
  return true;
}

}  // namespace

std::string packed_peer(std::string_view text) {
  std::string address;
  std::uint16_t port = 0;
  if (!split(text, address, port)) return {};
  std::string packed;
  const bool is_6 = address.starts_with('[') && address.ends_with(']');
  if (is_6) address = address.substr(1, address.size() - 2);
  packed.resize(is_6 ? kAddress6Bytes : kAddress4Bytes);
  if (::inet_pton(is_6 ? AF_INET6 : AF_INET, address.c_str(), packed.data()) != 1) return {};
  packed += static_cast<char>(port >> 8U);
  packed += static_cast<char>(port & 0xFFU);
  // An IPv6 address can be written in several ways: what would not come back as it was stays text.
  // Of IPv4 only one is taken.
  return !is_6 || peer_text(packed) == text ? packed : std::string();
}

std::string peer_text(std::string_view packed) {
  const bool is_6 = packed.size() == kAddress6Bytes + kPortBytes;
  if (!is_6 && packed.size() != kAddress4Bytes + kPortBytes) return {};
  std::array<char, INET6_ADDRSTRLEN> address{};
  if (::inet_ntop(is_6 ? AF_INET6 : AF_INET, packed.data(), address.data(), address.size()) ==
      nullptr) {
    return {};
  }
  const auto byte = [&](std::size_t from_end) {
    return static_cast<unsigned char>(packed[packed.size() - from_end]);
  };
  const std::string port = std::to_string(byte(2) << 8U | byte(1));
  std::string text = is_6 ? "[" : "";
  text.append(address.data()).append(is_6 ? "]:" : ":").append(port);
  return text;
}

}  // namespace outrider::storage
