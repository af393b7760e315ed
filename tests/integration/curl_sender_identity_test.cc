// The sender and TLS identities: whose certificate a request travels under, whom it trusts, and
// that one identity's connections never serve another.
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <set>

#include "crypto/certificates.h"
#include "crypto/client_identity.h"
#include "sender_fixture.h"
#include "tls_program.h"

namespace outrider::net::testing {
namespace {

using crypto::TlsServerContext;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using Identity = std::shared_ptr<const TlsIdentity>;

crypto::Validity now_valid() {
  return crypto::thirty_days_around(std::chrono::duration_cast<std::chrono::seconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count());
}

Identity held(const TlsIdentity& identity) { return std::make_shared<const TlsIdentity>(identity); }

std::string sha256_of(const Identity& identity) {
  if (identity == nullptr || identity->certificate.empty()) return "";
  return crypto::summarize(identity->certificate)->front().sha256;
}

// A request as a receiver saw it.
struct Seen {
  int connection = 0;
  std::string client;  // digest of the certificate it came under
  std::string marker;
};

class SenderIdentity : public SenderTest {
 protected:
  SenderIdentity() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "outrider-identity-XXXXXX").string();
    dir_ = mkdtemp(pattern.data());
    write("ca.pem", servers_.certificate_pem);
  }
  ~SenderIdentity() override { std::filesystem::remove_all(dir_); }

  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(dir_ + "/" + name) << text;
    return dir_ + "/" + name;
  }
  // Trusts the servers' authority by default, as `serve --ca-file` does.
  void open_trusting(CurlSenderOptions options = {}) {
    options.ca_file = dir_ + "/ca.pem";
    open(std::move(options));
  }

  [[nodiscard]] crypto::CertificateAndKey server_pair() const {
    return *crypto::issue(servers_, std::vector<std::string>{"127.0.0.1"}, now_valid());
  }
  [[nodiscard]] TlsIdentity client(const std::string& name) const {
    const auto pair = *crypto::issue_client(clients_, name, now_valid());
    TlsIdentity identity;
    identity.certificate = pair.certificate_pem;
    identity.key = pair.key_pem;
    return identity;
  }
  [[nodiscard]] TlsServerContext asking(TlsServerContext::ClientCertificate wanted) const {
    const auto pair = server_pair();
    return *TlsServerContext::make_asking(pair.certificate_pem, pair.key_pem,
                                          clients_.certificate_pem, wanted);
  }

  static ScriptedReceiver::Options over(const TlsServerContext& tls) {
    ScriptedReceiver::Options options;
    options.tls = &tls;
    return options;
  }

  HttpOutcome post_as(const std::string& url, const Identity& identity) {
    HttpRequest made = request(url);
    made.identity = identity;
    return post(std::move(made));
  }

  // Answers every request, and notes whose certificate it came under. Every `drop_each`th request
  // of a connection ends it without an answer (0: none).
  ScriptedReceiver::Script noting(int drop_each = 0) {
    return [this, drop_each](ReceiverConnection& connection) {
      for (int count = 1;; ++count) {
        const auto got = connection.read_request();
        if (!got) return connection.wait_for_close();  // a reset would overtake the alert
        const std::string name = "\r\nX-Marker: ";
        const std::size_t at = got->head.find(name) + name.size();
        {
          const std::lock_guard lock(mutex_);
          seen_.push_back({connection.number(), connection.client_sha256(),
                           got->head.substr(at, got->head.find('\r', at) - at)});
        }
        if (drop_each != 0 && count % drop_each == 0) return connection.reset();
        if (!connection.send(kOk)) return;
      }
    };
  }
  [[nodiscard]] std::vector<Seen> seen() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

  // Runs the loop until it holds.
  void run_until(const std::function<bool()>& condition) {
    std::function<void()> look = [&] {
      if (condition()) return loop_.stop();
      loop_.start(core::Duration(5), look);
    };
    loop_.start(core::Duration(0), look);
    run();
  }

  std::string dir_;
  crypto::CertificateAndKey servers_ =
      *crypto::make_certificate_authority("servers' authority", now_valid());
  crypto::CertificateAndKey clients_ =
      *crypto::make_certificate_authority("clients' authority", now_valid());
  std::mutex mutex_;
  std::vector<Seen> seen_;
};

