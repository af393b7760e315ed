// How much is read ahead of the wire.
#include "core/read_ahead.h"

#include <gtest/gtest.h>

#include <deque>

namespace outrider::core {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

TEST(ReadAhead, reads_many_small_ones_at_once) {
  ReadAhead ahead;
  EXPECT_EQ(ahead.room(), ReadAhead::kMostAtOnce);
  for (int i = 0; i < 1000; ++i) ahead.came(600);
  EXPECT_EQ(ahead.room(), ReadAhead::kMostAtOnce);
}

TEST(ReadAhead, of_large_ones_no_more_lie_ready_than_fit) {
  ReadAhead ahead;
  ahead.came(kMiB);
  std::size_t ready = kMiB, most = 0;
  std::deque<std::size_t> staged{kMiB};
  for (int turn = 0; turn < 200; ++turn) {
    for (std::size_t n = ahead.room(); n > 0; --n) {
      ahead.came(kMiB);
      ready += kMiB;
      staged.push_back(kMiB);
    }
    most = std::max(most, ready);
    ahead.left(staged.front());
    ready -= staged.front();
    staged.pop_front();
  }
  EXPECT_EQ(most, ReadAhead::kMostBytes);
}

TEST(ReadAhead, goes_on_one_by_one_where_one_alone_is_too_large) {
  ReadAhead ahead;
  ahead.came(2 * ReadAhead::kMostBytes);
  EXPECT_EQ(ahead.room(), 0U);
  ahead.left(2 * ReadAhead::kMostBytes);
  EXPECT_EQ(ahead.room(), 1U);
}

TEST(ReadAhead, comes_back_to_many_after_the_large_ones_have_passed) {
  ReadAhead ahead;
  ahead.came(8 * kMiB);
  ahead.left(8 * kMiB);
  EXPECT_EQ(ahead.room(), 2U);
  for (int i = 0; i < 100; ++i) {
    ahead.came(600);
    ahead.left(600);
  }
  EXPECT_EQ(ahead.room(), ReadAhead::kMostAtOnce);
}

}  // namespace
}  // namespace outrider::core
