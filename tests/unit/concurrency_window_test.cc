// How many requests an endpoint may have in flight.
#include "core/concurrency_window.h"

#include <gtest/gtest.h>

namespace outrider::core {
namespace {

TEST(ConcurrencyWindow, a_new_endpoint_starts_at_one_and_is_not_proven) {
  const ConcurrencyWindow window(32);
  EXPECT_EQ(window.limit(), 1U);
  EXPECT_FALSE(window.proven());
}

TEST(ConcurrencyWindow, each_success_earns_one_more_up_to_the_maximum) {
  ConcurrencyWindow window(4);
  for (const std::uint32_t limit : {2U, 3U, 4U, 4U, 4U}) {
    window.on_success();
    EXPECT_EQ(window.limit(), limit);
    EXPECT_TRUE(window.proven());
  }
}

TEST(ConcurrencyWindow, a_failure_puts_it_back_to_one_until_a_success) {
  ConcurrencyWindow window(32);
  for (int i = 0; i < 20; ++i) window.on_success();
  EXPECT_EQ(window.limit(), 21U);
  window.on_failure();
  EXPECT_EQ(window.limit(), 1U);
  EXPECT_FALSE(window.proven());
  window.on_failure();
  EXPECT_EQ(window.limit(), 1U);
  window.on_success();
  EXPECT_EQ(window.limit(), 2U);
  EXPECT_TRUE(window.proven());
}

TEST(ConcurrencyWindow, the_maximum_is_at_least_one_and_lowering_it_takes_effect_at_once) {
  ConcurrencyWindow window(0);
  window.on_success();
  EXPECT_EQ(window.limit(), 1U);
  window.set_maximum(10);
  for (int i = 0; i < 20; ++i) window.on_success();
  EXPECT_EQ(window.limit(), 10U);
  window.set_maximum(3);
  EXPECT_EQ(window.limit(), 3U);
  EXPECT_TRUE(window.proven());
  window.set_maximum(0);
  EXPECT_EQ(window.limit(), 1U);
  window.set_maximum(5);
  EXPECT_EQ(window.limit(), 1U);  // room again, but it is earned
}

}  // namespace
}  // namespace outrider::core