// Sends `count` requests, `at_once` of them at any time, the identity of each chosen by its number.
class Barrage {
 public:
  using Choose = std::function<Identity(int number)>;
  Barrage(Loop& loop, HttpSender& sender, int count, Choose choose)
      : loop_(loop), sender_(sender), count_(count), choose_(std::move(choose)) {}

  void start(const HttpRequest& like, int at_once) {
    like_ = like;
    for (int i = 0; i < at_once; ++i) next();
  }

  std::map<std::string, std::string> expected;  // marker -> digest of the certificate
  std::map<ErrorClass, int> outcomes;

 private:
  void next() {
    if (started_ == count_) return;
    const int number = started_++;
    HttpRequest request = like_;
    request.identity = choose_(number);
    request.headers.push_back({"X-Marker", std::to_string(number)});
    expected[std::to_string(number)] = sha256_of(request.identity);
    sender_.send(std::move(request), [this](const HttpOutcome& outcome) {
      ++outcomes[outcome.error];
      if (++finished_ == count_) {
        loop_.stop();
      } else {
        next();
      }
    });
  }

  Loop& loop_;
  HttpSender& sender_;
  int count_;
  Choose choose_;
  HttpRequest like_;
  int started_ = 0;
  int finished_ = 0;
};

// Every request came under its own identity's certificate, once, and no connection had two.
void expect_unmixed(const std::vector<Seen>& seen, const Barrage& barrage) {
  std::map<int, std::set<std::string>> clients_of;
  std::set<std::string> markers;
  for (const Seen& request : seen) {
    EXPECT_EQ(request.client, barrage.expected.at(request.marker)) << request.marker;
    EXPECT_TRUE(markers.insert(request.marker).second) << request.marker << " came twice";
    clients_of[request.connection].insert(request.client);
  }
  EXPECT_EQ(seen.size(), barrage.expected.size());
  for (const auto& [connection, clients] : clients_of) EXPECT_EQ(clients.size(), 1U) << connection;
}

TEST_F(SenderIdentity, a_thousand_alternating_requests_never_travel_under_anothers_certificate) {
  const auto tls = asking(TlsServerContext::ClientCertificate::kWelcome);
  ScriptedReceiver receiver(over(tls), noting());
  open_trusting();
  const std::vector<Identity> identities{held(client("acme")), held(client("globex")), nullptr};
  Barrage barrage(loop_, *sender_, 1000,
                  [&](int number) { return identities[static_cast<std::size_t>(number) % 3]; });
  barrage.start(request(receiver.url()), 1);
  run();
  expect_unmixed(seen(), barrage);
  EXPECT_EQ(barrage.outcomes[ErrorClass::kNone], 1000);
  EXPECT_EQ(receiver.connections(), 3);  // kept, each for its own
}

TEST_F(SenderIdentity, many_at_once_with_connections_that_die_and_a_certificate_that_is_replaced) {
  const auto tls = asking(TlsServerContext::ClientCertificate::kWelcome);
  ScriptedReceiver receiver(over(tls), noting(17));
  open_trusting();
  std::vector<Identity> identities{held(client("acme")), held(client("globex")), nullptr};
  Barrage barrage(loop_, *sender_, 1000, [&](int number) {
    if (number == 500) identities[0] = held(client("acme"));  // the old one is still in flight
    return identities[static_cast<std::size_t>(number) % 3];
  });
  barrage.start(request(receiver.url()), 12);
  run();
  expect_unmixed(seen(), barrage);
  EXPECT_EQ(barrage.outcomes[ErrorClass::kNone] + barrage.outcomes[ErrorClass::kReset], 1000);
  EXPECT_GT(barrage.outcomes[ErrorClass::kReset], 20);
  EXPECT_LT(receiver.connections(), 200);
  std::set<std::string> clients;
  for (const Seen& it : seen()) clients.insert(it.client);
  EXPECT_EQ(clients.size(), 4U);
}

