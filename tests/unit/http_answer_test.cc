// An answer line by line: limits to the byte, and framings that no answer may have.
#include "net/http_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace outrider::net {
namespace {

using ::testing::HasSubstr;

// Feeds whole lines until one is refused; true when none was.
bool feed(HttpAnswer& answer, const std::vector<std::string>& lines, bool request_sent = true) {
  for (const auto& line : lines) {
    if (!answer.on_header_line(line + "\r\n", request_sent)) return false;
  }
  return true;
}

TEST(HttpAnswerTest, reads_the_final_status_past_interim_ones) {
  HttpAnswer answer;
  EXPECT_FALSE(answer.begun());
  EXPECT_TRUE(feed(answer, {"HTTP/1.1 100 Continue", "Retry-After: 1", "Content-Length: x", ""}));
  EXPECT_EQ(answer.status(), 0);
  EXPECT_TRUE(answer.begun());
  EXPECT_TRUE(feed(answer, {"HTTP/1.1 503 Busy", "RETRY-after:\t 30 ", "Retry-After: 40", ""}));
  EXPECT_EQ(answer.status(), 503);
  EXPECT_EQ(answer.retry_after(), "30");
}

TEST(HttpAnswerTest, never_takes_a_field_or_a_trailer_for_a_status_line) {
  HttpAnswer answer;
  EXPECT_TRUE(feed(answer, {"HTTP/1.1 500 Oh", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK: x", "",
                            "HTTP/1.1 200 OK", "Retry-After: 5", ""}));
  EXPECT_EQ(answer.status(), 500);
  EXPECT_FALSE(answer.retry_after().has_value());
}

TEST(HttpAnswerTest, refuses_status_lines_that_are_none) {
  for (const char* line :
       {"", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20", "HTTP/1.1 2000", "HTTP/1.1 099 x",
        "HTTP/1.1 2x0 OK", "HTTP/1.1  200 OK", "HTTP/2 200", "HTTP/2.0 200 OK", "http/1.1 200 OK",
        "HTTP/1.10 200 OK", "HTTP/1.1 200OK", "HTTP/1.1 -20 OK"}) {
    HttpAnswer answer;
    EXPECT_FALSE(feed(answer, {line})) << line;
    ASSERT_TRUE(answer.fault().has_value());
    EXPECT_EQ(answer.fault()->error, ErrorClass::kProtocol);
    EXPECT_EQ(answer.status(), 0);
  }
  for (const char* line :
       {"HTTP/1.1 200", "HTTP/1.0 200 OK", "HTTP/1.1 200 ", "HTTP/1.1 599 \xff"}) {
    HttpAnswer answer;
    EXPECT_TRUE(feed(answer, {line})) << line;
  }
}

struct Framing {
  std::vector<std::string> fields;
  const char* words;  // empty: fine
};

TEST(HttpAnswerTest, refuses_framings_two_readers_could_understand_differently) {
  const std::vector<Framing> framings{
      {{"Content-Length: 5"}, ""},
      {{"Content-Length: 5", "content-length:5 "}, ""},
      {{"Transfer-Encoding: Chunked"}, ""},
      {{"X-Transfer-Encoding: gzip", "Content-Length-X: a"}, ""},
      {{"Content-Length: 5", "Content-Length: 6"}, "two different"},
      {{"Content-Length: 5", "Content-Length: 05"}, "two different"},
      {{"Content-Length: -5"}, "not a number"},
      {{"Content-Length: 5, 5"}, "not a number"},
      {{"Content-Length: 0x5"}, "not a number"},
      {{"Content-Length:"}, "not a number"},
      {{"Content-Length: 5", "Transfer-Encoding: chunked"}, "both"},
      {{"Transfer-Encoding: chunked", "Content-Length: 5"}, "both"},
      {{"Transfer-Encoding: gzip"}, "transfer coding"},
      {{"Transfer-Encoding: identity"}, "transfer coding"},
      {{"Transfer-Encoding: chunked, chunked"}, "transfer coding"},
      {{"Transfer-Encoding: chunked", "Transfer-Encoding: chunked"}, "transfer coding"},
  };
  for (const Framing& framing : framings) {
    HttpAnswer answer;
    ASSERT_TRUE(feed(answer, {"HTTP/1.1 200 OK"}));
    EXPECT_EQ(feed(answer, framing.fields), framing.words[0] == '\0') << framing.fields[0];
    if (framing.words[0] == '\0') continue;
    ASSERT_TRUE(answer.fault().has_value()) << framing.fields[0];
    EXPECT_EQ(answer.fault()->error, ErrorClass::kProtocol);
    EXPECT_THAT(std::string(answer.fault()->words), HasSubstr(framing.words));
  }
}

TEST(HttpAnswerTest, switching_protocols_is_refused) {
  HttpAnswer answer;
  EXPECT_FALSE(feed(answer, {"HTTP/1.1 101 Switching Protocols"}));
  EXPECT_EQ(answer.fault()->error, ErrorClass::kProtocol);
}

TEST(HttpAnswerTest, only_a_refusal_may_come_before_the_request_has_arrived) {
  for (const char* line : {"HTTP/1.1 200 OK", "HTTP/1.1 302 Found"}) {
    HttpAnswer early;
    EXPECT_FALSE(feed(early, {"HTTP/1.1 100 Continue", "", line}, false)) << line;
    EXPECT_EQ(early.fault().value().error, ErrorClass::kProtocol);
    HttpAnswer in_time;
    EXPECT_TRUE(feed(in_time, {line}));
  }
  HttpAnswer refusal;
  EXPECT_TRUE(feed(refusal, {"HTTP/1.1 413 Too Large"}, false));
  EXPECT_EQ(refusal.status(), 413);
}

TEST(HttpAnswerTest, knows_whether_the_head_has_ended) {
  HttpAnswer answer;
  EXPECT_TRUE(feed(answer, {"HTTP/1.1 103 Early", ""}));
  EXPECT_FALSE(answer.head_complete());
  EXPECT_TRUE(feed(answer, {"HTTP/1.1 200 OK", "Content-Length: 0"}));
  EXPECT_FALSE(answer.head_complete());
  EXPECT_TRUE(feed(answer, {""}));
  EXPECT_TRUE(answer.head_complete());
}

TEST(HttpAnswerTest, counts_header_lines_however_short) {
  HttpAnswer answer;
  EXPECT_TRUE(feed(answer, {"HTTP/1.1 200 OK"}));
  EXPECT_TRUE(feed(answer, std::vector<std::string>(kMaxHeaderLines - 1, "A:")));
  EXPECT_FALSE(feed(answer, {"A:"}));
  EXPECT_EQ(answer.fault().value().error, ErrorClass::kTooLarge);
}

TEST(HttpAnswerTest, keeps_to_its_limits_to_the_byte) {
  const auto line_of = [](std::size_t bytes) { return "X:" + std::string(bytes - 4, 'x'); };
  HttpAnswer longest;
  ASSERT_TRUE(feed(longest, {"HTTP/1.1 200 OK"}));
  EXPECT_TRUE(feed(longest, {line_of(kMaxHeaderLineBytes)}));
  EXPECT_FALSE(feed(longest, {line_of(kMaxHeaderLineBytes + 1)}));
  EXPECT_EQ(longest.fault()->error, ErrorClass::kTooLarge);

  HttpAnswer most;
  ASSERT_TRUE(feed(most, {"HTTP/1.1 200 OK"}));  // 17 bytes with its line end
  for (std::size_t left = kMaxHeaderBytes - 17; left > 0;
       left -= std::min<std::size_t>(left, 1024)) {
    ASSERT_TRUE(feed(most, {line_of(std::min<std::size_t>(left, 1024))}));
  }
  EXPECT_FALSE(feed(most, {""}));
  EXPECT_EQ(most.fault()->error, ErrorClass::kTooLarge);

  HttpAnswer interim;
  for (int i = 0; i < kMaxInterimAnswers; ++i) {
    ASSERT_TRUE(feed(interim, {"HTTP/1.1 103 Early", ""}));
  }
  EXPECT_FALSE(feed(interim, {"HTTP/1.1 103 Early"}));
  EXPECT_EQ(interim.fault()->error, ErrorClass::kTooLarge);

  HttpAnswer body;
  EXPECT_TRUE(body.on_body(std::string(kKeptBodyBytes - 1, 'a')));
  EXPECT_TRUE(body.on_body("b"));
  EXPECT_FALSE(body.truncated());
  EXPECT_TRUE(body.on_body("c"));
  EXPECT_TRUE(body.truncated());
  EXPECT_EQ(body.body(), std::string(kKeptBodyBytes - 1, 'a') + "b");
  EXPECT_TRUE(body.on_body(std::string(kMaxBodyBytes - kKeptBodyBytes - 1, 'd')));
  EXPECT_FALSE(body.on_body("e"));
  EXPECT_EQ(body.fault()->error, ErrorClass::kTooLarge);
}

}  // namespace
}  // namespace outrider::net
