// The feed of notices: a row for each thing that whoever runs this should hear of, written in the
// transaction that did it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/operator_records.h"
#include "storage/sqlite/db.h"

namespace outrider::storage {

struct Transaction;
struct StoredDelivery;

// After every check of the mutation, all of these: they are writes.
void note_endpoint(Transaction& tx, NoticeKind kind, EndpointRow endpoint, std::string_view detail,
                   std::int64_t now);
// Nothing where the delivery is of a test: whoever tests looks at what came of it.
void note_delivery(Transaction& tx, NoticeKind kind, const StoredDelivery& delivery,
                   std::string_view detail, std::int64_t now);
// What the row names is told where it is a name; it may be anything.
void note_rejection(Transaction& tx, std::int64_t inbox_row, std::string_view reason,
                    std::int64_t now);
// The oldest ones of before then. Returns how many.
[[nodiscard]] std::uint32_t trim_notices(Transaction& tx, std::int64_t before, std::uint32_t limit);

[[nodiscard]] NoticeRows read_notices(Db& db, const NoticeQuery& query);
[[nodiscard]] NoticeRow read_notices_forwarded(Db& db, const std::string& provider);

}  // namespace outrider::storage
