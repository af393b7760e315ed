// The sender against receivers that misbehave: each ends in the right error class, within its time
// limit, with bounded reading, and with the request sent at most once. The numbers are those of the
// list of misbehaviours the project keeps.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sender_fixture.h"

namespace outrider::net::testing {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

class SenderHostile : public SenderTest {
 protected:
  void SetUp() override { open(); }

  // Answers each connection's first request with `answer` and closes.
  HttpOutcome post_and_hear(const std::string& answer, core::Duration timeout = kLongest) {
    ScriptedReceiver receiver([&answer](ReceiverConnection& connection) {
      if (!connection.read_request()) return;
      connection.send(answer);
      connection.half_close();
      connection.wait_for_close();
    });
    HttpOutcome outcome = post(receiver.url("/hook?token=secret"), timeout);
    EXPECT_EQ(receiver.requests(), 1) << answer.substr(0, 80);
    EXPECT_THAT(outcome.detail, Not(HasSubstr("secret")));
    return outcome;
  }
};

TEST_F(SenderHostile, a_refused_connection_is_a_connect_failure) {  // 1
  std::string url;
  {
    url = ScriptedReceiver([](ReceiverConnection&) {}).url();
  }
  const HttpOutcome outcome = post(url);
  EXPECT_EQ(outcome.error, ErrorClass::kConnect);
  EXPECT_THAT(outcome.detail, HasSubstr("refused"));
  EXPECT_EQ(outcome.peer, "");
}

TEST_F(SenderHostile, a_connection_that_is_never_accepted_times_out) {  // 2
  // A full accept queue drops what comes next, as a black hole would.
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in self{};
  self.sin_family = AF_INET;
  self.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&self), sizeof self), 0);
  ASSERT_EQ(listen(listener, 0), 0);
  socklen_t size = sizeof self;
  getsockname(listener, reinterpret_cast<sockaddr*>(&self), &size);
  std::vector<int> fillers;
  for (int i = 0; i < 3; ++i) {
    fillers.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    connect(fillers.back(), reinterpret_cast<sockaddr*>(&self), sizeof self);
  }
  const HttpOutcome outcome =
      post("http://127.0.0.1:" + std::to_string(ntohs(self.sin_port)) + "/", kShort);
  EXPECT_EQ(outcome.error, ErrorClass::kTimeout);
  EXPECT_THAT(outcome.detail, AnyOf(HasSubstr("not connected within"), HasSubstr("no answer")));
  EXPECT_GE(outcome.duration, kShort);
  EXPECT_LT(outcome.duration, kLongest);
  for (const int fd : fillers) close(fd);
  close(listener);
}

TEST_F(SenderHostile, silence_times_out_and_says_that_nothing_came) {  // 3
  ScriptedReceiver receiver([](ReceiverConnection& connection) {
    (void)connection.read_request();
    connection.wait_for_close();
  });
  const HttpOutcome outcome = post(receiver.url(), kShort);
  EXPECT_EQ(outcome.error, ErrorClass::kTimeout);
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.detail, "no answer within 300 ms");
  EXPECT_GE(outcome.duration, kShort);
  EXPECT_EQ(receiver.requests(), 1);
}

TEST_F(SenderHostile, a_reset_before_the_body_was_read) {  // 4
  ScriptedReceiver receiver([](ReceiverConnection& connection) {
    (void)connection.read_head();
    connection.reset();
  });
  HttpRequest wanted = request(receiver.url());
  wanted.body.assign(8 * 1024 * 1024, 'x');
  const HttpOutcome outcome = post(std::move(wanted));
  EXPECT_EQ(outcome.error, ErrorClass::kReset);
  EXPECT_EQ(outcome.detail, "the connection died while the request was being sent");
  EXPECT_EQ(receiver.connections(), 1);
}

TEST_F(SenderHostile, a_reset_in_the_middle_of_the_answer) {  // 5
  ScriptedReceiver receiver([](ReceiverConnection& connection) {
    (void)connection.read_request();
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    connection.reset();
  });
  const HttpOutcome outcome = post(receiver.url());
  EXPECT_EQ(outcome.error, ErrorClass::kReset);
  EXPECT_EQ(receiver.requests(), 1);
}

