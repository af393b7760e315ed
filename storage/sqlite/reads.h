// The Outbox's reads, as functions on the connection for reads. A failure shows in `db`; then what
// is returned means nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "storage/outbox.h"
#include "storage/sqlite/db.h"
#include "storage/sqlite/sealing.h"

namespace outrider::storage {

// For the engine (engine_reads.cc).
[[nodiscard]] std::vector<EndpointRecord> read_endpoints(Db& db, Sealing& sealing,
                                                         std::int64_t now);
[[nodiscard]] std::optional<EndpointRecord> read_endpoint(Db& db, Sealing& sealing, EndpointRow row,
                                                          std::int64_t now);
[[nodiscard]] AccountHealth read_account_health(Db& db, const std::string& provider,
                                                const std::string& account);
[[nodiscard]] std::vector<DueRow> read_due(Db& db, EndpointRow endpoint, std::size_t limit);
[[nodiscard]] std::vector<DeliveryJob> read_jobs(Db& db, Sealing& sealing,
                                                 std::vector<DeliveryRow> deliveries);
[[nodiscard]] std::vector<InboxRow> read_inbox(Db& db, std::size_t limit);

// For operators (operator_reads.cc, queue_reads.cc).
[[nodiscard]] std::vector<EventRecord> read_events(Db& db, Sealing& sealing,
                                                   const EventQuery& query);
[[nodiscard]] std::optional<EventRecord> read_event(Db& db, Sealing& sealing, EventRow row);
[[nodiscard]] std::optional<DeliveryRecord> read_delivery(Db& db, DeliveryRow row);
[[nodiscard]] std::vector<DeliveryRecord> read_deliveries(Db& db, EventRow event);
[[nodiscard]] std::vector<AttemptRecord> read_attempts(Db& db, Sealing& sealing,
                                                       DeliveryRow delivery);
[[nodiscard]] ReplayPage read_replayable(Db& db, const ReplayQuery& query);  // replay.cc
[[nodiscard]] QueueCounts read_queue(Db& db, std::int64_t now);
[[nodiscard]] std::vector<EndpointCounts> read_queue_by_endpoint(Db& db, std::int64_t now);
[[nodiscard]] EndpointCensus read_endpoint_census(Db& db, EndpointRow endpoint, std::int64_t since,
                                                  std::int64_t until, std::int64_t now);
[[nodiscard]] std::vector<TokenView> read_tokens(Db& db);
[[nodiscard]] std::vector<RejectedRecord> read_rejected(Db& db, std::uint32_t limit);

}  // namespace outrider::storage
