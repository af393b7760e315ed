// The HTTP server on real sockets, with clients that mean well: order, keep-alive, limits of time
// when it stops, TLS.
#include "net/http_server.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <optional>

#include "crypto/tls_session.h"
#include "net/loop.h"
#include "tests/integration/http_client.h"
#include "tests/integration/http_probes.h"
#include "tests/integration/http_test_server.h"

namespace outrider::net {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;
using tests::body_of;
using tests::get;
using tests::post_with;
using tests::RawClient;
using tests::status_of;
using tests::TestServer;

// ---- the good case

TEST(HttpServer, answers_requests_of_one_connection_in_turn) {
  TestServer server;
  RawClient client(server.start());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.send(post_with("hello")));
    const std::string answer = client.read_answer();
    EXPECT_EQ(status_of(answer), 200);
    EXPECT_EQ(body_of(answer), "POST /p hello");
    EXPECT_THAT(answer, HasSubstr("X-Peer: 127.0.0.1:"));
    EXPECT_THAT(answer, HasSubstr(" GMT\r\n"));
    EXPECT_THAT(answer, Not(HasSubstr("Connection:")));
  }
}

TEST(HttpServer, reads_a_request_that_comes_byte_by_byte) {
  TestServer server;
  RawClient client(server.start());
  for (const char byte : post_with("slowly") + tests::chunked("3\r\nabc\r\n0\r\n\r\n")) {
    ASSERT_TRUE(client.send({&byte, 1}));
  }
  EXPECT_EQ(body_of(client.read_answer()), "POST /p slowly");
  EXPECT_EQ(body_of(client.read_answer()), "POST / abc");
}

TEST(HttpServer, answers_pipelined_requests_in_order) {
  TestServer server;
  RawClient client(server.start());
  std::string requests;
  for (int i = 0; i < 100; ++i) requests += get("/" + std::to_string(i));
  ASSERT_TRUE(client.send(requests));
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(body_of(client.read_answer()), "GET /" + std::to_string(i) + " ");
  }
}

TEST(HttpServer, sends_late_answers_in_the_order_of_the_requests) {
  TestServer server;
  RawClient client(server.start());
  ASSERT_TRUE(client.send(get("/hold/a") + get("/hold/b") + get("/now") + get("/hold/c")));
  server.await_requests(4);
  server.release("c");
  server.release("b");
  server.release("a");
  EXPECT_EQ(body_of(client.read_answer()), "a");
  EXPECT_EQ(body_of(client.read_answer()), "b");
  EXPECT_EQ(body_of(client.read_answer()), "GET /now ");
  EXPECT_EQ(body_of(client.read_answer()), "c");
}

TEST(HttpServer, hands_over_only_so_many_unanswered_requests_of_one_connection) {
  HttpServerOptions options;
  options.max_pipelined = 2;
  TestServer server(options);
  RawClient client(server.start());
  ASSERT_TRUE(client.send(get("/hold/a") + get("/hold/b") + get("/hold/c")));
  server.await_requests(2);
  RawClient other(server.port());
  ASSERT_TRUE(other.send(get("/other")));
  EXPECT_EQ(status_of(other.read_answer()), 200);
  EXPECT_EQ(server.requests().size(), 3U);  // a, b and the other's
  server.release("a");
  server.await_requests(4);
  server.release("b");
  server.release("c");
  EXPECT_EQ(body_of(client.read_answer()), "a");
  EXPECT_EQ(body_of(client.read_answer()), "b");
  EXPECT_EQ(body_of(client.read_answer()), "c");
}

