// What the loop's tests share: a limit on how long a run may take, and a directory of their own.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <string>

#include "net/loop.h"

namespace outrider::net::testing {

inline constexpr std::chrono::milliseconds kLongest{
    20'000};  // no test waits that long unless it fails

// Stops the loop and fails the test when nothing has stopped it before.
class RunLimit {
 public:
  explicit RunLimit(Loop& loop) : loop_(loop) {
    timer_ = loop.start(kLongest, [&loop] {
      ADD_FAILURE() << "nothing happened";
      loop.stop();
    });
  }
  ~RunLimit() { loop_.cancel(timer_); }
  RunLimit(const RunLimit&) = delete;
  RunLimit& operator=(const RunLimit&) = delete;

 private:
  Loop& loop_;
  Loop::Id timer_;
};

class TempDir {
 public:
  TempDir() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "outrider-loop-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace outrider::net::testing
