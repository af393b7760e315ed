// A program that serves TLS on a free port of loopback and says "ACCEPT 127.0.0.1:<port>" (as
// `openssl s_server` does), for the servers our own code cannot be: one that demands a client
// certificate, speaks another protocol only, or sends session tickets.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <array>
#include <cstdlib>
#include <string>
#include <vector>

namespace outrider::net::testing {

class TlsProgram {
 public:
  explicit TlsProgram(std::vector<std::string> words) {
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);

    std::array<int, 2> in{};
    std::array<int, 2> out{};
    EXPECT_EQ(pipe2(in.data(), O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(out.data(), O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_adddup2(&actions, out[1], 2);
    EXPECT_EQ(posix_spawnp(&pid_, arguments[0], &actions, nullptr, arguments.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    in_ = in[1];  // open: at the end of its input it would leave
    out_ = out[0];
    port_ = read_port();
  }
  ~TlsProgram() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    close(in_);
    close(out_);
  }
  TlsProgram(const TlsProgram&) = delete;
  TlsProgram& operator=(const TlsProgram&) = delete;

  [[nodiscard]] std::string url() const { return "https://127.0.0.1:" + port_ + "/hook"; }

 private:
  // "ACCEPT 127.0.0.1:41234"
  std::string read_port() const {
    std::string text;
    const std::string before = "ACCEPT 127.0.0.1:";
    for (;;) {
      const std::size_t at = text.find(before);
      const std::size_t end = text.find('\n', at == std::string::npos ? 0 : at);
      if (at != std::string::npos && end != std::string::npos) {
        return text.substr(at + before.size(), end - at - before.size());
      }
      pollfd wait{out_, POLLIN, 0};
      std::array<char, 512> bytes{};
      const ssize_t size = poll(&wait, 1, 20'000) > 0 ? read(out_, bytes.data(), bytes.size()) : 0;
      if (size <= 0) {
        ADD_FAILURE() << "the server did not start: " << text;
        return "1";
      }
      text.append(bytes.data(), static_cast<std::size_t>(size));
    }
  }

  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
  std::string port_;
};

}  // namespace outrider::net::testing
