// Bodies that are handed on as they come: in bounded pieces, held back where the taker has enough,
// and let go of when they will never be whole.
#include <gmock/gmock.h>

#include "tests/integration/http_probes.h"
#include "tests/integration/http_test_server.h"

namespace outrider::net {
namespace {

using testing::HasSubstr;
using tests::body_of;
using tests::get;
using tests::RawClient;
using tests::status_of;
using tests::TestServer;

constexpr std::size_t kPiece = 64 * 1024;

// What a sink of the test's has seen; of the loop's thread, read through TestServer::post().
struct Taken {
  std::string body;
  std::size_t pieces = 0, largest = 0;
  std::size_t enough_at = std::string::npos;  // bytes from which on take() says so
  bool whole = false, destroyed = false;
  std::optional<Responder> responder;
};

class Sink final : public BodySink {
 public:
  explicit Sink(Taken& taken) : taken_(taken) {}
  ~Sink() override { taken_.destroyed = true; }
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  bool take(std::string_view piece) override {
    taken_.body += piece;
    ++taken_.pieces;
    taken_.largest = std::max(taken_.largest, piece.size());
    return taken_.body.size() < taken_.enough_at;
  }
  void end() override {
    taken_.whole = true;
    answer(taken_, 200, std::to_string(taken_.body.size()));
  }
  static void answer(Taken& taken, int status, std::string body) {
    ServerResponse response;
    response.status = status;
    response.body = std::move(body);
    Responder responder = std::move(*taken.responder);
    taken.responder.reset();
    responder.send(std::move(response));
  }

 private:
  Taken& taken_;
};

class HttpServerStream : public testing::Test {
 protected:
  HttpServerOptions options() {
    HttpServerOptions options;
    options.max_body_bytes = 1000;
    options.body_rule = [](const ServerRequest& head) -> BodyRule {
      return {.max_bytes = 8'000'000,
              .refusal = {},
              .streamed = head.target != "/whole",
              .admitted = std::string("by the rule")};
    };
    options.stream_handler = [this](ServerRequest head, Responder responder) {
      EXPECT_TRUE(head.body.empty());
      EXPECT_EQ(std::any_cast<std::string>(head.admitted), "by the rule");
      taken_.responder.emplace(std::move(responder));
      return std::make_unique<Sink>(taken_);
    };
    return options;
  }
  // Asked until it is so; the test's own limit ends a wait for what never comes.
  template <class Condition>
  void await(TestServer& server, const Condition& condition) {
    for (bool so = false; !so;) server.post([&] { so = condition(); });
  }

