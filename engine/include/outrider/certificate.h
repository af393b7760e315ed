// What a certificate says of itself, for people and programs that look after endpoints: whose it is
// and until when it is good.
#pragma once

#include <string>
#include <vector>

#include "outrider/result.h"
#include "outrider/types.h"

namespace outrider {

// Of each certificate of a PEM text, in its order. Any thread.
// Errors: kInvalidArgument (there is none, or one cannot be read), kInternal.
[[nodiscard]] Result<std::vector<CertificateSummary>> summarize_certificates(
    const std::string& pem);

}  // namespace outrider
