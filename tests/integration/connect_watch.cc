// A packet socket with a filter in the kernel that lets only a connection's first packet pass (SYN
// without ACK), so that its buffer holds what a burst brings.
#include "connect_watch.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <utility>

namespace outrider::net::testing {
namespace {

constexpr int kBufferBytes = 64 * 1024 * 1024;
constexpr std::chrono::seconds kLongest{30};

// The packet begins with its IP header. Jumps count the instructions they skip.
constexpr std::array<sock_filter, 15> kOnlyFirstPackets{{
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x40, 0, 5),  // IPv4?
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),            //   its protocol
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 0, 8),     //   TCP, or refused
    BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),           //   the header's length
    BPF_STMT(BPF_LD | BPF_B | BPF_IND, 13),           //   TCP's flags
    BPF_STMT(BPF_JMP | BPF_JA, 3),
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),         // IPv6: the next header
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 0, 3),  //   TCP, or refused
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 40 + 13),   //   TCP's flags
    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 1, 0),  // SYN without ACK
    BPF_STMT(BPF_RET | BPF_K, 0),
    BPF_STMT(BPF_RET | BPF_K, 128),
}};

[[nodiscard]] std::string destination(const std::array<unsigned char, 128>& packet) {
  const bool v6 = (packet[0] >> 4) == 6;
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(v6 ? AF_INET6 : AF_INET, &packet[v6 ? 24 : 16], text.data(), text.size());
  const std::size_t tcp = v6 ? 40 : static_cast<std::size_t>((packet[0] & 0xf) * 4);
  return std::string(text.data()) + " " + std::to_string(packet[tcp + 2] << 8 | packet[tcp + 3]);
}

}  // namespace

std::unique_ptr<ConnectWatch> ConnectWatch::make() {
  std::unique_ptr<ConnectWatch> made(new ConnectWatch);
  made->fd_ = UniqueFd(socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0));  // silent until bound
  if (!made->fd_) return nullptr;
  auto code = kOnlyFirstPackets;
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  const int fd = made->fd_.get();
  (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kBufferBytes, sizeof kBufferBytes);
  sockaddr_ll all{};
  all.sll_family = AF_PACKET;
  all.sll_protocol = htons(ETH_P_ALL);
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0 ||
      bind(fd, reinterpret_cast<const sockaddr*>(&all), sizeof all) != 0) {
    return nullptr;
  }
  made->state_ = std::make_unique<State>();
  made->thread_ = std::thread([fd, &state = *made->state_] { follow(fd, state); });
  return made;
}

ConnectWatch::~ConnectWatch() {
  if (!thread_.joinable()) return;
  state_->ending = true;
  thread_.join();
}

void ConnectWatch::follow(int fd, State& state) {
  while (!state.ending) {
    pollfd wanted{fd, POLLIN, 0};
    if (poll(&wanted, 1, 50) <= 0) continue;
    std::array<unsigned char, 128> packet{};
    while (recv(fd, packet.data(), packet.size(), MSG_DONTWAIT) > 0) {
      const std::lock_guard lock(state.mutex);
      ++state.seen[destination(packet)];
    }
  }
}

std::optional<std::map<std::string, int>> ConnectWatch::seen(const std::string& marker,
                                                             const std::function<void()>& settle) {
  const auto marked = [&] {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->seen.find(marker);
    return found == state_->seen.end() ? 0 : found->second;
  };
  const int before = marked();
  settle();
  const auto end = std::chrono::steady_clock::now() + kLongest;
  while (marked() == before) {
    if (std::chrono::steady_clock::now() > end) return std::nullopt;
    std::this_thread::yield();
  }
  tpacket_stats lost{};
  socklen_t size = sizeof lost;
  if (getsockopt(fd_.get(), SOL_PACKET, PACKET_STATISTICS, &lost, &size) != 0 ||
      lost.tp_drops != 0) {
    return std::nullopt;
  }
  const std::lock_guard lock(state_->mutex);
  auto all = state_->seen;
  all.erase(marker);
  return all;
}

}  // namespace outrider::net::testing
