// The server's side of TLS, driven by OpenSSL's client side through memory: every version, every
// way to end, and peers that do not play by the rules.
#include "crypto/tls_session.h"

#include <gtest/gtest.h>

#include <ctime>
#include <optional>
#include <vector>

#include "crypto/certificates.h"
#include "tls_client.h"

namespace outrider::crypto {
namespace {

using outrider::testing::TlsClient;
using outrider::testing::TlsClientOptions;

// One server for all tests: making keys is the slow part.
struct Server {
  std::string authority_pem;
  std::optional<TlsServerContext> context;
};
Server& server() {
  static Server made = [] {
    Server fresh;
    auto context = TlsServerContext::make_throwaway({}, std::time(nullptr), fresh.authority_pem);
    if (context) fresh.context = std::move(*context);
    return fresh;
  }();
  return made;
}

TlsSession accepted() { return server().context.value().accept().value(); }

TlsClientOptions trusting() { return {.authority_pem = server().authority_pem}; }

struct Pair {
  TlsSession session;
  TlsClient client;
};
Pair connected(const TlsClientOptions& options = trusting()) {
  Pair pair{accepted(), TlsClient(options)};
  const auto shaken = pair.client.converse(pair.session);
  EXPECT_TRUE(shaken.has_value()) << shaken.error().to_string();
  EXPECT_TRUE(pair.client.connected()) << pair.client.reason();
  EXPECT_TRUE(pair.session.handshake_done());
  return pair;
}

TEST(TlsHandshake, with_a_throwaway_certificate_verifies_for_every_local_name) {
  struct Case {
    std::string host;
    bool is_address;
  };
  for (const Case& c : {Case{"localhost", false}, Case{"127.0.0.1", true}, Case{"::1", true}}) {
    TlsClientOptions options = trusting();
    options.host = c.host;
    options.host_is_address = c.is_address;
    const Pair pair = connected(options);
    EXPECT_EQ(pair.client.verify_result(), X509_V_OK) << c.host;
  }
}

TEST(TlsHandshake, is_done_in_1_3_and_1_2_and_carries_bytes_both_ways) {
  struct Case {
    int version;
    std::string_view name;
  };
  for (const Case& c : {Case{TLS1_3_VERSION, "TLSv1.3"}, Case{TLS1_2_VERSION, "TLSv1.2"}}) {
    TlsClientOptions options = trusting();
    options.version = c.version;
    Pair pair = connected(options);
    EXPECT_EQ(pair.session.version(), c.name);
    ASSERT_TRUE(pair.client.write("question"));
    ASSERT_TRUE(pair.client.converse(pair.session).has_value());
    EXPECT_EQ(pair.session.take_plaintext(), "question");
    EXPECT_EQ(pair.session.take_plaintext(), "");
    ASSERT_TRUE(pair.session.write("answer").has_value());
    ASSERT_TRUE(pair.client.converse(pair.session).has_value());
    EXPECT_EQ(pair.client.received(), "answer");
    EXPECT_FALSE(pair.session.closed());
  }
}

TEST(TlsHandshake, of_older_versions_is_refused_with_an_alert) {
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
    TlsClient client({.version = version, .any_cipher = true});
    TlsSession session = accepted();
    const auto shaken = client.converse(session);
    ASSERT_FALSE(shaken.has_value());
    EXPECT_EQ(shaken.error().code, ErrorCode::kInvalidArgument);
    EXPECT_TRUE(session.closed());
    EXPECT_FALSE(session.handshake_done());
    EXPECT_EQ(session.version(), "");
    EXPECT_EQ(client.reason(), "tlsv1 alert protocol version");
  }
}

TEST(TlsHandshake, without_forward_secrecy_is_refused) {
  TlsClient client({.version = TLS1_2_VERSION, .any_cipher = true});
  SSL_set_cipher_list(client.raw(), "AES128-GCM-SHA256:AES128-SHA:ECDHE-ECDSA-AES128-SHA");
  TlsSession session = accepted();
  EXPECT_FALSE(client.converse(session).has_value());
  EXPECT_FALSE(client.connected());
}

TEST(TlsHandshake, chooses_http_1_1_where_the_client_offers_protocols) {
  TlsClientOptions options = trusting();
  options.protocols = "\x02h2\x08http/1.1";
  EXPECT_EQ(connected(options).client.protocol(), "http/1.1");
  EXPECT_EQ(connected().client.protocol(), "");

  TlsClient client({.protocols = "\x02h2"});
  TlsSession session = accepted();
  EXPECT_FALSE(client.converse(session).has_value());
  EXPECT_EQ(client.reason(), "tlsv1 alert no application protocol");
}

TEST(TlsHandshake, does_not_resume) {
  Pair first = connected();
  ASSERT_TRUE(first.session.write("so that tickets would have come").has_value());
  ASSERT_TRUE(first.client.converse(first.session).has_value());
  SSL_SESSION* kept = SSL_get1_session(first.client.raw());
  EXPECT_EQ(SSL_SESSION_is_resumable(kept), 0);
  SSL_SESSION_free(kept);
}

TEST(TlsHandshake, survives_bytes_that_come_one_by_one) {
  for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    TlsClientOptions options = trusting();
    options.version = version;
    TlsClient client(options);
    TlsSession session = accepted();
    client.feed({});
    for (int turn = 0; turn < 10; ++turn) {
      if (client.connected() && turn < 5) {
        ASSERT_TRUE(client.write("drop by drop"));
        turn = 5;
      }
      for (const char byte : client.take()) {
        ASSERT_TRUE(session.feed(std::string_view(&byte, 1)).has_value());
      }
      client.feed(session.take_ciphertext());
    }
    EXPECT_EQ(session.take_plaintext(), "drop by drop");
  }
}

