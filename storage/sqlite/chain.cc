// Links added, marked and dropped, within the writer's transactions.
#include "storage/sqlite/chain.h"

#include <algorithm>
#include <vector>

#include "core/assert.h"
#include "crypto/mac.h"
#include "storage/sqlite/transaction.h"

namespace outrider::storage {
namespace {

// Numbers beyond this are not ours; what a writer of the file made up must not overflow.
constexpr std::int64_t kMostLinks = std::int64_t{1} << 60;

constexpr const char* kMeta = "SELECT value FROM outrider_meta WHERE name = ?";
constexpr const char* kPutMeta =
    "INSERT INTO outrider_meta (name, value) VALUES (?1, ?2)"
    " ON CONFLICT (name) DO UPDATE SET value = ?2";
constexpr const char* kHead = "chain_head";
constexpr const char* kStart = "chain_start";
constexpr const char* kLast = "SELECT seq, digest FROM outrider_link ORDER BY seq DESC LIMIT 1";
// Replacing: a link that lies beyond the head is not ours.
constexpr const char* kInsert =
    "INSERT OR REPLACE INTO outrider_link (seq, kind, object, digest) VALUES (?, ?, ?, ?)";
constexpr const char* kLink = "SELECT kind, object, digest FROM outrider_link WHERE seq = ?";
constexpr const char* kMarkRemoved =
    "UPDATE outrider_link SET kind = 3, digest = ?2 WHERE seq = ?1";
constexpr const char* kPage =
    "SELECT seq, kind, object, digest FROM outrider_link ORDER BY seq LIMIT ?";
constexpr const char* kDrop = "DELETE FROM outrider_link WHERE seq <= ?";
constexpr const char* kAttemptsOf = "SELECT id FROM outrider_attempt WHERE id >= ? AND id < ?";
constexpr const char* kRelinkAttempt = "UPDATE outrider_attempt SET link = ?2 WHERE id = ?1";
constexpr const char* kRelinkAudit = "UPDATE outrider_audit SET link = ?2 WHERE id = ?1";
constexpr const char* kAnyEndpoint = "SELECT 1 FROM outrider_endpoint LIMIT 1";

std::optional<std::string> meta(Db& db, const char* name) {
  auto row = db.query(kMeta, name);
  return row.next() ? row.maybe_text(0) : std::nullopt;
}

// The head does not fit: go on behind what is there.
ChainHead broken_head(Db& db) {
  ChainHead head;
  auto row = db.query(kLast);
  if (row.next()) {
    head.seq = std::clamp<std::int64_t>(row.integer(0), 0, kMostLinks);
    if (const std::string digest = row.text(1); digest.size() >= kLinkBytes) {
      head.digest = digest.substr(0, kLinkBytes);
    }
  }
  head.broken_at = head.seq + 1;
  return head;
}

OpenChain& open_chain(Transaction& tx) {
  if (tx.chain) return *tx.chain;
  if (!tx.chain_key) {
    tx.chain_key.emplace(tx.sealing.digest_key(tx.db, kChainAccount, kChainDigest));
  }
  auto head = tx.chain_key->head(meta(tx.db, kHead).value_or(std::string()));
  if (!head) head = broken_head(tx.db);
  return tx.chain.emplace(
      OpenChain{.key = std::move(*tx.chain_key), .head = std::move(*head), .start = {}});
}

// The same with its beginning, which only housekeeping needs.
OpenChain& open_chain_at_start(Transaction& tx) {
  OpenChain& chain = open_chain(tx);
  if (chain.start) return chain;
  const auto stored = meta(tx.db, kStart);
  chain.start = stored ? chain.key.start(*stored) : ChainStart{};
  return chain;
}

struct StoredLink {
  std::int64_t seq = 0;
  LinkKind kind = LinkKind::kAttempt;
  std::int64_t object = 0;
  std::string digest;

