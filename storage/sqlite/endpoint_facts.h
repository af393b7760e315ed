// What a transaction has read of endpoints, so that a batch of a thousand deliveries to one
// endpoint reads its row once.
//
// Kept only while nothing changes endpoints: the outbox switches it on for the mutations of
// ordinary work (events, attempts) and off for all others, and whoever writes outrider_endpoint
// within ordinary work calls forget().
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "storage/rows.h"

namespace outrider::storage {

struct Transaction;

struct StoredHealth {
  std::uint64_t epoch = 0;
  std::uint32_t consecutive = 0;
  std::string failures = "[]";
};

struct EndpointFacts {
  EndpointState state = EndpointState::kActive;
  std::string state_reason;
  std::int64_t cancel_through = 0;
  bool removed = false;
  std::string account, provider;
  StoredHealth health;  // of its own breaker
};

// An endpoint that may get an event.
struct Candidate {
  EndpointRow row = 0;
  EndpointState state = EndpointState::kActive;
  bool matches = false;  // its filter lets this type through
};

class EndpointCache {
 public:
  void keep(bool on);
  void forget();

 private:
  friend const EndpointFacts* endpoint_facts(Transaction& tx, EndpointRow endpoint);
  friend const std::vector<Candidate>& candidates(Transaction& tx, const std::string& account,
                                                  const std::string& provider,
                                                  const std::string& type);
  bool on_ = false;
  // Never iterated.
  std::unordered_map<EndpointRow, EndpointFacts> facts_;
  std::unordered_map<std::string, std::vector<Candidate>> candidates_;
};

// What these return lives until the next call, or until something is forgotten.

// Null: there is no such row.
[[nodiscard]] const EndpointFacts* endpoint_facts(Transaction& tx, EndpointRow endpoint);
// All endpoints of the account and provider that are not removed, by id.
[[nodiscard]] const std::vector<Candidate>& candidates(Transaction& tx, const std::string& account,
                                                       const std::string& provider,
                                                       const std::string& type);

}  // namespace outrider::storage
