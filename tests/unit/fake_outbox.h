// An Outbox without a database: it answers as told. Mutations are RejectInboxRow, known by their
// row.
#pragma once

#include <deque>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "storage/outbox.h"

namespace outrider::storage {

class FakeOutbox : public Outbox {
 public:
  void fail_next(ErrorCode code) { failures_.push_back(code); }  // the next batch, as a whole
  void refuse(std::int64_t row) { refused_.insert(row); }
  void break_on(std::int64_t row) { broken_.insert(row); }  // a batch with it fails: kInternal
  void on_apply(std::function<void(std::size_t)> hook) { hook_ = std::move(hook); }
  [[nodiscard]] const std::vector<std::size_t>& batches() const { return batches_; }

  Result<std::vector<Outcome>> apply(std::span<const Mutation> batch) override {
    batches_.push_back(batch.size());
    if (hook_) hook_(batch.size());
    if (!failures_.empty()) {
      const ErrorCode code = failures_.front();
      failures_.pop_front();
      return fail(code, "as told");
    }
    std::vector<Outcome> outcomes;
    for (const Mutation& mutation : batch) {
      const std::int64_t row = std::get<RejectInboxRow>(mutation).row;
      if (broken_.contains(row)) return fail(ErrorCode::kInternal, "as told");
      if (refused_.contains(row)) {
        outcomes.emplace_back(fail(ErrorCode::kConflict, "as told"));
      } else {
        outcomes.emplace_back(Changed{.id = row, .count = 1});
      }
    }
    return outcomes;
  }

  Result<std::vector<EndpointRecord>> endpoints(std::int64_t) override { return {}; }
  Result<std::optional<EndpointRecord>> endpoint(EndpointRow, std::int64_t) override { return {}; }
  Result<AccountHealth> account_health(const std::string&, const std::string&) override {
    return {};
  }
  Result<std::vector<DueRow>> due(EndpointRow, std::size_t) override { return {}; }
  Result<std::vector<DeliveryJob>> jobs(std::vector<DeliveryRow>) override { return {}; }
  Result<std::vector<InboxRow>> inbox(std::size_t) override { return {}; }
  Result<ForeignChanges> foreign_changes() override { return {}; }
  Result<std::vector<EventRecord>> events(const EventQuery&) override { return {}; }
  Result<std::optional<EventRecord>> event(EventRow) override { return {}; }
  Result<std::optional<DeliveryRecord>> delivery(DeliveryRow) override { return {}; }
  Result<std::vector<DeliveryRecord>> deliveries(EventRow) override { return {}; }
  Result<std::vector<AttemptRecord>> attempts(DeliveryRow) override { return {}; }
  Result<ReplayPage> replayable(const ReplayQuery&) override { return {}; }
  Result<QueueCounts> queue(std::int64_t) override { return {}; }
  Result<std::vector<EndpointCounts>> queue_by_endpoint(std::int64_t) override { return {}; }
  Result<EndpointCensus> endpoint_census(EndpointRow, std::int64_t, std::int64_t,
                                         std::int64_t) override {
    return EndpointCensus{};
  }
  Result<std::vector<RejectedRecord>> rejected(std::uint32_t) override { return {}; }
  Result<NoticeRows> notices(const NoticeQuery&) override { return NoticeRows{}; }
  Result<NoticeRow> notices_forwarded(const std::string&) override { return NoticeRow{0}; }
  Result<KeyStatus> key_status() override { return KeyStatus{}; }
  Result<std::vector<TokenView>> tokens() override { return {}; }
  Result<std::vector<AuditRecord>> audit(const AuditQuery&) override { return {}; }
  Result<ChainReport> verify_chain(const std::optional<ChainPoint>&) override {
    return ChainReport{};
  }
  Result<std::string> id_key() override { return std::string(16, 'k'); }

 private:
  std::deque<ErrorCode> failures_;
  std::set<std::int64_t> refused_, broken_;
  std::function<void(std::size_t)> hook_;
  std::vector<std::size_t> batches_;
};

}  // namespace outrider::storage
