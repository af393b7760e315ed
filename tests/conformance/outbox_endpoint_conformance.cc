// Endpoints: added, limited, paused, activated, removed; their TLS settings and their secrets.
#include <gmock/gmock.h>

#include "outbox_conformance.h"

namespace outrider::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Kind = ChangeEndpoint::Kind;

TEST_P(OutboxConformance, everything_an_endpoint_says_is_kept) {
  AddEndpoint add = endpoint_of();
  add.spec.types = {"loan.paid", "with \"quotes\" and \\", "\xC3\xA4"};
  add.spec.headers = {{"X-One", "1"}, {"X-Two", "a, \"b\""}};
  add.spec.description = "the shop's";
  add.spec.rate_per_second = 2.5;
  add.spec.max_in_flight = 7;
  add.spec.tls = {
      .ca = "ca", .certificate = "certificate", .key = "key", .at_least = TlsVersion::k13};
  const EndpointRow row = changed(add).id;
  reopen();
  const EndpointRecord stored = endpoint(row);
  EXPECT_EQ(stored.row, row);
  EXPECT_EQ(stored.spec.account, "acme");
  EXPECT_EQ(stored.spec.provider, "shop");
  EXPECT_EQ(stored.spec.url, "https://receiver.example/hook");
  EXPECT_EQ(stored.spec.secret, "");
  EXPECT_EQ(stored.spec.types, add.spec.types);
  EXPECT_EQ(stored.spec.headers, add.spec.headers);
  EXPECT_EQ(stored.spec.description, "the shop's");
  EXPECT_EQ(stored.spec.rate_per_second, 2.5);
  EXPECT_EQ(stored.spec.max_in_flight, 7U);
  EXPECT_EQ(stored.spec.tls, add.spec.tls);
  EXPECT_EQ(stored.state, EndpointState::kActive);
  EXPECT_EQ(stored.created_at, now_);
  EXPECT_FALSE(stored.removed);
  ASSERT_EQ(stored.secrets.size(), 1U);
  EXPECT_EQ(stored.secrets[0], (Secret{.text = "s3cret", .created_at = now_, .expires_at = {}}));
}

TEST_P(OutboxConformance, an_endpoint_without_its_essentials_is_refused) {
  for (const auto field : {&EndpointSpec::account, &EndpointSpec::provider, &EndpointSpec::url,
                           &EndpointSpec::secret}) {
    AddEndpoint add = endpoint_of();
    (add.spec.*field).clear();
    EXPECT_EQ(refusal(add), ErrorCode::kInvalidArgument);
  }
  EXPECT_THAT(value(outbox_->endpoints(now_)), IsEmpty());
}

TEST_P(OutboxConformance, one_endpoint_beyond_the_providers_limit_is_refused) {
  AddEndpoint add = endpoint_of();
  add.max_per_account = 10;
  std::vector<EndpointRow> rows;
  for (int i = 0; i < 10; ++i) rows.push_back(changed(add).id);
  EXPECT_EQ(refusal(add), ErrorCode::kRefused);
  AddEndpoint other = endpoint_of("other account");
  other.max_per_account = 10;
  changed(other);
  change_endpoint(rows[3], Kind::kPause);
  EXPECT_EQ(refusal(add), ErrorCode::kRefused) << "a paused endpoint counts";
  change_endpoint(rows[3], Kind::kRemove);
  changed(add);
  EXPECT_EQ(refusal(add), ErrorCode::kRefused);
}

TEST_P(OutboxConformance, endpoints_are_listed_by_row_without_the_removed) {
  const EndpointRow first = add_endpoint();
  const EndpointRow second = add_endpoint();
  const EndpointRow third = add_endpoint();
  change_endpoint(second, Kind::kRemove);
  std::vector<EndpointRow> rows;
  for (const EndpointRecord& record : value(outbox_->endpoints(now_))) rows.push_back(record.row);
  EXPECT_THAT(rows, ElementsAre(first, third));
  EXPECT_TRUE(endpoint(second).removed) << "its history stays";
  EXPECT_FALSE(value(outbox_->endpoint(4711, now_)).has_value());
}