TEST_F(SenderHostile, a_reset_after_a_complete_answer_changes_nothing) {  // 6
  ScriptedReceiver receiver([](ReceiverConnection& connection) {
    if (!connection.read_request()) return;
    connection.send(kOk);
    // Only when the answer is read for certain: a reset may take it away from the sender's kernel.
    (void)connection.read_head();
    connection.reset();
  });
  EXPECT_EQ(post(receiver.url()).error, ErrorClass::kNone);
}

TEST_F(SenderHostile, an_end_without_an_answer_says_it_may_have_been_processed) {  // 7, 25
  const HttpOutcome outcome = post_and_hear("");
  EXPECT_EQ(outcome.error, ErrorClass::kReset);
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.detail,
            "the connection died without an answer; the request may have been processed");
}

TEST_F(SenderHostile, a_half_closed_connection_may_still_answer) {  // 8
  const HttpOutcome outcome = post_and_hear(std::string(kOk));
  EXPECT_EQ(outcome.error, ErrorClass::kNone);
  EXPECT_EQ(outcome.status, 200);
}

TEST_F(SenderHostile, a_receiver_that_never_reads_times_out) {  // 9
  ScriptedReceiver::Options options;
  options.receive_buffer_bytes = 4096;
  ScriptedReceiver receiver(
      options, [](ReceiverConnection& connection) { connection.wait_without_reading(); });
  HttpRequest wanted = request(receiver.url(), kShort);
  wanted.body.assign(16 * 1024 * 1024, 'x');
  const HttpOutcome outcome = post(std::move(wanted));
  EXPECT_EQ(outcome.error, ErrorClass::kTimeout);
  EXPECT_THAT(outcome.detail, HasSubstr("the request was not taken within"));
}

// Sends `bytes` again and again, each after the peer had time to read the one before, until the
// peer gives up.
ScriptedReceiver::Script dripping(std::string first, std::string bytes) {
  return [first = std::move(first), bytes = std::move(bytes)](ReceiverConnection& connection) {
    if (!connection.read_request() || !connection.send(first)) return;
    (void)ScriptedReceiver::wait_until([&] { return !connection.send(bytes); });
  };
}

TEST_F(SenderHostile, a_dripped_head_times_out) {  // 10
  ScriptedReceiver receiver(dripping("HTTP/1.1 200 OK\r\nX-Slow: ", "x"));
  const HttpOutcome outcome = post(receiver.url(), kShort);
  EXPECT_EQ(outcome.error, ErrorClass::kTimeout);
  EXPECT_THAT(outcome.detail, HasSubstr("not complete within 300 ms"));
}

TEST_F(SenderHostile, a_dripped_body_times_out_with_its_status_on_record) {  // 11
  ScriptedReceiver receiver(dripping("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", "x"));
  const HttpOutcome outcome = post(receiver.url(), kShort);
  EXPECT_EQ(outcome.error, ErrorClass::kTimeout);
  EXPECT_EQ(outcome.status, 200);
  EXPECT_THAT(outcome.response, ::testing::StartsWith("x"));
}

struct Flood {
  const char* name;
  std::string first;
  std::string again;
  int status;
  const char* words;
};

