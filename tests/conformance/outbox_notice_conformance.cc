// The feed of notices: what is told, in which commit, in which order, and for how long; and that a
// notice becomes one event for those who ask, never two.
#include <gmock/gmock.h>

#include <algorithm>
#include <functional>

#include "outbox_conformance.h"

namespace outrider::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<NoticeRecord> notices(Outbox& outbox,
                                  const NoticeQuery& query = {.account = {}, .limit = 1000}) {
  auto rows = outbox.notices(query);
  EXPECT_TRUE(rows.has_value());
  return rows ? std::move(rows->notices) : std::vector<NoticeRecord>();
}

std::vector<NoticeRow> rows_of(const std::vector<NoticeRecord>& records) {
  std::vector<NoticeRow> rows;
  for (const NoticeRecord& record : records) rows.push_back(record.row);
  return rows;
}

TEST_P(OutboxConformance, ordinary_deliveries_leave_no_notice) {
  const EndpointRow endpoint = add_endpoint();
  finished(success(due_event()));
  const DueRow due = due_event();
  const auto again = finished(failure(due, now_ + 10)).due;
  finished(success(again.at(0)));
  changed(CancelDeliveries{.delivery = due_event().delivery, .reason = "x", .now = now_});
  change_endpoint(endpoint, ChangeEndpoint::Kind::kPause);
  change_endpoint(endpoint, ChangeEndpoint::Kind::kRemove);
  EXPECT_THAT(notices(*outbox_), IsEmpty());
  EXPECT_EQ(value(outbox_->notices({})).through, 0);
}

TEST_P(OutboxConformance, an_exhausted_and_an_expired_delivery_are_told_with_all_they_are_about) {
  const EndpointRow endpoint = add_endpoint();
  const DueRow exhausted = due_event();
  ++now_;
  finished(exhaustion(exhausted));
  const DueRow expired = due_event();
  ++now_;
  finished(DeliveryEnded{.claimed = expired, .reason = "expired at noon", .now = now_});

  const auto told = notices(*outbox_);
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[0].kind, NoticeKind::kDeliveryExhausted);
  EXPECT_EQ(told[0].at, now_ - 1);
  EXPECT_EQ(told[0].account, "acme");
  EXPECT_EQ(told[0].provider, "shop");
  EXPECT_EQ(told[0].type, "loan.paid");
  EXPECT_EQ(told[0].endpoint, endpoint);
  EXPECT_EQ(told[0].delivery, exhausted.delivery);
  EXPECT_EQ(told[0].event, delivery(exhausted.delivery).event);
  EXPECT_EQ(told[0].detail, "no attempt left");
  EXPECT_EQ(told[1].kind, NoticeKind::kDeliveryExpired);
  EXPECT_EQ(told[1].delivery, expired.delivery);
  EXPECT_EQ(told[1].detail, "expired at noon");
  reopen();
  EXPECT_EQ(rows_of(notices(*outbox_)), rows_of(told));
}

TEST_P(OutboxConformance, an_exhausted_test_is_no_news) {
  Enqueue test = event_of();
  test.endpoints = {add_endpoint()};
  test.is_test = true;
  finished(exhaustion(enqueued(test).due.at(0)));
  EXPECT_THAT(notices(*outbox_), IsEmpty());
}

TEST_P(OutboxConformance, what_an_operator_ended_first_is_not_told_as_exhausted) {
  add_endpoint();
  const DueRow due = due_event();
  changed(CancelDeliveries{.delivery = due.delivery, .reason = "x", .now = now_});
  finished(exhaustion(due));
  EXPECT_THAT(notices(*outbox_), IsEmpty());
}