TEST(TlsHandshake, a_failure_left_behind_by_another_user_of_openssl_is_not_its_own) {
  Pair pair = connected();
  ASSERT_TRUE(pair.client.write("hello"));
  const std::string record = pair.client.take();
  ERR_raise(ERR_LIB_USER, 1);
  EXPECT_TRUE(pair.session.feed(record).has_value());
  EXPECT_EQ(pair.session.take_plaintext(), "hello");
  ERR_raise(ERR_LIB_USER, 1);
  EXPECT_TRUE(pair.session.write("hello").has_value());
  ERR_clear_error();
}

TEST(TlsData, of_many_records_arrives_whole) {
  std::string large(3'000'000, '\0');
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 31 >> 3);
  Pair pair = connected();
  ASSERT_TRUE(pair.client.write(large));
  ASSERT_TRUE(pair.client.converse(pair.session).has_value());
  EXPECT_TRUE(pair.session.take_plaintext() == large);
  ASSERT_TRUE(pair.session.write(large).has_value());
  ASSERT_TRUE(pair.client.converse(pair.session).has_value());
  EXPECT_TRUE(pair.client.received() == large);
}

TEST(TlsData, nothing_written_makes_nothing_to_send) {
  Pair pair = connected();
  EXPECT_TRUE(pair.session.write("").has_value());
  EXPECT_EQ(pair.session.take_ciphertext(), "");
  EXPECT_TRUE(pair.session.feed("").has_value());
}

TEST(TlsData, a_key_update_is_followed_and_answered) {
  Pair pair = connected();
  ASSERT_EQ(SSL_key_update(pair.client.raw(), SSL_KEY_UPDATE_REQUESTED), 1);
  ASSERT_TRUE(pair.client.write("after"));
  ASSERT_TRUE(pair.client.converse(pair.session).has_value());
  EXPECT_EQ(pair.session.take_plaintext(), "after");
  ASSERT_TRUE(pair.session.write("also after").has_value());
  ASSERT_TRUE(pair.client.converse(pair.session).has_value());
  EXPECT_EQ(pair.client.received(), "also after");
}

TEST(TlsData, renegotiation_is_refused) {
  TlsClientOptions options = trusting();
  options.version = TLS1_2_VERSION;
  Pair pair = connected(options);
  ASSERT_EQ(SSL_renegotiate(pair.client.raw()), 1);
  SSL_do_handshake(pair.client.raw());
  (void)pair.client.converse(pair.session);
  EXPECT_TRUE(pair.client.failed());
  EXPECT_EQ(pair.client.reason(), "no renegotiation");
}

TEST(TlsEnd, by_the_client_closes_but_can_still_be_answered) {
  Pair pair = connected();
  ASSERT_TRUE(pair.client.write("last words"));
  SSL_shutdown(pair.client.raw());
  ASSERT_TRUE(pair.session.feed(pair.client.take()).has_value());
  EXPECT_TRUE(pair.session.closed());
  EXPECT_EQ(pair.session.take_plaintext(), "last words");
  ASSERT_TRUE(pair.session.write("answer").has_value());
  pair.session.shutdown();
  pair.client.feed(pair.session.take_ciphertext());
  EXPECT_EQ(pair.client.received(), "answer");
  EXPECT_TRUE(pair.client.server_said_goodbye());
  EXPECT_FALSE(pair.client.failed());
}

TEST(TlsEnd, by_the_server_is_said_once) {
  Pair pair = connected();
  ASSERT_TRUE(pair.session.write("answer").has_value());
  pair.session.shutdown();
  const std::string bytes = pair.session.take_ciphertext();
  pair.session.shutdown();
  EXPECT_EQ(pair.session.take_ciphertext(), "");
  pair.client.feed(bytes);
  EXPECT_EQ(pair.client.received(), "answer");
  EXPECT_TRUE(pair.client.server_said_goodbye());
  EXPECT_FALSE(pair.session.closed());  // the client may still be talking
}

TEST(TlsEnd, a_cut_is_not_a_goodbye) {
  Pair pair = connected();
  ASSERT_TRUE(pair.client.write("half of it"));
  ASSERT_TRUE(pair.client.converse(pair.session).has_value());
  EXPECT_FALSE(pair.session.closed());
}