// libcurl itself does not look at the key when it picks a connection to use again.
TEST_F(SenderIdentity, the_same_certificate_with_another_key_or_authority_shares_nothing) {
  const auto tls = asking(TlsServerContext::ClientCertificate::kRequired);
  ScriptedReceiver receiver(over(tls), noting());
  open_trusting();
  const TlsIdentity good = client("acme");
  TlsIdentity other_key = good;
  other_key.key = client("acme").key;
  TlsIdentity other_ca = good;
  other_ca.ca = clients_.certificate_pem;
  const Identity acme = held(good);
  ASSERT_EQ(post_as(receiver.url(), acme).error, ErrorClass::kNone);
  for (const TlsIdentity& bad : {other_key, other_ca}) {
    const HttpOutcome outcome = post_as(receiver.url(), held(bad));
    EXPECT_EQ(outcome.error, ErrorClass::kTls) << outcome.detail;
    EXPECT_EQ(outcome.status, 0);
    ASSERT_EQ(post_as(receiver.url(), acme).error, ErrorClass::kNone);
  }
  EXPECT_EQ(receiver.requests(), 3);
  std::set<int> connections;
  for (const Seen& it : seen()) connections.insert(it.connection);
  EXPECT_EQ(connections, std::set<int>{1});
  // Nor do two that are equal but not the same: who holds one does not hold the other.
  ASSERT_EQ(post_as(receiver.url(), held(good)).error, ErrorClass::kNone);
  EXPECT_NE(seen().back().connection, 1);
}

TEST_F(SenderIdentity, a_demanded_client_certificate_that_is_missing_is_a_tls_failure_in_words) {
  const auto tls = asking(TlsServerContext::ClientCertificate::kRequired);
  ScriptedReceiver receiver(over(tls), noting());
  open_trusting();
  const Identity acme = held(client("acme"));
  ASSERT_EQ(post_as(receiver.url(), acme).error, ErrorClass::kNone);
  const HttpOutcome without = post_as(receiver.url(), nullptr);
  EXPECT_EQ(without.error, ErrorClass::kTls);
  EXPECT_THAT(without.detail, HasSubstr("certificate required"));
  const auto strangers = *crypto::make_certificate_authority("strangers", now_valid());
  const auto pair = *crypto::issue_client(strangers, "mallory", now_valid());
  TlsIdentity mallory;
  mallory.certificate = pair.certificate_pem;
  mallory.key = pair.key_pem;
  const HttpOutcome wrong = post_as(receiver.url(), held(mallory));
  EXPECT_EQ(wrong.error, ErrorClass::kTls);
  EXPECT_THAT(wrong.detail, HasSubstr("unknown ca"));
  EXPECT_EQ(receiver.requests(), 1);
}

