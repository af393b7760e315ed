// Other people's TLS against ours: curl, Node, Python, PHP and the openssl tool connect over a real
// socket, trust the throw-away authority and nothing else, and must get their answer; without that
// trust they must not. A program that is not installed is skipped, all but Python, which the build
// needs anyway.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <ostream>
#include <thread>

#include "crypto/tls_session.h"

namespace outrider::crypto {
namespace {

constexpr std::string_view kAnswer =
    "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nit worked";

// Answers one connection after the other, on a thread of its own, until it is destroyed.
class HttpsServer {
 public:
  explicit HttpsServer(const TlsServerContext& context) : context_(context) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    const bool listening = ::bind(listener_, generic, size) == 0 && ::listen(listener_, 8) == 0 &&
                           ::getsockname(listener_, generic, &size) == 0;
    EXPECT_TRUE(listening);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~HttpsServer() {
    stopping_ = true;
    thread_.join();
    ::close(listener_);
  }
  [[nodiscard]] int port() const { return port_; }

 private:
  // Is there something to read? False: this server ends.
  [[nodiscard]] bool wait_readable(int fd) const {
    while (!stopping_) {
      pollfd waiting{fd, POLLIN, 0};
      if (::poll(&waiting, 1, 20) > 0) return true;
    }
    return false;
  }

  void run() {
    while (wait_readable(listener_)) {
      const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) continue;
      answer(connection);
      ::close(connection);
    }
  }

  static void send_all(int connection, const std::string& bytes) {
    for (std::size_t sent = 0; sent < bytes.size();) {
      const ssize_t count =
          ::send(connection, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) return;
      sent += static_cast<std::size_t>(count);
    }
  }

  void answer(int connection) const {
    TlsSession session = context_.accept().value();
    std::string request;
    char buffer[4096];
    bool answered = false;
    while (!session.closed() && wait_readable(connection)) {
      const ssize_t count = ::recv(connection, buffer, sizeof buffer, 0);
      if (count <= 0) return;
      const auto fed = session.feed({buffer, static_cast<std::size_t>(count)});
      request += session.take_plaintext();
      if (!answered && request.find("\r\n\r\n") != std::string::npos) {
        answered = session.write(kAnswer).has_value();
        session.shutdown();
      }
      send_all(connection, session.take_ciphertext());
      if (!fed) return;
    }
  }

  const TlsServerContext& context_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

struct Ran {
  int status = -1;
  std::string output;
};
Ran run(const std::string& command) {
  Ran ran;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return ran;
  char buffer[4096];
  while (const std::size_t count = std::fread(buffer, 1, sizeof buffer, pipe)) {
    ran.output.append(buffer, count);
  }
  const int status = ::pclose(pipe);
  ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ran;
}

bool installed(const std::string& program) { return run("command -v " + program).status == 0; }

struct Program {
  std::string name;
  bool required;
  // A shell command: $CA is the authority's file, $HOST and $PORT the server. Exit status 0:
  // answered and verified.
  std::string command;
};

const Program kPrograms[] = {
    {"curl", false, "curl -q --noproxy '*' -sS --max-time 60 --cacert $CA https://$HOST:$PORT/"},
    {"openssl", false,
     "printf 'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' | timeout 60 openssl s_client -quiet "
     "-x509_strict "
     "-verify_return_error -CAfile $CA -no-CApath -no-CAstore -connect $HOST:$PORT"},
    {"python3", true,
     "python3 -c 'import http.client, os, ssl\n"
     "context = ssl.create_default_context(cafile=os.environ[\"CA\"])\n"
     "context.verify_flags |= ssl.VERIFY_X509_STRICT\n"
     "client = http.client.HTTPSConnection(os.environ[\"HOST\"], int(os.environ[\"PORT\"]), "
     "timeout=60, context=context)\n"
     "client.request(\"GET\", \"/\")\n"
     "print(client.getresponse().read().decode())'"},
    {"node", false,
     "node -e '"
     "const https = require(\"https\"), fs = require(\"fs\"), e = process.env;"
     "https.get({host: e.HOST, port: e.PORT, ca: fs.readFileSync(e.CA), timeout: 60000},"
     " answer => answer.pipe(process.stdout))"
     ".on(\"error\", error => { console.error(error.message); process.exit(1); })'"},
    {"php", false,
     "php -r '$context = stream_context_create([\"ssl\" => [\"cafile\" => getenv(\"CA\")]]);"
     "$text = @file_get_contents(\"https://\" . getenv(\"HOST\") . \":\" . getenv(\"PORT\") . "
     "\"/\","
     " false, $context); echo $text; exit($text === false ? 1 : 0);'"},
};

// What GoogleTest prints of a parameter.
void PrintTo(const Program& program, std::ostream* out) { *out << program.name; }

class OtherPeoplesTls : public testing::TestWithParam<Program> {};

TEST_P(OtherPeoplesTls, trusts_the_throwaway_authority_and_no_other) {
  const Program& program = GetParam();
  if (!program.required && !installed(program.name)) GTEST_SKIP() << "not installed";

  std::string authority_pem;
  std::string foreign_pem;
  const auto context = TlsServerContext::make_throwaway({}, std::time(nullptr), authority_pem);
  ASSERT_TRUE(context.has_value());
  ASSERT_TRUE(TlsServerContext::make_throwaway({}, std::time(nullptr), foreign_pem).has_value());
  const std::string prefix =
      testing::TempDir() + "outrider_tls_" + std::to_string(::getpid()) + "_" + program.name;
  std::ofstream(prefix + ".ca") << authority_pem;
  std::ofstream(prefix + ".foreign") << foreign_pem;

  const HttpsServer server(*context);
  const auto ask = [&](const std::string& authority_file, const std::string& host) {
    return run("export CA='" + authority_file + "' HOST=" + host +
               " PORT=" + std::to_string(server.port()) + "; " + program.command);
  };
  for (const std::string host : {"localhost", "127.0.0.1"}) {
    const Ran ran = ask(prefix + ".ca", host);
    EXPECT_EQ(ran.status, 0) << ran.output;
    EXPECT_NE(ran.output.find("it worked"), std::string::npos) << ran.output;
  }
  const Ran distrusting = ask(prefix + ".foreign", "localhost");
  EXPECT_NE(distrusting.status, 0);
  EXPECT_EQ(distrusting.output.find("it worked"), std::string::npos) << distrusting.output;
  ::unlink((prefix + ".ca").c_str());
  ::unlink((prefix + ".foreign").c_str());
}

INSTANTIATE_TEST_SUITE_P(By, OtherPeoplesTls, testing::ValuesIn(kPrograms),
                         [](const auto& program) { return program.param.name; });

}  // namespace
}  // namespace outrider::crypto
