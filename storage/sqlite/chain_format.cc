// What is digested, and how the head and the start are written. Numbers are eight bytes, least
// significant first; every text begins with a letter of its own kind, so that no digest stands for
// something else.
#include <array>

#include "crypto/mac.h"
#include "storage/sqlite/chain.h"
#include "storage/sqlite/peer.h"
#include "storage/sqlite/transaction.h"

namespace outrider::storage {
namespace {

constexpr std::size_t kNumberBytes = 8;
constexpr std::size_t kHeadBytes = 2 * kNumberBytes + kLinkBytes;
constexpr std::size_t kStartBytes = 2 * kNumberBytes + kLinkBytes;

constexpr const char* kAttempt =
    "SELECT id, started_at, duration_ms, error, status, peer, detail, response, link"
    " FROM outrider_attempt WHERE id = ?";
constexpr int kAttemptColumns = 8;
constexpr int kPeerColumn = 5;
constexpr const char* kAudit =
    "SELECT id, at, actor, action, kind, object, account, detail, link"
    " FROM outrider_audit WHERE id = ?";
constexpr int kAuditColumns = 8;

void append_number(std::string& text, std::int64_t value) {
  auto bits = static_cast<std::uint64_t>(value);
  std::array<char, kNumberBytes> bytes{};
  for (char& byte : bytes) {
    byte = static_cast<char>(bits & 0xFFU);
    bits >>= 8U;
  }
  text.append(bytes.data(), bytes.size());
}

std::int64_t number_at(std::string_view text, std::size_t at) {
  std::uint64_t bits = 0;
  for (std::size_t i = kNumberBytes; i > 0; --i) {
    bits = bits << 8U | static_cast<unsigned char>(text[at + i - 1]);
  }
  return static_cast<std::int64_t>(bits);
}

// A packed peer counts as the text that it stands for: a link does not depend on how a row is kept.
RowText row_text(const Query& row, LinkKind kind, int columns) {
  RowText text;
  for (int column = 0; column < columns; ++column) {
    if (kind == LinkKind::kAttempt && column == kPeerColumn && row.type(column) == SQLITE_BLOB) {
      text.text(peer_text(row.text(column)));
      continue;
    }
    switch (row.type(column)) {
      case SQLITE_INTEGER:
        text.integer(row.integer(column));
        break;
      case SQLITE_TEXT:
        text.text(row.text(column));
        break;
      case SQLITE_NULL:
        text.null();
        break;
      default:  // SQLITE_BLOB; a real number is never ours, and fits no link in this form either
        text.bytes(row.text(column));
        break;
    }
  }
  return text;
}

}  // namespace

RowText& RowText::integer(std::int64_t value) {
  text_ += 'i';
  append_number(text_, value);
  return *this;
}

RowText& RowText::sized(char type, std::string_view value) {
  text_ += type;
  append_number(text_, static_cast<std::int64_t>(value.size()));
  text_ += value;
  return *this;
}

RowText& RowText::text(std::string_view value) { return sized('t', value); }
RowText& RowText::bytes(std::string_view value) { return sized('b', value); }

RowText& RowText::null() {
  text_ += 'n';
  return *this;
}

std::optional<LinkedRow> read_linked(Db& db, LinkKind kind, std::int64_t object) {
  const bool attempt = kind == LinkKind::kAttempt;
  const int columns = attempt ? kAttemptColumns : kAuditColumns;
  auto row = db.query(attempt ? kAttempt : kAudit, object);
  if (!row.next()) return std::nullopt;
  return LinkedRow{.text = row_text(row, kind, columns).view(),
                   .at = row.integer(1),
                   .link = row.maybe_integer(columns)};
}

ChainKey::ChainKey(std::string key) : mac_(key) { crypto::wipe(key); }

std::string ChainKey::mac(std::string_view text) const {
  std::string digest = mac_.of(text);
  digest.resize(kLinkBytes);
  return digest;
}

std::string ChainKey::link(std::string_view before, std::int64_t seq, LinkKind kind,
                           std::int64_t object, std::string_view row) const {
  std::string text = "L";
  text.reserve(1 + before.size() + 2 * kNumberBytes + 1 + row.size());
  text += before;
  append_number(text, seq);
  text += static_cast<char>(kind);
  append_number(text, object);
  text += row;
  return mac(text);
}

std::string ChainKey::row(std::int64_t object, std::string_view row) const {
  std::string text = "A";
  text.reserve(1 + kNumberBytes + row.size());
  append_number(text, object);
  text += row;
  return mac(text);
}

std::string ChainKey::bundle(std::string_view before, std::int64_t first,
                             const std::vector<std::pair<std::int64_t, std::string>>& rows) const {
  std::string text = "B";
  text.reserve(1 + before.size() + (2 + rows.size()) * kNumberBytes + rows.size() * kLinkBytes);
  text += before;
  append_number(text, first);
  append_number(text, static_cast<std::int64_t>(rows.size()));
  for (const auto& [object, digest] : rows) {
    append_number(text, object);
    text += digest;
  }
  return mac(text);
}

std::string ChainKey::removal(std::int64_t seq, std::int64_t object,
                              std::string_view digest) const {
  std::string text = "R";
  append_number(text, seq);
  append_number(text, object);
  text += digest;
  return mac(text);
}

std::string ChainKey::encode(const ChainHead& head) const {
  std::string stored;
  append_number(stored, head.seq);
  append_number(stored, head.broken_at);
  stored += head.digest;
  return stored + mac("H" + stored);
}

std::string ChainKey::encode(const ChainStart& start) const {
  std::string stored;
  append_number(stored, start.seq);
  append_number(stored, start.removed);
  stored += start.digest;
  return stored + mac("S" + stored);
}

std::optional<ChainHead> ChainKey::head(std::string_view stored) const {
  if (stored.size() != kHeadBytes + kLinkBytes) return std::nullopt;
  const std::string said(stored.substr(0, kHeadBytes));
  if (!crypto::equal_constant_time(mac("H" + said), stored.substr(kHeadBytes))) return std::nullopt;
  return ChainHead{.seq = number_at(said, 0),
                   .broken_at = number_at(said, kNumberBytes),
                   .digest = said.substr(2 * kNumberBytes)};
}

std::optional<ChainStart> ChainKey::start(std::string_view stored) const {
  if (stored.size() != kStartBytes + kLinkBytes) return std::nullopt;
  const std::string said(stored.substr(0, kStartBytes));
  if (!crypto::equal_constant_time(mac("S" + said), stored.substr(kStartBytes))) {
    return std::nullopt;
  }
  return ChainStart{.seq = number_at(said, 0),
                    .removed = number_at(said, kNumberBytes),
                    .digest = said.substr(2 * kNumberBytes)};
}

}  // namespace outrider::storage
