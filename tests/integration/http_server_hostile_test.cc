// The HTTP server on real sockets, with clients that do not mean well, or are broken: each costs
// one connection, and none of them harms the loop or another client.
#include "net/http_server.h"

#include <gmock/gmock.h>

#include <thread>

#include "crypto/tls_session.h"
#include "net/loop.h"
#include "tests/integration/http_client.h"
#include "tests/integration/http_probes.h"
#include "tests/integration/http_test_server.h"

namespace outrider::net {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using tests::body_of;
using tests::get;
using tests::post_with;
using tests::RawClient;
using tests::status_of;
using tests::TestServer;

TEST(HttpServerUnderAttack, answers_every_probe_with_one_error_and_closes) {
  TestServer server;
  const std::uint16_t port = server.start();
  for (const tests::HttpProbe& probe : tests::http_probes()) {
    SCOPED_TRACE(probe.name);
    RawClient client(port);
    (void)client.send(probe.bytes + std::string(tests::kSmuggled));
    const std::string answer = client.read_answer();
    EXPECT_EQ(status_of(answer), probe.status);
    EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
    EXPECT_EQ(client.read_to_end(), "");
    EXPECT_TRUE(client.ended());
  }
  EXPECT_THAT(server.requests(), IsEmpty());
}

TEST(HttpServerUnderAttack, answers_what_came_before_a_bad_request_and_nothing_behind_it) {
  TestServer server;
  RawClient client(server.start());
  ASSERT_TRUE(client.send(get("/hold/good") + "GET /bad HTTP/1.1\nHost: a\n\n" +
                          std::string(tests::kSmuggled)));
  server.await_requests(1);
  server.release("good");
  EXPECT_EQ(body_of(client.read_answer()), "good");
  EXPECT_EQ(status_of(client.read_answer()), 400);
  EXPECT_EQ(client.read_to_end(), "");
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST(HttpServerUnderAttack, delivers_the_error_to_a_client_that_is_still_sending) {
  TestServer server;
  RawClient client(server.start());
  ASSERT_TRUE(client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n"));
  for (int i = 0; i < 30 && client.send(std::string(100'000, 'x')); ++i) {
  }
  EXPECT_EQ(status_of(client.read_to_end()), 413);
}

TEST(HttpServerUnderAttack, gives_up_on_a_request_that_does_not_arrive) {
  HttpServerOptions options;
  options.head_timeout = core::Duration(50);
  options.body_timeout = core::Duration(50);
  TestServer server(options);
  const std::uint16_t port = server.start();
  for (const std::string_view part :
       {"G", "GET / HTTP/1.1\r\nHost: a\r\nX: ",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab"}) {
    RawClient client(port);
    ASSERT_TRUE(client.send(part));
    EXPECT_EQ(status_of(client.read_to_end()), 408) << part;
    EXPECT_TRUE(client.ended());
  }
  server.await_connections(0);
}

TEST(HttpServerUnderAttack, a_dripping_client_does_not_push_its_deadline_away) {
  HttpServerOptions options;
  options.head_timeout = core::Duration(200);
  options.max_head_bytes = std::size_t{1} << 30;  // so that only the deadline can end it
  TestServer server(options);
  RawClient client(server.start());
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nHost: a\r\nX: "));
  std::thread dripping([&] {
    while (client.send("x")) std::this_thread::yield();
  });
  EXPECT_EQ(status_of(client.read_answer()), 408);
  ::shutdown(client.fd(), SHUT_RDWR);
  dripping.join();
}

TEST(HttpServerUnderAttack, closes_an_idle_connection_without_a_word) {
  HttpServerOptions options;
  options.idle_timeout = core::Duration(50);
  TestServer server(options);
  const std::uint16_t port = server.start();
  RawClient fresh(port);
  EXPECT_EQ(fresh.read_to_end(), "");
  EXPECT_TRUE(fresh.ended());
  RawClient used(port);
  ASSERT_TRUE(used.send(get("/")));
  EXPECT_EQ(status_of(used.read_answer()), 200);
  EXPECT_EQ(used.read_to_end(), "");
  EXPECT_TRUE(used.ended());
}

TEST(HttpServerUnderAttack, a_slow_handler_is_not_the_clients_fault) {
  HttpServerOptions options;
  options.idle_timeout = options.head_timeout = options.body_timeout = core::Duration(30);
  TestServer server(options);
  const std::uint16_t port = server.start();
  RawClient client(port);
  ASSERT_TRUE(client.send(get("/hold/a")));
  server.await_requests(1);
  // Another client's idle deadline is over: so would this one's be.
  RawClient idle(port);
  EXPECT_EQ(idle.read_to_end(), "");
  server.release("a");
  EXPECT_EQ(body_of(client.read_answer()), "a");
}

TEST(HttpServerUnderAttack,
     stops_reading_from_a_client_that_does_not_read_and_goes_on_when_it_does) {
  HttpServerOptions options;
  options.max_unsent_bytes = 64 * 1024;
  TestServer server(options);
  const std::uint16_t port = server.start();
  RawClient client(port);
  constexpr int kRequests = 2'000;
  std::thread sending([&] {
    for (int i = 0; i < kRequests; ++i) {
      if (!client.send(get("/big/20000"))) return;
    }
  });
  // The kernel's buffers hold a few MB of the 40; the server holds its limit, and asks for no more.
  std::size_t last = 0;
  for (int still = 0; still < 20;) {
    RawClient other(port);
    ASSERT_TRUE(other.send(get("/")));
    EXPECT_EQ(status_of(other.read_answer()), 200);
    const std::size_t now = server.big_requests();
    still = now == last && now > 0 ? still + 1 : 0;
    last = now;
  }
  EXPECT_LT(last, static_cast<std::size_t>(kRequests));
  for (int i = 0; i < kRequests; ++i) ASSERT_EQ(body_of(client.read_answer()).size(), 20'000U);
  sending.join();
}

TEST(HttpServerUnderAttack, cuts_a_client_that_never_reads_its_answer) {
  HttpServerOptions options;
  options.write_timeout = core::Duration(50);
  TestServer server(options);
  RawClient client(server.start());
  ASSERT_TRUE(client.send(get("/big/50000000")));
  server.await_requests(1);
  server.await_connections(0);
}

TEST(HttpServerUnderAttack, sends_a_large_answer_whole) {
  TestServer server;
  RawClient client(server.start());
  ASSERT_TRUE(client.send(get("/big/5000000") + get("/after")));
  EXPECT_EQ(body_of(client.read_answer()), std::string(5'000'000, 'b'));
  EXPECT_EQ(body_of(client.read_answer()), "GET /after ");
}

TEST(HttpServerUnderAttack, turns_away_what_is_beyond_the_limit_and_recovers) {
  HttpServerOptions options;
  options.max_connections = 2;
  TestServer server(options);
  const std::uint16_t port = server.start();
  {
    RawClient one(port);
    RawClient two(port);
    ASSERT_TRUE(one.send(get("/")));
    ASSERT_TRUE(two.send(get("/")));
    EXPECT_EQ(status_of(one.read_answer()), 200);
    EXPECT_EQ(status_of(two.read_answer()), 200);
    RawClient three(port);
    ASSERT_TRUE(three.send(get("/")));
    const std::string all = three.read_to_end();
    EXPECT_EQ(status_of(all), 503);
    EXPECT_THAT(all, HasSubstr("Retry-After: 1\r\n"));
    ASSERT_TRUE(one.send(get("/again")));
    EXPECT_EQ(status_of(one.read_answer()), 200);
  }
  server.await_connections(0);
  RawClient later(port);
  ASSERT_TRUE(later.send(get("/")));
  EXPECT_EQ(status_of(later.read_answer()), 200);
}

TEST(HttpServerUnderAttack, survives_clients_that_vanish_at_any_point) {
  TestServer server;
  const std::uint16_t port = server.start();
  const std::string request = post_with("hello") + get("/big/100000") + get("/hold/x");
  for (std::size_t cut = 0; cut <= request.size(); cut += 3) {
    RawClient client(port);
    ASSERT_TRUE(client.send(request.substr(0, cut)));
    if (cut % 2 == 0) {  // a reset instead of an end
      const linger hard{1, 0};
      ::setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }
  }
  RawClient good(port);
  ASSERT_TRUE(good.send(get("/")));
  EXPECT_EQ(status_of(good.read_answer()), 200);
}

TEST(HttpServerUnderAttack, an_answer_to_a_client_that_has_gone_is_dropped) {
  TestServer server;
  const std::uint16_t port = server.start();
  {
    RawClient client(port);
    ASSERT_TRUE(client.send(get("/hold/a") + get("/hold/b")));
    server.await_requests(2);
    const linger hard{1, 0};
    ::setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  }
  server.await_connections(0);
  server.post([&] {
    Responder late = server.take_held("a");
    EXPECT_FALSE(late.connected());
    late.send({});
    (void)server.take_held("b");
  });
}

}  // namespace
}  // namespace outrider::net
