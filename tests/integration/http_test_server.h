// An HttpServer under test: on its own thread, with a handler that does what the target says.
#pragma once

#include <gmock/gmock.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "crypto/tls_session.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "tests/integration/http_client.h"

namespace outrider::tests {

using net::HttpServer;
using net::HttpServerOptions;
using net::Loop;
using net::Responder;
using net::ServerRequest;
using net::ServerResponse;

// Targets it knows: `/` echoes method, target and body; `/hold/x` waits
// for release(x); `/big/N` answers N bytes; `/drop` drops its responder; `/split` answers with a
// field that is not HTTP; `/close` asks for a close.
class TestServer {
 public:
  explicit TestServer(HttpServerOptions options = {}) {
    loop_ = std::make_unique<Loop>();
    server_ = std::make_unique<HttpServer>(*loop_, options,
                                           [this](ServerRequest request, Responder responder) {
                                             handle(std::move(request), std::move(responder));
                                           });
    waker_ = loop_->make_waker([this] { run_tasks(); });
  }
  ~TestServer() {
    if (thread_.joinable()) {
      post([this] {
        server_.reset();
        loop_->stop();
      });
      thread_.join();
    }
    held_.clear();
    server_.reset();
    waker_.reset();
    loop_.reset();
  }

  HttpServer& server() { return *server_; }  // before start() only
  std::uint16_t start(const crypto::TlsServerContext* tls = nullptr) {
    const Result<std::uint16_t> port = server_->listen_tcp("127.0.0.1", 0, tls);
    EXPECT_TRUE(port.has_value());
    run();
    port_ = port.value_or(0);
    return port_;
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  void run() {
    thread_ = std::thread([this] { loop_->run(); });
  }

  // Runs on the loop's thread, and waits until it has.
  void post(std::function<void()> task) {
    std::unique_lock lock(mutex_);
    tasks_.push_back(std::move(task));
    const std::size_t mine = ++posted_;
    waker_->wake();
    changed_.wait(lock, [&] { return done_ >= mine; });
  }
  void release(const std::string& name, int status = 200) {
    post([&] {
      const auto held = held_.find(name);
      ASSERT_NE(held, held_.end());
      ServerResponse response;
      response.status = status;
      response.body = name;
      Responder responder = std::move(held->second);
      held_.erase(held);
      responder.send(std::move(response));
    });
  }
  // Waits until `count` requests were handed over.
  void await_requests(std::size_t count) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::milliseconds(kWaitMs),
                                  [&] { return requests_.size() >= count; }));
  }
  void await_connections(std::size_t count) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::milliseconds(kWaitMs);
    std::size_t now = count + 1;
    while (now != count && std::chrono::steady_clock::now() < limit) {
      post([&] { now = server_->connections(); });
    }
    EXPECT_EQ(now, count);
  }
  std::vector<std::string> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  std::size_t big_requests() {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(
        std::count_if(requests_.begin(), requests_.end(),
                      [](const std::string& request) { return request.starts_with("GET /big/"); }));
  }
  void destroy_server() {
    post([this] { server_.reset(); });
  }
  void stop_server(std::function<void()> stopped) {
    post([this, stopped] { server_->stop(stopped); });
  }
  Responder take_held(const std::string& name) {
    Responder taken = std::move(held_.at(name));
    held_.erase(name);
    return taken;
  }

 private:
  void run_tasks() {
    std::unique_lock lock(mutex_);
    while (!tasks_.empty()) {
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.erase(tasks_.begin());
      lock.unlock();
      task();
      lock.lock();
      ++done_;
      changed_.notify_all();
    }
  }

  void handle(ServerRequest request, Responder responder) {
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request.method + " " + request.target);
      changed_.notify_all();
    }
    ServerResponse response;
    if (request.target == "/drop") return;
    if (request.target.starts_with("/hold/")) {
      held_.emplace(request.target.substr(6), std::move(responder));
      return;
    }
    if (request.target.starts_with("/big/")) {
      response.body.assign(std::stoul(request.target.substr(5)), 'b');
    } else {
      response.headers.push_back({"X-Peer", request.peer});
      if (request.target == "/split") response.headers.push_back({"X", "a\r\nY: b"});
      response.close = request.target == "/close";
      response.body = request.method + " " + request.target + " " + request.body;
    }
    responder.send(std::move(response));
  }

  std::unique_ptr<Loop> loop_;
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<Loop::Waker> waker_;
  std::map<std::string, Responder> held_;
  std::thread thread_;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::function<void()>> tasks_;
  std::size_t posted_ = 0;
  std::size_t done_ = 0;
  std::vector<std::string> requests_;
};

inline std::string get(std::string_view target, std::string_view fields = "") {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(fields) +
         "\r\n";
}

inline std::string post_with(std::string_view body) {
  return "POST /p HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}

}  // namespace outrider::tests