  [[nodiscard]] std::string_view link() const {
    return std::string_view(digest).substr(0, kLinkBytes);
  }
};

std::optional<StoredLink> load_link(Db& db, std::int64_t seq) {
  auto row = db.query(kLink, seq);
  if (!row.next()) return std::nullopt;
  return StoredLink{.seq = seq,
                    .kind = static_cast<LinkKind>(row.integer(0)),
                    .object = row.integer(1),
                    .digest = row.text(2)};
}

// The digest that the link after `seq` was made with.
std::optional<std::string> digest_at(Transaction& tx, std::int64_t seq) {
  if (auto link = load_link(tx.db, seq)) return std::string(link->link());
  const OpenChain& chain = open_chain_at_start(tx);
  if (chain.start && chain.start->seq == seq) return chain.start->digest;
  return std::nullopt;
}

bool fits(const ChainKey& key, std::string_view before, const StoredLink& link,
          const LinkedRow& row) {
  return row.link == link.seq &&
         crypto::equal_constant_time(key.link(before, link.seq, link.kind, link.object, row.text),
                                     link.digest);
}

bool removal_fits(const ChainKey& key, const StoredLink& link) {
  return link.digest.size() == 2 * kLinkBytes &&
         crypto::equal_constant_time(key.removal(link.seq, link.object, link.link()),
                                     std::string_view(link.digest).substr(kLinkBytes));
}

std::vector<std::int64_t> attempts_of(Db& db, std::int64_t delivery) {
  std::vector<std::int64_t> ids;
  auto rows =
      db.query(kAttemptsOf, delivery * kAttemptsPerDelivery, (delivery + 1) * kAttemptsPerDelivery);
  while (rows.next()) ids.push_back(rows.integer(0));
  return ids;
}

std::int64_t append(Transaction& tx, LinkKind kind, std::int64_t object, std::string_view row) {
  OpenChain& chain = open_chain(tx);
  const std::int64_t seq = chain.head.seq + 1;
  std::string digest = chain.key.link(chain.head.digest, seq, kind, object, row);
  tx.db.run(kInsert, seq, static_cast<int>(kind), object, Bytes{digest});
  chain.head.seq = seq;
  chain.head.digest = std::move(digest);
  chain.head_changed = true;
  return seq;
}

std::vector<StoredLink> first_links(Db& db, std::uint32_t limit) {
  std::vector<StoredLink> page;
  auto rows = db.query(kPage, limit);
  while (rows.next()) {
    page.push_back({.seq = rows.integer(0),
                    .kind = static_cast<LinkKind>(rows.integer(1)),
                    .object = rows.integer(2),
                    .digest = rows.text(3)});
  }
  return page;
}

// A row that stays while its neighbours go gets a link at the other end. False: it does not fit.
bool carry(Transaction& tx, std::string_view before, const StoredLink& link) {
  const auto row = read_linked(tx.db, link.kind, link.object);
  if (!row || !fits(open_chain(tx).key, before, link, *row)) return false;
  const std::int64_t seq = append(tx, link.kind, link.object, row->text);
  tx.db.run(link.kind == LinkKind::kAttempt ? kRelinkAttempt : kRelinkAudit, link.object, seq);
  return true;
}

}  // namespace

std::int64_t add_link(Transaction& tx, LinkKind kind, std::int64_t object, const RowText& row) {
  OUTRIDER_ASSERT(kind != LinkKind::kRemoved);
  return append(tx, kind, object, row.view());
}

void write_chain(Transaction& tx) {
  if (!tx.chain) return;
  const OpenChain& chain = *tx.chain;
  if (chain.head_changed) {
    const std::string head = chain.key.encode(chain.head);
    tx.db.run(kPutMeta, kHead, Bytes{head});
  }
  if (chain.start_changed) {
    const std::string start = chain.key.encode(*chain.start);
    tx.db.run(kPutMeta, kStart, Bytes{start});
  }
}

Result<void> begin_chain(Db& db, Sealing& sealing) {
  const auto wanted = [&db] {
    if (meta(db, kHead)) return false;
    auto endpoint = db.query(kAnyEndpoint);
    return !endpoint.next();
  };
  if (sealing.can_seal() && wanted()) {
    db.run("BEGIN IMMEDIATE");
    sealing.begin(db);
    if (wanted()) {
      const ChainKey key(sealing.digest_key(db, kChainAccount, kChainDigest));
      const std::string head = key.encode(ChainHead{});
      db.run(kPutMeta, kHead, Bytes{head});
    }
    db.run("COMMIT");
  }
  if (!db.failed()) return {};
  Error error = db.failure();
  db.clear_failure();
  if (db.in_transaction()) db.run("ROLLBACK");
  db.clear_failure();
  sealing.rolled_back();
  return tl::unexpected(std::move(error));
}

bool attempts_fit(Transaction& tx, std::int64_t delivery, std::int64_t before) {
  const std::vector<std::int64_t> ids = attempts_of(tx.db, delivery);
  return std::ranges::all_of(ids, [&](std::int64_t id) {
    const auto row = read_linked(tx.db, LinkKind::kAttempt, id);
    if (!row || !row->link || row->at >= before) return false;
    const auto link = load_link(tx.db, *row->link);
    const auto earlier = digest_at(tx, *row->link - 1);
    return link && earlier && link->kind == LinkKind::kAttempt && link->object == id &&
           fits(open_chain(tx).key, *earlier, *link, *row);
  });
}

void mark_removed(Transaction& tx, std::int64_t delivery) {
  for (const std::int64_t id : attempts_of(tx.db, delivery)) {
    const auto row = read_linked(tx.db, LinkKind::kAttempt, id);
    if (!row || !row->link) continue;
    auto link = load_link(tx.db, *row->link);
    if (!link) continue;
    OpenChain& chain = open_chain_at_start(tx);
    link->digest += chain.key.removal(link->seq, id, link->digest);
    tx.db.run(kMarkRemoved, link->seq, Bytes{link->digest});
    if (!chain.start) continue;
    ++chain.start->removed;
    chain.start_changed = true;
  }
}

std::uint32_t trim_chain(Transaction& tx, std::uint32_t limit) {
  OpenChain& chain = open_chain_at_start(tx);
  // What does not fit stays to be seen.
  if (!chain.start || chain.start->removed <= 0 || chain.head.broken_at != 0) return 0;
  ChainStart& start = *chain.start;
  // Once half of the links are of removed rows: each one that is carried pays for one dropped.
  const bool carrying = start.removed >= (chain.head.seq - start.seq) / 2;
  std::uint32_t dropped = 0;
  for (const StoredLink& link : first_links(tx.db, limit)) {
    if (link.seq != start.seq + 1) break;
    const bool removed = link.kind == LinkKind::kRemoved;
    if (removed ? !removal_fits(chain.key, link) : !carrying || !carry(tx, start.digest, link)) {
      break;
    }
    start = {.seq = link.seq,
             .removed = start.removed - (removed ? 1 : 0),
             .digest = std::string(link.link())};
    ++dropped;
  }
  if (dropped == 0) return 0;
  tx.db.run(kDrop, start.seq);
  chain.start_changed = true;
  return dropped;
}

}  // namespace outrider::storage