TEST_P(OutboxConformance, pause_and_activate_hold_and_release) {
  const EndpointRow row = add_endpoint();
  const DueRow due = due_event();
  now_ += 5;
  change_endpoint(row, Kind::kPause);
  EXPECT_EQ(endpoint(row).state, EndpointState::kPaused);
  EXPECT_EQ(endpoint(row).state_reason, "why");
  EXPECT_EQ(endpoint(row).state_changed_at, now_);
  EXPECT_EQ(delivery(due.delivery).state, DeliveryState::kHeld);
  EXPECT_EQ(changed(ChangeEndpoint{.endpoint = row, .kind = Kind::kPause}).count, 0U);
  change_endpoint(row, Kind::kActivate);
  EXPECT_EQ(endpoint(row).state, EndpointState::kActive);
  EXPECT_EQ(delivery(due.delivery).state, DeliveryState::kPending);
  EXPECT_THAT(due_now(row), ElementsAre(due.delivery));
  EXPECT_EQ(changed(ChangeEndpoint{.endpoint = row, .kind = Kind::kActivate}).count, 0U);
}

TEST_P(OutboxConformance, activation_clears_the_health_it_is_asked_to_and_raises_the_epoch) {
  const EndpointRow row = add_endpoint();
  AttemptFinished attempt = failure(due_event(), now_ + 10);
  const core::Health health{.consecutive = 3, .failures = {core::wall_from_ms(now_)}};
  attempt.health = HealthUpdate{.health = health};
  finished(attempt);
  AttemptFinished of_account = failure(due_event(), now_ + 10);
  of_account.health = HealthUpdate{.health = health, .scope = core::DeactivationScope::kAccount};
  finished(of_account);
  change_endpoint(row, Kind::kPause);
  change_endpoint(row, Kind::kActivate);
  EXPECT_EQ(endpoint(row).health, core::Health{});
  EXPECT_EQ(endpoint(row).epoch, 1U);
  EXPECT_EQ(value(outbox_->account_health("shop", "acme")).health, health);
  EXPECT_EQ(value(outbox_->account_health("shop", "acme")).epoch, 0U);

  change_endpoint(row, Kind::kPause);
  changed(ChangeEndpoint{.endpoint = row,
                         .kind = Kind::kActivate,
                         .scope = core::DeactivationScope::kAccount,
                         .now = now_});
  EXPECT_EQ(value(outbox_->account_health("shop", "acme")).health, core::Health{});
  EXPECT_EQ(value(outbox_->account_health("shop", "acme")).epoch, 1U);
}

TEST_P(OutboxConformance, a_deactivated_endpoint_cannot_be_paused) {
  const EndpointRow row = add_endpoint();
  finished(deactivating(due_event(), core::DeactivationScope::kEndpoint, core::PendingRule::kHold));
  EXPECT_EQ(refusal(ChangeEndpoint{.endpoint = row, .kind = Kind::kPause}), ErrorCode::kConflict);
}

TEST_P(OutboxConformance, removal_cancels_what_waits_erases_the_secrets_and_is_final) {
  const EndpointRow row = add_endpoint();
  const DueRow sent = due_event();
  finished(success(sent));
  const DueRow due = due_event();
  const DueRow head = due_event("lane");
  Enqueue event = event_of();
  event.ordering_key = "lane";
  const EventRow behind = enqueued(event).event;

  changed(ChangeEndpoint{.endpoint = row, .kind = Kind::kRemove, .now = now_});

  for (const DeliveryRow one :
       {due.delivery, head.delivery, value(outbox_->deliveries(behind)).at(0).row}) {
    EXPECT_EQ(delivery(one).state, DeliveryState::kCancelled);
    EXPECT_NE(delivery(one).reason, "");
  }
  EXPECT_EQ(delivery(sent.delivery).state, DeliveryState::kDelivered);
  EXPECT_THAT(endpoint(row).secrets, IsEmpty());
  EXPECT_THAT(due_now(row), IsEmpty());
  for (const Kind kind : {Kind::kPause, Kind::kActivate, Kind::kRemove}) {
    EXPECT_EQ(refusal(ChangeEndpoint{.endpoint = row, .kind = kind}), ErrorCode::kNotFound);
  }
  EXPECT_EQ(refusal(RotateSecret{.endpoint = row, .secret = "x"}), ErrorCode::kNotFound);
  EXPECT_EQ(refusal(ChangeEndpoint{.endpoint = 4711}), ErrorCode::kNotFound);
}

