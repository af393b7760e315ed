// Writes go out in pieces that a pipe takes whole once poll() says that it is writable, so that a
// write never blocks for longer than a poll, and the thread can always be joined.
#include "log_writer.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <climits>
#include <utility>

namespace outrider::cli {
namespace {

constexpr std::size_t kMostLines = 10'000;
constexpr int kPollMs = 50;
constexpr std::int64_t kFlushMs = 250;

std::int64_t monotonic_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace

LogWriter::LogWriter(int descriptor) : descriptor_(descriptor), thread_([this] { run(); }) {}

LogWriter::~LogWriter() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    closing_deadline_ms_ = monotonic_ms() + kFlushMs;
  }
  changed_.notify_one();
  thread_.join();
}

void LogWriter::write(std::string_view line) {
  {
    const std::lock_guard lock(mutex_);
    if (lines_.size() >= kMostLines) {
      ++dropped_;
      return;
    }
    lines_.emplace_back(line);
  }
  changed_.notify_one();
}

void LogWriter::run() {
  while (true) {
    std::deque<std::string> taken;
    std::uint64_t dropped = 0;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return closing_ || !lines_.empty(); });
      if (lines_.empty()) return;
      taken.swap(lines_);
      dropped = std::exchange(dropped_, 0);
    }
    for (const std::string& line : taken) {
      if (!write_line(line)) return;
    }
    if (dropped != 0 &&
        !write_line(R"({"event":"log_dropped","lines":)" + std::to_string(dropped) + "}")) {
      return;
    }
  }
}

// False: the reader is gone, or the time to close is over.
bool LogWriter::write_line(std::string_view line) {
  const std::string text = std::string(line) + "\n";
  std::string_view rest = text;
  while (!rest.empty()) {
    if (!wait_until_writable()) return false;
    const ssize_t written =
        ::write(descriptor_, rest.data(), std::min<std::size_t>(rest.size(), PIPE_BUF));
    if (written < 0 && errno != EINTR && errno != EAGAIN) return false;
    if (written > 0) rest.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

bool LogWriter::wait_until_writable() {
  while (true) {
    pollfd poll_for{.fd = descriptor_, .events = POLLOUT, .revents = 0};
    const int ready = ::poll(&poll_for, 1, kPollMs);
    if (ready > 0) return true;  // also with an error, which write() then names
    if (out_of_time()) return false;
  }
}

bool LogWriter::out_of_time() {
  const std::lock_guard lock(mutex_);
  return closing_ && monotonic_ms() > closing_deadline_ms_;
}

}  // namespace outrider::cli
