// Row ids as short opaque text. A row id, taken as 64 bits, goes through a keyed permutation (four
// Feistel rounds of HMAC-SHA256 with the database's key and the kind) and is written as 13
// characters of lower-case base32: no order, no count and no other kind's id can be read from it,
// and no index is needed to come back.
//
// Rows lie in 1..kMaxRow. The permutation covers all 64 bits, so a text that was made up, mistyped,
// or comes from another database or kind lands in that range once in 2^24: it is refused before the
// database is asked, and the database has the last word.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "crypto/hmac_sha256.h"

namespace outrider::crypto {

enum class IdKind : std::uint8_t { kEvent, kDelivery, kEndpoint, kNotice };

// Immutable; any thread.
class PublicIds {
 public:
  static constexpr std::int64_t kMaxRow = std::int64_t{1} << 40;
  static constexpr std::size_t kMinKeyBytes = 16;

  // Requires: at least kMinKeyBytes of key, random, the same for the database's whole life.
  explicit PublicIds(std::string_view key);
  // "evt_…", "dlv_…", "ep_…", "ntc_…". A row outside 1..kMaxRow (only a damaged database has one)
  // gets a text too, but no way back.
  [[nodiscard]] std::string text(IdKind kind, std::int64_t row) const;
  // Nothing when it is not an id of this kind and database. An id has one spelling only.
  [[nodiscard]] std::optional<std::int64_t> row(IdKind kind, std::string_view text) const;

 private:
  [[nodiscard]] std::uint32_t round(IdKind kind, int number, std::uint32_t half) const;
  HmacSha256 mac_;
};

}  // namespace outrider::crypto
