// One curl multi handle on the loop: its sockets as polls, its timer as a timer, its finished
// transfers as calls.
//
// It hears of every socket libcurl opens and of every connection's end, and knows each connection
// by its two ends, because at the moment that matters (just before a request goes out on
// a kept connection) libcurl tells the ends but not the socket.
#pragma once

#include <curl/curl.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/target.h"
#include "net/curl_handle.h"
#include "net/loop.h"
#include "net/uv_handle.h"

namespace outrider::net {

class CurlMulti {
 public:
  // Called outside libcurl, with the handle already removed: it may add, remove and start anything,
  // but not destroy this.
  using Finished = std::function<void(CURL* easy, CURLcode result)>;

  // `all_connections`: counts those of all multis that are given the same; outlives this.
  CurlMulti(Loop& loop, Finished finished, std::size_t& all_connections);
  ~CurlMulti();
  CurlMulti(const CurlMulti&) = delete;
  CurlMulti& operator=(const CurlMulti&) = delete;

  // Not from inside a callback of libcurl.
  void add(CURL* easy);
  void remove(CURL* easy);
  [[nodiscard]] std::size_t running() const noexcept { return running_; }  // transfers

  // Connections, idle or not. Where there are more when a transfer ends, libcurl closes the one
  // that has been idle longest.
  [[nodiscard]] std::size_t connections() const noexcept { return connections_.size(); }
  void limit_connections(std::size_t limit);

  // Whether the name leads to exactly these addresses for this port already, in libcurl's cache. If
  // not, it is taken to do so from here on: the caller pins it with its next transfer.
  [[nodiscard]] bool is_pinned(const std::string& host, std::uint16_t port,
                               std::span<const core::Address> addresses);
  // That transfer ended before libcurl had read its pin.
  void forget_pin(const std::string& host) { pins_.erase(host); }

  // For the transfers' callbacks. `ends` names a connection: both addresses and ports.
  void opened(curl_socket_t socket);
  static int close_socket(void* multi, curl_socket_t socket) noexcept;  // CLOSESOCKETFUNCTION
  void name_connection(curl_socket_t socket, std::string ends);
  [[nodiscard]] std::optional<curl_socket_t> connection(const std::string& ends) const;

 private:
  struct Pin {
    std::uint16_t port = 0;
    std::vector<core::Address> addresses;
  };
  struct Poll;
  struct Timer;
  struct Socket;

  static int on_socket(CURL* easy, curl_socket_t fd, int what, void* self, void* slot) noexcept;
  static int on_timer(CURLM* multi, long timeout_ms, void* self) noexcept;
  void watch(curl_socket_t fd, int what);
  void start_poll(Socket& socket);
  void ready(curl_socket_t fd, bool broken, int events);
  void act(curl_socket_t fd, int events);
  void drain();
  [[nodiscard]] Socket& socket(curl_socket_t fd);

  Loop& loop_;
  Finished finished_;
  std::vector<Socket> sockets_;  // by descriptor
  std::unordered_map<std::string, curl_socket_t> connections_;
  std::unordered_map<std::string, Pin> pins_;  // by host, in lower case
  std::size_t& all_connections_;
  std::size_t running_ = 0;
  std::size_t connection_limit_ = 0;
  UvOwned<Timer> timer_;
  std::unique_ptr<CURLM, CurlMultiClose> multi_;
};

}  // namespace outrider::net