TEST_P(OutboxConformance, deactivation_and_activation_are_told_once_each) {
  const EndpointRow endpoint = add_endpoint();
  const DueRow due = due_event();
  const DueRow other = due_event();
  finished(deactivating(due, core::DeactivationScope::kEndpoint, core::PendingRule::kHold));
  finished(deactivating(other, core::DeactivationScope::kEndpoint, core::PendingRule::kHold));
  change_endpoint(endpoint, ChangeEndpoint::Kind::kActivate);
  change_endpoint(endpoint, ChangeEndpoint::Kind::kActivate);
  const auto told = notices(*outbox_);
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[0].kind, NoticeKind::kEndpointDeactivated);
  EXPECT_EQ(told[0].endpoint, endpoint);
  EXPECT_EQ(told[0].delivery, std::nullopt);
  EXPECT_EQ(told[0].detail, "5 failures in a row");
  EXPECT_EQ(told[1].kind, NoticeKind::kEndpointActivated);
  EXPECT_EQ(told[1].detail, "it was deactivated");
}

TEST_P(OutboxConformance, a_deactivation_made_void_by_an_activation_is_not_told) {
  const EndpointRow endpoint = add_endpoint();
  const DueRow due = due_event();
  const DueRow late = due_event();
  finished(deactivating(due, core::DeactivationScope::kEndpoint, core::PendingRule::kHold));
  change_endpoint(endpoint, ChangeEndpoint::Kind::kActivate);
  finished(deactivating(late, core::DeactivationScope::kEndpoint, core::PendingRule::kHold));
  EXPECT_EQ(notices(*outbox_).size(), 2U) << "its health was of before the activation";
}

TEST_P(OutboxConformance, a_whole_account_that_goes_off_is_told_by_endpoint) {
  const EndpointRow first = add_endpoint(), second = add_endpoint(), third = add_endpoint();
  const EndpointRow elsewhere = add_endpoint("other");
  change_endpoint(third, ChangeEndpoint::Kind::kPause);
  Enqueue event = event_of();
  event.endpoints = {first};
  finished(deactivating(enqueued(event).due.at(0), core::DeactivationScope::kAccount,
                        core::PendingRule::kCancel));
  std::vector<EndpointRow> off;
  for (const NoticeRecord& told : notices(*outbox_)) {
    EXPECT_EQ(told.kind, NoticeKind::kEndpointDeactivated) << "nothing of what was cancelled";
    off.push_back(told.endpoint.value_or(0));
  }
  EXPECT_THAT(off, ElementsAre(first, second, third));
  EXPECT_EQ(endpoint(elsewhere).state, EndpointState::kActive);
}

TEST_P(OutboxConformance, ten_thousand_endpoints_that_go_off_at_once_are_read_in_pages) {
  constexpr std::size_t kEndpoints = 10'000;
  std::vector<Mutation> batch(kEndpoints, endpoint_of());
  for (const Outcome& one : value(outbox_->apply(batch))) ASSERT_TRUE(one.has_value());
  Enqueue event = event_of();
  event.endpoints = {1};
  finished(deactivating(enqueued(event).due.at(0), core::DeactivationScope::kAccount,
                        core::PendingRule::kCancel));
  NoticeRow after = 0;
  std::size_t told = 0;
  for (;;) {
    const NoticeRows page = value(outbox_->notices({.after = after, .account = {}, .limit = 1000}));
    told += page.notices.size();
    if (page.notices.size() < 1000) break;
    after = page.through;
  }
  EXPECT_EQ(told, kEndpoints);
}

TEST_P(OutboxConformance, a_rejected_row_is_told_by_what_can_be_shown_of_it) {
  const std::int64_t row = store_->insert_plain({});
  const std::int64_t odd = store_->insert_plain({.account = "two\nlines"});
  changed(RejectInboxRow{.row = row, .reason = "no such type", .now = now_});
  changed(RejectInboxRow{.row = odd, .reason = std::string(5000, 'x'), .now = now_});
  EXPECT_EQ(refusal(RejectInboxRow{.row = row, .reason = "again", .now = now_}),
            ErrorCode::kConflict);
  const auto told = notices(*outbox_);
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[0].kind, NoticeKind::kEventRejected);
  EXPECT_EQ(told[0].inbox, row);
  EXPECT_EQ(told[0].account, "acme");
  EXPECT_EQ(told[0].type, "loan.paid");
  EXPECT_EQ(told[0].event, std::nullopt);
  EXPECT_EQ(told[0].detail, "no such type");
  EXPECT_EQ(told[1].account, "");
  EXPECT_EQ(told[1].provider, "shop");
  EXPECT_EQ(told[1].detail.size(), 1000U);
}