TEST_F(SenderIdentity, its_authority_is_trusted_instead_of_all_others_and_by_it_alone) {
  const auto pair = server_pair();  // its authority is in the ca_file
  const auto public_tls = *TlsServerContext::make(pair.certificate_pem, pair.key_pem);
  const auto private_ca = *crypto::make_certificate_authority("private", now_valid());
  const auto private_pair =
      *crypto::issue(private_ca, std::vector<std::string>{"127.0.0.1"}, now_valid());
  const auto private_tls =
      *TlsServerContext::make(private_pair.certificate_pem, private_pair.key_pem);
  ScriptedReceiver public_receiver(over(public_tls), noting());
  ScriptedReceiver private_receiver(over(private_tls), noting());
  open_trusting();
  TlsIdentity pinned;
  pinned.ca = private_ca.certificate_pem;
  TlsIdentity both;
  both.ca = private_ca.certificate_pem + servers_.certificate_pem;
  TlsIdentity leaf;
  leaf.ca = private_pair.certificate_pem;
  const Identity pin = held(pinned);
  const Identity two = held(both);
  for (int round = 0; round < 2; ++round) {  // the second time there are connections to reuse
    EXPECT_EQ(post_as(private_receiver.url(), pin).error, ErrorClass::kNone);
    EXPECT_EQ(post_as(public_receiver.url(), pin).error, ErrorClass::kTls);
    EXPECT_EQ(post_as(public_receiver.url(), nullptr).error, ErrorClass::kNone);
    EXPECT_EQ(post_as(private_receiver.url(), nullptr).error, ErrorClass::kTls);
    EXPECT_EQ(post_as(private_receiver.url(), two).error, ErrorClass::kNone);
    EXPECT_EQ(post_as(public_receiver.url(), two).error, ErrorClass::kNone);
    EXPECT_EQ(post_as(private_receiver.url(), held(leaf)).error, ErrorClass::kNone);
  }
}

TEST_F(SenderIdentity, at_least_1_3_refuses_a_receiver_that_has_1_2_only) {
  const auto pair = server_pair();
  const std::string certificate = write("cert.pem", pair.certificate_pem);
  const std::string key = write("key.pem", pair.key_pem);
  const auto server = [&](std::vector<std::string> versions) {
    std::vector<std::string> words{"openssl", "s_server",  "-accept", "127.0.0.1:0",
                                   "-cert",   certificate, "-key",    key};
    words.insert(words.end(), versions.begin(), versions.end());
    return std::make_unique<TlsProgram>(words);
  };
  open_trusting();
  TlsIdentity strict;
  strict.at_least = TlsVersion::k13;
  const Identity only_1_3 = held(strict);
  const auto old = server({"-tls1_2"});
  const HttpOutcome refused = post_as(old->url(), only_1_3);
  EXPECT_EQ(refused.error, ErrorClass::kTls) << refused.detail;
  EXPECT_THAT(refused.detail, HasSubstr("protocol version"));
  const auto ancient = server({"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"});
  for (const Identity& identity : {Identity(), held(client("acme")), only_1_3}) {
    EXPECT_EQ(post_as(ancient->url(), identity).error, ErrorClass::kTls);
  }
  const auto current = *TlsServerContext::make(pair.certificate_pem, pair.key_pem);
  ScriptedReceiver receiver(over(current), noting());
  EXPECT_EQ(post_as(receiver.url(), only_1_3).error, ErrorClass::kNone);
}

TEST_F(SenderIdentity, a_kept_1_2_connection_does_not_serve_who_wants_1_3) {
  const auto pair = server_pair();
  const std::string script = write("server.py", R"(
import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = self.connection.version().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *args):
        pass
server = Server(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.maximum_version = ssl.TLSVersion.TLSv1_2
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print("ACCEPT 127.0.0.1:%d" % server.server_address[1], flush=True)
server.serve_forever()
)");
  const TlsProgram server(
      {"python3", script, write("cert.pem", pair.certificate_pem), write("key.pem", pair.key_pem)});
  open_trusting();
  TlsIdentity strict;
  strict.at_least = TlsVersion::k13;
  const Identity only_1_3 = held(strict);
  for (int i = 0; i < 3; ++i) {
    const HttpOutcome any = post_as(server.url(), nullptr);
    EXPECT_EQ(any.response, "TLSv1.2") << any.detail;
    EXPECT_EQ(post_as(server.url(), only_1_3).error, ErrorClass::kTls);
  }
}

