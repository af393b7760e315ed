// What is checked of an endpoint before it is stored: everything that would otherwise fail at its
// first delivery.
#pragma once

#include <optional>
#include <string>

#include "core/provider.h"
#include "outrider/result.h"
#include "outrider/types.h"

namespace outrider {

// Errors: kInvalidArgument with `where` = the field (account, url, header name, type, …). The URL
// may be of any port and, with http, plain: whether the engine sends there is the engine's
// configuration.
[[nodiscard]] Result<void> check_endpoint(const EndpointSpec& spec, const core::Provider& provider);

// Of these checks, those of the URL, and of TLS settings on it.
[[nodiscard]] Result<void> check_tls_url(const std::string& url, const TlsIdentity& tls);

struct ChosenSecret {
  std::string text;
  bool generated = false;
};
// The given secret, checked against the provider's key forms, or a new one of its first form.
[[nodiscard]] Result<ChosenSecret> choose_secret(const core::Provider& provider,
                                                 const std::string& given);

}  // namespace outrider