constexpr std::int64_t kDay = 86'400'000;

TEST_P(OutboxConformance, notices_are_paged_and_filtered_oldest_first) {
  const EndpointRow endpoint = add_endpoint();
  finished(exhaustion(due_event()));
  change_endpoint(endpoint, ChangeEndpoint::Kind::kPause);
  change_endpoint(endpoint, ChangeEndpoint::Kind::kActivate);
  add_endpoint("other");
  finished(exhaustion(enqueued(event_of("other")).due.at(0)));
  now_ += kDay;
  finished(exhaustion(due_event()));

  const auto all = rows_of(notices(*outbox_));
  ASSERT_EQ(all.size(), 4U);
  EXPECT_TRUE(std::ranges::is_sorted(all));
  const auto page = [this](const NoticeQuery& query) { return value(outbox_->notices(query)); };
  const NoticeRows first = page({.account = {}, .limit = 3});
  EXPECT_THAT(rows_of(first.notices), ElementsAre(all[0], all[1], all[2]));
  EXPECT_EQ(first.through, all[2]);
  const NoticeRows rest = page({.after = first.through, .account = {}, .limit = 3});
  EXPECT_THAT(rows_of(rest.notices), ElementsAre(all[3]));
  const NoticeRows none = page({.after = rest.through, .account = {}, .limit = 3});
  EXPECT_THAT(none.notices, IsEmpty());
  EXPECT_EQ(none.through, all[3]);
  const NoticeRows other = page({.account = "other"});
  EXPECT_THAT(rows_of(other.notices), ElementsAre(all[2]));
  EXPECT_EQ(other.through, all[3]) << "what was passed over need not be read again";
  EXPECT_THAT(rows_of(page({.kind = NoticeKind::kEndpointActivated, .account = {}}).notices),
              ElementsAre(all[1]));
  EXPECT_THAT(rows_of(page({.since = now_, .account = {}}).notices), ElementsAre(all[3]));
  const NoticeRows newest = page({.account = "acme", .newest = true, .limit = 2});
  EXPECT_THAT(rows_of(newest.notices), ElementsAre(all[1], all[3])) << "ascending too";
  EXPECT_EQ(newest.through, all[3]);
}

TEST_P(OutboxConformance, notices_go_with_the_attempts_of_their_time_and_no_id_comes_again) {
  add_endpoint();
  std::vector<DueRow> due;
  for (int i = 0; i < 10; ++i) due.push_back(due_event());
  for (const DueRow& row : due) finished(exhaustion(row));
  const NoticeRow last = notices(*outbox_).back().row;
  const Maintain early{.attempts_before = now_, .limit = 4, .now = now_};
  changed(early);
  EXPECT_EQ(notices(*outbox_).size(), 10U) << "not before its time";
  now_ += kDay;
  EXPECT_GT(changed(Maintain{.attempts_before = now_, .limit = 4, .now = now_}).count, 0U);
  EXPECT_EQ(notices(*outbox_).size(), 6U) << "in bounded steps";
  while (changed(Maintain{.attempts_before = now_, .limit = 4, .now = now_}).count > 0) {
  }
  EXPECT_THAT(notices(*outbox_), IsEmpty());
  EXPECT_EQ(value(outbox_->notices({.after = last})).through, last) << "a cursor outlives them";
  reopen();
  finished(exhaustion(due_event()));
  EXPECT_GT(notices(*outbox_).at(0).row, last);
}

// ---- forwarding ----

constexpr const char* kWatch = "watch";

