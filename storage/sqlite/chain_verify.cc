// Three walks: along the links, each with its row; over the rows, each with its link, which finds
// what was added; and over what is numbered, where links are missing, which names what went with
// them.
//
// A digest hangs on the stored digest before it, so one change shows in one place. Where a digest
// itself was changed its neighbour is not to blame: the one that should have stood there (made from
// the rows) is tried too. In a bundle the marks say which row it was; where they all fit and the
// digest does not, only the bundle can be named.
#include "storage/sqlite/chain_verify.h"

#include <string>
#include <utility>
#include <vector>

#include "crypto/mac.h"
#include "storage/sqlite/chain.h"
#include "storage/sqlite/transaction.h"

namespace outrider::storage {
namespace {

constexpr std::size_t kMostFaults = 100;

constexpr const char* kMeta = "SELECT value FROM outrider_meta WHERE name = ?";
constexpr const char* kEnd = "SELECT digest FROM outrider_link WHERE seq = ? AND kind = 5";
constexpr const char* kLinks =
    "SELECT seq, kind, object, digest FROM outrider_link WHERE seq <> ? ORDER BY seq";
constexpr const char* kCountAttempts = "SELECT count(*) FROM outrider_attempt";
constexpr const char* kAttempts = "SELECT id, link FROM outrider_attempt ORDER BY id";
constexpr const char* kAddedAudit =
    "SELECT a.id FROM outrider_audit a LEFT JOIN outrider_link l ON l.seq = a.link"
    " WHERE l.seq IS NULL OR l.kind <> 2 OR l.object <> a.id ORDER BY a.id";
constexpr const char* kMissingAttempts =
    "SELECT id, attempts, found FROM (SELECT d.id, d.attempts, (SELECT count(*)"
    "   FROM outrider_attempt a WHERE a.id >= d.id * 65536 AND a.id < (d.id + 1) * 65536) AS found"
    " FROM outrider_delivery d) WHERE found < attempts ORDER BY id";
constexpr const char* kNumbers = "SELECT id FROM outrider_attempt WHERE id >= ? AND id < ?";
constexpr const char* kAuditIds = "SELECT id FROM outrider_audit ORDER BY id";

class Verification {
 public:
  Verification(Db& db, ChainKey key, const std::optional<ChainPoint>& expected)
      : db_(db), key_(std::move(key)), expected_(expected) {}

  ChainReport run() {
    read_ends();
    walk_links();
    end_of_links();
    find_added();
    if (links_missing_) find_missing();
    judge_expected();
    return std::move(report_);
  }

 private:
  void fault(ChainFault fault) {
    ++report_.fault_count;
    if (report_.faults.size() < kMostFaults) report_.faults.push_back(std::move(fault));
  }
  void fault_of_chain(std::string what) {
    fault({.row = ChainFault::Row::kNone, .id = 0, .attempt = 0, .what = std::move(what)});
  }
  void fault_of_attempt(std::int64_t id, std::string what) {
    fault({.row = ChainFault::Row::kAttempt,
           .id = id / kAttemptsPerDelivery,
           .attempt = static_cast<std::uint32_t>(id % kAttemptsPerDelivery),
           .what = std::move(what)});
  }
  void fault_of_row(LinkKind kind, std::int64_t object, std::string what) {
    if (kind != LinkKind::kAudit) return fault_of_attempt(object, std::move(what));
    fault({.row = ChainFault::Row::kAudit, .id = object, .attempt = 0, .what = std::move(what)});
  }

  static std::string one_text(Query row) { return row.next() ? row.text(0) : std::string(); }

  void read_ends() {
    head_ = key_.head(one_text(db_.query(kEnd, kEndSeq)));
    if (!head_) {
      fault_of_chain("the record of the chain's end was changed or is missing");
    } else if (head_->broken_at != 0) {
      fault_of_chain("the chain was broken before link " + std::to_string(head_->broken_at) +
                     " was added: its end did not fit");
    }
    if (const std::string stored = one_text(db_.query(kMeta, "chain_start")); !stored.empty()) {
      const auto start = key_.start(stored);
      if (!start) {
        fault_of_chain("the record of the chain's beginning was changed");
        links_missing_ = true;  // perhaps: what it left out cannot be told from what was taken
      }
      start_ = start.value_or(ChainStart{});
      start_known_ = start.has_value();
    }
    seq_ = start_.seq;
    before_ = start_.digest;
    note_point();
  }