TEST(HttpServer, closes_when_the_client_asks) {
  TestServer server;
  RawClient client(server.start());
  ASSERT_TRUE(client.send(get("/", "Connection: close\r\n") + get("/ignored")));
  const std::string all = client.read_to_end();
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(status_of(all), 200);
  EXPECT_THAT(all, HasSubstr("Connection: close\r\n"));
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST(HttpServer, closes_when_the_handler_asks) {
  TestServer server;
  RawClient client(server.start());
  ASSERT_TRUE(client.send(get("/close") + get("/behind")));
  const std::string all = client.read_to_end();
  EXPECT_TRUE(client.ended());
  EXPECT_THAT(all, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(all, Not(HasSubstr("/behind")));
}

TEST(HttpServer, speaks_http_1_0) {
  TestServer server;
  const std::uint16_t port = server.start();
  RawClient client(port);
  ASSERT_TRUE(client.send("GET /old HTTP/1.0\r\n\r\n"));
  const std::string all = client.read_to_end();
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(body_of(all), "GET /old ");
  RawClient keeping(port);
  ASSERT_TRUE(keeping.send("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
  EXPECT_THAT(keeping.read_answer(), HasSubstr("Connection: keep-alive\r\n"));
  ASSERT_TRUE(keeping.send("GET /2 HTTP/1.0\r\n\r\n"));
  EXPECT_EQ(body_of(keeping.read_answer()), "GET /2 ");
}

TEST(HttpServer, sends_no_body_to_head) {
  TestServer server;
  RawClient client(server.start());
  ASSERT_TRUE(client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + get("/next")));
  EXPECT_THAT(client.read_answer(true), HasSubstr("Content-Length: 7\r\n"));
  EXPECT_EQ(body_of(client.read_answer()), "GET /next ");
}

TEST(HttpServer, answers_a_client_that_has_ended_its_side) {
  TestServer server;
  RawClient client(server.start());
  ASSERT_TRUE(client.send(get("/hold/a") + get("/b") + "GET /partial HT"));
  client.end_sending();
  server.await_requests(2);
  server.release("a");
  const std::string all = client.read_to_end();
  EXPECT_TRUE(client.ended());
  EXPECT_THAT(all, HasSubstr("\r\n\r\na"));
  EXPECT_THAT(all, HasSubstr("GET /b "));
  EXPECT_EQ(server.requests().size(), 2U);
}

TEST(HttpServer, says_100_continue_when_asked_and_in_turn) {
  TestServer server;
  RawClient client(server.start());
  const std::string head =
      "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n";
  ASSERT_TRUE(client.send(get("/hold/a") + head));
  server.await_requests(1);
  server.release("a");
  EXPECT_EQ(body_of(client.read_answer()), "a");
  EXPECT_EQ(client.read_answer(), "HTTP/1.1 100 Continue\r\n\r\n");
  ASSERT_TRUE(client.send("ok"));
  EXPECT_EQ(body_of(client.read_answer()), "POST /p ok");
  // With the body already there, nobody waits.
  ASSERT_TRUE(client.send(head + "ok"));
  std::string answer = client.read_answer();
  if (status_of(answer) == 100) answer = client.read_answer();
  EXPECT_EQ(status_of(answer), 200);
}

TEST(HttpServer, refuses_a_body_too_large_instead_of_continuing) {
  TestServer server;
  RawClient client(server.start());
  ASSERT_TRUE(
      client.send("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n"
                  "Expect: 100-continue\r\n\r\n"));
  EXPECT_EQ(status_of(client.read_to_end()), 413);
  EXPECT_TRUE(client.ended());
}

TEST(HttpServer, answers_500_for_a_handler_that_does_not_answer_or_cannot) {
  TestServer server;
  RawClient client(server.start());
  ASSERT_TRUE(client.send(get("/drop") + get("/split") + get("/fine")));
  EXPECT_EQ(status_of(client.read_answer()), 500);
  const std::string split = client.read_answer();
  EXPECT_EQ(status_of(split), 500);
  EXPECT_THAT(split, Not(HasSubstr("Y: b")));
  EXPECT_EQ(status_of(client.read_answer()), 200);
}

// ---- listening, stopping

TEST(HttpServer, refuses_addresses_it_cannot_listen_on) {
  TestServer server;
  const auto name = server.server().listen_tcp("localhost", 0);
  ASSERT_FALSE(name.has_value());
  EXPECT_EQ(name.error().code, ErrorCode::kInvalidArgument);
  const auto first = server.server().listen_tcp("127.0.0.1", 0);
  ASSERT_TRUE(first.has_value());
  const auto again = server.server().listen_tcp("127.0.0.1", *first);
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().code, ErrorCode::kIo);
}

class UnixSocketTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "outrider-http-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    path_ = folder_ + "/http.sock";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string folder_;
  std::string path_;
};

TEST_F(UnixSocketTest, serves_its_owner_and_goes_away_with_the_server) {
  {
    TestServer server;
    ASSERT_TRUE(server.server().listen_unix(path_).has_value());
    server.run();
    struct stat status{};
    ASSERT_EQ(stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U);
    RawClient client(path_);
    ASSERT_TRUE(client.send(get("/")));
    EXPECT_THAT(client.read_answer(), HasSubstr("X-Peer: unix\r\n"));
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(UnixSocketTest, replaces_a_dead_socket_but_not_a_live_one_or_a_file) {
  {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    const int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
    ASSERT_EQ(::bind(dead, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ::close(dead);
  }
  TestServer server;
  ASSERT_TRUE(server.server().listen_unix(path_).has_value());
  TestServer second;
  const auto live = second.server().listen_unix(path_);
  ASSERT_FALSE(live.has_value());
  EXPECT_EQ(live.error().code, ErrorCode::kIo);
  EXPECT_TRUE(std::filesystem::exists(path_));
  const std::string file = folder_ + "/file";
  {
    std::unique_ptr<FILE, int (*)(FILE*)> made(std::fopen(file.c_str(), "w"), std::fclose);
  }
  EXPECT_FALSE(second.server().listen_unix(file).has_value());
  EXPECT_TRUE(std::filesystem::exists(file));
  EXPECT_FALSE(second.server().listen_unix(folder_ + "/" + std::string(200, 'x')).has_value());
  EXPECT_FALSE(second.server().listen_unix(folder_ + "/no/such").has_value());
}

TEST(HttpServer, stops_gracefully) {
  TestServer server;
  const std::uint16_t port = server.start();
  RawClient idle(port);
  ASSERT_TRUE(idle.send(get("/")));
  EXPECT_EQ(status_of(idle.read_answer()), 200);
  RawClient waiting(port);
  ASSERT_TRUE(waiting.send(get("/hold/a")));
  RawClient sending(port);
  ASSERT_TRUE(sending.send("POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"));
  server.await_requests(2);
  server.await_connections(3);
  std::atomic<int> stopped = 0;
  server.stop_server([&] { ++stopped; });
  EXPECT_EQ(idle.read_to_end(), "");
  EXPECT_TRUE(idle.ended());
  EXPECT_FALSE(RawClient(port).connected());
  ASSERT_TRUE(sending.send("ok"));
  EXPECT_THAT(sending.read_to_end(), HasSubstr("Connection: close\r\n"));
  server.release("a");
  const std::string last = waiting.read_to_end();
  EXPECT_EQ(body_of(last), "a");
  EXPECT_THAT(last, HasSubstr("Connection: close\r\n"));
  server.await_connections(0);
  server.post([] {});
  server.post([] {});
  EXPECT_EQ(stopped, 1);
}

TEST(HttpServer, cuts_what_is_still_open_when_the_time_to_stop_is_over) {
  HttpServerOptions options;
  options.stop_timeout = core::Duration(50);
  TestServer server(options);
  RawClient client(server.start());
  ASSERT_TRUE(client.send(get("/hold/a")));
  server.await_requests(1);
  server.stop_server([] {});
  EXPECT_EQ(client.read_to_end(), "");
  EXPECT_TRUE(client.ended());
}

TEST(HttpServer, can_be_destroyed_with_requests_under_way) {
  TestServer server;
  const std::uint16_t port = server.start();
  RawClient client(port);
  ASSERT_TRUE(client.send(get("/hold/a") + "GET /partial"));
  RawClient loading(port);
  ASSERT_TRUE(loading.send(get("/big/50000000")));
  server.await_requests(2);
  server.destroy_server();
  EXPECT_EQ(client.read_to_end(), "");
  EXPECT_TRUE(client.ended());
  server.post([&] { EXPECT_FALSE(server.take_held("a").connected()); });
}

// ---- TLS

class HttpServerTls : public testing::Test {
 protected:
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL's own sockets, in the client
    auto made = crypto::TlsServerContext::make_throwaway({}, std::time(nullptr), authority_);
    ASSERT_TRUE(made.has_value());
    context_.emplace(std::move(*made));
  }
  std::string authority_;
  std::optional<crypto::TlsServerContext> context_;
};

TEST_F(HttpServerTls, serves_requests_pipelined_and_large) {
  TestServer server;
  RawClient client(server.start(&*context_));
  ASSERT_TRUE(client.start_tls(authority_, "localhost"));
  ASSERT_TRUE(
      client.send(post_with("hello") + get("/big/3000000") + get("/", "Connection: close\r\n")));
  EXPECT_EQ(body_of(client.read_answer()), "POST /p hello");
  EXPECT_EQ(body_of(client.read_answer()).size(), 3'000'000U);
  EXPECT_EQ(body_of(client.read_to_end()), "GET / ");
  EXPECT_TRUE(client.ended());
}

TEST_F(HttpServerTls, answers_probes_inside_tls_too) {
  TestServer server;
  const std::uint16_t port = server.start(&*context_);
  for (const tests::HttpProbe& probe : tests::http_probes()) {
    SCOPED_TRACE(probe.name);
    RawClient client(port);
    ASSERT_TRUE(client.start_tls(authority_, "127.0.0.1"));
    (void)client.send(probe.bytes + std::string(tests::kSmuggled));
    EXPECT_EQ(status_of(client.read_to_end()), probe.status);
  }
  EXPECT_THAT(server.requests(), IsEmpty());
}

TEST_F(HttpServerTls, drops_a_client_that_does_not_speak_tls) {
  TestServer server;
  const std::uint16_t port = server.start(&*context_);
  RawClient plain(port);
  ASSERT_TRUE(plain.send(get("/")));
  EXPECT_THAT(plain.read_to_end(), Not(StartsWith("HTTP/")));
  EXPECT_TRUE(plain.ended());
  RawClient good(port);
  ASSERT_TRUE(good.start_tls(authority_, "localhost"));
  ASSERT_TRUE(good.send(get("/")));
  EXPECT_EQ(status_of(good.read_answer()), 200);
  EXPECT_THAT(server.requests(), testing::ElementsAre("GET /"));
}

TEST_F(HttpServerTls, gives_up_on_a_handshake_that_stalls) {
  HttpServerOptions options;
  options.head_timeout = core::Duration(50);
  TestServer server(options);
  RawClient client(server.start(&*context_));
  ASSERT_TRUE(client.send(std::string_view("\x16\x03\x01\x02\x00\x01", 6)));
  EXPECT_EQ(client.read_to_end(), "");
  EXPECT_TRUE(client.ended());
  server.await_connections(0);
}

}  // namespace
}  // namespace outrider::net
