// The request parser, without a socket: what it accepts, what it refuses, and that neither depends
// on how the bytes were cut.
#include "net/http_server_parser.h"

#include <gmock/gmock.h>

#include <vector>

#include "net/http_server_response.h"
#include "tests/integration/http_probes.h"

namespace outrider::net {
namespace {

using Phase = HttpRequestParser::Phase;

struct Reading {
  int status = 0;  // of the fault; 0: none
  std::vector<ServerRequest> requests;
};

// Reads until the bytes end or a fault, given in the pieces that `next_size` says.
template <class NextSize>
Reading read_in_pieces(std::string_view bytes, NextSize next_size) {
  static const HttpServerOptions options;
  HttpRequestParser parser(options);
  Reading reading;
  while (!bytes.empty() && reading.status == 0) {
    std::string_view piece = bytes.substr(0, next_size());
    bytes.remove_prefix(piece.size());
    while (!piece.empty() && reading.status == 0) {
      piece.remove_prefix(parser.consume(piece));
      if (parser.phase() == Phase::kComplete) {
        reading.requests.push_back(std::move(parser.request()));
        parser.next();
      }
      reading.status = parser.fault().status;
    }
  }
  return reading;
}

Reading read_whole(std::string_view bytes) {
  return read_in_pieces(bytes, [] { return std::string_view::npos; });
}
Reading read_bytewise(std::string_view bytes) {
  return read_in_pieces(bytes, [] { return std::size_t{1}; });
}

void expect_same(const Reading& a, const Reading& b) {
  EXPECT_EQ(a.status, b.status);
  ASSERT_EQ(a.requests.size(), b.requests.size());
  for (std::size_t i = 0; i < a.requests.size(); ++i) {
    EXPECT_EQ(a.requests[i].method, b.requests[i].method);
    EXPECT_EQ(a.requests[i].target, b.requests[i].target);
    EXPECT_EQ(a.requests[i].headers, b.requests[i].headers);
    EXPECT_EQ(a.requests[i].body, b.requests[i].body);
  }
}

TEST(HttpRequestParser, refuses_every_probe_and_reads_nothing_behind_it) {
  ASSERT_GE(tests::http_probes().size(), 118U);  // the file was read
  for (const tests::HttpProbe& probe : tests::http_probes()) {
    SCOPED_TRACE(probe.name);
    const Reading reading = read_whole(probe.bytes + std::string(tests::kSmuggled));
    EXPECT_EQ(reading.status, probe.status);
    EXPECT_THAT(reading.requests, testing::IsEmpty());
  }
}

TEST(HttpRequestParser, refuses_probes_the_same_byte_by_byte) {
  for (const tests::HttpProbe& probe : tests::http_probes()) {
    SCOPED_TRACE(probe.name);
    const Reading reading = read_bytewise(probe.bytes + std::string(tests::kSmuggled));
    EXPECT_EQ(reading.status, probe.status);
    EXPECT_THAT(reading.requests, testing::IsEmpty());
  }
}

TEST(HttpRequestParser, reads_requests_the_same_however_they_are_cut) {
  const std::string bytes =
      "\r\nPOST /a?b=c%20d HTTP/1.1\r\nHost: a.example:8080\r\nX-Empty:\r\nX-Spaces: \t v w \t \r\n"
      "content-length: 5\r\nX-Latin: \xe9\r\n\r\nhello"
      "POST /chunks HTTP/1.1\r\nHost: [::1]:1\r\nTransfer-Encoding: Chunked\r\n\r\n"
      "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"
      "OPTIONS * HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
      "GET /old HTTP/1.0\r\n\r\n";
  const Reading whole = read_whole(bytes);
  EXPECT_EQ(whole.status, 0);
  ASSERT_EQ(whole.requests.size(), 4U);
  EXPECT_EQ(whole.requests[0].method, "POST");
  EXPECT_EQ(whole.requests[0].target, "/a?b=c%20d");
  EXPECT_EQ(whole.requests[0].body, "hello");
  const std::vector<HeaderField> headers{{"Host", "a.example:8080"},
                                         {"X-Empty", ""},
                                         {"X-Spaces", "v w"},
                                         {"content-length", "5"},
                                         {"X-Latin", "\xe9"}};
  EXPECT_EQ(whole.requests[0].headers, headers);
  EXPECT_EQ(whole.requests[1].body, "abc0123456789");
  EXPECT_EQ(whole.requests[2].target, "*");
  EXPECT_EQ(whole.requests[3].target, "/old");
  expect_same(whole, read_bytewise(bytes));
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    bool first = true;
    expect_same(whole, read_in_pieces(bytes, [&] {
                  return std::exchange(first, false) ? cut : std::string_view::npos;
                }));
  }
}

TEST(HttpRequestParser, says_whether_the_connection_stays) {
  const struct {
    std::string_view head;
    bool keep_alive;
  } cases[] = {
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\n", false},
      {"GET / HTTP/1.0\r\n\r\n", false},
      {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
  };
  const HttpServerOptions options;
  for (const auto& c : cases) {
    HttpRequestParser parser(options);
    EXPECT_EQ(parser.consume(c.head), c.head.size());
    EXPECT_EQ(parser.phase(), Phase::kComplete);
    EXPECT_EQ(parser.keep_alive(), c.keep_alive) << c.head;
  }
}

TEST(HttpRequestParser, takes_a_body_and_fields_up_to_the_limit) {
  HttpServerOptions options;
  options.max_body_bytes = 10;
  options.max_fields = 2;
  const auto status_of = [&](const std::string& bytes) {
    HttpRequestParser parser(options);
    std::string_view rest = bytes;
    while (!rest.empty() && parser.phase() != Phase::kFailed &&
           parser.phase() != Phase::kComplete) {
      rest.remove_prefix(parser.consume(rest));
    }
    return parser.phase() == Phase::kComplete ? 0 : parser.fault().status;
  };
  const std::string ten = "0123456789";
  EXPECT_EQ(status_of(tests::with_fields("Content-Length: 10\r\n", ten)), 0);
  EXPECT_EQ(status_of(tests::with_fields("Content-Length: 11\r\n", ten)), 413);
  EXPECT_EQ(status_of(tests::chunked("5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n")), 0);
  EXPECT_EQ(status_of(tests::chunked("5\r\n01234\r\n6\r\n567890\r\n0\r\n\r\n")), 413);
  EXPECT_EQ(status_of(tests::with_fields("X: 1\r\n")), 0);
  EXPECT_EQ(status_of(tests::with_fields("X: 1\r\nY: 1\r\n")), 431);
}

TEST(HttpRequestParser, asks_the_body_rule_once_per_head_with_a_body_before_any_of_it) {
  int asked = 0;
  HttpServerOptions options;
  options.max_body_bytes = 4;
  options.body_rule = [&asked](const ServerRequest& head) -> BodyRule {
    ++asked;
    EXPECT_TRUE(head.body.empty());
    EXPECT_EQ(head.peer, "unix");
    EXPECT_EQ(head.peer_uid, 7U);
    if (head.header("x-no") != nullptr) {
      return {.max_bytes = 0,
              .refusal = ServerResponse{.status = 401, .headers = {}, .body = "no"}};
    }
    return {.max_bytes = 8, .refusal = {}};
  };
  const auto status_of = [&](const std::string& bytes) {
    HttpRequestParser parser(options);
    parser.set_origin({.peer = "unix", .uid = 7, .tls = false});
    std::string_view rest = bytes;
    while (!rest.empty() && parser.phase() != Phase::kFailed &&
           parser.phase() != Phase::kComplete) {
      rest.remove_prefix(parser.consume(rest));
    }
    if (parser.refusal()) {
      EXPECT_EQ(parser.refusal()->body, "no");
    }
    return parser.phase() == Phase::kComplete ? 0 : parser.fault().status;
  };
  EXPECT_EQ(status_of(tests::with_fields("X-No: 1\r\nContent-Length: 0\r\n")), 0);
  EXPECT_EQ(status_of(tests::with_fields("X-No: 1\r\n")), 0);
  EXPECT_EQ(asked, 0);
  EXPECT_EQ(status_of(tests::with_fields("Content-Length: 8\r\n", "01234567")), 0);
  EXPECT_EQ(status_of(tests::with_fields("Content-Length: 9\r\n", "012345678")), 413);
  EXPECT_EQ(status_of(tests::chunked("8\r\n01234567\r\n0\r\n\r\n")), 0);
  EXPECT_EQ(status_of(tests::chunked("9\r\n012345678\r\n0\r\n\r\n")), 413);
  EXPECT_EQ(asked, 4);
  EXPECT_EQ(status_of(tests::with_fields("X-No: 1\r\nContent-Length: 2\r\n", "ab")), 401);
  EXPECT_EQ(status_of(tests::with_fields("X-No: 1\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
            401);
}

TEST(HttpRequestParser, takes_a_body_in_one_byte_chunks) {
  std::string body;
  for (int i = 0; i < 20'000; ++i) body += "1\r\nx\r\n";
  const Reading reading = read_whole(tests::chunked(body + "0\r\n\r\n"));
  EXPECT_EQ(reading.status, 0);
  ASSERT_EQ(reading.requests.size(), 1U);
  EXPECT_EQ(reading.requests[0].body, std::string(20'000, 'x'));
}

TEST(HttpResponse, refuses_fields_that_would_split_the_answer) {
  const HeaderField bad[] = {{"X", "a\r\nY: b"},
                             {"X", "a\nb"},
                             {"X\r\nY", "a"},
                             {"", "a"},
                             {"X Y", "a"},
                             {"Content-Length", "1"},
                             {"X", std::string("\0", 1)}};
  for (const HeaderField& field : bad) {
    ServerResponse response;
    response.headers.push_back(field);
    EXPECT_FALSE(serialize(response, {}).has_value()) << field.name;
  }
}

TEST(HttpResponse, writes_the_date_as_http_does) {
  EXPECT_EQ(http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(HttpResponse, leaves_the_body_out_where_http_does) {
  ServerResponse response;
  response.body = "abc";
  EXPECT_THAT(*serialize(response, {}), testing::EndsWith("Content-Length: 3\r\n\r\nabc"));
  ResponseFraming head;
  head.head_only = true;
  EXPECT_THAT(*serialize(response, head), testing::EndsWith("Content-Length: 3\r\n\r\n"));
  response.status = 204;
  EXPECT_EQ(*serialize(response, {}), "HTTP/1.1 204 No Content\r\n\r\n");
}

}  // namespace
}  // namespace outrider::net
