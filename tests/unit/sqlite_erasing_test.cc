// What retention and removal erase is gone from the disk: from the tables, and from the write-ahead
// log, which keeps old pages until it is emptied. In a database that is kept plain, where it would
// show.
#include <gmock/gmock.h>

#include <fstream>

#include "sqlite_files.h"
#include "storage/sqlite/sqlite_outbox.h"

namespace outrider::storage {
namespace {

using ::testing::HasSubstr;

class SqliteErasingTest : public ::testing::Test {
 protected:
  TemporaryDirectory directory_;
  const std::string path_ = directory_.file("x.db");
};

std::string all_bytes(const TemporaryDirectory& directory) {
  std::string bytes;
  for (const std::string& name : directory.names()) {
    std::ifstream in(directory.file(name), std::ios::binary);
    bytes.append(std::istreambuf_iterator<char>(in), {});
  }
  return bytes;
}

TEST_F(SqliteErasingTest, a_purged_payload_is_on_the_disk_no_more_not_even_in_the_log) {
  const auto outbox = open_sqlite_outbox({.path = path_, .create = true, .seal = false}).value();
  Enqueue event = sample_event();
  event.body = R"({"ssn":"078-05-1120"})";
  const std::vector<Mutation> batch{event, sample_event()};
  ASSERT_TRUE(outbox->apply(batch));
  EXPECT_THAT(all_bytes(directory_), HasSubstr("078-05-1120"));
  const Mutation purge = Maintain{.payloads_before = event.now + 1, .now = event.now};
  for (int step = 0; step < 10; ++step) ASSERT_TRUE(outbox->apply({&purge, 1}));
  EXPECT_THAT(all_bytes(directory_), ::testing::Not(HasSubstr("078-05-1120")));
}

TEST_F(SqliteErasingTest, the_secrets_of_a_removed_endpoint_are_on_the_disk_no_more) {
  const auto outbox = open_sqlite_outbox({.path = path_, .create = true, .seal = false}).value();
  AddEndpoint add;
  add.spec = {.account = "acme",
              .provider = "shop",
              .url = "https://x.example/",
              .secret = "whsec_VERY-SECRET-TEXT"};
  const Mutation added = add;
  ASSERT_TRUE(outbox->apply({&added, 1}));
  EXPECT_THAT(all_bytes(directory_), HasSubstr("VERY-SECRET-TEXT"));
  const Mutation removed = ChangeEndpoint{.endpoint = 1, .kind = ChangeEndpoint::Kind::kRemove};
  ASSERT_TRUE(outbox->apply({&removed, 1}));
  EXPECT_THAT(all_bytes(directory_), ::testing::Not(HasSubstr("VERY-SECRET-TEXT")));
}

TEST_F(SqliteErasingTest, a_tls_key_that_was_replaced_or_taken_away_is_on_the_disk_no_more) {
  const auto outbox = open_sqlite_outbox({.path = path_, .create = true, .seal = false}).value();
  AddEndpoint add;
  add.spec = {
      .account = "acme", .provider = "shop", .url = "https://x.example/", .secret = "secret"};
  add.spec.tls = {.certificate = "one", .key = "FIRST-KEY"};
  const auto apply = [&](const Mutation& mutation) {
    const auto outcomes = outbox->apply({&mutation, 1});
    ASSERT_TRUE(outcomes && outcomes->front());
  };
  apply(add);
  EXPECT_THAT(all_bytes(directory_), HasSubstr("FIRST-KEY"));
  apply(SetTls{.endpoint = 1, .change = {.certificate = "two", .key = "SECOND-KEY-LONGER"}});
  EXPECT_THAT(all_bytes(directory_), ::testing::Not(HasSubstr("FIRST-KEY")));
  EXPECT_THAT(all_bytes(directory_), HasSubstr("SECOND-KEY-LONGER"));
  apply(SetTls{.endpoint = 1, .change = {.certificate = "", .key = ""}});
  EXPECT_THAT(all_bytes(directory_), ::testing::Not(HasSubstr("SECOND-KEY-LONGER")));
}

}  // namespace
}  // namespace outrider::storage
