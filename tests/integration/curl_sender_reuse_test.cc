// Kept connections: used again, limited in number, and never trusted further than what is on them
// allows. The numbers are those of the project's list of misbehaviours.
#include "sender_fixture.h"

namespace outrider::net::testing {
namespace {

class SenderReuse : public SenderTest {
 protected:
  void SetUp() override { open(); }
};

TEST_F(SenderReuse, keeps_the_connection_for_the_next_request) {
  ScriptedReceiver receiver(always(std::string(kOk)));
  const std::string url = receiver.url();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(post(url).status, 200);
  }
  EXPECT_EQ(receiver.requests(), 20);
  EXPECT_EQ(receiver.connections(), 1);
}

TEST_F(SenderReuse, keeps_at_most_as_many_idle_connections_as_it_may) {
  ScriptedReceiver::Options anywhere;
  anywhere.address = "0.0.0.0";
  for (const std::uint32_t most : {20U, 64U}) {  // in one curl multi, and in several
    ScriptedReceiver receiver(anywhere, always(std::string(kOk)));
    open({.max_idle_connections = most});
    const auto url = [&](int host) {
      return "http://127.0.1." + std::to_string(host) + ":" + std::to_string(receiver.port()) + "/";
    };
    for (int round = 0; round < 2; ++round) {
      for (int host = 1; host <= 200; ++host) ASSERT_EQ(post(url(host)).status, 200);
    }
    EXPECT_TRUE(ScriptedReceiver::wait_until([&] {
      return receiver.open_connections() <= most + most / 16;
    })) << receiver.open_connections()
        << " of " << most;
    EXPECT_GE(receiver.open_connections(), most / 2) << "but uses what it may";
  }
}

TEST_F(SenderReuse, a_body_longer_than_announced_is_no_answer_to_the_next_request) {  // 18, 36
  for (const char* head : {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                           "HTTP/1.1 204 No\r\n\r\n", "HTTP/1.1 304 No\r\n\r\n"}) {
    ScriptedReceiver receiver([&head](ReceiverConnection& connection) {
      int n = 0;
      while (connection.read_request()) {
        ++n;
        const std::string stray = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray";
        if (!connection.send(connection.number() == 1 && n == 1
                                 ? head + stray
                                 : "HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\noops")) {
          return;
        }
      }
    });
    EXPECT_EQ(post(receiver.url()).error, ErrorClass::kNone);
    const HttpOutcome second = post(receiver.url());
    EXPECT_EQ(second.status, 500) << head;
    EXPECT_EQ(second.response, "oops");
    EXPECT_EQ(receiver.requests(), 2);
  }
}

// The first connection answers one request and then says `stray` unasked; every later request gets
// a 500. So a 200 for the second request can only be the stray one.
class Stray : public SenderReuse, public ::testing::WithParamInterface<const char*> {};

TEST_P(Stray, is_never_taken_for_an_answer_and_the_request_goes_out_once) {  // 23, 24
  std::atomic<bool> taken{false};  // the sender has told of the first answer
  std::atomic<bool> said{false};
  ScriptedReceiver receiver([&](ReceiverConnection& connection) {
    if (!connection.read_request()) return;
    if (connection.number() == 1) {
      connection.send(kOk);
      if (!ScriptedReceiver::wait_until([&] { return taken.load(); })) return;
      connection.deliver(GetParam());
      said = true;
      if (!connection.read_request()) return;
    }
    connection.send("HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\noops");
    connection.wait_for_close();
  });
  EXPECT_EQ(post(receiver.url()).status, 200);
  taken = true;
  ASSERT_TRUE(ScriptedReceiver::wait_until([&] { return said.load(); }));
  const HttpOutcome second = post(receiver.url());
  EXPECT_EQ(second.error, ErrorClass::kNone) << second.detail;
  EXPECT_EQ(second.status, 500);
  EXPECT_EQ(second.response, "oops");
  EXPECT_EQ(receiver.requests(), 2);
  EXPECT_EQ(receiver.connections(), 2);
}

INSTANTIATE_TEST_SUITE_P(
    OnAnIdleConnection, Stray,
    ::testing::Values(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray",
        "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "x"));

TEST_F(SenderReuse, a_kept_connection_that_dies_under_a_request_is_not_tried_again) {  // 25
  for (const bool with_reset : {false, true}) {
    ScriptedReceiver receiver([with_reset](ReceiverConnection& connection) {
      if (!connection.read_request() || !connection.send(kOk)) return;
      if (!connection.read_request()) return;  // processed, then dead
      if (with_reset) connection.reset();
    });
    EXPECT_EQ(post(receiver.url()).error, ErrorClass::kNone);
    const HttpOutcome outcome = post(receiver.url());
    EXPECT_EQ(outcome.error, ErrorClass::kReset);
    EXPECT_EQ(outcome.detail,
              "the connection died without an answer; the request may have been processed");
    EXPECT_EQ(receiver.requests(), 2);
    EXPECT_EQ(receiver.connections(), 1);
    EXPECT_EQ(post(receiver.url()).status, 200) << "the next request has a connection of its own";
  }
}

TEST_F(SenderReuse, kept_connections_that_ended_while_idle_cost_nothing) {
  std::atomic<int> taken{0};  // answers the sender has told of
  std::atomic<int> closed{0};
  ScriptedReceiver receiver([&](ReceiverConnection& connection) {
    if (connection.read_request()) connection.send(kOk);
    const int number = connection.number();
    if (!ScriptedReceiver::wait_until([&] { return taken >= number; })) return;
    connection.deliver_half_close();
    ++closed;
    connection.wait_for_close();
  });
  for (int i = 1; i <= 20; ++i) {
    const HttpOutcome outcome = post(receiver.url());
    EXPECT_EQ(outcome.status, 200) << outcome.detail;
    taken = i;
    ASSERT_TRUE(ScriptedReceiver::wait_until([&] { return closed == i; }));
  }
  EXPECT_EQ(receiver.requests(), 20);
}

// Every kept connection dies at the moment it is used again, 200 times: one entry in the ledger per
// send, and never a success that the receiver did not give.
TEST_F(SenderReuse, no_request_ever_leaves_twice_while_connections_die_at_random) {
  ScriptedReceiver receiver([](ReceiverConnection& connection) {
    for (int n = 1; connection.read_request(); ++n) {
      if ((connection.number() * 7 + n) % 3 == 0) {
        if (connection.number() % 2 == 0) connection.reset();
        return;
      }
      connection.send(kOk);
    }
  });
  int answered = 0;
  int died = 0;
  constexpr int kSends = 200;
  for (int i = 0; i < kSends; ++i) {
    HttpRequest wanted = request(receiver.url());
    wanted.headers.push_back({"X-Send", std::to_string(i)});
    const HttpOutcome outcome = post(std::move(wanted));
    answered += outcome.error == ErrorClass::kNone ? 1 : 0;
    died += outcome.error == ErrorClass::kReset ? 1 : 0;
  }
  EXPECT_EQ(answered + died, kSends);
  EXPECT_GT(answered, 0);
  EXPECT_GT(died, 0);
  std::vector<int> seen(kSends);
  for (const ReceivedRequest& got : receiver.received()) {
    const std::size_t at = got.head.find("X-Send: ");
    ASSERT_NE(at, std::string::npos);
    ++seen[static_cast<std::size_t>(std::stoi(got.head.substr(at + 8)))];
  }
  for (int i = 0; i < kSends; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], 1) << i;
}

}  // namespace
}  // namespace outrider::net::testing
