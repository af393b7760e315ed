// W3C Trace Context, case by case of its text and of the working group's own test suite.
#include <gtest/gtest.h>

#include <vector>

#include "core/trace_context.h"

namespace outrider::core {
namespace {

constexpr const char* kParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TraceContext carried(std::vector<std::string_view> parents,
                     std::vector<std::string_view> states = {}) {
  return propagated_trace(parents, states);
}
std::string parent_of(std::string_view text) { return carried({text}).parent; }
std::string state_of(std::vector<std::string_view> states) {
  return carried({kParent}, std::move(states)).state;
}

TEST(TraceContextTest, a_parent_of_version_00_is_passed_on_as_it_is) {
  EXPECT_EQ(parent_of(kParent), kParent);
  EXPECT_EQ(trace_id(carried({kParent})), "4bf92f3577b34da6a3ce929d0e0e4736");
  const std::string unknown_flags = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff";
  EXPECT_EQ(parent_of(unknown_flags), unknown_flags);
  EXPECT_EQ(parent_of(" " + std::string(kParent) + "\t"), kParent) << "blanks are the field's";
}

TEST(TraceContextTest, a_later_version_is_taken_down_to_00_with_the_flags_that_00_knows) {
  const std::string_view ids = "-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-";
  const auto version = [&](const char* number, const char* rest) {
    return parent_of(number + std::string(ids) + rest);
  };
  EXPECT_EQ(version("cc", "01"), "00" + std::string(ids) + "01");
  EXPECT_EQ(version("01", "ff"), "00" + std::string(ids) + "03");
  EXPECT_EQ(version("fe", "02-what-the-future-will-be-like"), "00" + std::string(ids) + "02");
  EXPECT_EQ(version("cc", "01-"), "00" + std::string(ids) + "01");
  EXPECT_EQ(version("cc", "01.what"), "");
  EXPECT_EQ(version("cc", "0"), "");
}

TEST(TraceContextTest, what_is_malformed_is_as_if_it_were_not_there) {
  for (const std::string_view wrong : {
           "", "00",
           "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",    // version ff
           "00-00000000000000000000000000000000-00f067aa0ba902b7-01",    // ids of zeros
           "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",    //
           "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",    // upper case
           "0X-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",    //
           "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",     // too short
           "00-4bf92f3577b34da6a3ce929d0e0e47361-00f067aa0ba902b7-01",   // too long
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",   //
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",  //
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",     //
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-.0",    //
           "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",    //
       }) {
    EXPECT_EQ(parent_of(wrong), "") << wrong;
    EXPECT_EQ(carried({wrong}, {"a=1"}).state, "") << "no state without a parent";
    const auto read = read_trace(std::string(wrong), {});
    ASSERT_FALSE(read) << wrong;
    EXPECT_EQ(read.error().where, "traceparent");
    EXPECT_EQ(read.error().message.find(wrong.size() > 2 ? wrong : "\n"), std::string::npos);
  }
  EXPECT_EQ(carried({}, {"a=1"}), TraceContext{});
  EXPECT_EQ(carried({kParent, kParent}).parent, "") << "two fields";
  EXPECT_FALSE(read_trace(" " + std::string(kParent), {})) << "on purpose means exactly";
}

TEST(TraceContextTest, members_of_a_state_keep_their_order_over_all_fields) {
  EXPECT_EQ(state_of({"foo=1,bar=2"}), "foo=1,bar=2");
  EXPECT_EQ(state_of({"foo=1 \t , \t bar=2, ", "", "rojo@vendor=00f067"}),
            "foo=1,bar=2,rojo@vendor=00f067");
  EXPECT_EQ(state_of({"0a_-*/=!~ x"}), "0a_-*/=!~ x") << "a blank within a value is its own";
  EXPECT_EQ(state_of({""}), "");
}

TEST(TraceContextTest, a_wrong_state_is_dropped_and_the_parent_stays) {
  const std::string long_key(257, 'k'), long_value(257, 'v');
  std::string many;
  for (int i = 0; i < 33; ++i) many += "k" + std::to_string(i) + "=1,";
  for (const std::string& wrong : std::vector<std::string>{
           "foo", "foo=", "=1", "foo=1;bar=2=3", "Foo=1", "foo=1,foo=2", "foo =1", "foo=\x01",
           "foo=1,b\xC3\xA4r=2", long_key + "=1", "foo=" + long_value, many}) {
    const TraceContext trace = carried({kParent}, {wrong});
    EXPECT_EQ(trace.parent, kParent);
    EXPECT_EQ(trace.state, "") << wrong;
    const auto read = read_trace(kParent, wrong);
    ASSERT_FALSE(read) << wrong;
    EXPECT_EQ(read.error().where, "tracestate");
  }
}

TEST(TraceContextTest, a_long_state_is_cut_between_members_and_the_longest_go_first) {
  const std::string big = "big=" + std::string(200, 'x');
  std::string small;
  for (int i = 10; i < 30; ++i) small += ",k" + std::to_string(i) + "=" + std::string(16, 'y');
  const std::string state = state_of({big + small});
  EXPECT_EQ(state, small.substr(1)) << "420 bytes without the one over 128";
  std::string more = small;
  for (int i = 30; i < 41; ++i) more += ",k" + std::to_string(i) + "=" + std::string(16, 'y');
  const std::string cut = state_of({more});
  EXPECT_LE(cut.size(), kMaxTracestateBytes);
  EXPECT_EQ(cut, more.substr(1, cut.size()));
  EXPECT_EQ(more[cut.size() + 1], ',');
  EXPECT_FALSE(read_trace(kParent, more)) << "who writes it hears of it";
}

TEST(TraceContextTest, a_state_alone_is_refused_and_nothing_is_nothing) {
  EXPECT_EQ(read_trace({}, "a=1").error().where, "tracestate");
  EXPECT_EQ(*read_trace({}, {}), TraceContext{});
  EXPECT_EQ(*read_trace(kParent, "a=1"), (TraceContext{.parent = kParent, .state = "a=1"}));
}

}  // namespace
}  // namespace outrider::core