TEST_P(OutboxConformance, an_attempt_in_flight_when_its_endpoint_is_removed_is_recorded) {
  const EndpointRow row = add_endpoint();
  const DueRow sent = due_event();
  const DueRow failed = due_event();
  change_endpoint(row, Kind::kRemove);
  EXPECT_EQ(finished(success(sent)).state, DeliveryState::kDelivered);
  AttemptFinished attempt =
      deactivating(failed, core::DeactivationScope::kEndpoint, core::PendingRule::kHold);
  const Finished result = finished(attempt);
  EXPECT_EQ(result.state, DeliveryState::kCancelled);
  EXPECT_THAT(result.deactivated, IsEmpty());
  EXPECT_EQ(value(outbox_->attempts(failed.delivery)).size(), 1U);
}

// ---- TLS settings ----

TEST_P(OutboxConformance, tls_settings_that_are_named_replace_the_old_and_the_others_stay) {
  const EndpointRow row = add_endpoint();
  const EndpointRow other = add_endpoint();
  TlsIdentity expected;
  const auto set = [&](const TlsChange& change) {
    ++now_;
    EXPECT_EQ(changed(SetTls{.endpoint = row, .change = change, .now = now_}).count, 1U);
    reopen();
    EXPECT_EQ(endpoint(row).spec.tls, expected);
    EXPECT_EQ(endpoint(row).unreadable, "");
    EXPECT_EQ(endpoint(other).spec.tls, TlsIdentity{});
  };
  expected = {.ca = "ca", .certificate = "one", .key = "key one", .at_least = TlsVersion::k13};
  set({.ca = "ca", .certificate = "one", .key = "key one", .at_least = TlsVersion::k13});
  expected.certificate = "two";
  expected.key = "key two";
  set({.ca = {}, .certificate = "two", .key = "key two", .at_least = {}});
  expected.ca = "other ca";
  set({.ca = "other ca", .certificate = {}, .key = {}, .at_least = {}});
  expected.at_least = TlsVersion::k12;
  set({.ca = {}, .certificate = {}, .key = {}, .at_least = TlsVersion::k12});
  expected.certificate = expected.key = "";
  set({.ca = {}, .certificate = "", .key = "", .at_least = {}});
  expected.ca = "";
  set({.ca = "", .certificate = {}, .key = {}, .at_least = {}});
  EXPECT_EQ(endpoint(row).secrets.size(), 1U);
}

TEST_P(OutboxConformance, two_operators_do_not_undo_each_others_tls_settings) {
  const EndpointRow row = add_endpoint();
  const auto other = store_->open();
  EXPECT_EQ(endpoint(row).spec.tls, TlsIdentity{});
  const Mutation pair =
      SetTls{.endpoint = row,
             .change = {.ca = {}, .certificate = "one", .key = "key one", .at_least = {}},
             .now = now_};
  ASSERT_TRUE(value(other->apply({&pair, 1})).at(0).has_value());
  changed(SetTls{.endpoint = row,
                 .change = {.ca = "ca", .certificate = {}, .key = {}, .at_least = {}},
                 .now = now_});
  EXPECT_EQ(endpoint(row).spec.tls,
            (TlsIdentity{.ca = "ca", .certificate = "one", .key = "key one"}));
}