  void walk_links() {
    bool first = true;
    auto rows = db_.query(kLinks, kEndSeq);
    while (rows.next()) {
      const LinkRow row = link_row(rows);
      const bool unknown_start = first && !start_known_;
      const bool after_gap = unknown_start || row.first != seq_ + 1;
      first = false;
      if (!unknown_start && after_gap) missing_links(row.first);
      seq_ = row.last;
      check_links(row, after_gap);
      if (head_ && head_->seq == seq_) at_head_ = before_;
      note_point();
    }
  }

  void missing_links(std::int64_t next) {
    links_missing_ = true;
    const std::int64_t from = seq_ + 1;
    if (next < from) return fault_of_chain("links before " + std::to_string(from) + " were added");
    fault_of_chain(from == next - 1 ? "link " + std::to_string(from) + " is missing"
                                    : "links " + std::to_string(from) + " to " +
                                          std::to_string(next - 1) + " are missing");
  }

  void check_links(const LinkRow& row, bool after_gap) {
    for (std::int64_t seq = row.first; head_ && row.find(seq) != nullptr; ++seq) {
      if (seq <= head_->seq) continue;
      fault_of_row(row.find(seq)->kind, row.find(seq)->object,
                   "it has a link beyond the chain's end");
    }
    should_be_.reset();
    if (row.links.empty()) {
      fault_of_chain("link " + std::to_string(row.last) + " was changed");
    } else if (row.bundle) {
      check_bundle(row, after_gap);
    } else if (row.links.front().kind == LinkKind::kRemoved) {
      check_removed(row.last, row.links.front(), row.digest);
    } else {
      check_one(row, after_gap);
    }
    before_ = row.digest;
    instead_ = should_be_;
  }

  // `digest`: what the removal was made beside. False: it is a fault.
  bool check_removed(std::int64_t seq, const Link& link, const std::string& digest) {
    ++report_.removed;
    if (digest.size() == kLinkBytes &&
        crypto::equal_constant_time(key_.removal(seq, link.object, digest), link.removal)) {
      return true;
    }
    fault_of_attempt(link.object, "it is missing, and retention did not remove it");
    return false;
  }

  // The row that the link stands for; nothing: a fault.
  std::optional<LinkedRow> linked_row(std::int64_t seq, const Link& link) {
    auto row = read_linked(db_, link.kind, link.object);
    if (!row || row->link != seq) {
      fault_of_row(link.kind, link.object,
                   row ? "the row names another link than its own" : "the row is missing");
      return std::nullopt;
    }
    ++(link.kind == LinkKind::kAttempt ? report_.attempts : report_.audits);
    return row;
  }

  // Whether `digest` is what `make` says, behind the digest before it as it stands there or as it
  // should.
  template <class Make>
  bool digest_fits(std::string_view digest, const Make& make) {
    should_be_ = make(before_);
    if (crypto::equal_constant_time(*should_be_, digest)) return true;
    if (!instead_) return false;
    const std::string other = make(*instead_);
    if (!crypto::equal_constant_time(other, digest)) return false;
    should_be_ = other;
    return true;
  }

  void check_one(const LinkRow& row, bool after_gap) {
    const Link& link = row.links.front();
    const auto linked = linked_row(row.last, link);
    if (!linked || after_gap) return;  // what it hangs on is not known
    if (!digest_fits(stored_digest(row), [&](const std::string& before) {
          return key_.link(before, row.last, link.kind, link.object, linked->text);
        })) {
      fault_of_row(link.kind, link.object, "the row or its link was changed, or moved");
    }
  }

  void check_bundle(const LinkRow& row, bool after_gap) {
    const std::uint64_t faults_before = report_.fault_count;
    bool whole = true;
    std::vector<std::pair<std::int64_t, std::string>> digests;
    for (std::int64_t seq = row.first; seq <= row.last; ++seq) {
      const Link& link = *row.find(seq);
      if (link.kind == LinkKind::kRemoved) {
        check_removed(seq, link, link.mark);
        digests.emplace_back(link.object, link.mark);
        continue;
      }
      const auto linked = linked_row(seq, link);
      if (!linked) {
        whole = false;
        continue;
      }
      digests.emplace_back(link.object, key_.row(link.object, linked->text));
      if (!digests.back().second.starts_with(link.mark)) {
        fault_of_attempt(link.object, "the row or its link was changed, or moved");
      }
    }
    if (!whole || after_gap) return;
    const bool fits = digest_fits(row.digest, [&](const std::string& before) {
      return key_.bundle(before, row.first, digests);
    });
    if (!fits && report_.fault_count == faults_before) {
      fault_of_chain("links " + std::to_string(row.first) + " to " + std::to_string(row.last) +
                     ", or one of their rows, were changed");
    }
  }

