// What carries secrets between an operator and the database, relieved of them when it has done so.
#pragma once

#include "storage/outbox.h"

namespace outrider {

// Secrets and TLS keys in it are overwritten. Once it was applied, or was not.
void wipe_secrets(storage::Mutation& mutation) noexcept;
// How many secrets there are, and until when, stays.
void wipe_secrets(storage::EndpointRecord& record) noexcept;

}  // namespace outrider