TEST_P(OutboxConformance, tls_settings_that_are_refused_change_nothing) {
  AddEndpoint add = endpoint_of();
  add.spec.tls = {.ca = "ca", .certificate = "one", .key = "key one", .at_least = TlsVersion::k13};
  const EndpointRow row = changed(add).id;
  value(outbox_->foreign_changes());
  const auto refused = [&](EndpointRow of, const TlsChange& change) {
    return refusal(SetTls{.endpoint = of, .change = change, .now = now_});
  };
  const TlsChange good{.ca = "x", .certificate = "x", .key = "x", .at_least = TlsVersion::k12};
  EXPECT_EQ(refused(row, {}), ErrorCode::kInvalidArgument);
  for (const auto half : {&TlsChange::certificate, &TlsChange::key}) {
    for (const std::optional<std::string>& given : {std::optional<std::string>(), {""}}) {
      TlsChange bad = good;
      bad.*half = given;
      EXPECT_EQ(refused(row, bad), ErrorCode::kInvalidArgument);
    }
  }
  EXPECT_EQ(refused(4711, good), ErrorCode::kNotFound);
  EXPECT_EQ(endpoint(row).spec.tls, add.spec.tls);
  EXPECT_FALSE(value(outbox_->foreign_changes()).any);
  change_endpoint(row, Kind::kRemove);
  EXPECT_EQ(refused(row, good), ErrorCode::kNotFound);
  EXPECT_EQ(endpoint(row).spec.tls.key, "");
}

// ---- secrets ----

TEST_P(OutboxConformance, rotation_keeps_the_old_secret_for_the_overlap_newest_first) {
  const EndpointRow row = add_endpoint();
  now_ += 10;
  changed(RotateSecret{.endpoint = row, .secret = "new", .overlap_ms = 1000, .now = now_});
  const auto secrets = endpoint(row).secrets;
  ASSERT_EQ(secrets.size(), 2U);
  EXPECT_EQ(secrets[0], (Secret{.text = "new", .created_at = now_, .expires_at = {}}));
  EXPECT_EQ(secrets[1].text, "s3cret");
  EXPECT_EQ(secrets[1].expires_at, now_ + 1000);
  now_ += 1000;
  EXPECT_EQ(endpoint(row).secrets.size(), 1U) << "the overlap is over";
}

TEST_P(OutboxConformance, rotation_without_overlap_ends_the_old_secrets_now) {
  const EndpointRow row = add_endpoint();
  changed(RotateSecret{.endpoint = row, .secret = "second", .overlap_ms = 5000, .now = now_});
  changed(RotateSecret{.endpoint = row, .secret = "third", .overlap_ms = 0, .now = now_});
  const auto secrets = endpoint(row).secrets;
  ASSERT_EQ(secrets.size(), 1U);
  EXPECT_EQ(secrets[0].text, "third");
}

TEST_P(OutboxConformance, a_second_rotation_does_not_prolong_an_older_secret) {
  const EndpointRow row = add_endpoint();
  changed(RotateSecret{.endpoint = row, .secret = "second", .overlap_ms = 1000, .now = now_});
  changed(RotateSecret{.endpoint = row, .secret = "third", .overlap_ms = 60'000, .now = now_});
  const auto secrets = endpoint(row).secrets;
  ASSERT_EQ(secrets.size(), 3U);
  EXPECT_EQ(secrets[1].expires_at, now_ + 60'000);
  EXPECT_EQ(secrets[2].expires_at, now_ + 1000);
}

TEST_P(OutboxConformance, at_most_ten_secrets_live) {
  const EndpointRow row = add_endpoint();
  RotateSecret rotation{.endpoint = row, .secret = "next", .overlap_ms = 1000, .now = now_};
  for (int i = 0; i < 9; ++i) changed(rotation);
  EXPECT_EQ(refusal(rotation), ErrorCode::kRefused);
  EXPECT_EQ(endpoint(row).secrets.size(), 10U);
  rotation.now = now_ += 1000;
  changed(rotation);
}

TEST_P(OutboxConformance, a_rotation_must_make_sense) {
  const EndpointRow row = add_endpoint();
  EXPECT_EQ(refusal(RotateSecret{.endpoint = row, .secret = ""}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refusal(RotateSecret{.endpoint = row, .secret = "x", .overlap_ms = -1}),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(refusal(RotateSecret{.endpoint = 4711, .secret = "x"}), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace outrider::storage
