// This host's own addresses: a webhook must not reach the machine it comes from, by its public
// address either.
#pragma once

#include <sys/socket.h>

#include <optional>
#include <vector>

#include "core/target.h"
#include "core/time.h"
#include "net/unique_fd.h"

namespace outrider::net {

// Every address of every interface, also of those that are down or have no carrier: the kernel
// answers for them all the same.
[[nodiscard]] std::vector<core::Address> interface_addresses();

// Would the kernel deliver to itself what is sent there? It knows more than the list: local routes
// without an address on any interface. `size` is the address's.
[[nodiscard]] bool leads_to_this_host(const sockaddr& address, socklen_t size);

// Follows the changes. One thread.
class OwnAddresses {
 public:
  OwnAddresses();
  // The addresses, at the first call and whenever they have changed since the last; costs a system
  // call otherwise.
  [[nodiscard]] std::optional<std::vector<core::Address>> changed(core::Instant now);

 private:
  [[nodiscard]] bool heard_of_a_change() const;

  UniqueFd netlink_;
  std::optional<core::Instant> read_at_;
  std::vector<core::Address> last_;
};

}  // namespace outrider::net