class Forwarding {
 public:
  explicit Forwarding(std::function<EndpointRow(const AddEndpoint&)> add) : add_(std::move(add)) {}
  EndpointRow listener(AddEndpoint add) {
    add.spec.provider = kWatch;
    return add_(add);
  }
  static ForwardNotices step(NoticeRow from, const std::vector<NoticeRow>& told, std::int64_t now) {
    ForwardNotices forward{
        .provider = kWatch, .from = from, .through = told.back(), .told = {}, .now = now};
    for (const NoticeRow row : told) {
      forward.told.push_back(
          {.notice = row, .type = "delivery.exhausted", .body = std::to_string(row)});
    }
    return forward;
  }

 private:
  std::function<EndpointRow(const AddEndpoint&)> add_;
};

TEST_P(OutboxConformance, notices_become_one_event_for_each_account_that_listens) {
  Forwarding forwarding([this](const AddEndpoint& add) { return changed(add).id; });
  const EndpointRow one = forwarding.listener(endpoint_of("ops"));
  const EndpointRow two = forwarding.listener(endpoint_of("ops"));
  const EndpointRow desk = forwarding.listener(endpoint_of("desk"));
  AddEndpoint picky = endpoint_of("ops");
  picky.spec.types = {"endpoint.activated"};
  forwarding.listener(picky);
  add_endpoint();
  finished(exhaustion(due_event()));
  finished(exhaustion(due_event()));
  const EndpointRow late = forwarding.listener(endpoint_of("desk"));
  const auto rows = rows_of(notices(*outbox_));

  EXPECT_EQ(value(outbox_->notices_forwarded(kWatch)), 0);
  const Enqueued made = enqueued(Forwarding::step(0, rows, now_));
  EXPECT_EQ(made.deliveries, 6U);
  EXPECT_EQ(made.due.size(), 6U);
  for (const EndpointRow row : {one, two, desk}) {
    std::vector<std::string> bodies;
    for (const DeliveryJob& job : value(outbox_->jobs(due_now(row)))) bodies.push_back(job.body);
    EXPECT_THAT(bodies, ElementsAre(std::to_string(rows[0]), std::to_string(rows[1])));
  }
  EXPECT_THAT(due_now(late), IsEmpty()) << "it was added after them";
  EXPECT_EQ(value(outbox_->notices_forwarded(kWatch)), rows.back());
  EXPECT_EQ(refusal(Forwarding::step(0, rows, now_)), ErrorCode::kConflict);
  EXPECT_EQ(due_now(one).size(), 2U) << "none is told twice";
  reopen();
  EXPECT_EQ(value(outbox_->notices_forwarded(kWatch)), rows.back());
}

TEST_P(OutboxConformance, what_came_before_the_oldest_listener_is_passed_over) {
  add_endpoint();
  finished(exhaustion(due_event()));
  Forwarding forwarding([this](const AddEndpoint& add) { return changed(add).id; });
  const EndpointRow listener = forwarding.listener(endpoint_of("ops"));
  const NoticeRow before = notices(*outbox_).back().row;
  EXPECT_EQ(value(outbox_->notices_forwarded(kWatch)), before);
  finished(exhaustion(due_event()));
  const auto rows = rows_of(notices(*outbox_));
  enqueued(Forwarding::step(before, {rows.back()}, now_));
  EXPECT_EQ(due_now(listener).size(), 1U);
}

TEST_P(OutboxConformance, a_listener_that_is_off_gets_what_is_held_for_it) {
  Forwarding forwarding([this](const AddEndpoint& add) { return changed(add).id; });
  const EndpointRow listener = forwarding.listener(endpoint_of("ops"));
  change_endpoint(listener, ChangeEndpoint::Kind::kPause);
  add_endpoint();
  finished(exhaustion(due_event()));
  const Enqueued made = enqueued(Forwarding::step(0, rows_of(notices(*outbox_)), now_));
  EXPECT_EQ(made.deliveries, 1U);
  EXPECT_THAT(made.due, IsEmpty());
}

}  // namespace
}  // namespace outrider::storage
