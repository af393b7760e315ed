// Three walks: along the links, each with its row; over the rows, each with its link, which finds
// what was added; and over what is numbered, where links are missing, which names what went with
// them.
//
// A link's digest hangs on the stored digest before it, so one change shows in one place. Where a
// digest itself was changed its neighbour is not to blame: the one that should have stood there
// (made from the row) is tried too.
#include "storage/sqlite/chain_verify.h"

#include <string>
#include <utility>

#include "crypto/mac.h"
#include "storage/sqlite/chain.h"
#include "storage/sqlite/transaction.h"

namespace outrider::storage {
namespace {

constexpr std::size_t kMostFaults = 100;

constexpr const char* kMeta = "SELECT value FROM outrider_meta WHERE name = ?";
constexpr const char* kLinks = "SELECT seq, kind, object, digest FROM outrider_link ORDER BY seq";
constexpr const char* kAddedAttempts =
    "SELECT a.id FROM outrider_attempt a LEFT JOIN outrider_link l ON l.seq = a.link"
    " WHERE l.seq IS NULL OR l.kind <> 1 OR l.object <> a.id ORDER BY a.id";
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
  struct Link {
    std::int64_t seq = 0;
    LinkKind kind = LinkKind::kAttempt;
    std::int64_t object = 0;
    std::string digest;
  };

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

  std::string meta(const char* name) {
    auto row = db_.query(kMeta, name);
    return row.next() ? row.text(0) : std::string();
  }

  void read_ends() {
    head_ = key_.head(meta("chain_head"));
    if (!head_) {
      fault_of_chain("the record of the chain's end was changed or is missing");
    } else if (head_->broken_at != 0) {
      fault_of_chain("the chain was broken before link " + std::to_string(head_->broken_at) +
                     " was added: its end did not fit");
    }
    if (const std::string stored = meta("chain_start"); !stored.empty()) {
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
    auto rows = db_.query(kLinks);
    while (rows.next()) {
      const Link link{.seq = rows.integer(0),
                      .kind = static_cast<LinkKind>(rows.integer(1)),
                      .object = rows.integer(2),
                      .digest = rows.text(3)};
      const bool unknown_start = first && !start_known_;
      first = false;
      if (!unknown_start && link.seq != seq_ + 1) missing_links(link.seq);
      const bool after_gap = unknown_start || link.seq != seq_ + 1;
      seq_ = link.seq;
      check_link(link, after_gap);
      if (head_ && head_->seq == seq_) at_head_ = before_;
      note_point();
    }
  }

  void missing_links(std::int64_t next) {
    links_missing_ = true;
    const std::int64_t from = seq_ + 1;
    if (next < from) return fault_of_chain("there are links before the chain's beginning");
    fault_of_chain(from == next - 1 ? "link " + std::to_string(from) + " is missing"
                                    : "links " + std::to_string(from) + " to " +
                                          std::to_string(next - 1) + " are missing");
  }

  void check_link(const Link& link, bool after_gap) {
    if (head_ && link.seq > head_->seq) {
      fault_of_row(link.kind, link.object, "it has a link beyond the chain's end");
    }
    should_be_.reset();
    if (link.kind == LinkKind::kRemoved) {
      check_removed(link);
    } else if (link.kind == LinkKind::kAttempt || link.kind == LinkKind::kAudit) {
      check_row(link, after_gap);
    } else {
      fault_of_chain("link " + std::to_string(link.seq) + " was changed");
    }
    before_ = link.digest.substr(0, kLinkBytes);
    instead_ = should_be_;
  }

  void check_removed(const Link& link) {
    ++report_.removed;
    const std::string digest = link.digest.substr(0, kLinkBytes);
    if (link.digest.size() != 2 * kLinkBytes ||
        !crypto::equal_constant_time(key_.removal(link.seq, link.object, digest),
                                     std::string_view(link.digest).substr(kLinkBytes))) {
      fault_of_attempt(link.object, "it is missing, and retention did not remove it");
    }
  }

  void check_row(const Link& link, bool after_gap) {
    const auto row = read_linked(db_, link.kind, link.object);
    if (!row || row->link != link.seq) {
      return fault_of_row(link.kind, link.object,
                          row ? "the row names another link than its own" : "the row is missing");
    }
    ++(link.kind == LinkKind::kAttempt ? report_.attempts : report_.audits);
    if (after_gap) return;  // what it hangs on is not known
    should_be_ = key_.link(before_, link.seq, link.kind, link.object, row->text);
    if (crypto::equal_constant_time(*should_be_, link.digest)) return;
    if (instead_) {
      const auto other = key_.link(*instead_, link.seq, link.kind, link.object, row->text);
      if (crypto::equal_constant_time(other, link.digest)) {
        should_be_ = other;
        return;
      }
    }
    fault_of_row(link.kind, link.object, "the row or its link was changed, or moved");
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
    const auto each = [this](const char* sql, LinkKind kind) {
      auto rows = db_.query(sql);
      while (rows.next()) fault_of_row(kind, rows.integer(0), "the row has no link: it was added");
    };
    each(kAddedAttempts, LinkKind::kAttempt);
    each(kAddedAudit, LinkKind::kAudit);
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
