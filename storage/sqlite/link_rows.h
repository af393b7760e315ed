// The rows of outrider_link. A row holds one link, or a bundle: the links of attempts that were
// recorded in one commit, which share a digest, since a row and a digest for each attempt would be
// a fifth of what is kept of a delivery. A row is found by the number of its last link. Behind all
// others, under a number that no link has, lies the chain's end: each commit writes that page
// anyway.
//
//     one      its number | 1 attempt, 2 audit row, 3 removed attempt | object | digest, removal
//     bundle   the last's number | 4 | how many | digest, then for each one number or two (below)
//              and the first two bytes of its row's digest; of a removed one all of it, and the
//              removal
//     the end  kEndSeq | 5 | 0 | the head (chain.h)
//
// The numbers are varints: how far its delivery is from the one before it, zigzag, twice; and one
// more where another number follows: the attempt's own, twice, and one more when it was removed.
// None follows for a first attempt that is there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/sqlite/db.h"

namespace outrider::storage {

enum class LinkKind : std::uint8_t {
  kAttempt = 1,
  kAudit = 2,
  kRemoved = 3,
  kBundle = 4,  // of rows alone, as is the next
  kEnd = 5
};

inline constexpr std::size_t kLinkBytes = 16;
inline constexpr std::size_t kMarkBytes = 2;
inline constexpr std::size_t kMostBundled = 64;
inline constexpr std::int64_t kEndSeq = std::int64_t{1} << 62;

struct Link {
  LinkKind kind = LinkKind::kAttempt;
  std::int64_t object = 0;
  std::string mark;     // in a bundle: how its row's digest begins; of a removed row all of it
  std::string removal;  // of a removed row
};

struct LinkRow {
  std::int64_t first = 0, last = 0;  // numbers
  bool bundle = false;
  std::string digest;       // what the next link hangs on
  std::vector<Link> links;  // empty: somebody changed the row

  // Null: it is not here.
  [[nodiscard]] const Link* find(std::int64_t seq) const;
  [[nodiscard]] Link* find(std::int64_t seq);
};

// Of a query for seq, kind, object, digest.
[[nodiscard]] LinkRow link_row(const Query& row);
// What outrider_link.digest holds.
[[nodiscard]] std::string stored_digest(const LinkRow& row);
// The row with this link; nothing where there is none.
[[nodiscard]] std::optional<LinkRow> find_link(Db& db, std::int64_t seq);

}  // namespace outrider::storage