TEST_F(SenderIdentity, its_connections_close_once_nobody_holds_it) {
  const auto tls = asking(TlsServerContext::ClientCertificate::kRequired);
  ScriptedReceiver receiver(over(tls), noting());
  open_trusting();
  Identity acme = held(client("acme"));
  const Identity globex = held(client("globex"));
  ASSERT_EQ(post_as(receiver.url(), acme).error, ErrorClass::kNone);
  ASSERT_EQ(post_as(receiver.url(), globex).error, ErrorClass::kNone);
  EXPECT_EQ(receiver.open_connections(), 2U);
  const std::weak_ptr<const TlsIdentity> gone = acme;
  acme.reset();
  EXPECT_TRUE(gone.expired());  // the sender keeps no key alive
  run_until([&] { return receiver.open_connections() < 2; });
  ASSERT_EQ(post_as(receiver.url(), globex).error, ErrorClass::kNone);
  EXPECT_EQ(seen().back().connection, 2);
}

TEST_F(SenderIdentity, a_request_under_way_keeps_its_identity) {
  const auto tls = asking(TlsServerContext::ClientCertificate::kRequired);
  std::atomic<bool> answer{false};
  ScriptedReceiver receiver(over(tls), [&](ReceiverConnection& connection) {
    if (!connection.read_request()) return;
    if (!ScriptedReceiver::wait_until([&] { return answer.load(); })) return;
    connection.send(kOk);
    connection.wait_for_close();
  });
  open_trusting({.idle_connection_max = core::Duration(1000)});
  HttpRequest made = request(receiver.url());
  made.identity = held(client("acme"));
  std::optional<HttpOutcome> outcome;
  sender_->send(std::move(made), [&](HttpOutcome got) {
    outcome = std::move(got);
    loop_.stop();
  });
  const auto begun = loop_.now();
  run_until([&] { return loop_.now() - begun > core::Duration(1500); });
  EXPECT_FALSE(outcome.has_value());
  answer = true;
  run();
  EXPECT_EQ(outcome.value_or(HttpOutcome{}).status, 200);
}

TEST_F(SenderIdentity, its_connections_close_once_it_has_been_idle_for_long) {
  const auto tls = asking(TlsServerContext::ClientCertificate::kRequired);
  ScriptedReceiver receiver(over(tls), noting());
  open_trusting({.idle_connection_max = core::Duration(1000)});
  const Identity acme = held(client("acme"));
  ASSERT_EQ(post_as(receiver.url(), acme).error, ErrorClass::kNone);
  run_until([&] { return receiver.open_connections() == 0; });
  ASSERT_EQ(post_as(receiver.url(), acme).error, ErrorClass::kNone);
  EXPECT_EQ(receiver.connections(), 2);
}

TEST_F(SenderIdentity, many_identities_do_not_keep_more_connections_than_there_may_be) {
  const auto tls = asking(TlsServerContext::ClientCertificate::kRequired);
  ScriptedReceiver receiver(over(tls), noting());
  open_trusting({.max_idle_connections = 8});
  const TlsIdentity one = client("acme");
  std::vector<Identity> identities;
  for (int i = 0; i < 100; ++i) identities.push_back(held(one));
  for (const Identity& identity : identities) {
    ASSERT_EQ(post_as(receiver.url(), identity).error, ErrorClass::kNone);
  }
  run_until([&] { return receiver.open_connections() <= 64; });
}

TEST_F(SenderIdentity, identities_end_with_the_sender_while_requests_are_under_way) {
  const auto tls = asking(TlsServerContext::ClientCertificate::kRequired);
  ScriptedReceiver receiver(over(tls), [](ReceiverConnection& connection) {
    (void)connection.read_request();
    connection.wait_for_close();
  });
  open_trusting();
  int aborted = 0;
  for (int i = 0; i < 5; ++i) {
    HttpRequest made = request(receiver.url());
    made.identity = held(client("acme"));
    sender_->send(std::move(made), [&](const HttpOutcome& outcome) {
      aborted += outcome.error == ErrorClass::kAborted ? 1 : 0;
    });
  }
  run_until([&] { return receiver.requests() == 5; });
  sender_->abort_all();
  EXPECT_EQ(aborted, 5);
  sender_.reset();
}

}  // namespace
}  // namespace outrider::net::testing
