// A small DNS server on a free port of loopback, whose answers and silences are scripted, and which
// counts what it is asked.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace outrider::net::testing {

inline constexpr std::uint16_t kA = 1;
inline constexpr std::uint16_t kAaaa = 28;

struct Record {
  std::string address;  // of the family asked for
  std::uint32_t ttl_s = 60;
};
struct Reply {
  bool silent = false;
  int rcode = 0;  // 0 no error, 2 server failure, 3 no such name, 5 refused
  std::vector<Record> records;
  std::string alias;  // where set: the name is a CNAME for this one, whose records they are
};

// Answers with what the script says for (name, type); a name it does not know does not exist, or
// has what a function makes of it.
class DnsServer {
 public:
  DnsServer() {
    fd_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in self{};
    self.sin_family = AF_INET;
    self.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&self), sizeof self), 0);
    socklen_t size = sizeof self;
    getsockname(fd_, reinterpret_cast<sockaddr*>(&self), &size);
    port_ = ntohs(self.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~DnsServer() {
    const char end = 0;  // one byte is no question
    sockaddr_in self{};
    self.sin_family = AF_INET;
    self.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    self.sin_port = htons(port_);
    sendto(fd_, &end, 1, 0, reinterpret_cast<sockaddr*>(&self), sizeof self);
    thread_.join();
    close(fd_);
  }
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;

  void say(const std::string& name, std::uint16_t type, Reply reply) {
    const std::lock_guard lock(mutex_);
    replies_[{name, type}] = std::move(reply);
  }
  // Called on the server's thread, for names without a reply of their own.
  using Maker = std::function<Reply(const std::string& name, std::uint16_t type)>;
  void make_unknown(Maker maker) {
    const std::lock_guard lock(mutex_);
    maker_ = std::move(maker);
  }
  [[nodiscard]] int asked(const std::string& name, std::uint16_t type) {
    const std::lock_guard lock(mutex_);
    return asked_[{name, type}];
  }
  [[nodiscard]] std::vector<std::string> names_asked() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    for (const auto& [key, count] : asked_) {
      if (names.empty() || names.back() != key.first) names.push_back(key.first);
    }
    return names;
  }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  using Key = std::pair<std::string, std::uint16_t>;

  void serve() {
    std::array<unsigned char, 1500> in{};
    for (;;) {
      sockaddr_in from{};
      socklen_t from_size = sizeof from;
      const ssize_t size =
          recvfrom(fd_, in.data(), in.size(), 0, reinterpret_cast<sockaddr*>(&from), &from_size);
      if (size == 1) return;
      if (size < 17) continue;
      const auto out = answer(std::string(in.begin(), in.begin() + size));
      if (!out.empty()) {
        sendto(fd_, out.data(), out.size(), 0, reinterpret_cast<sockaddr*>(&from), from_size);
      }
    }
  }

  std::string answer(const std::string& question) {
    std::string name;
    std::size_t at = 12;
    while (question[at] != 0) {
      const auto length = static_cast<std::size_t>(question[at]);
      name += (name.empty() ? "" : ".") + question.substr(at + 1, length);
      at += 1 + length;
    }
    const auto type = static_cast<std::uint16_t>(static_cast<unsigned char>(question[at + 2]));
    const std::size_t end = at + 5;
    Reply reply{.rcode = 3};
    {
      const std::lock_guard lock(mutex_);
      ++asked_[{name, type}];
      const auto found = replies_.find({name, type});
      if (found != replies_.end()) {
        reply = found->second;
      } else if (maker_) {
        reply = maker_(name, type);
      }
    }
    if (reply.silent) return {};
    std::string out = question.substr(0, 2);
    out += {'\x81', static_cast<char>(0x80 | reply.rcode),
            0,      1,
            0,      static_cast<char>(reply.records.size() + (reply.alias.empty() ? 0 : 1)),
            0,      0,
            0,      0};
    out += question.substr(12, end - 12);
    std::string owner{'\xc0', 12};  // the name asked for
    if (!reply.alias.empty()) {
      const std::string alias = wire_name(reply.alias);
      out += owner + std::string{0, 5, 0, 1, 0, 0, 0, 60, 0, static_cast<char>(alias.size())};
      out += owner = alias;
    }
    for (const Record& record : reply.records) {
      std::array<char, 16> bytes{};
      const bool v6 = type == kAaaa;
      EXPECT_EQ(inet_pton(v6 ? AF_INET6 : AF_INET, record.address.c_str(), bytes.data()), 1);
      const std::uint32_t ttl = htonl(record.ttl_s);
      out += owner + std::string{0, static_cast<char>(type), 0, 1};
      out.append(reinterpret_cast<const char*>(&ttl), 4);
      out += {0, static_cast<char>(v6 ? 16 : 4)};
      out.append(bytes.data(), v6 ? 16 : 4);
    }
    return out;
  }

  [[nodiscard]] static std::string wire_name(const std::string& name) {
    std::string wire;
    for (std::size_t at = 0; at <= name.size();) {
      const std::size_t end = std::min(name.find('.', at), name.size());
      wire += static_cast<char>(end - at) + name.substr(at, end - at);
      at = end + 1;
    }
    return wire + '\0';
  }

  int fd_ = -1;
  std::uint16_t port_ = 0;
  std::thread thread_;
  Maker maker_;
  std::mutex mutex_;
  std::map<Key, Reply> replies_;
  std::map<Key, int> asked_;
};

}  // namespace outrider::net::testing