TEST(TlsEnd, writing_is_refused_before_the_handshake_and_after_the_end) {
  TlsSession fresh = accepted();
  const auto early = fresh.write("x");
  ASSERT_FALSE(early.has_value());
  EXPECT_EQ(early.error().code, ErrorCode::kStopped);
  fresh.shutdown();
  EXPECT_EQ(fresh.take_ciphertext(), "");

  Pair pair = connected();
  pair.session.shutdown();
  const auto late = pair.session.write("x");
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().code, ErrorCode::kStopped);
}

TEST(TlsMisuse, what_is_not_tls_is_refused_and_the_rest_ignored) {
  using std::string_view_literals::operator""sv;
  for (const std::string_view text :
       {"GET / HTTP/1.1\r\nHost: x\r\n\r\n"sv, "\x16\x03\x01\xff\xff garbage garbage"sv,
        "SSH-2.0-OpenSSH_9.2\r\n"sv, "\x15\x03\x01\x00\x02\x02\x28 and more text"sv}) {
    TlsSession session = accepted();
    const auto fed = session.feed(text);
    ASSERT_FALSE(fed.has_value()) << text;
    EXPECT_EQ(fed.error().code, ErrorCode::kInvalidArgument);
    EXPECT_TRUE(session.closed());
    EXPECT_TRUE(session.feed(text).has_value());
    EXPECT_EQ(session.take_plaintext(), "");
    EXPECT_FALSE(session.write("x").has_value());
    session.shutdown();
  }
}

TEST(TlsMisuse, a_record_changed_on_its_way_fails_and_keeps_what_came_before) {
  for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    TlsClientOptions options = trusting();
    options.version = version;
    Pair pair = connected(options);
    ASSERT_TRUE(pair.client.write("good"));
    const std::string good = pair.client.take();
    ASSERT_TRUE(pair.client.write("evil"));
    std::string evil = pair.client.take();
    evil.back() = static_cast<char>(evil.back() ^ 1);
    const auto fed = pair.session.feed(good + evil);
    ASSERT_FALSE(fed.has_value());
    EXPECT_EQ(pair.session.take_plaintext(), "good");
    EXPECT_TRUE(pair.session.closed());
    pair.client.feed(pair.session.take_ciphertext());
    EXPECT_TRUE(pair.client.failed());  // the alert arrived
    EXPECT_FALSE(pair.session.write("x").has_value());
  }
}

TEST(TlsMisuse, a_record_played_twice_fails) {
  Pair pair = connected();
  ASSERT_TRUE(pair.client.write("pay 5"));
  const std::string record = pair.client.take();
  ASSERT_TRUE(pair.session.feed(record).has_value());
  EXPECT_FALSE(pair.session.feed(record).has_value());
  EXPECT_EQ(pair.session.take_plaintext(), "pay 5");
}

TEST(TlsMisuse, no_changed_byte_of_a_client_hello_does_harm) {
  TlsClient client({.any_cipher = true});
  client.feed({});
  const std::string hello = client.take();
  ASSERT_GT(hello.size(), 100U);
  for (std::size_t at = 0; at < hello.size(); ++at) {
    for (const int change : {0x01, 0x80, 0xff}) {
      std::string changed = hello;
      changed[at] = static_cast<char>(changed[at] ^ change);
      TlsSession session = accepted();
      (void)session.feed(changed);
      EXPECT_FALSE(session.handshake_done());
      (void)session.take_ciphertext();
    }
    TlsSession cut = accepted();
    EXPECT_TRUE(cut.feed(hello.substr(0, at)).has_value());
    EXPECT_FALSE(cut.closed());
  }
}

TEST(TlsSessions, outlive_their_context_and_can_be_moved) {
  std::string authority_pem;
  const std::vector<std::string> names = {"example.test"};
  std::optional<TlsServerContext> context =
      TlsServerContext::make_throwaway(names, std::time(nullptr), authority_pem).value();
  TlsSession first = context->accept().value();
  context.reset();
  TlsSession session = std::move(first);
  TlsClient client({.authority_pem = authority_pem, .host = "example.test"});
  ASSERT_TRUE(client.converse(session).has_value());
  EXPECT_TRUE(client.connected());
}

TEST(ThrowawayContexts, have_authorities_of_their_own_that_can_be_trusted_together) {
  std::string other;
  ASSERT_TRUE(TlsServerContext::make_throwaway({}, std::time(nullptr), other).has_value());
  EXPECT_NE(other, server().authority_pem);
  TlsClient client({.authority_pem = other});
  TlsSession session = accepted();
  (void)client.converse(session);
  EXPECT_FALSE(client.connected());
  EXPECT_EQ(client.verify_result(), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
}

TEST(ThrowawayContexts, refuse_a_bad_name_and_leave_the_authority_unset) {
  std::string authority_pem = "before";
  const std::vector<std::string> names = {"localhost", "not a name"};
  const auto context = TlsServerContext::make_throwaway(names, std::time(nullptr), authority_pem);
  ASSERT_FALSE(context.has_value());
  EXPECT_EQ(context.error().where, "not a name");
  EXPECT_EQ(authority_pem, "before");
}

}  // namespace
}  // namespace outrider::crypto
