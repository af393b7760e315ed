// Rows as every part of storage names them, and the two that are written as they are read: waiting
// work and attempts.
//
// Inside ids are row ids; times are UTC milliseconds.
#pragma once

#include <cstdint>
#include <string>

#include "outrider/types.h"

namespace outrider::storage {

using EventRow = std::int64_t;
using DeliveryRow = std::int64_t;
using EndpointRow = std::int64_t;
using NoticeRow = std::int64_t;

// A row of waiting work: (endpoint, next_at, delivery) is its identity.
struct DueRow {
  EndpointRow endpoint = 0;
  std::int64_t next_at = 0;
  DeliveryRow delivery = 0;
  std::uint32_t attempt = 1;  // number of the next attempt
};

struct AttemptRecord {
  std::uint32_t number = 1;
  std::int64_t started_at = 0;
  std::int64_t duration_ms = 0;
  ErrorClass error = ErrorClass::kNone;
  int status = 0;
  std::string peer;
  std::string detail;
  std::string response;    // at most 16 KiB
  std::string unreadable;  // of a read; not empty: why the response cannot be opened
};

}  // namespace outrider::storage
