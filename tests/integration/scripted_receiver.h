// A receiver that behaves as its script says, well or badly: plain sockets and threads of the
// test's own, so that every byte and every close is under the test's control. It keeps a ledger of
// the connections and complete requests it saw, which is what proves that a request was sent once.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "crypto/tls_session.h"

namespace outrider::net::testing {

struct ReceivedRequest {
  std::string head;  // with its empty line
  std::string body;
};

class ReceiverLedger {
 public:
  void add(ReceivedRequest request) {
    const std::lock_guard lock(mutex_);
    requests_.push_back(std::move(request));
  }
  [[nodiscard]] std::vector<ReceivedRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<ReceivedRequest> requests_;
};

// One connection, in the hands of a script. All reads end when the test does.
class ReceiverConnection {
 public:
  ReceiverConnection(ReceiverLedger& ledger, int fd, int number,
                     std::optional<crypto::TlsSession> tls)
      : ledger_(ledger), fd_(fd), number_(number), tls_(std::move(tls)) {}

  [[nodiscard]] int number() const { return number_; }  // 1 is the first the receiver accepted
  [[nodiscard]] int fd() const { return fd_; }
  // Of the certificate the client gave, once a request was read; empty: none.
  [[nodiscard]] std::string client_sha256() const { return tls_ ? tls_->client_sha256() : ""; }
  // The next complete request, noted in the ledger; nothing when the peer has closed.
  [[nodiscard]] std::optional<ReceivedRequest> read_request();
  // Reads up to the end of the head only.
  [[nodiscard]] std::optional<std::string> read_head();
  // False when the peer does not take it.
  bool send(std::string_view bytes);
  // The same, and waits until the peer's kernel has it.
  bool deliver(std::string_view bytes);
  // Both at once, with TLS as a record each.
  bool send_together(std::string_view one, std::string_view two);
  // The same bytes until the peer gives up, at most `times` times.
  void send_repeatedly(std::string_view bytes, int times);
  void half_close();
  // The same, and waits until the peer's kernel knows.
  bool deliver_half_close();
  void reset();  // RST at once; takes away what the peer has not read yet
  // Until the peer closes its side (or resets); whatever it sends is dropped.
  void wait_for_close();
  // The same, but nothing is read.
  void wait_without_reading();

 private:
  [[nodiscard]] bool receive_more();
  bool send_raw(std::string_view bytes) const;

  ReceiverLedger& ledger_;
  int fd_;
  int number_;
  std::optional<crypto::TlsSession> tls_;
  std::string buffer_;
};

class ScriptedReceiver {
 public:
  using Script = std::function<void(ReceiverConnection&)>;
  struct Options {
    std::string address = "127.0.0.1";
    int backlog = 1024;
    const crypto::TlsServerContext* tls = nullptr;
    int receive_buffer_bytes = 0;  // 0: the system's
  };

  explicit ScriptedReceiver(Script script) : ScriptedReceiver(Options{}, std::move(script)) {}
  ScriptedReceiver(Options options, Script script);
  ~ScriptedReceiver();
  ScriptedReceiver(const ScriptedReceiver&) = delete;
  ScriptedReceiver& operator=(const ScriptedReceiver&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string url(const std::string& path = "/hook") const;
  [[nodiscard]] int connections() const { return connections_; }
  [[nodiscard]] std::size_t open_connections();
  // Complete requests, in the order they were read.
  [[nodiscard]] std::vector<ReceivedRequest> received() const { return ledger_.requests(); }
  [[nodiscard]] int requests() const { return static_cast<int>(received().size()); }
  // Waits until `condition` holds; false when it
  // never does.
  [[nodiscard]] static bool wait_until(const std::function<bool()>& condition);

 private:
  void accept_all();
  void serve(int fd, int number);

  Options options_;
  Script script_;
  ReceiverLedger ledger_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<int> connections_{0};
  std::mutex mutex_;
  std::vector<int> open_;  // descriptors of running scripts
  std::vector<std::thread> threads_;
  bool ending_ = false;
  std::thread acceptor_;
};

// Answers every request of every connection with `answer`.
[[nodiscard]] ScriptedReceiver::Script always(std::string answer);

// The usual good answer.
inline constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

}  // namespace outrider::net::testing
