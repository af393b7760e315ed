// Sees every TCP connect that leaves the network it is made in, to wherever it goes and whether or
// not anybody is there: the first packet of each, as the kernel sends it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "net/unique_fd.h"

namespace outrider::net::testing {

class ConnectWatch {
 public:
  // Nothing where the system does not let us look at packets.
  [[nodiscard]] static std::unique_ptr<ConnectWatch> make();
  ConnectWatch(const ConnectWatch&) = delete;
  ConnectWatch& operator=(const ConnectWatch&) = delete;
  ~ConnectWatch();

  // How often each "address port" was connected to, in whichever network device it was seen.
  // Requires: `settle` makes a connect to `marker` ("address port"), after which all those before
  // it have been seen. Empty: packets were lost, so that the count says nothing.
  [[nodiscard]] std::optional<std::map<std::string, int>> seen(const std::string& marker,
                                                               const std::function<void()>& settle);

 private:
  struct State {
    std::mutex mutex;
    std::map<std::string, int> seen;
    std::atomic<bool> ending{false};
  };
  ConnectWatch() = default;
  static void follow(int fd, State& state);

  UniqueFd fd_;
  std::unique_ptr<State> state_;
  std::thread thread_;
};

}  // namespace outrider::net::testing
