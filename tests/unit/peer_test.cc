// A peer comes back as it was, packed or not.
#include "storage/sqlite/peer.h"

#include <gtest/gtest.h>

namespace outrider::storage {
namespace {

TEST(PeerTest, an_address_and_a_port_are_packed_and_come_back_as_they_were) {
  for (const char* text : {"192.0.2.1:443", "0.0.0.0:0", "255.255.255.255:65535", "127.0.0.1:80"}) {
    EXPECT_EQ(packed_peer(text).size(), 6U) << text;
    EXPECT_EQ(peer_text(packed_peer(text)), text);
  }
  for (const char* text : {"[2001:db8::1]:443", "[::]:0", "[::ffff:192.0.2.1]:8443"}) {
    EXPECT_EQ(packed_peer(text).size(), 18U) << text;
    EXPECT_EQ(peer_text(packed_peer(text)), text);
  }
  EXPECT_EQ(packed_peer("192.0.2.1:258"), std::string("\xC0\x00\x02\x01\x01\x02", 6));
}

TEST(PeerTest, whatever_else_it_says_or_how_else_it_is_written_it_stays_text) {
  for (const char* text :
       {"", ":", "192.0.2.1", "192.0.2.1:", ":443", "192.0.2.1:65536", "192.0.2.1:-1",
        "192.0.2.1:0443", "192.0.2.01:443", "192.0.2:443", " 192.0.2.1:443", "192.0.2.1:443 ",
        "x.example:443 via 192.0.2.1:3128", "2001:db8::1:443", "[2001:DB8::1]:443",
        "[2001:db8:0::1]:443", "[fe80::1%eth0]:443", "[192.0.2.1]:443", "[2001:db8::1]"}) {
    EXPECT_EQ(packed_peer(text), "") << text;
  }
}

TEST(PeerTest, bytes_of_another_length_say_nothing) {
  for (const std::size_t size : {0U, 5U, 7U, 17U, 19U}) {
    EXPECT_EQ(peer_text(std::string(size, '\x01')), "") << size;
  }
}

}  // namespace
}  // namespace outrider::storage
