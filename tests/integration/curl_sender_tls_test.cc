// The sender and TLS: which certificates it accepts, that nothing leaves to a receiver it does not
// trust, and how kept TLS connections behave.
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "crypto/certificates.h"
#include "sender_fixture.h"
#include "tls_program.h"

namespace outrider::net::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::int64_t now_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

class SenderTls : public SenderTest {
 protected:
  SenderTls() {
    std::string pattern = (std::filesystem::temp_directory_path() / "outrider-tls-XXXXXX").string();
    dir_ = mkdtemp(pattern.data());
    authority_ =
        *crypto::make_certificate_authority("test authority", crypto::thirty_days_around(now_s()));
    write("ca.pem", authority_.certificate_pem);
  }
  ~SenderTls() override { std::filesystem::remove_all(dir_); }

  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(dir_ + "/" + name) << text;
    return dir_ + "/" + name;
  }

  [[nodiscard]] crypto::CertificateAndKey issue(const std::vector<std::string>& names) const {
    return *crypto::issue(authority_, names, crypto::thirty_days_around(now_s()));
  }
  [[nodiscard]] static crypto::TlsServerContext context(const crypto::CertificateAndKey& identity) {
    return *crypto::TlsServerContext::make(identity.certificate_pem, identity.key_pem);
  }
  void open_trusting() { open({.ca_file = dir_ + "/ca.pem"}); }

  std::string dir_;
  crypto::CertificateAndKey authority_;
};

TEST_F(SenderTls, trusts_the_ca_file_and_keeps_the_connection) {
  const auto tls = context(issue({"127.0.0.1", "localhost"}));
  ScriptedReceiver::Options options;
  options.tls = &tls;
  ScriptedReceiver receiver(options, always(std::string(kOk)));
  open_trusting();
  for (int i = 0; i < 10; ++i) {
    const HttpOutcome outcome = post(receiver.url());
    EXPECT_EQ(outcome.error, ErrorClass::kNone) << outcome.detail;
    EXPECT_EQ(outcome.response, "ok");
  }
  EXPECT_EQ(receiver.requests(), 10);
  EXPECT_EQ(receiver.connections(), 1);
  // The same receiver by its name is another connection, with the name checked.
  const HttpOutcome by_name =
      post("https://localhost:" + std::to_string(receiver.port()) + "/hook");
  EXPECT_EQ(by_name.error, ErrorClass::kNone) << by_name.detail;
}

TEST_F(SenderTls, a_certificate_it_cannot_trust_ends_it_before_anything_is_sent) {  // 33
  const auto expired = *crypto::issue(authority_, std::vector<std::string>{"127.0.0.1"},
                                      {now_s() - 20 * crypto::kDaySeconds, now_s() - 1000});
  const auto future =
      *crypto::issue(authority_, std::vector<std::string>{"127.0.0.1"},
                     {now_s() + crypto::kDaySeconds, now_s() + 2 * crypto::kDaySeconds});
  const auto stranger =
      *crypto::make_certificate_authority("stranger", crypto::thirty_days_around(now_s()));
  const auto unknown = *crypto::issue(stranger, std::vector<std::string>{"127.0.0.1"},
                                      crypto::thirty_days_around(now_s()));
  struct Case {
    const char* name;
    crypto::CertificateAndKey identity;
    const char* words;
  };
  const std::vector<Case> cases{
      {"wrong host", issue({"hooks.example", "127.0.0.2"}), "127.0.0.1"},
      {"expired", expired, "expired"},
      {"not yet valid", future, "not yet valid"},
      {"self-signed", stranger, "certificate refused"},
      {"unknown authority", unknown, "certificate refused"},
  };
  open_trusting();
  for (const Case& bad : cases) {
    const auto tls = context(bad.identity);
    ScriptedReceiver::Options options;
    options.tls = &tls;
    ScriptedReceiver receiver(options, always(std::string(kOk)));
    const HttpOutcome outcome = post(receiver.url());
    EXPECT_EQ(outcome.error, ErrorClass::kTls) << bad.name;
    EXPECT_THAT(outcome.detail, HasSubstr(bad.words)) << bad.name;
    EXPECT_EQ(outcome.status, 0);
    EXPECT_THAT(outcome.peer, StartsWith("127.0.0.1:"));
    EXPECT_EQ(receiver.requests(), 0) << bad.name;
  }
}

