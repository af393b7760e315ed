// The API's tokens, the write that readiness is told by, and endpoints that change.
#include "outbox_conformance.h"

namespace outrider::storage {
namespace {

AddToken token(const std::string& name, const std::string& id, std::int64_t now) {
  return {.token = {.id = id,
                    .name = name,
                    .role = Role::kPublish,
                    .account = "acme",
                    .created_at = now,
                    .sha256 = std::string(32, '\xff')},
          .now = now,
          .actor = "anna"};
}

std::string last_action(Outbox& outbox) {
  auto rows = outbox.audit({.account = {}, .action = {}, .limit = 1});
  return rows && !rows->empty() ? rows->front().action + " " + rows->front().actor : "";
}

TEST_P(OutboxConformance, a_token_is_kept_as_it_was_given_and_on_record) {
  changed(token("billing", "0a1b2c3d", now_));
  EXPECT_EQ(last_action(*outbox_), "token.add anna");
  reopen();
  const auto tokens = value(outbox_->tokens());
  ASSERT_EQ(tokens.size(), 1U);
  EXPECT_EQ(tokens[0].id, "0a1b2c3d");
  EXPECT_EQ(tokens[0].name, "billing");
  EXPECT_EQ(tokens[0].role, Role::kPublish);
  EXPECT_EQ(tokens[0].account, "acme");
  EXPECT_EQ(tokens[0].created_at, now_);
  EXPECT_EQ(tokens[0].sha256, std::string(32, '\xff'));
}

TEST_P(OutboxConformance, two_tokens_of_a_name_live_and_a_third_is_refused) {
  changed(token("billing", "00000001", now_));
  changed(token("billing", "00000002", now_));
  EXPECT_EQ(refusal(token("billing", "00000003", now_)), ErrorCode::kRefused);
  EXPECT_EQ(refusal(token("other", "00000002", now_)), ErrorCode::kBusy);
  EXPECT_EQ(value(outbox_->tokens()).size(), 2U);
}

TEST_P(OutboxConformance, tokens_are_removed_by_name_or_one_of_them_by_its_id) {
  changed(token("billing", "00000001", now_));
  changed(token("billing", "00000002", now_));
  changed(token("other", "00000003", now_));
  const auto remove = [&](const char* name, const char* id) {
    return RemoveToken{.name = name, .id = id, .now = now_, .actor = "anna"};
  };
  EXPECT_EQ(refusal(remove("billing", "00000003")), ErrorCode::kNotFound);
  EXPECT_EQ(changed(remove("billing", "00000001")).count, 1U);
  EXPECT_EQ(last_action(*outbox_), "token.remove anna");
  changed(token("billing", "00000004", now_));
  EXPECT_EQ(changed(remove("billing", "")).count, 2U);
  EXPECT_EQ(refusal(remove("billing", "")), ErrorCode::kNotFound);
  EXPECT_EQ(value(outbox_->tokens()).size(), 1U);
}

TEST_P(OutboxConformance, a_touch_is_a_commit_and_nothing_else) {
  changed(Touch{.now = now_});
  changed(Touch{.now = now_ + 1});
  EXPECT_EQ(last_action(*outbox_), "");
  EXPECT_TRUE(value(outbox_->events({})).empty());
}

TEST_P(OutboxConformance, an_endpoint_changes_and_keeps_its_work_and_secrets) {
  const EndpointRow row = add_endpoint();
  const DueRow due = due_event();
  EndpointRecord before = endpoint(row);
  UpdateEndpoint update{.endpoint = row,
                        .spec = before.spec,
                        .new_headers = true,
                        .what = "url, headers",
                        .now = now_ + 5,
                        .actor = "anna"};
  update.spec.url = "https://elsewhere.example/hook";
  update.spec.types = {"loan.\"odd\""};
  update.spec.headers = {{"X-Team", "loans"}};
  update.spec.description = "new";
  update.spec.rate_per_second = 2.5;
  update.spec.max_in_flight = 3;
  changed(update);
  EXPECT_EQ(last_action(*outbox_), "endpoint.update anna");
  reopen();
  const EndpointRecord after = endpoint(row);
  EXPECT_EQ(after.spec.url, update.spec.url);
  EXPECT_EQ(after.spec.types, update.spec.types);
  EXPECT_EQ(after.spec.headers, update.spec.headers);
  EXPECT_EQ(after.spec.description, "new");
  EXPECT_EQ(after.spec.rate_per_second, 2.5);
  EXPECT_EQ(after.spec.max_in_flight, 3U);
  EXPECT_EQ(after.secrets, before.secrets);
  EXPECT_EQ(after.state, before.state);
  EXPECT_EQ(due_now(row), std::vector{due.delivery});
  // Headers that are not named stay, and can be taken away.
  update.new_headers = false;
  update.spec.headers.clear();
  changed(update);
  EXPECT_EQ(endpoint(row).spec.headers.size(), 1U);
  update.new_headers = true;
  changed(update);
  EXPECT_TRUE(endpoint(row).spec.headers.empty());
}

TEST_P(OutboxConformance, an_engine_hears_that_an_endpoint_changed_and_a_removed_one_cannot) {
  const EndpointRow row = add_endpoint();
  (void)value(outbox_->foreign_changes());
  auto other = store_->open();
  const UpdateEndpoint update{.endpoint = row, .spec = endpoint(row).spec, .now = now_};
  const Mutation mutation = update;
  ASSERT_TRUE(value(other->apply({&mutation, 1})).front().has_value());
  EXPECT_EQ(value(outbox_->foreign_changes()).endpoints, std::vector{row});
  change_endpoint(row, ChangeEndpoint::Kind::kRemove);
  EXPECT_EQ(refusal(update), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace outrider::storage
