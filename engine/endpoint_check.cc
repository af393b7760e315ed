#include "endpoint_check.h"

#include <cmath>
#include <string_view>

#include "core/target.h"
#include "crypto/mac.h"
#include "crypto/random.h"
#include "storage/event_fields.h"

namespace outrider {
namespace {

constexpr std::size_t kMaxDescriptionBytes = 1024;
constexpr std::size_t kMaxHeaders = 32;
constexpr std::size_t kMaxHeaderBytes = 4096;
constexpr std::size_t kMaxTypes = 100;
constexpr std::uint32_t kMaxInFlight = 1024;
constexpr std::size_t kMaxSecretBytes = 4096;

bool has_control(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
  }
  return false;
}

// RFC 9110 token.
bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  for (const char c : text) {
    const bool alphanumeric =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!alphanumeric && kMarks.find(c) == std::string_view::npos) return false;
  }
  return !text.empty();
}

Result<void> check_headers(const EndpointSpec& spec, const core::Provider& provider) {
  if (spec.headers.size() > kMaxHeaders) {
    return fail(ErrorCode::kInvalidArgument, "more than 32 headers", "headers");
  }
  for (const HeaderField& header : spec.headers) {
    if (!is_token(header.name)) {
      return fail(ErrorCode::kInvalidArgument, "not a header name", "headers",
                  "letters, digits and dashes, as in \"X-Team: loans\"");
    }
    if (header.value.size() > kMaxHeaderBytes || has_control(header.value)) {
      return fail(ErrorCode::kInvalidArgument,
                  "the value has control characters or is longer than 4096 bytes", header.name);
    }
    if (provider.reserves_header(header.name)) {
      return fail(ErrorCode::kInvalidArgument, "this header is set by Outrider or by HTTP itself",
                  header.name, "choose another name");
    }
  }
  return {};
}

}  // namespace

Result<void> check_tls_url(const std::string& url, const TlsIdentity& tls) {
  const auto target = core::parse_target(url, {.allow_http = true, .ports = {0}});
  if (!target) return tl::unexpected(target.error());
  if (!target->tls && tls != TlsIdentity{}) {
    return fail(ErrorCode::kInvalidArgument, "TLS settings for a URL without TLS", "tls",
                "give an https:// URL, or leave them out");
  }
  return {};
}

Result<void> check_endpoint(const EndpointSpec& spec, const core::Provider& provider) {
  if (storage::field_fault(spec.account)) {
    return fail(ErrorCode::kInvalidArgument,
                "must be 1 to 255 bytes of UTF-8 without control characters", "account");
  }
  if (spec.description.size() > kMaxDescriptionBytes) {
    return fail(ErrorCode::kInvalidArgument, "longer than 1024 bytes", "description");
  }
  if (auto fits = check_tls_url(spec.url, spec.tls); !fits) return fits;
  if (spec.types.size() > kMaxTypes) {
    return fail(ErrorCode::kInvalidArgument, "more than 100 event types", "types");
  }
  for (const std::string& type : spec.types) {
    if (provider.event(type) == nullptr) {
      return fail(ErrorCode::kInvalidArgument,
                  "provider \"" + provider.name + "\" has no event type \"" + type + "\"", "types",
                  "see: outrider provider show " + provider.name);
    }
  }
  if (!std::isfinite(spec.rate_per_second) || spec.rate_per_second < 0) {
    return fail(ErrorCode::kInvalidArgument, "must be 0 (unlimited) or positive",
                "rate_per_second");
  }
  if (spec.max_in_flight < 1 || spec.max_in_flight > kMaxInFlight) {
    return fail(ErrorCode::kInvalidArgument, "must be 1 to 1024", "max_in_flight");
  }
  return check_headers(spec, provider);
}

Result<ChosenSecret> choose_secret(const core::Provider& provider, const std::string& given) {
  if (given.empty()) {
    auto made = crypto::generate_secret(provider.signature.schemes.front());
    if (!made) return tl::unexpected(std::move(made.error()));
    return ChosenSecret{.text = std::move(*made), .generated = true};
  }
  if (given.size() > kMaxSecretBytes) {
    return fail(ErrorCode::kInvalidArgument, "longer than 4096 bytes", "secret");
  }
  auto scheme = core::scheme_for(provider.signature, given);
  if (!scheme) return tl::unexpected(std::move(scheme.error()));
  // One trial: an Ed25519 pair whose halves do not match shows only when it signs.
  const core::SignatureScheme& used = provider.signature.schemes[*scheme];
  auto key = core::decode_key(used, given);
  if (!key) return tl::unexpected(std::move(key.error()));
  auto signature = crypto::digest(used.algorithm, *key, "trial");
  crypto::wipe(*key);
  if (!signature) return tl::unexpected(std::move(signature.error()));
  return ChosenSecret{.text = given, .generated = false};
}

}  // namespace outrider
