// The audit trail and its chain as the public values.
#include <charconv>

#include "core/signature.h"
#include "database_views.h"

namespace outrider {
namespace {

using crypto::IdKind;
using storage::ChainFault;
using storage::ObjectKind;

constexpr std::size_t kDigestBytes = 16;

// "SEQ:DIGEST", as it was printed.
std::optional<storage::ChainPoint> point_from(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  storage::ChainPoint point;
  const char* const end = text.data() + colon;
  const auto [rest, error] = std::from_chars(text.data(), end, point.seq);
  auto digest = core::decode_hex(text.substr(colon + 1));
  if (error != std::errc() || rest != end || point.seq < 0 || !digest ||
      digest->size() != kDigestBytes) {
    return std::nullopt;
  }
  point.digest = std::move(*digest);
  return point;
}

}  // namespace

Result<std::vector<AuditEntry>> DatabaseViews::audit(const AuditFilter& filter) {
  if (filter.limit < 1 || filter.limit > 1000) {
    return fail(ErrorCode::kInvalidArgument, "must be 1 to 1000", "limit");
  }
  auto records = outbox_.audit({.account = filter.account,
                                .action = filter.action,
                                .since = filter.since,
                                .before = filter.before,
                                .limit = filter.limit});
  if (!records) return tl::unexpected(std::move(records.error()));
  std::vector<AuditEntry> entries;
  for (storage::AuditRecord& record : *records) {
    std::string object;
    if (record.kind == ObjectKind::kEndpoint) object = ids_.text(IdKind::kEndpoint, record.object);
    if (record.kind == ObjectKind::kDelivery) object = ids_.text(IdKind::kDelivery, record.object);
    if (record.kind == ObjectKind::kEvent) object = ids_.text(IdKind::kEvent, record.object);
    entries.push_back({.id = record.row,
                       .at = record.at,
                       .actor = std::move(record.actor),
                       .action = std::move(record.action),
                       .object = std::move(object),
                       .account = std::move(record.account),
                       .detail = std::move(record.detail)});
  }
  return entries;
}

Result<ChainView> DatabaseViews::chain(const std::string& expected) {
  std::optional<storage::ChainPoint> point;
  if (!expected.empty()) {
    point = point_from(expected);
    if (!point) {
      return fail(ErrorCode::kInvalidArgument, "not the head of a chain: " + expected, "expect",
                  "give what `outrider audit verify` printed: SEQ:DIGEST");
    }
  }
  auto report = outbox_.verify_chain(point);
  if (!report) return tl::unexpected(std::move(report.error()));
  ChainView view{.attempts = report->attempts,
                 .audits = report->audits,
                 .removed = report->removed,
                 .head = std::to_string(report->head.seq) + ":" +
                         core::encode(core::Encoding::kHex, report->head.digest),
                 .expected_too_old = report->expected_too_old,
                 .faults = {},
                 .fault_count = report->fault_count};
  for (ChainFault& fault : report->faults) {
    ChainView::Fault shown{
        .delivery = {}, .attempt = fault.attempt, .audit = 0, .what = std::move(fault.what)};
    if (fault.row == ChainFault::Row::kAttempt) {
      shown.delivery = ids_.text(IdKind::kDelivery, fault.id);
    }
    if (fault.row == ChainFault::Row::kAudit) shown.audit = fault.id;
    view.faults.push_back(std::move(shown));
  }
  return view;
}

}  // namespace outrider
