// This host's own addresses: a webhook must not reach the machine it comes from by its public
// address either.
#include <netinet/in.h>
#include <uv.h>

#include <cstring>

#include "net/curl_sender.h"

namespace outrider::net {

std::vector<core::Address> interface_addresses() {
  std::vector<core::Address> all;
  uv_interface_address_t* interfaces = nullptr;
  int count = 0;
  if (uv_interface_addresses(&interfaces, &count) != 0) return all;
  for (int i = 0; i < count; ++i) {
    core::Address address;
    if (interfaces[i].address.address4.sin_family == AF_INET6) {
      address.v6 = true;
      std::memcpy(address.bytes.data(), &interfaces[i].address.address6.sin6_addr, 16);
    } else {
      std::memcpy(address.bytes.data(), &interfaces[i].address.address4.sin_addr, 4);
    }
    all.push_back(address);
  }
  uv_free_interface_addresses(interfaces, count);
  return all;
}

}  // namespace outrider::net
