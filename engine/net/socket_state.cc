// Reads without taking, and asks without changing. A socket that cannot be asked has ended.
#include "net/socket_state.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>

namespace outrider::net {

Unread unread(int fd) {
  char byte = 0;
  const ssize_t size = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (size > 0) return Unread::kBytes;
  const bool waiting = size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  return waiting ? Unread::kNothing : Unread::kEnd;
}

bool is_acknowledged(int fd) {
  int bytes = 0;
  return ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes == 0;
}

bool is_at_local_port(int fd, bool v6, int port) {
  sockaddr_storage local{};
  socklen_t size = sizeof local;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size) != 0) return false;
  if (local.ss_family != (v6 ? AF_INET6 : AF_INET)) return false;
  const in_port_t here = v6 ? reinterpret_cast<const sockaddr_in6&>(local).sin6_port
                            : reinterpret_cast<const sockaddr_in&>(local).sin_port;
  return ntohs(here) == port;
}

}  // namespace outrider::net
