#include "supervisor.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace outrider::cli {
namespace {

constexpr const char* kSocket = "NOTIFY_SOCKET";
constexpr const char* kWatchdog = "WATCHDOG_USEC";
constexpr const char* kWatched = "WATCHDOG_PID";

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

Result<std::int64_t> whole_number(const char* name, std::string_view text) {
  std::int64_t value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || rest != text.data() + text.size() || value <= 0) {
    return fail(ErrorCode::kInvalidArgument, "not a whole number above 0", name);
  }
  return value;
}

}  // namespace

Result<Supervisor> Supervisor::from_environment() {
  Supervisor made;
  const std::string_view path = variable(kSocket);
  if (path.empty()) return made;
  const bool abstract = path.front() == '@';
  if ((path.front() != '/' && !abstract) || path.size() < 2 ||
      path.size() >= sizeof made.address_.sun_path) {
    return fail(ErrorCode::kInvalidArgument, "no path of a socket, and no @name of one", kSocket);
  }
  made.address_.sun_family = AF_UNIX;
  std::memcpy(made.address_.sun_path, path.data(), path.size());
  if (abstract) made.address_.sun_path[0] = '\0';
  // An abstract name is as long as the address says; a path ends in a zero byte.
  made.length_ =
      static_cast<unsigned>(offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1));
  const std::string_view interval = variable(kWatchdog);
  if (interval.empty()) return made;
  if (const std::string_view watched = variable(kWatched); !watched.empty()) {
    const auto process = whole_number(kWatched, watched);
    if (!process) return tl::unexpected(process.error());
    if (*process != ::getpid()) return made;  // inherited: another process is meant
  }
  const auto microseconds = whole_number(kWatchdog, interval);
  if (!microseconds) return tl::unexpected(microseconds.error());
  made.watchdog_ms_ = std::max<std::int64_t>(*microseconds / 1000, 1);
  return made;
}

void Supervisor::tell(std::string_view state) const {
  if (length_ == 0) return;
  const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return;
  const timeval second{.tv_sec = 1, .tv_usec = 0};
  (void)::setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second);
  (void)::sendto(descriptor, state.data(), state.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&address_), length_);
  ::close(descriptor);
}

Heartbeat::Heartbeat(std::optional<std::int64_t> watchdog_ms) {
  if (watchdog_ms) interval_ms_ = std::max<std::int64_t>(*watchdog_ms / 4, 1);
}

bool Heartbeat::due(std::int64_t monotonic_ms, const Ask& ask) {
  if (!interval_ms_ || monotonic_ms < next_ms_) return false;
  if (!asked_) {
    asked_ = true;
    answered_ = false;
    ask([this] { answered_ = true; });
  }
  if (!answered_) return false;
  asked_ = false;
  next_ms_ = monotonic_ms + *interval_ms_;
  return true;
}

}  // namespace outrider::cli