TEST_F(SenderTls, the_systems_bundle_alone_does_not_trust_it) {
  const auto tls = context(issue({"127.0.0.1"}));
  ScriptedReceiver::Options options;
  options.tls = &tls;
  ScriptedReceiver receiver(options, always(std::string(kOk)));
  open();
  const HttpOutcome outcome = post(receiver.url());
  EXPECT_EQ(outcome.error, ErrorClass::kTls) << outcome.detail;
  EXPECT_EQ(receiver.requests(), 0);
}

TEST_F(SenderTls, a_handshake_that_stalls_times_out_and_says_so) {  // 34
  ScriptedReceiver receiver([](ReceiverConnection& connection) { connection.wait_for_close(); });
  open_trusting();
  const HttpOutcome outcome =
      post("https://127.0.0.1:" + std::to_string(receiver.port()) + "/", kShort);
  EXPECT_EQ(outcome.error, ErrorClass::kTimeout);
  EXPECT_EQ(outcome.detail, "the TLS handshake was not finished within 300 ms");
}

TEST_F(SenderTls, connecting_has_a_limit_of_its_own_which_may_be_shorter) {
  ScriptedReceiver receiver([](ReceiverConnection& connection) { connection.wait_for_close(); });
  open({.connect_timeout = kShort});
  const HttpOutcome outcome = post("https://127.0.0.1:" + std::to_string(receiver.port()) + "/");
  EXPECT_EQ(outcome.error, ErrorClass::kTimeout);
  EXPECT_EQ(outcome.detail, "the TLS handshake was not finished within 300 ms");
  EXPECT_THAT(outcome.peer, StartsWith("127.0.0.1:"));
}

TEST_F(SenderTls, a_receiver_that_does_not_speak_tls_is_a_tls_failure) {
  ScriptedReceiver receiver([](ReceiverConnection& connection) {
    connection.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    connection.half_close();
    connection.wait_for_close();
  });
  open_trusting();
  const HttpOutcome outcome = post("https://127.0.0.1:" + std::to_string(receiver.port()) + "/");
  EXPECT_EQ(outcome.error, ErrorClass::kTls) << outcome.detail;
}

TEST_F(SenderTls, a_stray_answer_on_an_idle_connection_is_never_taken) {  // 23
  const auto tls = context(issue({"127.0.0.1"}));
  ScriptedReceiver::Options options;
  options.tls = &tls;
  std::atomic<bool> taken{false};
  std::atomic<bool> said{false};
  ScriptedReceiver receiver(options, [&](ReceiverConnection& connection) {
    if (!connection.read_request()) return;
    if (connection.number() == 1) {
      connection.send(kOk);
      if (!ScriptedReceiver::wait_until([&] { return taken.load(); })) return;
      connection.deliver("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray");
      said = true;
      if (!connection.read_request()) return;
    }
    connection.send("HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\noops");
    (void)connection.read_request();
  });
  open_trusting();
  EXPECT_EQ(post(receiver.url()).status, 200);
  taken = true;
  ASSERT_TRUE(ScriptedReceiver::wait_until([&] { return said.load(); }));
  const HttpOutcome second = post(receiver.url());
  EXPECT_EQ(second.status, 500);
  EXPECT_EQ(receiver.requests(), 2);
}

