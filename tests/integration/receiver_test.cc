// The receiver on real sockets: it verifies, answers as told, and stops.
#include "outrider/receiver.h"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>

#include "crypto/certificates.h"
#include "crypto/receiver_mac.h"
#include "tests/integration/http_client.h"

namespace outrider {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using tests::body_of;
using tests::RawClient;
using tests::status_of;

constexpr std::string_view kSecret = "whsec_test_secret";

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

// A request as Stripe signs it.
std::string signed_post(std::string_view body, std::int64_t at, std::string_view secret = kSecret) {
  const std::string signed_text = std::to_string(at) + "." + std::string(body);
  return "POST /hook?x=1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
         "Stripe-Signature: t=" +
         std::to_string(at) +
         ",v1=" + hex(crypto::receiver_hmac(crypto::ReceiverHash::kSha256, secret, signed_text)) +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}
std::string fresh_post(std::string_view body) { return signed_post(body, std::time(nullptr)); }

class ReceiverTest : public testing::Test {
 protected:
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL's own sockets, in the client
    std::string name = (std::filesystem::temp_directory_path() / "outrider-recv-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    Result<Providers> loaded = Providers::load("");
    ASSERT_TRUE(loaded.has_value());
    providers_.emplace(std::move(*loaded));
    options_.provider = "stripe";
    options_.secrets = {std::string(kSecret)};
  }
  void TearDown() override {
    receiver_.reset();
    std::filesystem::remove_all(folder_);
  }

  void start() {
    Result<std::unique_ptr<Receiver>> started =
        Receiver::start(options_, *providers_, [this](const Reception& reception) {
          const std::lock_guard lock(mutex_);
          receptions_.push_back(reception);
        });
    ASSERT_TRUE(started.has_value()) << started.error().to_string();
    receiver_ = std::move(*started);
  }
  [[nodiscard]] std::uint16_t port() const {
    const std::string url = receiver_->url();
    return static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
  }
  std::string exchange(const std::string& request) const {
    RawClient client(port());
    EXPECT_TRUE(client.send(request));
    return client.read_answer();
  }
  std::vector<Reception> receptions() {
    const std::lock_guard lock(mutex_);
    return receptions_;
  }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }
  static std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  [[nodiscard]] Error error_of_start() const {
    const auto started = Receiver::start(options_, *providers_, nullptr);
    EXPECT_FALSE(started.has_value());
    return started ? Error{} : started.error();
  }

  std::string folder_;
  std::optional<Providers> providers_;
  ReceiverOptions options_;
  std::unique_ptr<Receiver> receiver_;
  std::mutex mutex_;
  std::vector<Reception> receptions_;
};

TEST_F(ReceiverTest, verifies_reports_and_answers) {
  start();
  EXPECT_THAT(receiver_->url(), testing::StartsWith("http://127.0.0.1:"));
  const std::string answer = exchange(fresh_post(R"({"a":1})"));
  EXPECT_EQ(status_of(answer), 200);
  EXPECT_EQ(body_of(answer), "");
  const std::vector<Reception> all = receptions();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_TRUE(all[0].verdict.has_value());
  EXPECT_EQ(all[0].answered, 200);
  EXPECT_EQ(all[0].request.method, "POST");
  EXPECT_EQ(all[0].request.path, "/hook?x=1");
  EXPECT_EQ(all[0].request.body, R"({"a":1})");
  EXPECT_LT(std::abs(all[0].received_at / 1000 - std::time(nullptr)), 60);
}

