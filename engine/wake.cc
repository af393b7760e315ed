#include "wake.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>
#include <string_view>

#include "outrider/outrider.h"
#include "storage/sqlite/sqlite_outbox.h"

namespace outrider {
namespace {

constexpr int kAnswerTimeoutMs = 500;
constexpr std::string_view kInFlight = "in_flight=";

class Socket {
 public:
  Socket() : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {}
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

  [[nodiscard]] bool send(const std::string& path, std::string_view message) const noexcept {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (fd_ < 0 || path.size() >= sizeof address.sun_path) return false;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return ::sendto(fd_, message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                    reinterpret_cast<const sockaddr*>(&address), sizeof address) >= 0;
  }

 private:
  int fd_;
};

}  // namespace

std::string format_status(const EngineStatus& status) {
  return std::string(kInFlight) + std::to_string(status.in_flight);
}

void send_committed(const std::string& database) noexcept {
  const Socket socket;
  (void)socket.send(storage::wake_path(database), kCommitted);
}

std::optional<EngineStatus> ask_status(const std::string& database) {
  const Socket socket;
  // Autobind: the kernel picks an abstract address the engine can answer to.
  sockaddr_un own{};
  own.sun_family = AF_UNIX;
  if (socket.fd() < 0 ||
      ::bind(socket.fd(), reinterpret_cast<const sockaddr*>(&own), sizeof own.sun_family) != 0) {
    return std::nullopt;
  }
  if (!socket.send(storage::wake_path(database), kStatusQuestion)) return std::nullopt;
  pollfd waiting{.fd = socket.fd(), .events = POLLIN, .revents = 0};
  if (::poll(&waiting, 1, kAnswerTimeoutMs) != 1) return std::nullopt;
  std::array<char, 256> buffer{};
  const ssize_t size = ::recv(socket.fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (size <= 0) return std::nullopt;
  const std::string_view answer(buffer.data(), static_cast<std::size_t>(size));
  if (!answer.starts_with(kInFlight)) return std::nullopt;
  EngineStatus status;
  const char* end = answer.data() + answer.size();
  const auto read = std::from_chars(answer.data() + kInFlight.size(), end, status.in_flight);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return status;
}

void notify(const std::string& database) noexcept { send_committed(database); }

}  // namespace outrider
