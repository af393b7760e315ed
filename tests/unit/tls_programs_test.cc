// Other people's TLS against ours: curl, Node, Python, PHP and the openssl tool connect over a real
// socket, trust the throw-away authority and nothing else, and must get their answer; without that
// trust they must not. A program that is not installed is skipped, all but Python, which the build
// needs anyway.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
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

// Answers one connection after the other, on a thread of its own, until it is destroyed. It listens
// at both addresses `localhost` may stand for: Node before 20 tries only the first it is given, and
// on Debian that is ::1.
class HttpsServer {
 public:
  explicit HttpsServer(const TlsServerContext& context) : context_(context) {
    // The free port of one address may be taken at the other.
    for (int tries = 0; tries < 16 && !listen_at_both(); ++tries) continue;
    EXPECT_GE(v4_, 0);
    thread_ = std::thread([this] { run(); });
  }
  ~HttpsServer() {
    stopping_ = true;
    thread_.join();
    close_both();
  }
  HttpsServer(const HttpsServer&) = delete;
  HttpsServer& operator=(const HttpsServer&) = delete;

  [[nodiscard]] int port() const { return port_; }

 private:
  // Afterwards `address` has the port.
  template <typename Address>
  [[nodiscard]] static int listen_at(Address& address) {
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    const int listener = ::socket(generic->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener >= 0 && ::bind(listener, generic, size) == 0 && ::listen(listener, 8) == 0 &&
        ::getsockname(listener, generic, &size) == 0) {
      return listener;
    }
    const int why = errno;
    if (listener >= 0) ::close(listener);
    errno = why;
    return -1;
  }

  // A machine without IPv6 has only the one address, and then one is enough.
  [[nodiscard]] bool listen_at_both() {
    close_both();
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v4_ = listen_at(v4);
    port_ = ntohs(v4.sin_port);
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_addr = in6addr_loopback;
    v6.sin6_port = v4.sin_port;
    v6_ = listen_at(v6);
    return v4_ >= 0 && (v6_ >= 0 || errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT);
  }

  void close_both() {
    for (int* const listener : {&v4_, &v6_}) {
      if (*listener >= 0) ::close(*listener);
      *listener = -1;
    }
  }

  // The one of the two that has something to read; -1: this server ends. poll() passes over an fd
  // of -1.
  [[nodiscard]] int wait_readable(int one, int other = -1) const {
    while (!stopping_) {
      pollfd waiting[] = {{one, POLLIN, 0}, {other, POLLIN, 0}};
      if (::poll(waiting, 2, 20) > 0) return waiting[0].revents != 0 ? one : other;
    }
    return -1;
  }

  void run() {
    for (int listener; (listener = wait_readable(v4_, v6_)) >= 0;) {
      const int connection = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
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
    while (!session.closed() && wait_readable(connection) >= 0) {
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
  int v4_ = -1;
  int v6_ = -1;
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
