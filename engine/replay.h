// A replay, step by step: reads a page of what an endpoint is to get, makes it due in a transaction
// of its own, and goes on until the range is done or the call has done enough.
#pragma once

#include <functional>
#include <string>

#include "crypto/public_id.h"
#include "outrider/result.h"
#include "outrider/types.h"
#include "storage/outbox.h"

namespace outrider {

struct ReplayParts {
  storage::Outbox& outbox;  // of reads; must outlive the call, as all of these
  const crypto::PublicIds& ids;
  // One transaction, on record under the caller's name.
  const std::function<Result<storage::Changed>(storage::ReplayEvents step)>& apply;
  std::int64_t now = 0;
};

// Contract: Database::replay().
[[nodiscard]] Result<ReplayReport> replay(const ReplayParts& parts, storage::EndpointRow endpoint,
                                          const ReplayFilter& filter);

}  // namespace outrider
