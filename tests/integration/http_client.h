// A client that sends exactly the bytes it is told to, over TCP, a Unix socket or TLS: what no
// well-behaved HTTP library lets a test do. Blocking, with a limit on every wait that only a broken
// server reaches.
#pragma once

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace outrider::tests {

inline constexpr int kWaitMs = 30'000;

class RawClient {
 public:
  explicit RawClient(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    open(AF_INET, reinterpret_cast<sockaddr*>(&address), sizeof address);
    const int on = 1;  // or the kernel waits 40 ms between a handshake's end and the first request
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  explicit RawClient(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    open(AF_UNIX, reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  ~RawClient() {
    tls_.reset();
    if (fd_ >= 0) ::close(fd_);
  }

  [[nodiscard]] bool connected() const { return fd_ >= 0; }
  [[nodiscard]] int fd() const { return fd_; }

  // Speaks TLS from now on, trusting `authority_pem` alone and expecting `host`. False: the
  // handshake failed.
  bool start_tls(const std::string& authority_pem, const std::string& host) {
    context_.reset(SSL_CTX_new(TLS_client_method()));
    std::unique_ptr<BIO, decltype(&BIO_free_all)> text(
        BIO_new_mem_buf(authority_pem.data(), static_cast<int>(authority_pem.size())),
        BIO_free_all);
    std::unique_ptr<X509, decltype(&X509_free)> authority(
        PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr), X509_free);
    if (!authority) return false;
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), authority.get());
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    tls_.reset(SSL_new(context_.get()));
    SSL_set1_host(tls_.get(), host.c_str());
    SSL_set_tlsext_host_name(tls_.get(), host.c_str());
    SSL_set_fd(tls_.get(), fd_);
    return SSL_connect(tls_.get()) == 1;
  }

  // False: the server has closed the connection.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = tls_
                               ? SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size()))
                               : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  void end_sending() { ::shutdown(fd_, SHUT_WR); }

  // Everything up to the end of the connection. ended() stays false when it does not come in time.
  std::string read_to_end() {
    std::string all = std::exchange(rest_, {});
    while (read_more(all)) {
    }
    return all;
  }

  // One answer with Content-Length (or none, for 1xx, 204, 304); empty: the connection ended first.
  std::string read_answer(bool head_only = false) {
    std::size_t end = std::string::npos;
    while ((end = rest_.find("\r\n\r\n")) == std::string::npos) {
      if (!read_more(rest_)) return {};
    }
    std::size_t total = end + 4;
    const std::size_t length = rest_.find("Content-Length: ");
    if (!head_only && length < end) total += std::strtoul(rest_.c_str() + length + 16, nullptr, 10);
    while (rest_.size() < total) {
      if (!read_more(rest_)) return {};
    }
    std::string answer = rest_.substr(0, total);
    rest_.erase(0, total);
    return answer;
  }

  [[nodiscard]] bool ended() const { return ended_; }

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };

  void open(int family, const sockaddr* address, socklen_t size) {
    fd_ = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(fd_, address, size) != 0) {
      ::close(fd_);
      fd_ = -1;
    }
  }

  bool read_more(std::string& into) {
    if (ended_ || fd_ < 0) return false;
    char buffer[16 * 1024];
    if (!tls_ || SSL_pending(tls_.get()) == 0) {
      pollfd waiting{fd_, POLLIN, 0};
      if (::poll(&waiting, 1, kWaitMs) != 1) return false;
    }
    const ssize_t count =
        tls_ ? SSL_read(tls_.get(), buffer, sizeof buffer) : ::recv(fd_, buffer, sizeof buffer, 0);
    if (count <= 0) {
      ended_ = true;
      return false;
    }
    into.append(buffer, static_cast<std::size_t>(count));
    return true;
  }

  int fd_ = -1;
  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> tls_;
  std::string rest_;
  bool ended_ = false;
};

// The status of an answer; 0: it is none.
inline int status_of(std::string_view answer) {
  if (!answer.starts_with("HTTP/1.1 ") || answer.size() < 12) return 0;
  return (answer[9] - '0') * 100 + (answer[10] - '0') * 10 + (answer[11] - '0');
}

inline std::string_view body_of(std::string_view answer) {
  const std::size_t end = answer.find("\r\n\r\n");
  return end == std::string_view::npos ? std::string_view{} : answer.substr(end + 4);
}

}  // namespace outrider::tests
