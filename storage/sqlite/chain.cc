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
constexpr const char* kStart = "chain_start";
constexpr const char* kHead = "SELECT digest FROM outrider_link WHERE seq = ? AND kind = 5";
constexpr const char* kLast =
    "SELECT seq, digest FROM outrider_link WHERE seq < ? ORDER BY seq DESC LIMIT 1";
// Replacing: the end, which lies where it lay; and a link beyond the head is not ours.
constexpr const char* kInsert =
    "INSERT OR REPLACE INTO outrider_link (seq, kind, object, digest) VALUES (?, ?, ?, ?)";
constexpr const char* kNext =
    "SELECT seq, kind, object, digest FROM outrider_link WHERE seq > ? ORDER BY seq LIMIT 1";
constexpr const char* kAlter = "UPDATE outrider_link SET kind = ?2, digest = ?3 WHERE seq = ?1";
constexpr const char* kDrop = "DELETE FROM outrider_link WHERE seq <= ?";
constexpr const char* kAttemptsOf = "SELECT id FROM outrider_attempt WHERE id >= ? AND id < ?";
constexpr const char* kRelinkAttempt = "UPDATE outrider_attempt SET link = ?2 WHERE id = ?1";
constexpr const char* kRelinkAudit = "UPDATE outrider_audit SET link = ?2 WHERE id = ?1";
constexpr const char* kAnyEndpoint = "SELECT 1 FROM outrider_endpoint LIMIT 1";

std::optional<std::string> one_text(Query row) {
  return row.next() ? row.maybe_text(0) : std::nullopt;
}
std::optional<std::string> stored_head(Db& db) { return one_text(db.query(kHead, kEndSeq)); }
std::optional<std::string> stored_start(Db& db) { return one_text(db.query(kMeta, kStart)); }

// The head does not fit: go on behind what is there.
ChainHead broken_head(Db& db) {
  ChainHead head;
  auto row = db.query(kLast, kEndSeq);
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
  auto head = tx.chain_key->head(stored_head(tx.db).value_or(std::string()));
  if (!head) head = broken_head(tx.db);
  return tx.chain.emplace(OpenChain{
      .key = std::move(*tx.chain_key), .head = std::move(*head), .start = {}, .waiting = {}});
}

void put_row(Transaction& tx, LinkKind kind, std::int64_t object, std::string_view digest) {
  OpenChain& chain = *tx.chain;
  tx.db.run(kInsert, chain.head.seq, static_cast<int>(kind), object, Bytes{digest});
  chain.head.digest = digest.substr(0, kLinkBytes);
  chain.head_changed = true;
}

// A link for `row` alone; nothing waits.
void put_link(Transaction& tx, LinkKind kind, std::int64_t object, std::string_view row) {
  const OpenChain& chain = *tx.chain;
  put_row(tx, kind, object, chain.key.link(chain.head.digest, chain.head.seq, kind, object, row));
}

void put_bundle(Transaction& tx) {
  OpenChain& chain = *tx.chain;
  const auto count = static_cast<std::int64_t>(chain.waiting.size());
  LinkRow bundle{.first = chain.head.seq - count + 1,
                 .last = chain.head.seq,
                 .bundle = true,
                 .digest = {},
                 .links = {}};
  for (auto& [object, text] : chain.waiting) {
    text = chain.key.row(object, text);
    bundle.links.push_back(
        {.kind = LinkKind::kAttempt, .object = object, .mark = text.substr(0, kMarkBytes)});
  }
  bundle.digest = chain.key.bundle(chain.head.digest, bundle.first, chain.waiting);
  put_row(tx, LinkKind::kBundle, count, stored_digest(bundle));
}

// Before anything looks at links, or adds one of another kind.
void put_waiting(Transaction& tx) {
  OpenChain& chain = *tx.chain;
  if (chain.waiting.size() == 1) {
    put_link(tx, LinkKind::kAttempt, chain.waiting.front().first, chain.waiting.front().second);
  } else if (!chain.waiting.empty()) {
    put_bundle(tx);
  }
  chain.waiting.clear();
}

