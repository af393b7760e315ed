// The sender against receivers that behave: what leaves, what comes back,
// and where nothing may leave at all. Receivers that misbehave are in curl_sender_hostile_test.cc,
// TLS is in curl_sender_tls_test.cc.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sender_fixture.h"

namespace outrider::net::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class SenderGood : public SenderTest {
 protected:
  ScriptedReceiver& receiver(std::string answer = std::string(kOk)) {
    receiver_ = std::make_unique<ScriptedReceiver>(always(std::move(answer)));
    return *receiver_;
  }
  std::unique_ptr<ScriptedReceiver> receiver_;
};

TEST_F(SenderGood, sends_exactly_the_request_it_was_given) {
  open();
  HttpRequest wanted = request(receiver().url("/a/../b/%2e?q=%20x&y"));
  wanted.headers = {{"Content-Type", "application/json"}, {"webhook-id", "evt_1"}, {"X-Empty", ""}};
  wanted.body = std::string("{\"a\":1}\0\xff", 9);
  const std::string sent = wanted.body;
  const HttpOutcome outcome = post(std::move(wanted));
  EXPECT_EQ(outcome.error, ErrorClass::kNone) << outcome.detail;
  const auto received = receiver_->received();
  ASSERT_EQ(received.size(), 1U);
  EXPECT_EQ(received[0].head,
            "POST /a/../b/%2e?q=%20x&y HTTP/1.1\r\n"
            "Host: 127.0.0.1:" +
                std::to_string(receiver_->port()) +
                "\r\n"
                "Content-Type: application/json\r\n"
                "webhook-id: evt_1\r\n"
                "X-Empty:\r\n"
                "User-Agent: outrider/test\r\n"
                "Content-Length: 9\r\n\r\n");
  EXPECT_EQ(received[0].body, sent);
}

TEST_F(SenderGood, reports_a_complete_answer) {
  open();
  const HttpOutcome outcome = post(receiver().url());
  EXPECT_EQ(outcome.error, ErrorClass::kNone);
  EXPECT_EQ(outcome.status, 200);
  EXPECT_EQ(outcome.response, "ok");
  EXPECT_FALSE(outcome.response_truncated);
  EXPECT_EQ(outcome.peer, "127.0.0.1:" + std::to_string(receiver_->port()));
  EXPECT_EQ(outcome.detail, "");
  EXPECT_FALSE(outcome.retry_after.has_value());
  EXPECT_EQ(sender_->in_flight(), 0U);
}

struct Answer {
  const char* text;
  int status;
  const char* response;
};