  Taken taken_;
};

std::string head_of(std::size_t length, std::string_view fields = "") {
  return "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(length) + "\r\n" +
         std::string(fields) + "\r\n";
}

TEST_F(HttpServerStream, a_body_is_handed_on_in_pieces_and_the_connection_goes_on) {
  TestServer server(options());
  RawClient client(server.start());
  constexpr std::size_t kSize = 5'000'000;
  ASSERT_TRUE(client.send(head_of(kSize) + std::string(kSize, 'x') + get("/next")));
  EXPECT_EQ(body_of(client.read_answer()), std::to_string(kSize));
  EXPECT_EQ(body_of(client.read_answer()), "GET /next ");
  server.post([&] {
    EXPECT_EQ(taken_.body, std::string(kSize, 'x'));
    EXPECT_GT(taken_.pieces, kSize / kPiece / 2);
    EXPECT_LE(taken_.largest, kPiece);
    EXPECT_TRUE(taken_.whole && taken_.destroyed);
  });
}

TEST_F(HttpServerStream, chunks_and_an_expectation_are_no_different) {
  TestServer server(options());
  RawClient client(server.start());
  ASSERT_TRUE(
      client.send(tests::with_fields("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n")));
  EXPECT_EQ(status_of(client.read_answer()), 100);
  ASSERT_TRUE(client.send("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"));
  EXPECT_EQ(body_of(client.read_answer()), "5");
  server.post([&] { EXPECT_EQ(taken_.body, "abcde"); });
  ASSERT_TRUE(client.send(tests::chunked("0\r\n\r\n")));
  EXPECT_EQ(body_of(client.read_answer()), "5") << "an empty one";
}

TEST_F(HttpServerStream, nothing_is_read_while_the_taker_has_enough_and_no_time_runs) {
  HttpServerOptions slow = options();
  slow.body_timeout = core::Duration(3'000);  // enough for a slow machine, and less than:
  slow.idle_timeout = core::Duration(3'500);
  TestServer server(slow);
  taken_.enough_at = 100'000;
  const std::uint16_t port = server.start();
  RawClient client(port);
  constexpr std::size_t kSize = 4'000'000;
  std::thread sending([&] { (void)client.send(head_of(kSize) + std::string(kSize, 'x')); });
  await(server, [&] { return taken_.body.size() >= 100'000; });
  // Another client's idle deadline passes, and this one's would have.
  RawClient idle(port);
  EXPECT_EQ(idle.read_to_end(), "");
  server.post([&] {
    EXPECT_LT(taken_.body.size(), 100'000 + 2 * kPiece);
    taken_.enough_at = std::string::npos;
    taken_.responder->resume_body();
  });
  EXPECT_EQ(body_of(client.read_answer()), std::to_string(kSize));
  sending.join();
}

TEST_F(HttpServerStream, a_whole_body_whose_taker_has_enough_holds_back_the_next_request) {
  TestServer server(options());
  taken_.enough_at = 1;
  RawClient client(server.start());
  ASSERT_TRUE(client.send(head_of(3) + "abc" + get("/next")));
  EXPECT_EQ(body_of(client.read_answer()), "3");
  EXPECT_EQ(body_of(client.read_answer()), "GET /next ");
}

TEST_F(HttpServerStream, a_body_that_will_never_be_whole_is_let_go_of_without_its_end) {
  const std::string chunked = tests::with_fields("Transfer-Encoding: chunked\r\n");
  for (const auto& [bytes, status] :
       {std::pair{chunked + "3\r\nabc\r\nx", 400},
        {chunked + "3\r\nabcde\r\n0\r\n\r\n", 400},
        {head_of(900) + "abc", 408},
        {head_of(8'000'001), 413},
        {chunked + "7A1201\r\n" + std::string(8'000'001, 'x'), 413}}) {
    taken_ = {};
    HttpServerOptions limits = options();
    if (status == 408) limits.body_timeout = core::Duration(50);
    TestServer server(limits);
    RawClient client(server.start());
    (void)client.send(bytes + std::string(tests::kSmuggled));
    const std::string all = client.read_to_end();
    EXPECT_EQ(status_of(all), status);
    EXPECT_EQ(all.find("HTTP/1.1", 1), std::string::npos) << "one answer";
    server.await_connections(0);
    server.post([&] {
      EXPECT_FALSE(taken_.whole);
      EXPECT_EQ(taken_.destroyed, taken_.responder.has_value());
      taken_.responder.reset();
    });
    EXPECT_THAT(server.requests(), testing::IsEmpty());
  }
}

TEST_F(HttpServerStream, a_client_that_goes_in_the_middle_is_noticed) {
  TestServer server(options());
  const std::uint16_t port = server.start();
  {
    RawClient client(port);
    ASSERT_TRUE(client.send(head_of(9) + "abc"));
    await(server, [&] { return taken_.body == "abc"; });
  }
  await(server, [&] { return taken_.destroyed; });
  server.post([&] {
    EXPECT_FALSE(taken_.whole);
    EXPECT_FALSE(taken_.responder->connected());
    Sink::answer(taken_, 200, "too late");
  });
  server.await_connections(0);
}

TEST_F(HttpServerStream, an_answer_before_the_end_is_the_last_and_what_follows_is_not_read) {
  TestServer server(options());
  RawClient client(server.start());
  ASSERT_TRUE(client.send(head_of(500) + "abc"));
  await(server, [&] { return taken_.body == "abc"; });
  server.post([&] {
    Sink::answer(taken_, 503, "no more");
    EXPECT_TRUE(taken_.destroyed);
  });
  const std::string answer = client.read_answer();
  EXPECT_EQ(status_of(answer), 503);
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  (void)client.send(std::string(tests::kSmuggled));
  EXPECT_EQ(client.read_to_end(), "");
  EXPECT_THAT(server.requests(), testing::IsEmpty());
}

TEST_F(HttpServerStream, a_body_that_is_not_streamed_is_handed_over_whole) {
  TestServer server(options());
  RawClient client(server.start());
  ASSERT_TRUE(client.send("POST /whole HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"));
  EXPECT_EQ(body_of(client.read_answer()), "POST /whole abc");
}

}  // namespace
}  // namespace outrider::net