// With its beginning, which only housekeeping needs.
OpenChain& open_chain_at_start(Transaction& tx) {
  OpenChain& chain = open_chain(tx);
  put_waiting(tx);
  if (chain.start) return chain;
  const auto stored = stored_start(tx.db);
  chain.start = stored ? chain.key.start(*stored) : ChainStart{};
  return chain;
}

// The digest that the link after `seq` was made with.
std::optional<std::string> digest_at(Transaction& tx, std::int64_t seq) {
  if (const auto row = find_link(tx.db, seq); row && row->last == seq) return row->digest;
  const OpenChain& chain = open_chain_at_start(tx);
  if (chain.start && chain.start->seq == seq) return chain.start->digest;
  return std::nullopt;
}

bool removal_fits(const ChainKey& key, std::int64_t seq, const Link& link,
                  std::string_view digest) {
  return digest.size() == kLinkBytes &&
         crypto::equal_constant_time(key.removal(seq, link.object, digest), link.removal);
}

bool one_fits(Transaction& tx, std::string_view before, const LinkRow& row) {
  const ChainKey& key = tx.chain->key;
  const Link& link = row.links.front();
  if (link.kind == LinkKind::kRemoved) return removal_fits(key, row.last, link, row.digest);
  const auto linked = read_linked(tx.db, link.kind, link.object);
  return linked && linked->link == row.last &&
         crypto::equal_constant_time(
             key.link(before, row.last, link.kind, link.object, linked->text), stored_digest(row));
}

bool bundle_fits(Transaction& tx, std::string_view before, const LinkRow& row) {
  const ChainKey& key = tx.chain->key;
  std::vector<std::pair<std::int64_t, std::string>> rows;
  for (std::int64_t seq = row.first; seq <= row.last; ++seq) {
    const Link& link = *row.find(seq);
    if (link.kind == LinkKind::kRemoved) {
      if (!removal_fits(key, seq, link, link.mark)) return false;
      rows.emplace_back(link.object, link.mark);
      continue;
    }
    const auto linked = read_linked(tx.db, link.kind, link.object);
    if (!linked || linked->link != seq) return false;
    rows.emplace_back(link.object, key.row(link.object, linked->text));
    if (!rows.back().second.starts_with(link.mark)) return false;
  }
  return crypto::equal_constant_time(key.bundle(before, row.first, rows), row.digest);
}

// All that shares the row, and what this transaction has checked already is not checked again.
bool fits(Transaction& tx, std::string_view before, const LinkRow& row) {
  OpenChain& chain = *tx.chain;
  if (row.links.empty()) return false;
  if (chain.fitting == row.last) return true;
  if (!(row.bundle ? bundle_fits(tx, before, row) : one_fits(tx, before, row))) return false;
  chain.fitting = row.last;
  return true;
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
  if (kind != LinkKind::kAttempt || chain.waiting.size() == kMostBundled) put_waiting(tx);
  ++chain.head.seq;
  if (kind == LinkKind::kAttempt) {
    chain.waiting.emplace_back(object, row);
  } else {
    put_link(tx, kind, object, row);
  }
  return chain.head.seq;
}

// Rows that stay while their neighbours go get links at the other end.
void carry(Transaction& tx, const LinkRow& row) {
  for (const Link& link : row.links) {
    if (link.kind == LinkKind::kRemoved) continue;
    const auto linked = read_linked(tx.db, link.kind, link.object);
    const std::int64_t seq = append(tx, link.kind, link.object, linked ? linked->text : "");
    tx.db.run(link.kind == LinkKind::kAttempt ? kRelinkAttempt : kRelinkAudit, link.object, seq);
  }
}

// The next one, if it may go.
std::optional<LinkRow> droppable(Transaction& tx, bool carrying) {
  const ChainStart& start = *tx.chain->start;
  std::optional<LinkRow> row;
  if (auto next = tx.db.query(kNext, start.seq); next.next()) row = link_row(next);
  if (!row || row->first != start.seq + 1) return std::nullopt;
  const bool removed = std::ranges::all_of(
      row->links, [](const Link& link) { return link.kind == LinkKind::kRemoved; });
  if ((!removed && !carrying) || !fits(tx, start.digest, *row)) return std::nullopt;
  return row;
}

}  // namespace

