// Where a request may go: rules for URLs and for addresses. The URL's spelling is held to one
// strict grammar, so that no two parsers can read it differently; then addresses are judged, not
// spellings.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "outrider/result.h"

namespace outrider::core {

struct UrlRules {
  bool allow_http = false;
  std::vector<std::uint16_t> ports = {
      443};  // allowed ports; a single 0 allows every port but 0 itself
};

struct Target {
  bool tls = true;
  std::string host;  // lower case; an IPv6 address without brackets
  std::uint16_t port = 443;
  std::string path;  // "/…" with the query; never empty
  std::string url;   // put together from the parts above: what is connected to and what {url} means
  bool host_is_address = false;
};

// Accepts scheme "https" (or "http" where allowed), a host that is an LDH name (IDN only as
// punycode; the last label not all digits), a canonical dotted IPv4 or a bracketed IPv6 without
// zone; an optional decimal port without leading zeros; path and query of printable ASCII. Refuses,
// naming the fault: userinfo, fragments, backslashes, whitespace and control characters, non-ASCII,
// percent in the host, other spellings of addresses (127.1, 0x7f000001, 2130706433), empty or
// overlong labels, port 0 or one not allowed, more than 2048 bytes.
[[nodiscard]] Result<Target> parse_target(std::string_view url, const UrlRules& rules);

struct Address {
  bool v6 = false;
  std::array<std::uint8_t, 16> bytes{};  // IPv4: the first four
  friend bool operator==(const Address&, const Address&) = default;
};
[[nodiscard]] std::optional<Address> parse_address(
    std::string_view text);  // strict; no zone, no brackets
[[nodiscard]] std::string to_string(const Address& address);

class AddressRules {
 public:
  // `allow_nets`: CIDRs ("127.0.0.0/8", "::1/128") that are allowed although special; `own`: this
  // host's interface addresses, refused unless an allow net contains them. Errors: kInvalidArgument
  // naming the CIDR.
  [[nodiscard]] static Result<AddressRules> make(const std::vector<std::string>& allow_nets,
                                                 std::vector<Address> own);
  // This host's interface addresses have changed.
  void set_own(std::vector<Address> own);
  // Nothing when allowed; otherwise why not ("loopback", "private", "cloud metadata").
  // IPv4-mapped, -compatible, NAT64, 6to4 and Teredo addresses are judged as special, whatever
  // they carry, except that an allow net may name them (a mapped one is unmapped first).
  // `is_own`: it is known to be this host's, whether or not it is among the own addresses.
  [[nodiscard]] std::optional<std::string_view> refuses(const Address& address,
                                                        bool is_own = false) const;

 private:
  struct Net {
    Address base;
    int bits = 0;
  };
  std::vector<Net> allow_;
  std::vector<Address> own_;
};

}  // namespace outrider::core
