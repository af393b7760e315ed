// Somebody writes into the database file with plain SQL, and no key: whatever it is, the chain
// finds it and says where. And what housekeeping takes away by itself is no fault.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "chain_history.h"

namespace outrider::storage {
namespace {

using testing::HasSubstr;

class SqliteChainTest : public ChainHistory {
 protected:
  // An endpoint (audit 1), two events each tried `attempts` times, a pause (audit 2) in between,
  // an activation (audit 3) at the end.
  void write_history(std::uint32_t attempts = 3) {
    add_endpoint();
    try_event(attempts);
    pause_and_activate();
    try_event(attempts);
  }

  void try_event(std::uint32_t attempts) {
    auto due = enqueue(1).front();
    for (std::uint32_t number = 1; number < attempts; ++number) {
      due = std::get<Finished>(apply(failure(due))).due.front();
    }
    apply(success(due));
    now_ += 1000;
  }
};

TEST_F(SqliteChainTest, an_untouched_history_is_whole) {
  write_history();
  const ChainReport report = verify();
  EXPECT_EQ(report.fault_count, 0U) << words(report);
  EXPECT_EQ(report.attempts, 6U);
  EXPECT_EQ(report.audits, 3U);
  EXPECT_EQ(report.head.seq, 9);
  EXPECT_EQ(report.head.digest.size(), 16U);
  outbox_.reset();
  open(true);
  EXPECT_EQ(verify().fault_count, 0U) << "after opening it again";
}

TEST_F(SqliteChainTest, a_peer_is_the_same_row_packed_or_as_the_text_of_earlier_versions) {
  write_history();
  EXPECT_EQ(ask("SELECT hex(peer) FROM outrider_attempt WHERE id = 65538"), "C000020101BB");
  write_as_anybody("UPDATE outrider_attempt SET peer = '192.0.2.1:443' WHERE id = 65538");
  EXPECT_EQ(verify().fault_count, 0U);
  EXPECT_EQ(outbox_->attempts(1)->at(1).peer, "192.0.2.1:443");
  write_as_anybody("UPDATE outrider_attempt SET peer = x'C000020201BB' WHERE id = 65538");
  EXPECT_EQ(verify().fault_count, 1U);
  EXPECT_EQ(outbox_->attempts(1)->at(1).peer, "192.0.2.2:443");
}

TEST_F(SqliteChainTest, a_new_database_is_whole_and_its_chain_is_empty) {
  const ChainReport report = verify();
  EXPECT_EQ(report.fault_count, 0U) << words(report);
  EXPECT_EQ(report.head.seq, 0);
}

TEST_F(SqliteChainTest, a_refused_or_empty_change_leaves_no_link) {
  write_history();
  apply(ChangeEndpoint{.endpoint = 1, .kind = ChangeEndpoint::Kind::kActivate, .now = kBegin});
  apply(ChangeEndpoint{.endpoint = 99, .kind = ChangeEndpoint::Kind::kPause, .now = kBegin});
  EXPECT_EQ(verify().head.seq, 9);
}

struct Tampering {
  const char* name;
  const char* sql;
  std::vector<std::string> found;  // at these places, in this order
};
// Delivery 1's attempts are 65537…65539 (links 2-4), delivery 2's 131073…131075 (links 7-9); the
// audit rows 1, 2, 3 have links 1, 5, 6.
const std::vector<Tampering> kRowsChanged{
    {"attempt_started_at",
     "UPDATE outrider_attempt SET started_at = 5 WHERE id = 65538",
     {"delivery 1 attempt 2"}},
    {"attempt_duration",
     "UPDATE outrider_attempt SET duration_ms = 5 WHERE id = 65538",
     {"delivery 1 attempt 2"}},
    {"attempt_error",
     "UPDATE outrider_attempt SET error = 0 WHERE id = 65538",
     {"delivery 1 attempt 2"}},
    {"attempt_status",
     "UPDATE outrider_attempt SET status = 200 WHERE id = 65538",
     {"delivery 1 attempt 2"}},
    {"attempt_peer",
     "UPDATE outrider_attempt SET peer = '192.0.2.2:443' WHERE id = 65538",
     {"delivery 1 attempt 2"}},
    {"attempt_peer_gone",
     "UPDATE outrider_attempt SET peer = NULL WHERE id = 65538",
     {"delivery 1 attempt 2"}},
    {"attempt_detail",
     "UPDATE outrider_attempt SET detail = '' WHERE id = 65538",
     {"delivery 1 attempt 2"}},
    {"attempt_detail_of_another_type",
     "UPDATE outrider_attempt SET detail = CAST(detail AS BLOB) WHERE id = 65538",
     {"delivery 1 attempt 2"}},
    {"attempt_response",
     "UPDATE outrider_attempt SET response = NULL WHERE id = 65538",
     {"delivery 1 attempt 2"}},
    {"attempt_response_of_another",
     "UPDATE outrider_attempt SET response = (SELECT response FROM outrider_attempt"
     " WHERE id = 65537) WHERE id = 65538",
     {"delivery 1 attempt 2"}},
    {"attempt_link",
     "UPDATE outrider_attempt SET link = 5 WHERE id = 65538",
     {"delivery 1 attempt 2", "delivery 1 attempt 2"}},
    {"attempt_moved_to_another_delivery",
     "UPDATE outrider_attempt SET id = 131076 WHERE id = 65538",
     {"delivery 1 attempt 2", "delivery 2 attempt 4"}},
    {"the_last_attempt",
     "UPDATE outrider_attempt SET status = 500 WHERE id = 131075",
     {"delivery 2 attempt 3"}},
    {"audit_at", "UPDATE outrider_audit SET at = 5 WHERE id = 2", {"audit 2"}},
    {"audit_actor", "UPDATE outrider_audit SET actor = 'carl' WHERE id = 2", {"audit 2"}},
    {"audit_action", "UPDATE outrider_audit SET action = 'endpoint.add' WHERE id = 2", {"audit 2"}},
    {"audit_kind", "UPDATE outrider_audit SET kind = 2 WHERE id = 2", {"audit 2"}},
    {"audit_object", "UPDATE outrider_audit SET object = 2 WHERE id = 2", {"audit 2"}},
    {"audit_account", "UPDATE outrider_audit SET account = 'other' WHERE id = 2", {"audit 2"}},
    {"audit_detail", "UPDATE outrider_audit SET detail = '' WHERE id = 2", {"audit 2"}},
};
const std::vector<Tampering> kRowsMovedAddedOrGone{
    {"attempt_deleted", "DELETE FROM outrider_attempt WHERE id = 65538", {"delivery 1 attempt 2"}},
    {"audit_deleted", "DELETE FROM outrider_audit WHERE id = 2", {"audit 2"}},
    {"attempt_and_link_deleted",
     "DELETE FROM outrider_attempt WHERE id = 65538; DELETE FROM outrider_link WHERE seq = 3",
     {"chain", "delivery 1 attempt 2"}},
    {"audit_and_link_deleted",
     "DELETE FROM outrider_audit WHERE id = 2; DELETE FROM outrider_link WHERE seq = 5",
     {"chain", "audit 2"}},
    {"the_first_deleted",
     "DELETE FROM outrider_audit WHERE id = 1; DELETE FROM outrider_link WHERE seq = 1",
     {"chain", "audit 1"}},
    {"the_tail_deleted",
     "DELETE FROM outrider_attempt WHERE id > 131073; DELETE FROM outrider_link WHERE seq IN (8, "
     "9)",
     {"chain", "delivery 2 attempt 2", "delivery 2 attempt 3"}},
    {"everything_deleted",
     "DELETE FROM outrider_attempt; DELETE FROM outrider_audit; DELETE FROM outrider_link;"
     "DELETE FROM outrider_meta WHERE name LIKE 'chain%'; DELETE FROM outrider_delivery",
     {"chain"}},
    {"attempts_exchanged",
     "UPDATE outrider_attempt SET id = 9 WHERE id = 65537;"
     "UPDATE outrider_attempt SET id = 65537 WHERE id = 65538;"
     "UPDATE outrider_attempt SET id = 65538 WHERE id = 9",
     {"delivery 1 attempt 1", "delivery 1 attempt 2", "delivery 1 attempt 1",
      "delivery 1 attempt 2"}},
    {"attempts_exchanged_with_their_links",
     "UPDATE outrider_attempt SET id = 9 WHERE id = 65537;"
     "UPDATE outrider_attempt SET id = 65537, link = 2 WHERE id = 65538;"
     "UPDATE outrider_attempt SET id = 65538, link = 3 WHERE id = 9",
     {"delivery 1 attempt 1", "delivery 1 attempt 2"}},
    {"links_exchanged",
     "UPDATE outrider_link SET seq = 99 WHERE seq = 2; UPDATE outrider_link SET seq = 2"
     " WHERE seq = 3; UPDATE outrider_link SET seq = 3 WHERE seq = 99;"
     "UPDATE outrider_attempt SET link = 5 - link WHERE link IN (2, 3)",
     {"delivery 1 attempt 2", "delivery 1 attempt 1", "delivery 1 attempt 3"}},
    {"attempt_added",
     "INSERT INTO outrider_attempt (id, started_at, duration_ms, error, status)"
     " VALUES (65540, 1, 1, 0, 200)",
     {"delivery 1 attempt 4"}},
    {"attempt_added_with_another_ones_link",
     "INSERT INTO outrider_attempt (id, started_at, duration_ms, error, status, link)"
     " VALUES (65540, 1, 1, 0, 200, 3)",
     {"delivery 1 attempt 4"}},
    {"attempt_added_with_a_link",
     "INSERT INTO outrider_attempt (id, started_at, duration_ms, error, status, link)"
     " VALUES (131076, 1, 1, 0, 200, 10); INSERT INTO outrider_link VALUES"
     " (10, 1, 131076, randomblob(16))",
     {"delivery 2 attempt 4", "delivery 2 attempt 4"}},
    {"audit_added",
     "INSERT INTO outrider_audit VALUES (4, 1, 'x', 'endpoint.add', 1, 1, 'acme', '', NULL)",
     {"audit 4"}},
    {"digest_changed",
     "UPDATE outrider_link SET digest = randomblob(16) WHERE seq = 3",
     {"delivery 1 attempt 2"}},
    {"digest_emptied",
     "UPDATE outrider_link SET digest = x'' WHERE seq = 3",
     {"delivery 1 attempt 2"}},
    {"called_removed",
     "DELETE FROM outrider_attempt WHERE id = 65538;"
     "UPDATE outrider_link SET kind = 3 WHERE seq = 3",
     {"delivery 1 attempt 2"}},
    {"called_removed_with_a_digest",
     "DELETE FROM outrider_attempt WHERE id = 65538;"
     "UPDATE outrider_link SET kind = 3, digest = digest || randomblob(16) WHERE seq = 3",
     {"delivery 1 attempt 2"}},
    {"called_removed_and_still_there",
     "UPDATE outrider_link SET kind = 3 WHERE seq = 3",
     {"delivery 1 attempt 2", "delivery 1 attempt 2"}},
    {"link_of_an_unknown_kind",
     "UPDATE outrider_link SET kind = 7 WHERE seq = 3",
     {"chain", "delivery 1 attempt 2"}},
    {"link_names_another_row",
     "UPDATE outrider_link SET object = 65540 WHERE seq = 3",
     {"delivery 1 attempt 4", "delivery 1 attempt 2"}},
    {"head_changed", "UPDATE outrider_link SET digest = randomblob(48) WHERE kind = 5", {"chain"}},
    {"head_deleted", "DELETE FROM outrider_link WHERE kind = 5", {"chain"}},
    {"the_tail_and_the_head_deleted",
     "DELETE FROM outrider_attempt WHERE id > 131073; DELETE FROM outrider_link WHERE seq > 7",
     {"chain", "delivery 2 attempt 2", "delivery 2 attempt 3"}},
    {"a_link_behind_the_end",
     "INSERT INTO outrider_link VALUES (9223372036854775807, 1, 65537, randomblob(16))",
     {"chain", "chain"}},
    {"start_made_up",
     "INSERT INTO outrider_meta VALUES ('chain_start', randomblob(40));"
     "DELETE FROM outrider_audit WHERE id = 1; DELETE FROM outrider_link WHERE seq = 1",
     {"chain", "audit 1"}},
};

class SqliteTamperTest : public SqliteChainTest, public ::testing::WithParamInterface<Tampering> {};

TEST_P(SqliteTamperTest, is_found_and_named) {
  const Tampering& tampering = GetParam();
  write_history();
  write_as_anybody(tampering.sql);
  EXPECT_THAT(places(verify()), testing::ElementsAreArray(tampering.found)) << words(verify());

  // Deliveries go on, and so does housekeeping; neither covers it up.
  try_event(1);
  maintain_all(now_ + 1'000'000);
  EXPECT_GT(verify().fault_count, 0U) << "an attempt and housekeeping later";
}

std::string name_of(const ::testing::TestParamInfo<Tampering>& test) { return test.param.name; }
INSTANTIATE_TEST_SUITE_P(Changed, SqliteTamperTest, ::testing::ValuesIn(kRowsChanged), name_of);
INSTANTIATE_TEST_SUITE_P(MovedAddedOrGone, SqliteTamperTest,
                         ::testing::ValuesIn(kRowsMovedAddedOrGone), name_of);

TEST_F(SqliteChainTest, an_earlier_head_is_still_part_of_it) {
  write_history();
  const ChainPoint earlier = verify().head;
  try_event(2);
  const ChainReport report = verify(earlier);
  EXPECT_EQ(report.fault_count, 0U) << words(report);
  EXPECT_FALSE(report.expected_too_old);
  EXPECT_GT(report.head.seq, earlier.seq);

  ChainPoint wrong = earlier;
  wrong.digest.front() = static_cast<char>(wrong.digest.front() + 1);
  EXPECT_EQ(places(verify(wrong)), std::vector<std::string>{"chain"});
}

TEST_F(SqliteChainTest, a_file_put_back_to_an_earlier_state_is_found_by_an_expected_head) {
  write_history();
  outbox_.reset();
  const auto copy = [this](const std::string& from, const std::string& to) {
    std::filesystem::copy_file(directory_.file(from), directory_.file(to),
                               std::filesystem::copy_options::overwrite_existing);
  };
  copy("x.db", "old");
  open(true);
  try_event(2);
  const ChainPoint head = verify().head;
  outbox_.reset();
  copy("old", "x.db");
  open(true);
  EXPECT_EQ(verify().fault_count, 0U);
  EXPECT_THAT(words(verify(head)), HasSubstr("is not the one that was expected"));
}

TEST_F(SqliteChainTest, a_chain_of_schema_version_6_goes_on) {
  write_history();
  outbox_.reset();
  write_as_anybody(
      "INSERT INTO outrider_meta SELECT 'chain_head', digest FROM outrider_link WHERE kind = 5;"
      "DELETE FROM outrider_link WHERE kind = 5;"
      "DROP INDEX outrider_delivery_of_event;"
      "CREATE INDEX outrider_delivery_by_event ON outrider_delivery (event);"
      "CREATE TABLE outrider_total (endpoint, state, count);"
      "UPDATE outrider_meta SET value = 6 WHERE name = 'schema_version'");
  open(true);
  EXPECT_EQ(verify().fault_count, 0U) << words(verify());
  EXPECT_EQ(verify().head.seq, 9);
  try_event(2);
  EXPECT_EQ(verify().fault_count, 0U) << words(verify());
  EXPECT_EQ(verify().head.seq, 11);
}

TEST_F(SqliteChainTest, what_retention_removes_is_no_fault) {
  write_history();
  for (int i = 0; i < 20; ++i) try_event(2);
  const ChainPoint early = verify().head;
  for (int i = 0; i < 5; ++i) try_event(2);
  // Bit by bit, verified after each step.
  const std::int64_t horizon = now_ - 3000;
  for (int step = 0; step < 200; ++step) {
    const bool more = maintain(horizon, 3) != 0;
    const ChainReport report = verify();
    ASSERT_EQ(report.fault_count, 0U) << "step " << step << "\n" << words(report);
    if (!more) break;
  }
  const ChainReport report = verify(early);
  EXPECT_TRUE(report.expected_too_old);
  EXPECT_EQ(report.fault_count, 0U) << words(report);
  EXPECT_EQ(report.audits, 3U) << "what operators did stays";
  EXPECT_EQ(report.attempts, 6U) << "of the last three events";
  EXPECT_EQ(report.removed, 0U) << "links of removed rows are gone too";
  EXPECT_EQ(ask("SELECT count(*) FROM outrider_link WHERE kind < 5"), "9");
}

TEST_F(SqliteChainTest, one_old_row_that_stays_does_not_keep_the_links_of_the_others) {
  write_history();
  Enqueue stuck = sample_event();
  stuck.now = now_;
  const auto due = std::get<Enqueued>(apply(stuck)).due.front();
  AttemptFinished failed;
  failed.claimed = due;
  failed.attempt = {.number = 1, .started_at = now_, .error = ErrorClass::kTimeout};
  failed.step = core::DeliveryStep::kFailAgain;
  failed.next_at = now_ + 100'000'000;
  failed.now = now_;
  apply(failed);
  for (int i = 0; i < 60; ++i) try_event(3);
  maintain_all(now_ + 1000, 10);
  const ChainReport report = verify();
  EXPECT_EQ(report.fault_count, 0U) << words(report);
  EXPECT_EQ(report.attempts, 4U) << "the stuck one and the newest delivery's";
  EXPECT_LT(std::stoi(ask("SELECT count(*) FROM outrider_link")), 20);
}

TEST_F(SqliteChainTest, a_changed_attempt_is_not_removed_by_dating_it_back) {
  write_history();
  for (int i = 0; i < 3; ++i) try_event(1);
  write_as_anybody(
      "UPDATE outrider_event SET created_at = 1; UPDATE outrider_delivery SET finished_at = 1;"
      "UPDATE outrider_attempt SET started_at = 1");
  maintain_all(kBegin - 1000);
  EXPECT_EQ(ask("SELECT count(*) FROM outrider_attempt"), "9");
  // Dates of the events alone: the attempts themselves say when they were made.
  EXPECT_EQ(verify().fault_count, 9U) << words(verify());
}

TEST_F(SqliteChainTest, a_plain_database_finds_accidents_too) {
  outbox_.reset();
  std::filesystem::remove(directory_.file("x.db"));
  std::filesystem::remove(directory_.file("x.db.key"));
  open(false);
  write_history();
  EXPECT_EQ(verify().fault_count, 0U) << words(verify());
  write_as_anybody("UPDATE outrider_attempt SET status = 200 WHERE id = 65538");
  EXPECT_EQ(places(verify()), std::vector<std::string>{"delivery 1 attempt 2"});
}

TEST_F(SqliteChainTest, without_the_key_file_nothing_can_be_said) {
  write_history();
  outbox_.reset();
  std::filesystem::rename(directory_.file("x.db.key"), directory_.file("elsewhere"));
  open(true);
  const auto report = outbox_->verify_chain({});
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, ErrorCode::kKey);
}

}  // namespace
}  // namespace outrider::storage
