// Requests: from a job and its endpoint to what goes on the wire.
#include <algorithm>
#include <iterator>
#include <memory>

#include "core/ascii.h"
#include "crypto/mac.h"
#include "crypto/signing_key.h"
#include "dispatcher.h"

namespace outrider {
namespace {

Result<core::Signer> signer_of(const core::SignatureRule& rule, std::string_view secret) {
  auto scheme = core::scheme_for(rule, secret);
  if (!scheme) return tl::unexpected(std::move(scheme.error()));
  auto decoded = core::decode_key(rule.schemes[*scheme], secret);
  if (!decoded) return tl::unexpected(std::move(decoded.error()));
  auto key = crypto::SigningKey::make(rule.schemes[*scheme].algorithm, *decoded);
  crypto::wipe(*decoded);
  if (!key) return tl::unexpected(std::move(key.error()));
  return core::Signer{.scheme = *scheme,
                      .digest = [key = std::make_shared<const crypto::SigningKey>(std::move(*key))](
                                    std::string_view message) { return key->sign(message); }};
}

}  // namespace

// Once for all requests of the endpoint: the keys are decoded and prepared, and their texts wiped.
// A secret that does not fit is no fault before it has to sign.
void Dispatcher::prepare_signers(Endpoint& endpoint) const {
  endpoint.signers.clear();
  for (Secret& secret : endpoint.record.secrets) {
    if (endpoint.provider != nullptr) {
      endpoint.signers.push_back({.expires_at = secret.expires_at,
                                  .signer = signer_of(endpoint.provider->signature, secret.text)});
    }
    crypto::wipe(secret.text);
  }
}

void Dispatcher::prepare_destination(Endpoint& endpoint) const {
  auto target = core::parse_target(endpoint.record.spec.url, options_.urls);
  if (!target) {
    endpoint.destination = tl::unexpected(std::move(target.error()));
    return;
  }
  auto made = std::make_shared<net::HttpDestination>();
  made->target = std::move(*target);
  if (const core::Provider* provider = endpoint.provider; provider != nullptr) {
    made->headers.push_back({"Content-Type", provider->content_type});
    std::ranges::copy(provider->headers, std::back_inserter(made->headers));
    endpoint.signs_id =
        std::ranges::any_of(provider->signature.headers, [](const core::HeaderTemplate& header) {
          return core::equal_ignoring_case(header.name, "webhook-id");
        });
  }
  std::ranges::copy_if(
      endpoint.record.spec.headers, std::back_inserter(made->headers),
      [](const HeaderField& header) { return !core::is_trace_header(header.name); });
  endpoint.destination = std::move(made);
}

Result<std::vector<HeaderField>> Dispatcher::sign(const Endpoint& endpoint,
                                                  const storage::DeliveryJob& job,
                                                  const std::string& id, std::int64_t now) const {
  const core::SignatureRule& rule = endpoint.provider->signature;
  std::vector<const core::Signer*> signers;
  for (const LiveSigner& live : endpoint.signers) {
    if (live.expires_at && *live.expires_at <= now) continue;
    if (!live.signer) return tl::unexpected(live.signer.error());
    signers.push_back(&*live.signer);
    if (!rule.joins) break;
  }
  if (signers.empty()) {
    return fail(ErrorCode::kInvalidArgument, "the endpoint has no live signing secret", {},
                "see: outrider endpoint rotate-secret");
  }
  return core::sign(rule,
                    {.body = job.body,
                     .id = id,
                     .timestamp_s = now / 1000,
                     .type = job.type,
                     .url = (*endpoint.destination)->target.url,
                     .headers = endpoint.record.spec.headers},
                    signers);
}

Result<net::HttpRequest> Dispatcher::build(const Endpoint& endpoint, storage::DeliveryJob& job,
                                           std::int64_t now) const {
  if (!endpoint.destination) return tl::unexpected(endpoint.destination.error());
  const std::string id = parts_.intake.ids().text(crypto::IdKind::kEvent, job.event);
  auto headers = sign(endpoint, job, id, now);
  if (!headers) return tl::unexpected(std::move(headers.error()));

  net::HttpRequest request;
  request.to = *endpoint.destination;
  request.body = std::move(job.body);
  request.timeout = endpoint.provider->timeout;
  request.identity = endpoint.identity;
  request.headers = std::move(*headers);
  if (!endpoint.signs_id) request.headers.push_back({"webhook-id", id});
  if (!job.trace.parent.empty()) request.headers.push_back({"traceparent", job.trace.parent});
  if (!job.trace.state.empty()) request.headers.push_back({"tracestate", job.trace.state});
  return request;
}

}  // namespace outrider
