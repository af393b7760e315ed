// The log's own thread: order kept, nobody waits for a reader, nothing grows.
#include "tools/outrider/log_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <memory>
#include <string>

namespace outrider::cli {
namespace {

class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe2(ends_.data(), O_CLOEXEC), 0); }
  ~Pipe() {
    close_reader();
    close_writer();
  }
  [[nodiscard]] int writer() const { return ends_[1]; }
  void close_reader() { close_end(0); }
  void close_writer() { close_end(1); }
  std::string read_all() {
    std::string text;
    std::array<char, 65536> block;
    for (ssize_t got = 0; (got = ::read(ends_[0], block.data(), block.size())) > 0;) {
      text.append(block.data(), static_cast<std::size_t>(got));
    }
    return text;
  }

 private:
  void close_end(std::size_t end) {
    if (ends_[end] >= 0) ::close(ends_[end]);
    ends_[end] = -1;
  }
  std::array<int, 2> ends_{-1, -1};
};

TEST(LogWriter, writes_every_line_in_order_before_it_ends) {
  Pipe pipe;
  {
    LogWriter log(pipe.writer());
    for (int i = 0; i < 100; ++i) log.write("line " + std::to_string(i));
  }
  pipe.close_writer();
  std::string expected;
  for (int i = 0; i < 100; ++i) expected += "line " + std::to_string(i) + "\n";
  EXPECT_EQ(pipe.read_all(), expected);
}

TEST(LogWriter, a_reader_that_never_reads_holds_up_neither_the_writers_nor_the_end) {
  Pipe pipe;
  const auto start = std::chrono::steady_clock::now();
  {
    LogWriter log(pipe.writer());
    const std::string line(1000, 'x');
    for (int i = 0; i < 50'000; ++i) log.write(line);  // 50 MB into a pipe of 64 KiB
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
}

TEST(LogWriter, a_reader_that_is_gone_ends_nothing) {
  std::signal(SIGPIPE, SIG_IGN);
  Pipe pipe;
  pipe.close_reader();
  LogWriter log(pipe.writer());
  for (int i = 0; i < 20'000; ++i) log.write("nobody reads this");
}

}  // namespace
}  // namespace outrider::cli
