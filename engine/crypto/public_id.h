// Row ids as short opaque text. A 64-bit row id goes through a keyed permutation (four Feistel rounds of HMAC-SHA256 with the database's
// key and the kind) and is written as 13 characters of lower-case base32: no order, no count and no other kind's id can be
// read from it, and no index is needed to come back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace outrider::crypto {

enum class IdKind : std::uint8_t { kEvent, kDelivery, kEndpoint };

class PublicIds {
 public:
  explicit PublicIds(std::string key) : key_(std::move(key)) {}         // 16 bytes or more
  [[nodiscard]] std::string text(IdKind kind, std::int64_t row) const;  // "evt_…", "dlv_…", "ep_…"
  // Nothing when it is not an id of this kind and database (a row id beyond 2^62 or negative counts as that).
  [[nodiscard]] std::optional<std::int64_t> row(IdKind kind, std::string_view text) const;

 private:
  [[nodiscard]] std::uint32_t round(IdKind kind, int number, std::uint32_t half) const;
  std::string key_;
};

}  // namespace outrider::crypto