  void end_of_links() {
    if (!head_) {
      links_missing_ = true;
    } else if (head_->seq > seq_) {
      missing_links(head_->seq + 1);
    } else if (at_head_.value_or(before_) != head_->digest) {
      fault_of_chain("the last link is not the one that the chain ended with");
    }
    report_.head = head_ ? ChainPoint{.seq = head_->seq, .digest = head_->digest}
                         : ChainPoint{.seq = seq_, .digest = before_};
    report_.start = start_.seq;
  }

  void find_added() {
    if (auto row = db_.query(kCountAttempts);
        row.next() && row.integer(0) != static_cast<std::int64_t>(report_.attempts)) {
      find_added_attempts();
    }
    auto rows = db_.query(kAddedAudit);
    while (rows.next()) added(LinkKind::kAudit, rows.integer(0));
  }

  void added(LinkKind kind, std::int64_t object) {
    fault_of_row(kind, object, "the row has no link: it was added");
  }

  void find_added_attempts() {
    std::optional<LinkRow> links;  // attempts that follow each other mostly share them
    auto rows = db_.query(kAttempts);
    while (rows.next()) {
      const std::int64_t seq = rows.integer(1);
      if (!links || links->find(seq) == nullptr) links = find_link(db_, seq);
      const Link* link = links ? links->find(seq) : nullptr;
      if (link == nullptr || link->kind != LinkKind::kAttempt || link->object != rows.integer(0)) {
        added(LinkKind::kAttempt, rows.integer(0));
      }
    }
  }

  // Deliveries count their attempts, and audit rows are numbered without a gap.
  void find_missing() {
    {
      auto rows = db_.query(kMissingAttempts);
      while (rows.next()) name_missing_attempts(rows.integer(0), rows.count(1));
    }
    std::int64_t expected = 1;
    auto rows = db_.query(kAuditIds);
    while (rows.next()) {
      for (const std::int64_t id = rows.integer(0); expected < id; ++expected) {
        fault_of_row(LinkKind::kAudit, expected, "the row is missing, and its link");
        if (report_.faults.size() == kMostFaults) return;
      }
      expected = rows.integer(0) + 1;
    }
  }

  void name_missing_attempts(DeliveryRow delivery, std::uint32_t attempts) {
    std::int64_t expected = delivery * kAttemptsPerDelivery + 1;
    const auto name_until = [&](std::int64_t id) {
      for (; expected < id && report_.faults.size() < kMostFaults; ++expected) {
        fault_of_attempt(expected, "the row is missing, and its link");
      }
    };
    auto rows =
        db_.query(kNumbers, delivery * kAttemptsPerDelivery, (delivery + 1) * kAttemptsPerDelivery);
    while (rows.next()) {
      name_until(rows.integer(0));
      expected = rows.integer(0) + 1;
    }
    name_until(delivery * kAttemptsPerDelivery + attempts + 1);
  }

  void note_point() {
    if (expected_ && expected_->seq == seq_) at_expected_ = before_;
  }

  void judge_expected() {
    if (!expected_) return;
    if (expected_->seq < start_.seq) {
      report_.expected_too_old = true;
    } else if (at_expected_ != expected_->digest) {
      fault_of_chain("link " + std::to_string(expected_->seq) +
                     " is not the one that was expected: rows were taken back, or changed since");
    }
  }

  Db& db_;
  const ChainKey key_;
  const std::optional<ChainPoint>& expected_;
  ChainReport report_;
  std::optional<ChainHead> head_;
  ChainStart start_;
  bool start_known_ = true;
  bool links_missing_ = false;
  std::int64_t seq_ = 0;                  // of the last link seen
  std::string before_;                    // its digest, as stored
  std::optional<std::string> should_be_;  // as it should be, where its row is there
  std::optional<std::string> instead_;    // the same of the link before
  std::optional<std::string> at_head_, at_expected_;
};

}  // namespace

Result<ChainReport> verify_chain(Db& db, Sealing& sealing,
                                 const std::optional<ChainPoint>& expected) {
  const Snapshot snapshot(db);
  sealing.begin(db);
  auto key = sealing.known_digest_key(db, kChainAccount, kChainDigest);
  if (!key) return tl::unexpected(std::move(key.error()));
  return Verification(db, ChainKey(std::move(*key)), expected).run();
}

}  // namespace outrider::storage