TEST_F(ReceiverTest, answers_401_with_the_reason_and_nothing_secret) {
  start();
  const std::int64_t now = std::time(nullptr);
  const std::string wrong = exchange(signed_post("{}", now, "another secret"));
  EXPECT_EQ(status_of(wrong), 401);
  EXPECT_THAT(body_of(wrong), HasSubstr("Stripe-Signature"));
  const std::string right = hex(
      crypto::receiver_hmac(crypto::ReceiverHash::kSha256, kSecret, std::to_string(now) + ".{}"));
  EXPECT_THAT(wrong, AllOf(Not(HasSubstr(std::string(kSecret))), Not(HasSubstr(right))));
  EXPECT_THAT(exchange(signed_post("{}", now - 1'000)), HasSubstr("too old"));
  EXPECT_THAT(exchange(signed_post("{}", now + 1'000)), HasSubstr("future"));
  EXPECT_THAT(exchange("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"),
              HasSubstr("missing"));
  const std::vector<Reception> all = receptions();
  ASSERT_EQ(all.size(), 4U);
  for (const Reception& one : all) {
    EXPECT_EQ(one.answered, 401);
    EXPECT_FALSE(one.verdict.has_value());
  }
}

TEST_F(ReceiverTest, fails_the_first_that_verify_then_answers_as_told) {
  options_.status = 202;
  options_.fail_first = 2;
  start();
  std::vector<int> statuses;
  for (int i = 0; i < 2; ++i) {
    statuses.push_back(status_of(exchange(fresh_post("{}"))));
    statuses.push_back(status_of(exchange(signed_post("{}", 1))));  // does not count
  }
  statuses.push_back(status_of(exchange(fresh_post("{}"))));
  EXPECT_THAT(statuses, testing::ElementsAre(500, 401, 500, 401, 202));
}

TEST_F(ReceiverTest, answers_after_the_delay_and_serves_others_meanwhile) {
  options_.delay_ms = 300;
  start();
  const auto before = std::chrono::steady_clock::now();
  RawClient first(port());
  RawClient second(port());
  ASSERT_TRUE(first.send(fresh_post("{}")));
  ASSERT_TRUE(second.send(signed_post("{}", 1)));
  EXPECT_EQ(status_of(first.read_answer()), 200);
  EXPECT_EQ(status_of(second.read_answer()), 401);
  EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(300));
}

TEST_F(ReceiverTest, takes_posts_only) {
  start();
  const std::string answer = exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(status_of(answer), 405);
  EXPECT_THAT(answer, HasSubstr("Allow: POST\r\n"));
  EXPECT_TRUE(receptions().empty());
}

TEST_F(ReceiverTest, its_url_is_an_address_at_which_it_listens) {
  const std::pair<std::string, std::string> cases[] = {{"127.0.0.1", "http://127.0.0.1:"},
                                                       {"127.0.0.2", "http://127.0.0.2:"},
                                                       {"0.0.0.0", "http://127.0.0.1:"},
                                                       {"::1", "http://[::1]:"},
                                                       {"::", "http://[::1]:"}};
  for (const auto& [address, url] : cases) {
    SCOPED_TRACE(address);
    options_.bind = address;
    const auto started = Receiver::start(options_, *providers_, nullptr);
    if (!started && address.find(':') != std::string::npos) continue;  // a machine without IPv6
    ASSERT_TRUE(started.has_value()) << started.error().to_string();
    EXPECT_THAT((*started)->url(), testing::StartsWith(url));
  }
}

TEST_F(ReceiverTest, listens_with_a_throw_away_certificate) {
  options_.tls = true;
  options_.ca_out_file = folder_ + "/ca.pem";
  start();
  EXPECT_THAT(receiver_->url(), testing::StartsWith("https://127.0.0.1:"));
  for (const std::string host : {"localhost", "127.0.0.1"}) {
    RawClient client(port());
    ASSERT_TRUE(client.start_tls(read(options_.ca_out_file), host));
    ASSERT_TRUE(client.send(fresh_post("{}")));
    EXPECT_EQ(status_of(client.read_answer()), 200);
  }
  RawClient stranger(port());
  EXPECT_FALSE(stranger.start_tls(read(options_.ca_out_file), "other.example"));
  EXPECT_THAT(read(options_.ca_out_file), Not(HasSubstr("PRIVATE KEY")));
}

TEST_F(ReceiverTest, listens_with_a_certificate_it_is_given) {
  const crypto::Validity validity = crypto::thirty_days_around(std::time(nullptr));
  const auto authority = crypto::make_certificate_authority("test", validity);
  ASSERT_TRUE(authority.has_value());
  const std::string names[] = {"receiver.example"};
  const auto issued = crypto::issue(*authority, names, validity);
  ASSERT_TRUE(issued.has_value());
  options_.tls = true;
  options_.tls_cert_file = write("cert.pem", issued->certificate_pem);
  options_.tls_key_file = write("key.pem", issued->key_pem);
  start();
  RawClient client(port());
  ASSERT_TRUE(client.start_tls(authority->certificate_pem, "receiver.example"));
  ASSERT_TRUE(client.send(fresh_post("{}")));
  EXPECT_EQ(status_of(client.read_answer()), 200);
}

TEST_F(ReceiverTest, stops_at_any_moment_and_only_once) {
  options_.delay_ms = 3'600'000;
  start();
  RawClient waiting(port());
  ASSERT_TRUE(waiting.send(fresh_post("{}")));
  RawClient idle(port());
  const std::uint16_t where = port();
  while (receptions().empty()) std::this_thread::yield();
  receiver_->stop();
  receiver_->stop();
  EXPECT_EQ(waiting.read_to_end(), "");
  EXPECT_TRUE(waiting.ended());
  receiver_.reset();
  EXPECT_FALSE(RawClient(where).connected());
}

TEST_F(ReceiverTest, refuses_options_that_make_no_sense) {
  const ReceiverOptions good = options_;
  const struct {
    std::function<void(ReceiverOptions&)> change;
    ErrorCode code;
    std::string_view where;
  } cases[] = {
      {[](auto& o) { o.provider = "no-such"; }, ErrorCode::kNotFound, ""},
      {[](auto& o) { o.secrets.clear(); }, ErrorCode::kInvalidArgument, "secret"},
      {[](auto& o) { o.status = 100; }, ErrorCode::kInvalidArgument, "status"},
      {[](auto& o) { o.status = 600; }, ErrorCode::kInvalidArgument, "status"},
      {[](auto& o) { o.delay_ms = 3'600'001; }, ErrorCode::kInvalidArgument, "delay_ms"},
      {[](auto& o) { o.bind = "localhost"; }, ErrorCode::kInvalidArgument, "bind"},
      {[](auto& o) { o.ca_out_file = "/x"; }, ErrorCode::kInvalidArgument, "tls"},
      {[](auto& o) { o.tls = true, o.tls_key_file = "/x"; }, ErrorCode::kInvalidArgument,
       "tls_cert_file, tls_key_file"},
      {[](auto& o) { o.tls = true, o.tls_cert_file = o.tls_key_file = o.ca_out_file = "/x"; },
       ErrorCode::kInvalidArgument, "ca_out_file"},
      {[](auto& o) { o.tls = true, o.tls_cert_file = o.tls_key_file = "/no/such"; },
       ErrorCode::kNotFound, "/no/such"},
      {[](auto& o) { o.tls = true, o.ca_out_file = "/no/such/ca.pem"; }, ErrorCode::kNotFound,
       "/no/such/ca.pem"},
  };
  for (const auto& c : cases) {
    options_ = good;
    c.change(options_);
    const Error error = error_of_start();
    EXPECT_EQ(error.code, c.code) << error.to_string();
    if (!c.where.empty()) {
      EXPECT_EQ(error.where, c.where);
    }
  }
  options_ = good;
  start();
  options_.port = port();
  EXPECT_EQ(error_of_start().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace outrider