TEST_F(SenderHostile, floods_are_cut_off_long_before_the_time_limit) {  // 12-16, 32
  const std::string chunk = "4000\r\n" + std::string(0x4000, 'x') + "\r\n";
  const std::string line = "X-Filler: " + std::string(1000, 'x') + "\r\n";
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  const std::vector<Flood> floods{
      {"endless chunks", ok + "Transfer-Encoding: chunked\r\n\r\n", chunk, 200,
       "body is over 1 MiB"},
      {"endless body", ok + "\r\n", chunk, 200, "body is over 1 MiB"},
      {"announced giant", ok + "Content-Length: 99999999999\r\n\r\n", chunk, 200,
       "body is over 1 MiB"},
      {"endless headers", ok, line, 200, "headers of the answer are over 64 KiB"},
      {"long header", ok + "X: " + std::string(20'000, 'x') + "\r\n\r\n", "", 200,
       "line of the answer is over 16 KiB"},
      {"giant header", ok + "X: ", std::string(10'000, 'x'), 200,
       "line of the answer is over 100 KB"},
      {"endless interim", "", "HTTP/1.1 100 Continue\r\n\r\n", 0, "too many interim"},
      {"long interim", "HTTP/1.1 103 Early\r\n", line, 0, "over 64 KiB"},
      {"endless trailers", ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n", line, 200,
       "over 64 KiB"},
  };
  for (const Flood& flood : floods) {
    ScriptedReceiver receiver([&flood](ReceiverConnection& connection) {
      if (!connection.read_request()) return;
      connection.send(flood.first);
      connection.send_repeatedly(flood.again, flood.again.empty() ? 0 : 1'000'000);
      connection.wait_for_close();
    });
    const HttpOutcome outcome = post(receiver.url());
    EXPECT_EQ(outcome.error, ErrorClass::kTooLarge) << flood.name << ": " << outcome.detail;
    EXPECT_EQ(outcome.status, flood.status) << flood.name;
    EXPECT_THAT(outcome.detail, HasSubstr(flood.words)) << flood.name;
    EXPECT_LE(outcome.response.size(), 16U * 1024U) << flood.name;
    EXPECT_EQ(receiver.requests(), 1) << flood.name;
  }
}

struct Bad {
  const char* name;
  std::string answer;
  ErrorClass error;
  const char* words;
};

TEST_F(SenderHostile, answers_that_are_not_http_are_protocol_errors) {  // 17-21, 36
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  const std::vector<Bad> answers{
      {"short body", ok + "Content-Length: 10\r\n\r\nabc", ErrorClass::kReset,
       "middle of the answer"},
      {"no last chunk", ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", ErrorClass::kReset,
       "middle"},
      {"bad chunk size", ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
       ErrorClass::kProtocol, "chunks"},
      {"huge chunk size", ok + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n",
       ErrorClass::kProtocol, "chunks"},
      {"bad chunk end", ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n",
       ErrorClass::kProtocol, "chunks"},
      {"length and chunks",
       ok + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
       ErrorClass::kProtocol, "both"},
      {"chunks and length",
       ok + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
       ErrorClass::kProtocol, "both"},
      {"two lengths", ok + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
       ErrorClass::kProtocol, "two different"},
      {"signed length", ok + "Content-Length: +3\r\n\r\nabc", ErrorClass::kProtocol,
       "not a number"},
      {"length list", ok + "Content-Length: 3, 3\r\n\r\nabc", ErrorClass::kProtocol,
       "not a number"},
      {"no length", ok + "Content-Length:\r\n\r\nabc", ErrorClass::kProtocol, ""},
      {"gzip coding", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
       ErrorClass::kProtocol, "transfer coding"},
      {"chunked twice",
       ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       ErrorClass::kProtocol, "transfer coding"},
      {"http/0.9", "hello, is it me you are looking for?\r\n", ErrorClass::kProtocol, "not HTTP"},
      {"another protocol", "SSH-2.0-OpenSSH_9.2\r\n", ErrorClass::kProtocol, "not HTTP"},
      {"http/2", "HTTP/2 200\r\nContent-Length: 0\r\n\r\n", ErrorClass::kProtocol, ""},
      {"http/3.1", "HTTP/3.1 200 OK\r\nContent-Length: 0\r\n\r\n", ErrorClass::kProtocol, ""},
      {"no status", "HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n", ErrorClass::kProtocol, ""},
      {"long status", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", ErrorClass::kProtocol, ""},
      {"low status", "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n", ErrorClass::kProtocol, ""},
      {"no colon", ok + "Content-Length 0\r\n\r\n", ErrorClass::kProtocol, ""},
      {"colonless trailer", ok + "Transfer-Encoding: chunked\r\n\r\n0\r\nHTTP/1.1 500 no\r\n\r\n",
       ErrorClass::kProtocol, ""},
      {"switch", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
       ErrorClass::kProtocol, "switched protocols"},
      {"interim only", "HTTP/1.1 100 Continue\r\n\r\n", ErrorClass::kReset, ""},
      {"nul in header", ok + std::string("X: a\0b\r\nContent-Length: 0\r\n\r\n", 30),
       ErrorClass::kProtocol, ""},
  };
  for (const Bad& bad : answers) {
    const HttpOutcome outcome = post_and_hear(bad.answer);
    EXPECT_EQ(outcome.error, bad.error)
        << bad.name << ": " << error_class_name(outcome.error) << ": " << outcome.detail;
    EXPECT_THAT(outcome.detail, HasSubstr(bad.words)) << bad.name;
    EXPECT_NE(outcome.detail, "") << bad.name;
  }
}

TEST_F(SenderHostile, an_answer_before_the_request_was_sent_is_no_success) {  // 22
  for (const int status : {200, 302, 410}) {
    ScriptedReceiver::Options options;
    options.receive_buffer_bytes = 4096;
    ScriptedReceiver receiver(options, [status](ReceiverConnection& connection) {
      if (!connection.read_head()) return;
      connection.send("HTTP/1.1 " + std::to_string(status) +
                      " Early\r\nContent-Length: 2\r\n\r\nok");
      connection.wait_for_close();
    });
    HttpRequest wanted = request(receiver.url());
    wanted.body.assign(16 * 1024 * 1024, 'x');
    const HttpOutcome outcome = post(std::move(wanted));
    EXPECT_EQ(outcome.status, status);
    if (status < 400) {
      EXPECT_EQ(outcome.error, ErrorClass::kProtocol) << outcome.detail;
      EXPECT_THAT(outcome.detail, HasSubstr("before the request was sent"));
    } else {
      EXPECT_EQ(outcome.error, ErrorClass::kNone) << outcome.detail;
    }
  }
}

TEST_F(SenderHostile, redirects_are_answers_and_nobody_follows_them) {  // 26, 27
  ScriptedReceiver receiver(
      always("HTTP/1.1 302 Found\r\nLocation: "
             "http://169.254.169.254/latest/meta-data\r\nContent-Length: 0\r\n\r\n"));
  const HttpOutcome outcome = post(receiver.url());
  EXPECT_EQ(outcome.error, ErrorClass::kNone);
  EXPECT_EQ(outcome.status, 302);
  EXPECT_EQ(receiver.requests(), 1);
}

TEST_F(SenderHostile, one_that_hangs_does_not_hold_up_the_others) {
  ScriptedReceiver hanging([](ReceiverConnection& connection) { connection.wait_for_close(); });
  ScriptedReceiver good(always(std::string(kOk)));
  int timed_out = 0;
  int answered = 0;
  for (int i = 0; i < 100; ++i) {
    sender_->send(request(hanging.url(), kLongest), [&](const HttpOutcome&) { ++timed_out; });
  }
  for (int i = 0; i < 100; ++i) {
    sender_->send(request(good.url()), [&](const HttpOutcome& outcome) {
      EXPECT_EQ(outcome.status, 200);
      if (++answered == 100) loop_.stop();
    });
  }
  run();
  EXPECT_EQ(answered, 100);
  EXPECT_EQ(timed_out, 0);
  sender_->abort_all();
  EXPECT_EQ(timed_out, 100);
}

TEST_F(SenderHostile, each_of_many_silent_requests_ends_at_its_own_limit) {
  ScriptedReceiver silent([](ReceiverConnection& connection) { connection.wait_for_close(); });
  int told = 0;
  for (int i = 0; i < 100; ++i) {
    const core::Duration limit(100 + i * 2);
    sender_->send(request(silent.url(), limit), [&, limit](const HttpOutcome& outcome) {
      EXPECT_EQ(outcome.error, ErrorClass::kTimeout);
      EXPECT_GE(outcome.duration, limit);
      if (++told == 100) loop_.stop();
    });
  }
  run();
  EXPECT_EQ(told, 100);
}

}  // namespace
}  // namespace outrider::net::testing
