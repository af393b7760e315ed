// Web servers on as many addresses as the kernel gives them, in one thread: they answer every POST
// at once, keep connections open, and count what they get by the address it came to.
//
//     POST /r/17     a redirect to the 17th of the given locations
//     POST ...       200
//     CONNECT place  a proxy that does not really connect: what follows in the tunnel is answered
//                    here
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "net/unique_fd.h"

namespace outrider::net::testing {

struct WebCounts {
  int connections = 0;
  int requests = 0;
};

class CountingWeb {
 public:
  CountingWeb() = default;
  ~CountingWeb();
  CountingWeb(const CountingWeb&) = delete;
  CountingWeb& operator=(const CountingWeb&) = delete;

  // Listens on every address of the network the calling thread is in, of both families where there
  // are two. `port` 0: a free one. Returns the port. Before start().
  std::uint16_t listen(std::uint16_t port);
  // `redirects`: must live as long as this.
  void start(const std::vector<std::string>& redirects);

  // By the address connected to ("10.0.0.1", "::1").
  [[nodiscard]] std::map<std::string, WebCounts> counts();
  // What CONNECT asked for ("10.0.0.1:80").
  [[nodiscard]] std::map<std::string, int> tunnels();

 private:
  struct Connection {
    UniqueFd fd;
    std::string address;
    std::string in;
  };

  void serve();
  void accept(int listener);
  [[nodiscard]] bool read(Connection& connection);
  [[nodiscard]] std::string answer(std::string_view head);

  std::vector<UniqueFd> listeners_;
  const std::vector<std::string>* redirects_ = nullptr;
  std::map<int, Connection> connections_;
  UniqueFd epoll_;
  std::thread thread_;
  std::atomic<bool> ending_{false};
  std::mutex mutex_;
  std::map<std::string, WebCounts> counts_;
  std::map<std::string, int> tunnels_;
};

}  // namespace outrider::net::testing
