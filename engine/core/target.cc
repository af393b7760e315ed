// The URL grammar. Stricter than RFC 3986 on purpose: what two parsers could read differently is
// refused, and what is accepted is put together again from its parts, so that nothing behind this
// file sees the original spelling.
//
// An error names the fault and never repeats the URL: a query may carry a credential.
#include "core/target.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "core/ascii.h"

namespace outrider::core {
namespace {

constexpr std::size_t kMaxUrlBytes = 2048;
constexpr std::size_t kMaxNameBytes = 253;
constexpr std::size_t kMaxLabelBytes = 63;

tl::unexpected<Error> refuse(std::string message, std::string hint = {}) {
  return fail(ErrorCode::kInvalidArgument, "the URL " + std::move(message), "url", std::move(hint));
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return c >= 'a' && c <= 'z'; }
bool is_hex_digit(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }

Result<void> check_bytes(std::string_view url) {
  if (url.size() > kMaxUrlBytes) return refuse("is longer than 2048 bytes");
  for (const char c : url) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80) {
      return refuse("has a character beyond ASCII",
                    "write an international name in its xn-- form, and %XX in the path");
    }
    if (byte == ' ') return refuse("has a space", "write %20");
    if (byte < 0x20 || byte == 0x7f) return refuse("has a control character");
    if (byte == '\\') return refuse("has a backslash", "write / or %5C");
    if (byte == '#') return refuse("has a fragment", "leave out # and what follows");
  }
  return {};
}

// The scheme goes, `url` begins behind "://".
Result<bool> take_scheme(std::string_view& url, const UrlRules& rules) {
  const std::size_t colon = url.find("://");
  const std::string scheme = lower_case(url.substr(0, colon == std::string_view::npos ? 0 : colon));
  if (scheme != "https" && scheme != "http") {
    return refuse("does not begin with https://", "write https://host/path");
  }
  if (scheme == "http" && !rules.allow_http) {
    return refuse("is plain http", "use https, or allow http for private networks (--allow-http)");
  }
  url.remove_prefix(colon + 3);
  return scheme == "https";
}

Result<std::uint16_t> parse_port(std::string_view text) {
  if (text.empty()) return refuse("has a colon without a port");
  if (!std::all_of(text.begin(), text.end(), is_digit)) return refuse("has a port with non-digits");
  if (text.size() > 1 && text.front() == '0') return refuse("has a port with a leading zero");
  std::uint32_t port = 0;
  for (const char c : text) {
    port = port * 10 + static_cast<std::uint32_t>(c - '0');
    if (port > 65535) return refuse("has a port above 65535");
  }
  if (port == 0) return refuse("has port 0");
  return static_cast<std::uint16_t>(port);
}

Result<void> check_port(std::uint16_t port, const UrlRules& rules) {
  const auto allowed = [&](std::uint16_t p) { return p == port || p == 0; };
  if (std::any_of(rules.ports.begin(), rules.ports.end(), allowed)) return {};
  const std::string text = std::to_string(port);
  return refuse("has port " + text + ", which is not allowed",
                "use 443, or allow it (--allow-port " + text + ")");
}

Result<void> check_label(std::string_view label) {
  if (label.empty())
    return refuse("has a host with an empty label", "no leading, double or final dot");
  if (label.size() > kMaxLabelBytes) return refuse("has a host label longer than 63 bytes");
  if (label.front() == '-' || label.back() == '-') {
    return refuse("has a host label that begins or ends with a hyphen");
  }
  const auto fits = [](char c) { return is_letter(c) || is_digit(c) || c == '-'; };
  if (!std::all_of(label.begin(), label.end(), fits)) {
    return refuse("has a host with a character other than letters, digits, hyphens and dots");
  }
  return {};
}

// What some parser somewhere reads as a number: "1", "0x7f", "0x".
bool reads_as_number(std::string_view label) {
  if (std::all_of(label.begin(), label.end(), is_digit)) return true;
  return label.substr(0, 2) == "0x" && std::all_of(label.begin() + 2, label.end(), is_hex_digit);
}

// `host` is lower case already.
Result<void> check_name(std::string_view host) {
  if (host.empty()) return refuse("has no host");
  if (host.size() > kMaxNameBytes) return refuse("has a host longer than 253 bytes");
  std::string_view rest = host;
  std::string_view label;
  while (true) {
    const std::size_t dot = rest.find('.');
    label = rest.substr(0, dot);
    if (auto ok = check_label(label); !ok) return ok;
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  if (reads_as_number(label)) {
    return refuse("has a number for a host", "write an IPv4 address as four decimal numbers");
  }
  return {};
}

// "[v6]", "v4" or a name; `authority` goes to what follows it (":port" or nothing).
Result<void> take_host(std::string_view& authority, Target& target) {
  if (authority.substr(0, 1) == "[") {
    const std::size_t end = authority.find(']');
    const auto address =
        end == std::string_view::npos ? std::nullopt : parse_address(authority.substr(1, end - 1));
    if (!address || !address->v6) {
      return refuse("has brackets without an IPv6 address in them", "no zone, no prefix length");
    }
    target.host = to_string(*address);
    target.host_is_address = true;
    authority.remove_prefix(end + 1);
    return {};
  }
  const std::size_t end = std::min(authority.find(':'), authority.size());
  target.host = lower_case(authority.substr(0, end));
  authority.remove_prefix(end);
  target.host_is_address = parse_address(target.host).has_value();
  if (target.host_is_address) return {};
  return check_name(target.host);
}

std::string put_together(const Target& target) {
  std::string url = target.tls ? "https://" : "http://";
  const bool brackets = target.host.find(':') != std::string::npos;
  url += brackets ? "[" + target.host + "]" : target.host;
  if (target.port != (target.tls ? 443 : 80)) url += ":" + std::to_string(target.port);
  return url + target.path;
}

}  // namespace

Result<Target> parse_target(std::string_view url, const UrlRules& rules) {
  if (auto ok = check_bytes(url); !ok) return tl::unexpected(ok.error());
  const auto tls = take_scheme(url, rules);
  if (!tls) return tl::unexpected(tls.error());

  Target target;
  target.tls = *tls;
  const std::size_t end = std::min(url.find_first_of("/?"), url.size());
  std::string_view authority = url.substr(0, end);
  target.path = url.substr(end);
  if (target.path.empty() || target.path.front() == '?') target.path.insert(0, "/");

  if (authority.find('@') != std::string_view::npos) {
    return refuse("has a user name or password", "give credentials as a header of the endpoint");
  }
  if (authority.find('%') != std::string_view::npos)
    return refuse("has a percent sign in its host");
  if (auto ok = take_host(authority, target); !ok) return tl::unexpected(ok.error());

  target.port = target.tls ? 443 : 80;
  if (!authority.empty()) {
    if (authority.front() != ':') return refuse("has something between its host and its port");
    const auto port = parse_port(authority.substr(1));
    if (!port) return tl::unexpected(port.error());
    target.port = *port;
  }
  if (auto ok = check_port(target.port, rules); !ok) return tl::unexpected(ok.error());
  target.url = put_together(target);
  return target;
}

}  // namespace outrider::core
