// The chain over attempts and audit rows: what shows that one was changed, taken away, added or
// moved, to whoever has the key file.
//
// Each row has a link, numbered in the order of the commits. An audit row, and an attempt that is
// the only one of its commit, has a digest of its own; attempts of one commit share one
// (link_rows.h):
//   digest(n)         = MAC(digest(n-1), n, kind, object, every column of the row)
//   digest(m to n)    = MAC(digest(m-1), m, how many, for each attempt: object, digest of its row)
//   digest of its row = MAC(object, every column of the row)
// so a digest fits its rows, their numbers and everything before them, and nobody without the key
// makes one. Of the digest of a row its link keeps two bytes: they do not guard it, they name it.
// The chain's end says, with a MAC of its own, how many links there are and the last digest:
// without it the newest rows could be cut off. The rows name their links: a row that was added
// names none that is its own.
//
// Retention takes attempts away. The link stays, as "removed", with a digest and a second MAC
// beside it: nobody but retention can say that a row is rightly gone. outrider_meta's chain_start
// says, with its MAC, where the chain begins; rows of links leave at that end once all of their
// attempts are removed (trim_chain), and rows that stay longer than their neighbours get new links
// at the other end, so that they hold nothing up.
//
// Before anything is taken away or linked anew it is checked against its link: housekeeping must
// not make a change look right. A head that does not fit (somebody wrote the file) is replaced when
// the next row comes, since deliveries must go on, and says so for ever: `broken_at`.
//
// In a database that is kept plain the key lies in the file: there the chain finds accidents.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crypto/keyed_mac.h"
#include "outrider/result.h"
#include "storage/sqlite/db.h"
#include "storage/sqlite/link_rows.h"
#include "storage/sqlite/sealing.h"

namespace outrider::storage {

struct Transaction;

// The key is the database's own: a digest key of no account.
inline constexpr std::string_view kChainAccount;
inline constexpr std::string_view kChainDigest = "chain";

struct ChainHead {
  std::int64_t seq = 0;        // of the last link
  std::int64_t broken_at = 0;  // not 0: the first link after a head that did not fit
  std::string digest = std::string(kLinkBytes, '\0');
};
struct ChainStart {
  std::int64_t seq = 0;      // the last link that was dropped
  std::int64_t removed = 0;  // links of removed rows after it
  std::string digest = std::string(kLinkBytes, '\0');
};

// The chain's key, wiped afterwards.
class ChainKey {
 public:
  explicit ChainKey(std::string key);

  // `row` as RowText writes it.
  [[nodiscard]] std::string link(std::string_view before, std::int64_t seq, LinkKind kind,
                                 std::int64_t object, std::string_view row) const;
  // Of an attempt whose link is in a bundle.
  [[nodiscard]] std::string row(std::int64_t object, std::string_view row) const;
  // Of a bundle: objects and the digests of their rows.
  [[nodiscard]] std::string bundle(
      std::string_view before, std::int64_t first,
      const std::vector<std::pair<std::int64_t, std::string>>& rows) const;
  // What a removed attempt's link carries beside a digest: its own, in a bundle its row's.
  [[nodiscard]] std::string removal(std::int64_t seq, std::int64_t object,
                                    std::string_view digest) const;

  [[nodiscard]] std::string encode(const ChainHead& head) const;
  [[nodiscard]] std::string encode(const ChainStart& start) const;
  // Nothing: not written with this key.
  [[nodiscard]] std::optional<ChainHead> head(std::string_view stored) const;
  [[nodiscard]] std::optional<ChainStart> start(std::string_view stored) const;

 private:
  [[nodiscard]] std::string mac(std::string_view text) const;
  crypto::KeyedMac mac_;
};

// The columns of a row, so that no two rows give the same text: each with its type and length.
class RowText {
 public:
  RowText() { text_.reserve(256); }  // of most rows
  RowText& integer(std::int64_t value);
  RowText& text(std::string_view value);
  RowText& bytes(std::string_view value);
  RowText& null();
  RowText& maybe_text(const std::optional<std::string_view>& value) {
    return value ? text(*value) : null();
  }
  [[nodiscard]] const std::string& view() const { return text_; }

 private:
  RowText& sized(char type, std::string_view value);
  std::string text_;
};

// A row as it is stored.
struct LinkedRow {
  std::string text;                  // of RowText
  std::int64_t at = 0;               // when it happened
  std::optional<std::int64_t> link;  // the number it names
};
[[nodiscard]] std::optional<LinkedRow> read_linked(Db& db, LinkKind kind, std::int64_t object);

// What a transaction holds of the chain once it needs it.
struct OpenChain {
  ChainKey key;
  ChainHead head;                   // its number counts those that wait, its digest does not
  std::optional<ChainStart> start;  // unset: not written by us, and left alone
  bool head_changed = false, start_changed = false;
  std::vector<std::pair<std::int64_t, std::string>> waiting;  // attempts to be bundled, as RowText
  std::int64_t fitting = 0;  // the links up to this one were checked, as far as they share a row
};

// A link for a row that this transaction writes; returns its number, which the row must carry.
// Fails into tx.db (no key: nothing may be done that is not on record).
std::int64_t add_link(Transaction& tx, LinkKind kind, std::int64_t object, const RowText& row);
// Writes the links that wait, and the ends that changed; among the last things before the commit.
void write_chain(Transaction& tx);
// For a database that has no endpoint yet: the head of an empty chain, in a transaction of its own.
[[nodiscard]] Result<void> begin_chain(Db& db, Sealing& sealing);

// Every attempt of the delivery fits its link and was made before `before`: retention may go on.
[[nodiscard]] bool attempts_fit(Transaction& tx, std::int64_t delivery, std::int64_t before);
// The delivery's attempts are about to go: their links say so.
void mark_removed(Transaction& tx, std::int64_t delivery);
// Drops up to `limit` links at the beginning; returns how many. 0: nothing is left to do.
std::uint32_t trim_chain(Transaction& tx, std::uint32_t limit);

}  // namespace outrider::storage
