// A stored notice as the public value: row ids become public ids.
#pragma once

#include "crypto/public_id.h"
#include "outrider/types.h"
#include "storage/outbox.h"

namespace outrider {

[[nodiscard]] Notice notice_view(storage::NoticeRecord record, const crypto::PublicIds& ids);
// The cursor that stands behind this row; empty before the first one.
[[nodiscard]] std::string notice_cursor(storage::NoticeRow row, const crypto::PublicIds& ids);
// The row of a cursor; empty is the beginning. Errors: kNotFound.
[[nodiscard]] Result<storage::NoticeRow> notice_row(const std::string& cursor,
                                                    const crypto::PublicIds& ids);

}  // namespace outrider
