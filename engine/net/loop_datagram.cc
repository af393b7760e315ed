// A Unix datagram socket on the loop, through uv_poll: libuv has streams for Unix sockets, but no
// datagrams.
//
// Only the owner may write to it. Its mode is set on the descriptor before bind(), which makes the
// file from it: there is no moment at which others may connect, and the process-wide umask stays
// alone. A flood cannot hold the loop: so many datagrams per turn, the rest in the next. A datagram
// over the limit is dropped, so is an answer nobody can be given.
#include "net/loop_datagram.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <uv.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "core/assert.h"
#include "net/unique_fd.h"
#include "net/uv_handle.h"

namespace outrider::net {
namespace {

constexpr std::size_t kMaxDatagramBytes = 64 * 1024;
constexpr int kDatagramsPerTurn = 64;

struct DatagramHandle {
  uv_poll_t uv{};
  UniqueFd fd;
  std::function<std::string(const std::string&)> callback;
  std::vector<char> buffer;
};

// True while there may be more to read.
bool receive_one(DatagramHandle& socket) {
  sockaddr_un from{};
  iovec space{socket.buffer.data(), socket.buffer.size()};
  msghdr message{};
  message.msg_name = &from;
  message.msg_namelen = sizeof from;
  message.msg_iov = &space;
  message.msg_iovlen = 1;
  const ssize_t size = recvmsg(socket.fd.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size < 0) return errno == EINTR;
  if ((message.msg_flags & MSG_TRUNC) != 0) return true;

  const std::string answer =
      socket.callback(std::string(socket.buffer.data(), static_cast<std::size_t>(size)));
  const bool has_address = message.msg_namelen > offsetof(sockaddr_un, sun_path);
  if (!answer.empty() && answer.size() <= kMaxDatagramBytes && has_address) {
    // Best effort: a sender that has gone away or does not read must not hold us.
    (void)sendto(socket.fd.get(), answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&from), message.msg_namelen);
  }
  return true;
}

void on_readable(uv_poll_t* poll, int status, int /*events*/) {
  auto& socket = from_uv<DatagramHandle>(poll);
  if (status < 0) return;
  for (int i = 0; i < kDatagramsPerTurn && uv_is_closing(reinterpret_cast<uv_handle_t*>(poll)) == 0;
       ++i) {
    if (!receive_one(socket)) return;
  }
}

[[nodiscard]] tl::unexpected<Error> fail_errno(const char* what, const std::string& path) {
  return fail(ErrorCode::kIo, std::string(what) + ": " + std::strerror(errno), path);
}

// The file is removed at the end only if it is still ours.
class DatagramWatch final : public Loop::Watch {
 public:
  DatagramWatch(UvOwned<DatagramHandle> handle, std::string path, const struct stat& file)
      : handle_(std::move(handle)),
        path_(std::move(path)),
        device_(file.st_dev),
        inode_(file.st_ino) {}
  ~DatagramWatch() override {
    struct stat now{};
    if (lstat(path_.c_str(), &now) == 0 && now.st_dev == device_ && now.st_ino == inode_) {
      unlink(path_.c_str());
    }
  }
  DatagramWatch(const DatagramWatch&) = delete;
  DatagramWatch& operator=(const DatagramWatch&) = delete;

 private:
  UvOwned<DatagramHandle> handle_;
  std::string path_;
  dev_t device_;
  ino_t inode_;
};

[[nodiscard]] Result<UniqueFd> bind_private(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return fail(
        ErrorCode::kInvalidArgument,
        "a socket's path must have 1 to " + std::to_string(sizeof address.sun_path - 1) + " bytes",
        path, "use a shorter path");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);

  struct stat there{};
  if (lstat(path.c_str(), &there) == 0) {
    if (!S_ISSOCK(there.st_mode)) {
      return fail(ErrorCode::kIo, "there is a file that is no socket where the socket should be",
                  path, "move it away");
    }
    if (unlink(path.c_str()) != 0) return fail_errno("cannot remove the old socket", path);
  }
  UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno("cannot make a socket", path);
  if (fchmod(fd.get(), 0600) != 0) return fail_errno("cannot make the socket private", path);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail_errno("cannot bind the socket", path);
  }
  return fd;
}

}  // namespace

Result<std::unique_ptr<Loop::Watch>> watch_datagrams(
    uv_loop_s* loop, const std::string& path,
    std::function<std::string(const std::string& message)> callback) {
  auto fd = bind_private(path);
  if (!fd) return tl::unexpected(fd.error());
  struct stat file{};
  if (lstat(path.c_str(), &file) != 0) return fail_errno("cannot see the socket", path);

  auto handle = std::make_unique<DatagramHandle>();
  handle->fd = std::move(*fd);
  handle->callback = std::move(callback);
  handle->buffer.resize(kMaxDatagramBytes);
  OUTRIDER_ASSERT(uv_poll_init(loop, &handle->uv, handle->fd.get()) == 0);
  auto owned = own_uv(std::move(handle));
  OUTRIDER_ASSERT(uv_poll_start(&owned->uv, UV_READABLE, on_readable) == 0);
  return std::make_unique<DatagramWatch>(std::move(owned), path, file);
}

}  // namespace outrider::net