TEST_F(SenderGood, any_well_formed_answer_is_no_error_of_transport) {
  const std::vector<Answer> answers{
      {"HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 200, "abc"},
      {"HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\noops", 500, "oops"},
      {"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n", 302,
       ""},
      {"HTTP/1.1 307 Again\r\nLocation: /hook\r\nContent-Length: 0\r\n\r\n", 307, ""},
      {"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n", 401, ""},
      {"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n", 407,
       ""},
      {"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", 410, ""},
      {"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", 999, ""},
      {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", 200, "hi"},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\n"
       "Content-Length: 2\r\n\r\nok",
       200, "ok"},
      {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8bx", 200,
       "\x1f\x8bx"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nHTTP/1.1 500 no: x\r\n"
       "X: HTTP/1.1 500 no\r\n\r\n",
       200, "a"},
      {"HTTP/1.1 200 OK\r\nX: HTTP/1.1 500 no\r\nHTTP/1.1 500 no: x\r\nContent-Length: 0\r\n\r\n",
       200, ""},
  };
  open();
  for (const Answer& answer : answers) {
    const HttpOutcome outcome = post(receiver(answer.text).url());
    EXPECT_EQ(outcome.error, ErrorClass::kNone) << answer.text << outcome.detail;
    EXPECT_EQ(outcome.status, answer.status) << answer.text;
    EXPECT_EQ(outcome.response, answer.response) << answer.text;
    EXPECT_EQ(receiver_->requests(), 1) << answer.text;
  }
}

TEST_F(SenderGood, reads_an_answer_that_ends_with_the_connection) {
  ScriptedReceiver receiver([](ReceiverConnection& connection) {
    (void)connection.read_request();
    connection.send("HTTP/1.1 200 OK\r\n\r\nuntil the end");
  });
  open();
  const HttpOutcome outcome = post(receiver.url());
  EXPECT_EQ(outcome.error, ErrorClass::kNone);
  EXPECT_EQ(outcome.response, "until the end");
}

TEST_F(SenderGood, keeps_the_first_16_kib_of_an_answer_and_reads_the_rest_away) {
  open();
  for (const auto& [size, truncated] :
       {std::pair{16 * 1024, false}, {16 * 1024 + 1, true}, {300'000, true}}) {
    const std::string body(static_cast<std::size_t>(size), 'x');
    const HttpOutcome outcome = post(
        receiver("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" + body)
            .url());
    EXPECT_EQ(outcome.error, ErrorClass::kNone);
    EXPECT_EQ(outcome.response.size(), 16U * 1024U);
    EXPECT_EQ(outcome.response_truncated, truncated);
  }
}

struct RetryAfter {
  const char* value;
  std::optional<std::int64_t> seconds;
};

TEST_F(SenderGood, reads_retry_after) {
  open();
  for (const RetryAfter& wanted : {RetryAfter{"120", 120},
                                   {"-5", -5},
                                   {"1000000000", 1'000'000'000},
                                   {"99999999999999999999", 10'000'000'000},
                                   {"soon", std::nullopt}}) {
    const HttpOutcome outcome = post(receiver(std::string("HTTP/1.1 429 Slow\r\nretry-AFTER:  ") +
                                              wanted.value + " \r\nContent-Length: 0\r\n\r\n")
                                         .url());
    EXPECT_EQ(outcome.status, 429);
    ASSERT_EQ(outcome.retry_after.has_value(), wanted.seconds.has_value()) << wanted.value;
    if (!wanted.seconds) continue;
    EXPECT_EQ(outcome.retry_after->count(), *wanted.seconds * 1000);
  }
  const HttpOutcome past =
      post(receiver("HTTP/1.1 503 Busy\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                    "Content-Length: 0\r\n\r\n")
               .url());
  ASSERT_TRUE(past.retry_after.has_value());
  EXPECT_LT(past.retry_after->count(), -900'000'000'000);
}

TEST_F(SenderGood, a_done_may_send_again) {
  open();
  const std::string url = receiver().url();
  int told = 0;
  std::function<void(HttpOutcome)> again = [&](const HttpOutcome& outcome) {
    EXPECT_EQ(outcome.status, 200);
    if (++told == 50) return loop_.stop();
    sender_->send(request(url), again);
  };
  sender_->send(request(url), again);
  run();
  EXPECT_EQ(receiver_->requests(), 50);
  EXPECT_EQ(receiver_->connections(), 1);
}

TEST_F(SenderGood, two_hundred_at_once_each_get_their_own_answer) {
  ScriptedReceiver receiver([&](ReceiverConnection& connection) {
    while (const auto got = connection.read_request()) {
      const std::string path = got->head.substr(5, got->head.find(" HTTP") - 5);
      connection.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(path.size()) +
                      "\r\n\r\n" + path);
    }
  });
  open();
  int told = 0;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 200; ++i) {
      const std::string path = "/" + std::to_string(i);
      sender_->send(request(receiver.url(path)), [&, path](const HttpOutcome& outcome) {
        EXPECT_EQ(outcome.response, path) << outcome.detail;
        if (++told % 200 == 0) loop_.stop();
      });
    }
    EXPECT_EQ(sender_->in_flight(), 200U);
    run();
  }
  EXPECT_EQ(receiver.requests(), 600);
  EXPECT_LE(receiver.connections(), 200);
}

TEST_F(SenderGood, sends_a_body_larger_than_the_sockets_hold) {
  open();
  HttpRequest wanted = request(receiver().url());
  wanted.body.assign(16 * 1024 * 1024, 'x');
  const HttpOutcome outcome = post(std::move(wanted));
  EXPECT_EQ(outcome.error, ErrorClass::kNone) << outcome.detail;
  const auto received = receiver_->received();
  ASSERT_EQ(received.size(), 1U);
  EXPECT_EQ(received[0].body.size(), 16U * 1024U * 1024U);
  EXPECT_THAT(received[0].head, Not(HasSubstr("Expect")));
}

TEST_F(SenderGood, reaches_ipv6_and_names_the_peer_with_brackets) {
  ScriptedReceiver::Options options;
  options.address = "::1";
  ScriptedReceiver receiver(options, always(std::string(kOk)));
  open({}, {"::1/128"});
  const HttpOutcome outcome = post(receiver.url());
  EXPECT_EQ(outcome.error, ErrorClass::kNone) << outcome.detail;
  EXPECT_EQ(outcome.peer, "[::1]:" + std::to_string(receiver.port()));
  EXPECT_EQ(post(receiver.url()).error, ErrorClass::kNone);
  EXPECT_EQ(receiver.connections(), 1);
}

TEST_F(SenderGood, resolves_names_itself_and_keeps_their_connection) {
  open();
  const std::string url = "http://localhost:" + std::to_string(receiver().port()) + "/hook";
  for (int i = 0; i < 3; ++i) {
    const HttpOutcome outcome = post(url);
    EXPECT_EQ(outcome.error, ErrorClass::kNone) << outcome.detail;
    EXPECT_THAT(outcome.peer, StartsWith("127.0.0.1:"));
  }
  EXPECT_EQ(receiver_->connections(), 1);
}

TEST_F(SenderGood, ignores_proxies_of_the_environment) {
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  setenv("all_proxy", "http://127.0.0.1:1", 1);
  open();
  EXPECT_EQ(post(receiver().url()).error, ErrorClass::kNone);
  unsetenv("http_proxy");
  unsetenv("all_proxy");
}

// --- Where nothing may leave -------------------------------------------------------------------

TEST_F(SenderGood, a_refused_address_is_never_connected_to) {
  const std::string url = receiver().url();
  open({}, {"127.0.0.2/32"});
  const HttpOutcome outcome = post(url);
  EXPECT_EQ(outcome.error, ErrorClass::kBlocked);
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.detail, HasSubstr("loopback"));
  EXPECT_EQ(outcome.peer, "");
  EXPECT_EQ(receiver_->connections(), 0);
}

TEST_F(SenderGood, a_name_that_resolves_to_refused_addresses_only_is_never_connected_to) {
  const std::string url = "http://localhost:" + std::to_string(receiver().port()) + "/";
  open({}, {"127.0.0.2/32"});
  for (int i = 0; i < 2; ++i) {  // asked, then remembered
    const HttpOutcome outcome = post(url);
    EXPECT_EQ(outcome.error, ErrorClass::kBlocked);
    EXPECT_THAT(outcome.detail, AllOf(HasSubstr("resolves to"), HasSubstr("loopback")));
  }
  EXPECT_EQ(receiver_->connections(), 0);
}

TEST_F(SenderGood, a_name_that_does_not_resolve_is_a_dns_failure) {
  open({}, {"127.0.0.0/8"}, {.servers = {"127.0.0.1:1"}, .query_timeout = kShort / 4});
  const HttpOutcome outcome = post("https://hooks.example/x?token=secret");
  EXPECT_EQ(outcome.error, ErrorClass::kDns);
  EXPECT_THAT(outcome.detail, AllOf(HasSubstr("DNS"), Not(HasSubstr("secret"))));
}

TEST_F(SenderGood, resolving_counts_against_the_time_limit) {
  const int silent = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in self{};
  self.sin_family = AF_INET;
  self.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(silent, reinterpret_cast<sockaddr*>(&self), sizeof self), 0);
  socklen_t size = sizeof self;
  getsockname(silent, reinterpret_cast<sockaddr*>(&self), &size);
  open({}, {"127.0.0.0/8"},
       {.servers = {"127.0.0.1:" + std::to_string(ntohs(self.sin_port))},
        .query_timeout = kLongest});
  const HttpOutcome outcome = post("https://hooks.example/", kShort);
  EXPECT_EQ(outcome.error, ErrorClass::kTimeout);
  EXPECT_THAT(outcome.detail, HasSubstr("resolved"));
  EXPECT_GE(outcome.duration, kShort);
  close(silent);
}

TEST_F(SenderGood, says_when_the_process_has_no_free_descriptor) {
  open();
  EXPECT_EQ(post(receiver().url()).status, 200);  // everything that is opened once, is open
  receiver_.reset();
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = dup(0);
  close(next);
  const rlimit none{static_cast<rlim_t>(next), before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const HttpOutcome outcome = post("http://127.0.0.1:1/");
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(outcome.error, ErrorClass::kAborted);
  EXPECT_THAT(outcome.detail, HasSubstr("cannot make a socket"));
}

TEST_F(SenderGood, a_header_that_would_write_headers_of_its_own_is_not_sent) {
  open();
  const std::string url = receiver().url();
  for (const HeaderField& bad : {HeaderField{"X-A", "1\r\nX-B: 2"},
                                 {"X-A: 1\r\nX-B", "2"},
                                 {"", "x"},
                                 {"X A", "1"},
                                 {"X-A", std::string("a\0b", 3)}}) {
    HttpRequest wanted = request(url);
    wanted.headers.push_back(bad);
    const HttpOutcome outcome = post(std::move(wanted));
    EXPECT_EQ(outcome.error, ErrorClass::kAborted);
    EXPECT_THAT(outcome.detail, HasSubstr("header"));
  }
  EXPECT_EQ(receiver_->connections(), 0);
}

// --- Giving up ---------------------------------------------------------------------------------

TEST_F(SenderGood, abort_all_ends_everything_at_once) {
  ScriptedReceiver silent([](ReceiverConnection& connection) { connection.wait_for_close(); });
  open();
  std::vector<ErrorClass> told;
  const auto note = [&](const HttpOutcome& outcome) { told.push_back(outcome.error); };
  for (int i = 0; i < 50; ++i) sender_->send(request(silent.url()), note);
  sender_->send(request("http://localhost:" + std::to_string(silent.port()) + "/"),
                note);  // resolving
  loop_.start(kShort, [this] { loop_.stop(); });
  run();
  sender_->send(request("http://10.0.0.1/"), note);  // refused, not yet told
  EXPECT_EQ(sender_->in_flight(), 52U);
  sender_->abort_all();
  EXPECT_EQ(sender_->in_flight(), 0U);
  EXPECT_EQ(told.size(), 52U);
  EXPECT_THAT(told, ::testing::Each(ErrorClass::kAborted));
  const std::string url = receiver().url();
  EXPECT_EQ(post(url).status, 200) << "a sender that has aborted can send again";
}

TEST_F(SenderGood, a_done_may_abort_all_the_others_and_send) {
  open();
  const std::string url = receiver().url();
  int aborted = 0;
  int answered = 0;
  for (int i = 0; i < 20; ++i) {
    sender_->send(request(url), [&](const HttpOutcome& outcome) {
      if (outcome.error == ErrorClass::kAborted) {
        ++aborted;
        return;
      }
      ++answered;
      sender_->abort_all();
      sender_->send(request(url), [&](const HttpOutcome& last) {
        EXPECT_EQ(last.status, 200);
        loop_.stop();
      });
    });
  }
  run();
  EXPECT_EQ(answered, 1);
  EXPECT_EQ(aborted, 19);
}

TEST_F(SenderGood, ends_quietly_with_requests_in_every_stage) {
  ScriptedReceiver silent([](ReceiverConnection& connection) { connection.wait_for_close(); });
  open();
  EXPECT_EQ(post(receiver().url()).status, 200);  // an idle connection stays
  for (int i = 0; i < 5; ++i) {
    sender_->send(request(silent.url()), [](const HttpOutcome&) { FAIL(); });
  }
  sender_->send(request("http://localhost:" + std::to_string(silent.port()) + "/"),
                [](const HttpOutcome&) { FAIL(); });
  loop_.start(std::chrono::milliseconds(20), [this] { loop_.stop(); });
  run();
  sender_->send(request("http://10.0.0.1/"), [](const HttpOutcome&) { FAIL(); });
  sender_->send(request(silent.url()), [](const HttpOutcome&) { FAIL(); });
}

TEST_F(SenderGood, refuses_a_ca_file_it_cannot_use_and_names_it) {
  open();
  for (const char* bad : {"/nonexistent.pem", "/dev/null", "/etc"}) {
    auto rules = core::AddressRules::make({}, {});
    const auto made = make_curl_sender(loop_, *resolver_, std::move(*rules), {.ca_file = bad});
    ASSERT_FALSE(made.has_value()) << bad;
    const bool missing = std::string_view(bad) == "/nonexistent.pem";
    EXPECT_EQ(made.error().code, missing ? ErrorCode::kNotFound : ErrorCode::kInvalidArgument);
    EXPECT_EQ(made.error().where, bad);
  }
}

}  // namespace
}  // namespace outrider::net::testing
