#include "storage/sqlite/endpoint_facts.h"

#include "storage/sqlite/transaction.h"

namespace outrider::storage {
namespace {

constexpr const char* kFacts =
    "SELECT state, state_reason, cancel_through, removed_at IS NOT NULL, account, provider, epoch,"
    " consecutive, failures FROM outrider_endpoint WHERE id = ?";
constexpr const char* kCandidates =
    "SELECT id, state, types = '[]' OR EXISTS (SELECT 1 FROM json_each(types) WHERE value = ?3)"
    " FROM outrider_endpoint WHERE account = ?1 AND provider = ?2 AND removed_at IS NULL"
    " ORDER BY id";

// None of the three holds a NUL: field_fault() refuses them.
std::string address(const std::string& account, const std::string& provider,
                    const std::string& type) {
  std::string text;
  text.reserve(account.size() + provider.size() + type.size() + 2);
  return text.append(account).append(1, '\0').append(provider).append(1, '\0').append(type);
}

}  // namespace

void EndpointCache::keep(bool on) {
  if (!on) forget();
  on_ = on;
}

void EndpointCache::forget() {
  facts_.clear();
  candidates_.clear();
}

const EndpointFacts* endpoint_facts(Transaction& tx, EndpointRow endpoint) {
  auto& kept = tx.endpoints.facts_;
  if (!tx.endpoints.on_) kept.clear();
  if (const auto known = kept.find(endpoint); known != kept.end()) return &known->second;
  auto row = tx.db.query(kFacts, endpoint);
  if (!row.next()) return nullptr;
  EndpointFacts facts{.state = static_cast<EndpointState>(row.integer(0)),
                      .state_reason = row.text(1),
                      .cancel_through = row.integer(2),
                      .removed = row.integer(3) != 0,
                      .account = row.text(4),
                      .provider = row.text(5),
                      .health = {.epoch = static_cast<std::uint64_t>(row.integer(6)),
                                 .consecutive = row.count(7),
                                 .failures = row.text(8)}};
  return &kept.emplace(endpoint, std::move(facts)).first->second;
}

const std::vector<Candidate>& candidates(Transaction& tx, const std::string& account,
                                         const std::string& provider, const std::string& type) {
  auto& kept = tx.endpoints.candidates_;
  if (!tx.endpoints.on_) kept.clear();
  const auto [place, is_new] = kept.try_emplace(address(account, provider, type));
  std::vector<Candidate>& found = place->second;
  if (!is_new) return found;
  auto rows = tx.db.query(kCandidates, account, provider, type);
  while (rows.next()) {
    found.push_back({.row = rows.integer(0),
                     .state = static_cast<EndpointState>(rows.integer(1)),
                     .matches = rows.integer(2) != 0});
  }
  return found;
}

}  // namespace outrider::storage