// Wherever it waits when the first answer is complete: in libcurl's buffer, in OpenSSL's or in the
// socket.
TEST_F(SenderTls, an_answer_glued_to_the_one_before_is_never_taken) {
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
  const std::string stray = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray";
  const std::vector<std::pair<std::string, std::string>> records{
      {head + "ok" + stray, ""}, {head, "ok" + stray}, {head + "ok", stray}};
  const auto tls = context(issue({"127.0.0.1"}));
  for (const auto& [first, second] : records) {
    ScriptedReceiver::Options options;
    options.tls = &tls;
    ScriptedReceiver receiver(options, [&](ReceiverConnection& connection) {
      if (!connection.read_request()) return;
      if (connection.number() == 1) {
        second.empty() ? connection.send(first) : connection.send_together(first, second);
        if (!connection.read_request()) return;
      }
      connection.send("HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\noops");
      (void)connection.read_request();
    });
    open_trusting();
    EXPECT_EQ(post(receiver.url()).status, 200);
    EXPECT_EQ(post(receiver.url()).status, 500) << first;
    EXPECT_EQ(receiver.requests(), 2);
  }
}

TEST_F(SenderTls, a_kept_connection_that_dies_under_a_request_is_not_tried_again) {
  const auto tls = context(issue({"127.0.0.1"}));
  ScriptedReceiver::Options options;
  options.tls = &tls;
  ScriptedReceiver receiver(options, [](ReceiverConnection& connection) {
    if (!connection.read_request() || !connection.send(kOk)) return;
    if (connection.read_request() && connection.number() % 2 == 0) connection.reset();
  });
  open_trusting();
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(post(receiver.url()).status, 200);
    const HttpOutcome outcome = post(receiver.url());
    EXPECT_EQ(outcome.error, ErrorClass::kReset) << outcome.detail;
    EXPECT_EQ(receiver.requests(), 2 * (i + 1));
    EXPECT_EQ(receiver.connections(), i + 1);
  }
}

TEST_F(SenderTls, demands_of_the_receiver_that_cannot_be_met_are_tls_failures) {  // 34, 35
  const auto identity = issue({"127.0.0.1"});
  const std::string cert = write("cert.pem", identity.certificate_pem);
  const std::string key = write("key.pem", identity.key_pem);
  open_trusting();
  const std::vector<std::vector<std::string>> demands{
      {"-Verify", "1", "-verify_return_error", "-CAfile", dir_ + "/ca.pem", "-tls1_2"},
      {"-Verify", "1", "-verify_return_error", "-CAfile", dir_ + "/ca.pem", "-tls1_3"},
      {"-alpn", "h2"},
      {"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"},
  };
  for (const auto& demand : demands) {
    std::vector<std::string> words{"openssl", "s_server", "-accept", "127.0.0.1:0", "-cert",
                                   cert,      "-key",     key,       "-www"};
    words.insert(words.end(), demand.begin(), demand.end());
    const TlsProgram server(words);
    const HttpOutcome outcome = post(server.url());
    EXPECT_EQ(outcome.error, ErrorClass::kTls) << demand[0] << ": " << outcome.detail;
    EXPECT_EQ(outcome.status, 0);
  }
}

// What follows TLS 1.3's handshake (session tickets) is read with the first answer, so it does not
// look like a stray one.
TEST_F(SenderTls, session_tickets_do_not_cost_the_connection) {
  const auto identity = issue({"127.0.0.1"});
  const std::string cert = write("cert.pem", identity.certificate_pem);
  const std::string key = write("key.pem", identity.key_pem);
  // Python's server keeps connections and, as OpenSSL does by default, sends two tickets.
  const std::string script = write("server.py", R"(
import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    connections = 0
    def setup(self):
        super().setup()
        Handler.connections += 1
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = str(Handler.connections).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
print("ACCEPT 127.0.0.1:%d" % server.server_address[1], flush=True)
server.serve_forever()
)");
  const TlsProgram server({"python3", script, cert, key});
  open_trusting();
  std::string connections;
  for (int i = 0; i < 10; ++i) {
    const HttpOutcome outcome = post(server.url());
    EXPECT_EQ(outcome.status, 200) << outcome.detail;
    connections = outcome.response;
  }
  EXPECT_EQ(connections, "1");
}

}  // namespace
}  // namespace outrider::net::testing