std::int64_t add_link(Transaction& tx, LinkKind kind, std::int64_t object, const RowText& row) {
  OUTRIDER_ASSERT(kind == LinkKind::kAttempt || kind == LinkKind::kAudit);
  return append(tx, kind, object, row.view());
}

void write_chain(Transaction& tx) {
  if (!tx.chain) return;
  put_waiting(tx);
  const OpenChain& chain = *tx.chain;
  if (chain.head_changed) {
    const std::string head = chain.key.encode(chain.head);
    tx.db.run(kInsert, kEndSeq, static_cast<int>(LinkKind::kEnd), 0, Bytes{head});
  }
  if (chain.start_changed) {
    const std::string start = chain.key.encode(*chain.start);
    tx.db.run(kPutMeta, kStart, Bytes{start});
  }
}

Result<void> begin_chain(Db& db, Sealing& sealing) {
  const auto wanted = [&db] {
    if (stored_head(db)) return false;
    auto endpoint = db.query(kAnyEndpoint);
    return !endpoint.next();
  };
  if (sealing.can_seal() && wanted()) {
    db.run("BEGIN IMMEDIATE");
    sealing.begin(db);
    if (wanted()) {
      const ChainKey key(sealing.digest_key(db, kChainAccount, kChainDigest));
      const std::string head = key.encode(ChainHead{});
      db.run(kInsert, kEndSeq, static_cast<int>(LinkKind::kEnd), 0, Bytes{head});
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
  open_chain_at_start(tx);
  const std::vector<std::int64_t> ids = attempts_of(tx.db, delivery);
  return std::ranges::all_of(ids, [&](std::int64_t id) {
    const auto attempt = read_linked(tx.db, LinkKind::kAttempt, id);
    if (!attempt || !attempt->link || attempt->at >= before) return false;
    const auto row = find_link(tx.db, *attempt->link);
    if (!row) return false;
    const Link& link = *row->find(*attempt->link);
    const auto earlier = digest_at(tx, row->first - 1);
    return link.kind == LinkKind::kAttempt && link.object == id && earlier &&
           fits(tx, *earlier, *row);
  });
}

void mark_removed(Transaction& tx, std::int64_t delivery) {
  OpenChain& chain = open_chain_at_start(tx);
  for (const std::int64_t id : attempts_of(tx.db, delivery)) {
    const auto attempt = read_linked(tx.db, LinkKind::kAttempt, id);
    if (!attempt || !attempt->link) continue;
    auto row = find_link(tx.db, *attempt->link);
    if (!row) continue;
    Link& link = *row->find(*attempt->link);
    link.kind = LinkKind::kRemoved;
    if (row->bundle) link.mark = chain.key.row(id, attempt->text);
    link.removal = chain.key.removal(*attempt->link, id, row->bundle ? link.mark : row->digest);
    const std::string digest = stored_digest(*row);
    tx.db.run(kAlter, row->last,
              static_cast<int>(row->bundle ? LinkKind::kBundle : LinkKind::kRemoved),
              Bytes{digest});
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
  const std::int64_t end = chain.head.seq;
  std::uint32_t dropped = 0;
  while (dropped < limit && start.seq < end) {
    const auto row = droppable(tx, carrying);
    if (!row) break;
    carry(tx, *row);
    const auto count = static_cast<std::uint32_t>(row->links.size());
    const auto removed = std::ranges::count(row->links, LinkKind::kRemoved, &Link::kind);
    start = {.seq = row->last, .removed = start.removed - removed, .digest = row->digest};
    dropped += count;
  }
  if (dropped == 0) return 0;
  tx.db.run(kDrop, start.seq);
  chain.start_changed = true;
  return dropped;
}

}  // namespace outrider::storage
