// What the service manager hears, at a socket of the test's own; and when the watchdog is fed.
#include "tools/outrider/supervisor.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <utility>

namespace outrider::cli {
namespace {

// Listens as systemd does; `name` is a path, or begins with '@'.
class Listener {
 public:
  explicit Listener(std::string name) : name_(std::move(name)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name_.data(), name_.size());
    if (name_.front() == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size() +
                                               (name_.front() == '/' ? 1 : 0));
    descriptor_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), length), 0);
    ::setenv("NOTIFY_SOCKET", name_.c_str(), 1);
  }
  ~Listener() {
    ::close(descriptor_);
    if (name_.front() == '/') ::unlink(name_.c_str());
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // The next datagram; empty: none came.
  std::string heard() {
    std::array<char, 256> text{};
    const ssize_t got = ::recv(descriptor_, text.data(), text.size(), 0);
    return got < 0 ? std::string() : std::string(text.data(), static_cast<std::size_t>(got));
  }

 private:
  std::string name_;
  int descriptor_ = -1;
};

class SupervisorTest : public ::testing::Test {
 protected:
  SupervisorTest() { forget(); }
  ~SupervisorTest() override { forget(); }
  SupervisorTest(const SupervisorTest&) = delete;
  SupervisorTest& operator=(const SupervisorTest&) = delete;

  static void forget() {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
  }
  static std::string path() {
    return ::testing::TempDir() + "outrider-notify-" + std::to_string(::getpid());
  }
  static std::string abstract_name() { return "@outrider-notify-" + std::to_string(::getpid()); }
};

TEST_F(SupervisorTest, tells_a_socket_with_a_path) {
  Listener listener(path());
  const auto supervisor = Supervisor::from_environment();
  ASSERT_TRUE(supervisor);
  supervisor->tell("READY=1");
  EXPECT_EQ(listener.heard(), "READY=1");
  supervisor->tell("STOPPING=1");
  EXPECT_EQ(listener.heard(), "STOPPING=1");
  EXPECT_EQ(listener.heard(), "");
}

TEST_F(SupervisorTest, tells_a_socket_with_an_abstract_name) {
  Listener listener(abstract_name());
  const auto supervisor = Supervisor::from_environment();
  ASSERT_TRUE(supervisor);
  supervisor->tell("READY=1");
  EXPECT_EQ(listener.heard(), "READY=1");
}

TEST_F(SupervisorTest, without_a_socket_tells_nobody_and_has_no_watchdog) {
  ::setenv("WATCHDOG_USEC", "30000000", 1);
  const auto supervisor = Supervisor::from_environment();
  ASSERT_TRUE(supervisor);
  supervisor->tell("READY=1");
  EXPECT_FALSE(supervisor->watchdog_ms());
}

TEST_F(SupervisorTest, a_socket_that_is_gone_is_no_error) {
  {
    const Listener listener(path());
  }
  const auto supervisor = Supervisor::from_environment();
  ASSERT_TRUE(supervisor);
  supervisor->tell("READY=1");
}

TEST_F(SupervisorTest, knows_the_watchdogs_interval_where_this_process_is_meant) {
  const Listener listener(abstract_name());
  ::setenv("WATCHDOG_USEC", "30000000", 1);
  EXPECT_EQ(Supervisor::from_environment()->watchdog_ms(), 30'000);
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  EXPECT_EQ(Supervisor::from_environment()->watchdog_ms(), 30'000);
  ::setenv("WATCHDOG_PID", "1", 1);
  EXPECT_FALSE(Supervisor::from_environment()->watchdog_ms());
}

TEST_F(SupervisorTest, refuses_variables_that_mean_nothing) {
  for (const std::string& name : {std::string("relative"), std::string("vsock:2:9"),
                                  std::string("@"), "/" + std::string(200, 'x')}) {
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    const auto supervisor = Supervisor::from_environment();
    ASSERT_FALSE(supervisor) << name;
    EXPECT_EQ(supervisor.error().where, "NOTIFY_SOCKET");
  }
  ::setenv("NOTIFY_SOCKET", "@name", 1);
  for (const char* value : {"soon", "-1", "0", "1s"}) {
    ::setenv("WATCHDOG_USEC", value, 1);
    const auto supervisor = Supervisor::from_environment();
    ASSERT_FALSE(supervisor) << value;
    EXPECT_EQ(supervisor.error().where, "WATCHDOG_USEC");
  }
}

// A thread that is watched: it answers when the test lets it.
class Watched {
 public:
  Heartbeat::Ask ask() {
    return [this](std::function<void()> answer) {
      ++questions_;
      answer_ = std::move(answer);
    };
  }
  void take_a_turn() {
    if (answer_) std::exchange(answer_, nullptr)();
  }
  [[nodiscard]] int questions() const { return questions_; }

 private:
  int questions_ = 0;
  std::function<void()> answer_;
};

TEST(heartbeat, feeds_the_watchdog_four_times_in_its_interval_while_turns_are_taken) {
  Heartbeat heartbeat(20'000);
  EXPECT_EQ(heartbeat.interval_ms(), 5'000);
  Watched watched;
  int fed = 0;
  for (std::int64_t now = 0; now < 20'000; now += 100) {
    fed += heartbeat.due(now, watched.ask()) ? 1 : 0;
    watched.take_a_turn();
  }
  EXPECT_EQ(fed, 4);
}

TEST(heartbeat, is_silent_while_no_turn_is_taken_and_asks_but_once) {
  Heartbeat heartbeat(20'000);
  Watched watched;
  for (std::int64_t now = 0; now < 100'000; now += 100) {
    EXPECT_FALSE(heartbeat.due(now, watched.ask()));
  }
  EXPECT_EQ(watched.questions(), 1);
  watched.take_a_turn();
  EXPECT_TRUE(heartbeat.due(100'000, watched.ask()));
}

TEST(heartbeat, wants_a_turn_after_the_last_time_and_not_an_old_one) {
  Heartbeat heartbeat(4'000);
  Watched watched;
  EXPECT_FALSE(heartbeat.due(0, watched.ask()));
  watched.take_a_turn();
  EXPECT_TRUE(heartbeat.due(10, watched.ask()));
  for (std::int64_t now = 20; now < 10'000; now += 10) {
    EXPECT_FALSE(heartbeat.due(now, watched.ask()));
  }
  EXPECT_EQ(watched.questions(), 2);
}

TEST(heartbeat, without_a_watchdog_asks_nothing) {
  Heartbeat heartbeat(std::nullopt);
  Watched watched;
  EXPECT_FALSE(heartbeat.due(1'000'000, watched.ask()));
  EXPECT_EQ(watched.questions(), 0);
}

}  // namespace
}  // namespace outrider::cli
