// Log lines to standard error, written by a thread of their own: the engine's threads must not wait
// for a reader that is slow or stopped. Bounded: when the reader is too far behind, lines are
// dropped, and how many is said once it reads again.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace outrider::cli {

class LogWriter {
 public:
  explicit LogWriter(int descriptor = 2);
  ~LogWriter();  // writes what waits, but not longer than a quarter of a second
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  void write(std::string_view line);  // any thread; without the line end

 private:
  void run();
  bool write_line(std::string_view line);
  bool wait_until_writable();
  [[nodiscard]] bool out_of_time();

  const int descriptor_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> lines_;
  std::uint64_t dropped_ = 0;
  bool closing_ = false;
  std::int64_t closing_deadline_ms_ = 0;
  std::thread thread_;
};

}  // namespace outrider::cli
