// Reads the whole chain and every row that should hang on it, in one snapshot and bounded memory.
#pragma once

#include <optional>

#include "outrider/result.h"
#include "storage/audit_records.h"
#include "storage/sqlite/db.h"
#include "storage/sqlite/sealing.h"

namespace outrider::storage {

// Errors: kKey, kCorrupt (the key that the chain was made with is gone).
[[nodiscard]] Result<ChainReport> verify_chain(Db& db, Sealing& sealing,
                                               const std::optional<ChainPoint>& expected);

}  // namespace outrider::storage
