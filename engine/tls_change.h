// What an operator wants changed in an endpoint's TLS settings, checked before it is kept.
#pragma once

#include <cstdint>

#include "outrider/result.h"
#include "outrider/types.h"
#include "storage/outbox.h"

namespace outrider {

// The change as it is kept: texts written anew (crypto::checked_identity), a certificate always
// with its key. What is not given is not looked at: another certificate can be given although the
// authorities have expired, and the other way round.
// Errors: see Database::set_tls.
[[nodiscard]] Result<TlsChange> checked_change(const TlsChange& given,
                                               const storage::EndpointRecord& endpoint,
                                               std::int64_t now_s);

}  // namespace outrider
