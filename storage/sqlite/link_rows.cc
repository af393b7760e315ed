#include "storage/sqlite/link_rows.h"

#include "storage/sqlite/transaction.h"

namespace outrider::storage {
namespace {

constexpr const char* kAt =
    "SELECT seq, kind, object, digest FROM outrider_link WHERE seq >= ? ORDER BY seq LIMIT 1";

constexpr std::uint64_t kFirst = 1U << 1U;  // number of a first attempt that was not removed

void append_varint(std::string& text, std::uint64_t value) {
  for (; value >= 0x80U; value >>= 7U) text += static_cast<char>(value | 0x80U);
  text += static_cast<char>(value);
}

std::uint64_t zigzag(std::int64_t value) {
  return static_cast<std::uint64_t>(value) << 1U ^ (value < 0 ? ~std::uint64_t{0} : 0);
}
std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1U ^ (0 - (value & 1U)));
}

// Reads what anybody may have written.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (text_.empty()) break;
      const auto byte = static_cast<unsigned char>(text_.front());
      text_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
      if (byte < 0x80U) return value;
    }
    failed_ = true;
    return 0;
  }
  std::string bytes(std::size_t count) {
    failed_ = failed_ || text_.size() < count;
    if (failed_) return {};
    std::string taken(text_.substr(0, count));
    text_.remove_prefix(count);
    return taken;
  }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] bool at_end() const { return !failed_ && text_.empty(); }

 private:
  std::string_view text_;
  bool failed_ = false;
};

// Nothing: they are not what we wrote.
std::vector<Link> bundled_links(std::string_view text, std::int64_t count) {
  std::vector<Link> links;
  Reader reader(text);
  std::uint64_t delivery = 0;
  for (std::int64_t i = 0; i < count && !reader.failed(); ++i) {
    const std::uint64_t distance = reader.varint();
    const std::uint64_t number = (distance & 1U) != 0 ? reader.varint() : kFirst;
    const bool removed = (number & 1U) != 0;
    delivery += static_cast<std::uint64_t>(unzigzag(distance >> 1U));
    Link& link = links.emplace_back();
    link.kind = removed ? LinkKind::kRemoved : LinkKind::kAttempt;
    link.object =
        static_cast<std::int64_t>(delivery * std::uint64_t{kAttemptsPerDelivery} + (number >> 1U));
    link.mark = reader.bytes(removed ? kLinkBytes : kMarkBytes);
    if (removed) link.removal = reader.bytes(kLinkBytes);
  }
  if (!reader.at_end()) links.clear();
  return links;
}

}  // namespace

const Link* LinkRow::find(std::int64_t seq) const {
  if (links.empty() || seq < first || seq > last) return nullptr;
  return &links[static_cast<std::size_t>(seq - first)];
}
Link* LinkRow::find(std::int64_t seq) { return const_cast<Link*>(std::as_const(*this).find(seq)); }

LinkRow link_row(const Query& row) {
  LinkRow found;
  found.first = found.last = row.integer(0);
  const std::int64_t kind = row.integer(1);
  const std::int64_t object = row.integer(2);
  std::string stored = row.text(3);
  found.digest = stored.substr(0, kLinkBytes);
  std::string rest = stored.size() > kLinkBytes ? stored.substr(kLinkBytes) : std::string();
  if (found.last < 1 || found.last >= kEndSeq) return found;
  found.bundle = kind == static_cast<int>(LinkKind::kBundle);
  if (found.bundle) {
    if (object < 1 || object > std::int64_t{kMostBundled} || object > found.last) return found;
    found.links = bundled_links(rest, object);
    if (!found.links.empty()) found.first = found.last - object + 1;
  } else if (kind >= static_cast<int>(LinkKind::kAttempt) &&
             kind <= static_cast<int>(LinkKind::kRemoved)) {
    found.links.push_back({.kind = static_cast<LinkKind>(kind),
                           .object = object,
                           .mark = {},
                           .removal = std::move(rest)});
  }
  return found;
}

std::string stored_digest(const LinkRow& row) {
  std::string text = row.digest;
  std::int64_t delivery = 0;
  for (const Link& link : row.links) {
    if (row.bundle) {
      const std::uint64_t number = static_cast<std::uint64_t>(link.object % kAttemptsPerDelivery)
                                       << 1U |
                                   (link.kind == LinkKind::kRemoved ? 1U : 0U);
      const std::uint64_t distance = zigzag(link.object / kAttemptsPerDelivery - delivery);
      append_varint(text, distance << 1U | (number == kFirst ? 0U : 1U));
      if (number != kFirst) append_varint(text, number);
      delivery = link.object / kAttemptsPerDelivery;
      text += link.mark;
    }
    text += link.removal;
  }
  return text;
}

std::optional<LinkRow> find_link(Db& db, std::int64_t seq) {
  auto row = db.query(kAt, seq);
  if (!row.next()) return std::nullopt;
  LinkRow found = link_row(row);
  if (found.find(seq) == nullptr) return std::nullopt;
  return found;
}

}  // namespace outrider::storage
