// The record that cannot be rewritten: what operators did, and what checking the chain over it and
// over the attempts finds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace outrider::storage {

// What operators did. Kinds are stored: their numbers stay.
enum class ObjectKind : std::uint8_t { kNone = 0, kEndpoint = 1, kDelivery = 2, kEvent = 3 };
struct AuditRecord {
  std::int64_t row = 0;
  std::int64_t at = 0;
  std::string actor, action;
  ObjectKind kind = ObjectKind::kNone;
  std::int64_t object = 0;
  std::string account, detail;
};
struct AuditQuery {
  std::string account, action;  // empty: any
  std::optional<std::int64_t> since;
  std::optional<std::int64_t> before;  // row
  std::uint32_t limit = 50;
};

// A place in the chain over attempts and audit rows.
struct ChainPoint {
  std::int64_t seq = 0;
  std::string digest;  // 16 bytes
};
struct ChainFault {
  enum class Row : std::uint8_t { kNone, kAttempt, kAudit };  // kNone: of the chain as a whole
  Row row = Row::kNone;
  std::int64_t id = 0;        // the delivery, or the audit row
  std::uint32_t attempt = 0;  // its number
  std::string what;
};
struct ChainReport {
  std::uint64_t attempts = 0, audits = 0;  // rows that were looked at
  std::uint64_t removed = 0;               // by retention, and their links still there
  std::int64_t start = 0;                  // links up to this one were dropped
  ChainPoint head;                         // the last link; 0: none yet
  bool expected_too_old = false;           // the expected point lies before the start
  std::vector<ChainFault> faults;          // the first hundred
  std::uint64_t fault_count = 0;
};

}  // namespace outrider::storage
