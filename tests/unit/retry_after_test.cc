// Retry-After: what a receiver may write, and what it may not.
#include "net/retry_after.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace outrider::net {
namespace {

// Sun, 06 Nov 1994 08:49:37 GMT
constexpr std::int64_t kSomeDay = 784'111'777;

struct Case {
  std::string value;
  std::optional<std::int64_t> seconds;
};

TEST(RetryAfter, is_seconds_or_a_date_or_nothing) {
  const std::vector<Case> cases{
      {"0", 0},
      {"120", 120},
      {"  7\t\r\n", 7},
      {"-1", -1},
      {"1000000000", 1'000'000'000},
      {"10000000000", 10'000'000'000},
      {"10000000001", 10'000'000'000},
      {"123456789012345678901234567890", 10'000'000'000},
      {"-123456789012345678901234567890", -10'000'000'000},
      {"Sun, 06 Nov 1994 08:49:47 GMT", 10},
      {"Sunday, 06-Nov-94 08:49:47 GMT", 10},
      {"Sun Nov  6 08:49:47 1994", 10},
      {"Sun, 06 Nov 1994 08:48:37 GMT", -60},
      {"Sat, 01 Jan 2000 00:00:00 GMT", 946'684'800 - kSomeDay},
      {"", std::nullopt},
      {"-", std::nullopt},
      {"--1", std::nullopt},
      {"+1", std::nullopt},
      {"1.5", std::nullopt},
      {"1 2", std::nullopt},
      {"0x10", std::nullopt},
      {"soon", std::nullopt},
      {"12:00:00", std::nullopt},
      {"Sun, 06 Nov 1994", std::nullopt},
      {"Sun, 99 Nov 1994 08:49:47 GMT", std::nullopt},
      {std::string(10'000, ':'), std::nullopt},
      {std::string("1\0", 2), std::nullopt},
  };
  for (const Case& wanted : cases) {
    const auto got = parse_retry_after(wanted.value, core::wall_from_ms(kSomeDay * 1000));
    ASSERT_EQ(got.has_value(), wanted.seconds.has_value()) << wanted.value;
    if (got) {
      EXPECT_EQ(got->count(), *wanted.seconds * 1000) << wanted.value;
    }
  }
}

}  // namespace
}  // namespace outrider::net
