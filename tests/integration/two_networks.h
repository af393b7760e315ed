// Two network namespaces of the test's own, joined by a cable: "inside", where the sender lives,
// and "outside", which takes every address there is for its own. So whatever the sender connects
// to, public, private or made up, somebody is there, and nothing leaves the machine.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

#include "net/unique_fd.h"

namespace outrider::net::testing {

class TwoNetworks {
 public:
  // The calling thread is inside from then on, and so are the threads it starts. Nothing where the
  // system does not let us; `why` says so. Where we are not root, the process must have one thread,
  // and stays inside.
  [[nodiscard]] static std::unique_ptr<TwoNetworks> make(std::string& why);
  TwoNetworks(const TwoNetworks&) = delete;
  TwoNetworks& operator=(const TwoNetworks&) = delete;
  ~TwoNetworks();

  // Sockets made by `action` are outside for good.
  void outside(const std::function<void()>& action) const;
  // One command of the shell, inside; false where it fails.
  [[nodiscard]] static bool run(const std::string& command);

  // The cable's inner end.
  static constexpr const char* kInsideV4 = "198.18.0.1";
  static constexpr const char* kInsideV6 = "fd00:a::1";
  static constexpr const char* kInsideDevice = "inner0";

 private:
  TwoNetworks() = default;
  [[nodiscard]] bool join() const;

  UniqueFd before_;
  UniqueFd inside_;
  UniqueFd outside_;
  pid_t holder_ = -1;  // a process outside, which the cable's other end is handed to
};

}  // namespace outrider::net::testing
