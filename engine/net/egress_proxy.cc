// The place is read by the grammar of targets; what stands before its "@" is ours to read, and is
// cut off before anything else can repeat it.
#include "net/egress_proxy.h"

#include <optional>

#include "core/target.h"

namespace outrider::net {
namespace {

constexpr std::string_view kScheme = "http://";
constexpr std::size_t kMaxCredentialBytes = 255;
constexpr const char* kHowTo = "write http://host:port";

tl::unexpected<Error> refuse(std::string message) {
  return fail(ErrorCode::kInvalidArgument, "the egress proxy " + std::move(message), "egress-proxy",
              kHowTo);
}

[[nodiscard]] int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Printable ASCII, with %XX for all else; control characters have no place in a header.
[[nodiscard]] std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    int byte = static_cast<unsigned char>(text[i]);
    if (byte <= ' ' || byte >= 0x7f) return std::nullopt;
    if (byte == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      byte = high * 16 + low;
      i += 2;
    }
    if (byte < ' ' || byte == 0x7f) return std::nullopt;
    out += static_cast<char>(byte);
  }
  if (out.size() > kMaxCredentialBytes) return std::nullopt;
  return out;
}

}  // namespace

Result<EgressProxy> parse_egress_proxy(std::string_view url) {
  if (url.substr(0, kScheme.size()) != kScheme) return refuse("does not begin with http://");
  std::string_view place = url.substr(kScheme.size());
  EgressProxy proxy;
  if (const std::size_t at = place.rfind('@'); at != std::string_view::npos) {
    const std::string_view credentials = place.substr(0, at);
    place.remove_prefix(at + 1);
    const std::size_t colon = credentials.find(':');
    if (colon == std::string_view::npos) return refuse("has a user without a password");
    const auto user = decoded(credentials.substr(0, colon));
    const auto password = decoded(credentials.substr(colon + 1));
    // A colon in the user's name cannot be told from the one that ends it.
    if (!user || !password || user->empty() || user->find(':') != std::string::npos) {
      return refuse("has a user or password that cannot be read: write special characters as %XX");
    }
    proxy.user = *user;
    proxy.password = *password;
  }
  const auto target = core::parse_target(std::string(kScheme) + std::string(place),
                                         {.allow_http = true, .ports = {0}});
  // The message is about "the URL" and quotes nothing of it but a port.
  if (!target) return refuse("cannot be read: " + target.error().message);
  if (target->path != "/") return refuse("has a path");
  const std::size_t host_end = place.front() == '[' ? place.find(']') : 0;
  if (place.find(':', host_end) == std::string_view::npos) return refuse("has no port");
  proxy.host = target->host;
  proxy.port = target->port;
  proxy.host_is_address = target->host_is_address;
  return proxy;
}

std::string place_of(const EgressProxy& proxy) {
  const bool v6 = proxy.host.find(':') != std::string::npos;
  return (v6 ? "[" + proxy.host + "]" : proxy.host) + ":" + std::to_string(proxy.port);
}

}  // namespace outrider::net
