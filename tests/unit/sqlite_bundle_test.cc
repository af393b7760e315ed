// Attempts of one commit share a row of the chain: what one of them suffers is found all the same,
// and named; and each of them can go by itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "chain_history.h"

namespace outrider::storage {
namespace {

// The endpoint is link 1, the first attempts of deliveries 1-4 (65537, 131073, 196609, 262145) are
// links 2-5, a pause and an activation 6 and 7, the second attempts 8-11.
class SqliteBundleTest : public ChainHistory {
 protected:
  void write_history() {
    add_endpoint();
    const auto due = enqueue(4);
    const auto again = try_all(due, core::DeliveryStep::kFailAgain);
    pause_and_activate();
    try_all(again, core::DeliveryStep::kSucceed);
  }
};

TEST_F(SqliteBundleTest, attempts_of_one_commit_share_a_row) {
  write_history();
  EXPECT_EQ(ask("SELECT group_concat(seq || ' ' || kind || ' ' || object) FROM outrider_link"
                " WHERE kind < 5"),
            "1 2 1,5 4 4,6 2 2,7 2 3,11 4 4");
  const ChainReport report = verify();
  EXPECT_EQ(report.fault_count, 0U) << words(report);
  EXPECT_EQ(report.attempts, 8U);
  EXPECT_EQ(report.audits, 3U);
  EXPECT_EQ(report.head.seq, 11);
  outbox_.reset();
  open(true);
  EXPECT_EQ(verify().fault_count, 0U) << "after opening it again";
}

TEST_F(SqliteBundleTest, an_audit_row_among_attempts_keeps_its_place) {
  add_endpoint();
  const auto due = enqueue(4);
  std::vector<Mutation> batch{success(due[0]), success(due[1]), pause(), success(due[2]),
                              success(due[3])};
  apply_all(batch);
  EXPECT_EQ(ask("SELECT group_concat(seq || ' ' || kind || ' ' || object) FROM outrider_link"
                " WHERE kind < 5"),
            "1 2 1,3 4 2,4 2 2,6 4 2");
  EXPECT_EQ(verify().fault_count, 0U) << words(verify());
}

TEST_F(SqliteBundleTest, a_large_commit_has_several_rows) {
  add_endpoint();
  try_all(enqueue(150), core::DeliveryStep::kSucceed);
  EXPECT_EQ(ask("SELECT group_concat(object) FROM outrider_link WHERE kind = 4"), "64,64,22");
  EXPECT_EQ(verify().fault_count, 0U) << words(verify());
  EXPECT_EQ(verify().attempts, 150U);
}

TEST_F(SqliteBundleTest, an_earlier_head_is_still_part_of_it) {
  write_history();
  const ChainPoint earlier = verify().head;
  try_all(enqueue(5), core::DeliveryStep::kSucceed);
  EXPECT_EQ(verify(earlier).fault_count, 0U) << words(verify(earlier));
}

struct Tampering {
  const char* name;
  const char* sql;
  std::vector<std::string> found;
};
const std::vector<Tampering> kTamperings{
    {"attempt_changed",
     "UPDATE outrider_attempt SET status = 200 WHERE id = 131073",
     {"delivery 2 attempt 1"}},
    {"the_last_attempt_changed",
     "UPDATE outrider_attempt SET status = 500 WHERE id = 262146",
     {"delivery 4 attempt 2"}},
    {"two_attempts_changed",
     "UPDATE outrider_attempt SET status = 200 WHERE id IN (131073, 196609)",
     {"delivery 2 attempt 1", "delivery 3 attempt 1"}},
    {"attempt_deleted", "DELETE FROM outrider_attempt WHERE id = 131073", {"delivery 2 attempt 1"}},
    {"attempt_that_names_another_link",
     "UPDATE outrider_attempt SET link = 4 WHERE id = 131073",
     {"delivery 2 attempt 1", "delivery 2 attempt 1"}},
    {"attempts_exchanged_with_their_links",
     "UPDATE outrider_attempt SET id = 9 WHERE id = 65537;"
     "UPDATE outrider_attempt SET id = 65537, link = 2 WHERE id = 131073;"
     "UPDATE outrider_attempt SET id = 131073, link = 3 WHERE id = 9",
     {"delivery 1 attempt 1", "delivery 2 attempt 1"}},
    {"attempt_added",
     "INSERT INTO outrider_attempt (id, started_at, duration_ms, error, status, link)"
     " VALUES (65539, 1, 1, 0, 200, 3)",
     {"delivery 1 attempt 3"}},
    {"bundle_deleted",
     "DELETE FROM outrider_link WHERE seq = 5",
     {"chain", "delivery 1 attempt 1", "delivery 2 attempt 1", "delivery 3 attempt 1",
      "delivery 4 attempt 1"}},
    {"bundle_deleted_with_its_attempts",
     "DELETE FROM outrider_link WHERE seq = 5; DELETE FROM outrider_attempt WHERE id % 65536 = 1",
     {"chain", "delivery 1 attempt 1", "delivery 2 attempt 1", "delivery 3 attempt 1",
      "delivery 4 attempt 1"}},
    {"bundle_cut_short",
     "UPDATE outrider_link SET digest = substr(digest, 1, 27) WHERE seq = 5",
     {"chain", "chain", "delivery 1 attempt 1", "delivery 2 attempt 1", "delivery 3 attempt 1",
      "delivery 4 attempt 1"}},
    {"bundle_emptied",
     "UPDATE outrider_link SET digest = x'', object = 0 WHERE seq = 5",
     {"chain", "chain", "audit 2", "delivery 1 attempt 1", "delivery 2 attempt 1",
      "delivery 3 attempt 1", "delivery 4 attempt 1"}},
    {"digest_changed",
     "UPDATE outrider_link SET digest = randomblob(16) || substr(digest, 17) WHERE seq = 5",
     {"chain"}},
    {"mark_changed",
     "UPDATE outrider_link SET digest = substr(digest, 1, 17) || CASE substr(digest, 18, 1)"
     " WHEN x'00' THEN x'01' ELSE x'00' END || substr(digest, 19) WHERE seq = 5",
     {"delivery 1 attempt 1"}},
    {"called_removed",
     "DELETE FROM outrider_attempt WHERE id = 65537; UPDATE outrider_link SET digest ="
     " substr(digest, 1, 16) || x'0503' || randomblob(32) || substr(digest, 20) WHERE seq = 5",
     {"delivery 1 attempt 1"}},
    {"last_bundle_deleted",
     "DELETE FROM outrider_link WHERE seq = 11; DELETE FROM outrider_attempt WHERE id % 65536 = 2",
     {"chain", "delivery 1 attempt 2", "delivery 2 attempt 2", "delivery 3 attempt 2",
      "delivery 4 attempt 2"}},
    {"bundles_exchanged",
     "UPDATE outrider_link SET seq = 99 WHERE seq = 5; UPDATE outrider_link SET seq = 5"
     " WHERE seq = 11; UPDATE outrider_link SET seq = 11 WHERE seq = 99;"
     "UPDATE outrider_attempt SET link = CASE WHEN link < 6 THEN link + 6 ELSE link - 6 END",
     {"chain", "chain"}},
};

class SqliteBundleTamperTest : public SqliteBundleTest,
                               public ::testing::WithParamInterface<Tampering> {};

TEST_P(SqliteBundleTamperTest, is_found_and_named) {
  const Tampering& tampering = GetParam();
  write_history();
  write_as_anybody(tampering.sql);
  const ChainReport report = verify();
  // A changed row keeps its mark once in 65,536 times; then the bundle is named.
  if (words(report).find("or one of their rows") == std::string::npos) {
    EXPECT_THAT(places(report), testing::ElementsAreArray(tampering.found)) << words(report);
  }
  EXPECT_GT(report.fault_count, 0U);

  // Deliveries go on, and so does housekeeping; neither covers it up.
  try_all(enqueue(3), core::DeliveryStep::kSucceed);
  maintain_all(now_ + 1'000'000);
  EXPECT_GT(verify().fault_count, 0U) << "attempts and housekeeping later";
}

std::string name_of(const ::testing::TestParamInfo<Tampering>& test) { return test.param.name; }
INSTANTIATE_TEST_SUITE_P(Tampering, SqliteBundleTamperTest, ::testing::ValuesIn(kTamperings),
                         name_of);

TEST_F(SqliteBundleTest, whatever_a_bundle_holds_it_is_read_and_found) {
  write_history();
  for (int bytes = 0; bytes < 90; ++bytes) {
    write_as_anybody("UPDATE outrider_link SET object = " + std::to_string(bytes % 9 - 1) +
                     ", digest = randomblob(" + std::to_string(bytes) + ") WHERE seq = 5");
    EXPECT_GT(verify().fault_count, 0U) << bytes;
  }
  maintain_all(now_ + 1'000'000);
  EXPECT_GT(verify().fault_count, 0U);
}

TEST_F(SqliteBundleTest, what_retention_removes_of_a_bundle_is_no_fault) {
  add_endpoint();
  for (int i = 0; i < 6; ++i) try_all(enqueue(7), core::DeliveryStep::kSucceed);
  const std::int64_t horizon = now_ - 1000;
  for (int step = 0; step < 200; ++step) {
    const bool more = maintain(horizon, 3) != 0;
    const ChainReport report = verify();
    ASSERT_EQ(report.fault_count, 0U) << "step " << step << "\n" << words(report);
    if (!more) break;
  }
  EXPECT_EQ(verify().attempts, 7U) << "of the last commit";
  EXPECT_EQ(verify().removed, 0U) << "links of removed rows are gone too";
}

TEST_F(SqliteBundleTest, one_that_stays_does_not_keep_the_others) {
  add_endpoint();
  auto due = enqueue(40);
  std::vector<Mutation> batch{failure(due[17])};
  for (const DueRow& row : due) {
    if (row.delivery != due[17].delivery) batch.push_back(success(row));
  }
  apply_all(batch);
  for (int i = 0; i < 3; ++i) try_all(enqueue(40), core::DeliveryStep::kSucceed);
  maintain_all(now_ + 1'000'000);
  const ChainReport report = verify();
  EXPECT_EQ(report.fault_count, 0U) << words(report);
  EXPECT_EQ(report.attempts, 2U) << "the unfinished one and the newest delivery's";
  EXPECT_EQ(report.audits, 1U);
  EXPECT_LE(report.removed, 40U);
}

TEST_F(SqliteBundleTest, a_changed_attempt_is_not_removed) {
  write_history();
  try_all(enqueue(3), core::DeliveryStep::kSucceed);
  write_as_anybody("UPDATE outrider_attempt SET status = 200 WHERE id = 131073");
  maintain_all(now_ + 1'000'000);
  EXPECT_EQ(ask("SELECT count(*) FROM outrider_attempt WHERE id = 131073"), "1");
  EXPECT_GT(verify().fault_count, 0U);
}

TEST_F(SqliteBundleTest, links_of_earlier_versions_go_on_beside_bundles) {
  add_endpoint();
  for (int i = 0; i < 4; ++i) try_all(enqueue(1), core::DeliveryStep::kSucceed);
  try_all(enqueue(5), core::DeliveryStep::kSucceed);
  try_all(enqueue(1), core::DeliveryStep::kSucceed);
  EXPECT_EQ(ask("SELECT group_concat(kind, '') FROM outrider_link"), "21111415");
  EXPECT_EQ(verify().fault_count, 0U);
}

}  // namespace
}  // namespace outrider::storage
