// The small parts of storage: numbered migrations, and what a name may look like.
#include <gmock/gmock.h>

#include "storage/event_fields.h"
#include "storage/migrate.h"

namespace outrider::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr SqlFile kFiles[] = {{"providers/x.json", "{}"},
                              {"sql/one/0002_more.sql", "second"},
                              {"sql/one/0001_first.sql", "first"},
                              {"sql/onerous/0001_other.sql", "other"}};

std::vector<std::string> applied_from(std::uint32_t version) {
  std::vector<std::string> applied;
  const auto migrations = migrations_in(kFiles, "sql/one");
  const auto done = migrate(version, migrations, [&applied](const Migration& one) {
    applied.emplace_back(one.sql);
    return Result<void>();
  });
  if (!done) applied.push_back(std::string(error_code_name(done.error().code)));
  return applied;
}

TEST(MigrateTest, applies_what_is_newer_in_order) {
  EXPECT_THAT(applied_from(0), ElementsAre("first", "second"));
  EXPECT_THAT(applied_from(1), ElementsAre("second"));
  EXPECT_THAT(applied_from(2), IsEmpty());
  EXPECT_THAT(applied_from(3), ElementsAre("too_new"));
}

TEST(MigrateTest, stops_at_the_first_that_fails) {
  const auto migrations = migrations_in(kFiles, "sql/one");
  int tried = 0;
  const auto done = migrate(0, migrations, [&tried](const Migration&) -> Result<void> {
    ++tried;
    return fail(ErrorCode::kIo, "as told");
  });
  EXPECT_EQ(done.error().code, ErrorCode::kIo);
  EXPECT_EQ(tried, 1);
}

TEST(MigrateDeathTest, a_gap_in_the_numbers_is_a_bug_of_the_build) {
  constexpr SqlFile gap[] = {{"s/0001_a.sql", ""}, {"s/0003_c.sql", ""}};
  EXPECT_DEATH(static_cast<void>(migrations_in(gap, "s")), "bug");
  constexpr SqlFile unnumbered[] = {{"s/first.sql", ""}};
  EXPECT_DEATH(static_cast<void>(migrations_in(unnumbered, "s")), "bug");
}

TEST(EventFieldTest, accepts_printable_utf8_up_to_255_bytes) {
  for (const std::string& good :
       {std::string("a"), std::string("with space"), std::string(255, 'x'),
        std::string("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"),
        std::string("\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF")}) {
    EXPECT_EQ(field_fault(good), std::nullopt) << good;
  }
}

TEST(EventFieldTest, refuses_everything_else) {
  struct Case {
    std::string value;
    const char* reason;
  };
  const Case cases[] = {{"", "empty"},
                        {std::string(256, 'x'), "255"},
                        {"a\nb", "control"},
                        {std::string("a\0b", 3), "control"},
                        {"\x7F", "control"},
                        {"\x80", "UTF-8"},
                        {"\xC3", "UTF-8"},
                        {"\xC0\xAF", "UTF-8"},
                        {"\xE0\x80\xAF", "UTF-8"},
                        {"\xED\xA0\x80", "UTF-8"},
                        {"\xF0\x80\x80\x80", "UTF-8"},
                        {"\xF4\x90\x80\x80", "UTF-8"},
                        {"\xF5\x80\x80\x80", "UTF-8"},
                        {"\xE2\x82", "UTF-8"}};
  for (const Case& one : cases) {
    const auto fault = field_fault(one.value);
    ASSERT_TRUE(fault.has_value()) << one.reason;
    EXPECT_THAT(*fault, HasSubstr(one.reason));
  }
}

}  // namespace
}  // namespace outrider::storage
