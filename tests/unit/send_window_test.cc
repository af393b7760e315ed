// How many requests are kept on the wire.
#include "core/send_window.h"

#include <gtest/gtest.h>

namespace outrider::core {
namespace {

TEST(SendWindow, begins_with_few_and_opens_at_once_while_the_loop_has_nothing_to_do) {
  SendWindow window(128);
  EXPECT_EQ(window.limit(), SendWindow::kFewest);
  for (int look = 0; look < 8; ++look) window.was_idle();
  EXPECT_EQ(window.limit(), 128U);
  window.was_idle();
  EXPECT_EQ(window.limit(), 128U);
}

TEST(SendWindow, comes_back_to_the_fewest_while_there_is_always_something_to_handle) {
  SendWindow window(128);
  for (int look = 0; look < 8; ++look) window.was_idle();
  for (int look = 0; look < 100; ++look) window.was_busy();
  EXPECT_EQ(window.limit(), SendWindow::kFewest);
}

TEST(SendWindow, is_wide_where_the_loop_waits_for_every_other_answer) {
  SendWindow window(256);
  for (int look = 0; look < 100; ++look) {
    window.was_busy();
    window.was_idle();
  }
  EXPECT_EQ(window.limit(), 256U);
}

TEST(SendWindow, never_goes_beyond_a_maximum_that_is_below_the_fewest) {
  SendWindow window(3);
  EXPECT_EQ(window.limit(), 3U);
  window.was_busy();
  EXPECT_EQ(window.limit(), 3U);
  window.was_idle();
  EXPECT_EQ(window.limit(), 3U);
}

}  // namespace
}  // namespace outrider::core
