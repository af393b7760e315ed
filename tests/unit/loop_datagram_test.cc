// The loop's datagram socket: private, answered, bounded, and gone at the end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "loop_fixture.h"

namespace outrider::net {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using testing::RunLimit;
using testing::TempDir;

// A client's datagram socket, bound so that it can be answered.
class Client {
 public:
  explicit Client(const std::string& path) : path_(path) {
    fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const sockaddr_un self = address(path);
    EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&self), sizeof self), 0);
    const timeval limit{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    int size = 1 << 20;
    setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  }
  ~Client() {
    close(fd_);
    unlink(path_.c_str());
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  [[nodiscard]] ssize_t send(const std::string& to, const std::string& message) const {
    const sockaddr_un there = address(to);
    return sendto(fd_, message.data(), message.size(), 0, reinterpret_cast<const sockaddr*>(&there),
                  sizeof there);
  }
  [[nodiscard]] std::string receive() const {
    std::string buffer(1 << 17, '\0');
    const ssize_t size = recv(fd_, buffer.data(), buffer.size(), 0);
    return size < 0 ? "nothing" : buffer.substr(0, static_cast<std::size_t>(size));
  }

 private:
  static sockaddr_un address(const std::string& path) {
    sockaddr_un it{};
    it.sun_family = AF_UNIX;
    std::strncpy(it.sun_path, path.c_str(), sizeof it.sun_path - 1);
    return it;
  }
  std::string path_;
  int fd_ = -1;
};

TEST(LoopDatagram, is_answered_and_the_file_is_private_and_removed_at_the_end) {
  const TempDir dir;
  const std::string path = dir.file("engine.sock");
  const mode_t before = umask(0);
  Loop loop;
  const RunLimit limit(loop);
  std::vector<std::string> heard;
  auto watch = loop.on_datagram(path, [&](const std::string& message) {
    heard.push_back(message);
    if (heard.size() == 3) loop.stop();
    return message.empty() ? std::string() : "answer to " + message;
  });
  umask(before);
  ASSERT_TRUE(watch.has_value()) << watch.error().to_string();
  struct stat file{};
  ASSERT_EQ(stat(path.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600U);

  const Client client(dir.file("client.sock"));
  EXPECT_EQ(client.send(path, "one"), 3);
  EXPECT_EQ(client.send(path, ""), 0);
  EXPECT_EQ(client.send(path, "three"), 5);
  loop.run();
  EXPECT_THAT(heard, ElementsAre("one", "", "three"));
  EXPECT_EQ(client.receive(), "answer to one");
  EXPECT_EQ(client.receive(), "answer to three");
  watch->reset();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(LoopDatagram, takes_the_place_of_a_dead_engines_socket_but_not_of_a_file) {
  const TempDir dir;
  const std::string path = dir.file("engine.sock");
  Loop loop;
  {
    const Client dead(dir.file("other"));
    std::filesystem::rename(dir.file("other"), path);
  }
  EXPECT_TRUE(loop.on_datagram(path, [](const std::string&) { return ""; }).has_value());
  EXPECT_FALSE(std::filesystem::exists(path));

  std::ofstream(path) << "precious";
  auto refused = loop.on_datagram(path, [](const std::string&) { return ""; });
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kIo);
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST(LoopDatagram, refuses_a_path_that_is_too_long) {
  Loop loop;
  auto watch =
      loop.on_datagram("/tmp/" + std::string(200, 'x'), [](const std::string&) { return ""; });
  ASSERT_FALSE(watch.has_value());
  EXPECT_EQ(watch.error().code, ErrorCode::kInvalidArgument);
}

TEST(LoopDatagram, drops_one_over_the_limit_and_hears_the_next) {
  const TempDir dir;
  const std::string path = dir.file("engine.sock");
  Loop loop;
  const RunLimit limit(loop);
  std::vector<std::size_t> sizes;
  auto watch = loop.on_datagram(path, [&](const std::string& message) {
    sizes.push_back(message.size());
    if (message == "end") loop.stop();
    return std::string();
  });
  ASSERT_TRUE(watch.has_value());
  const Client client(dir.file("client.sock"));
  EXPECT_EQ(client.send(path, std::string(64 * 1024 + 1, 'x')), 64 * 1024 + 1);
  EXPECT_EQ(client.send(path, std::string(64 * 1024, 'x')), 64 * 1024);
  EXPECT_EQ(client.send(path, "end"), 3);
  loop.run();
  EXPECT_THAT(sizes, ElementsAre(64 * 1024, 3));
}

TEST(LoopDatagram, the_watch_may_be_dropped_by_its_own_callback) {
  const TempDir dir;
  const std::string path = dir.file("engine.sock");
  Loop loop;
  const RunLimit limit(loop);
  std::unique_ptr<Loop::Watch> watch;
  int calls = 0;
  auto made = loop.on_datagram(path, [&](const std::string&) {
    ++calls;
    watch.reset();
    loop.start(milliseconds(5), [&] { loop.stop(); });
    return std::string("bye");
  });
  ASSERT_TRUE(made.has_value());
  watch = std::move(*made);
  const Client client(dir.file("client.sock"));
  EXPECT_EQ(client.send(path, "one"), 3);
  EXPECT_EQ(client.send(path, "two"), 3);
  loop.run();
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace outrider::net
