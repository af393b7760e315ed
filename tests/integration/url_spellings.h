// Spellings of URLs that some parser somewhere reads as one of the given addresses, or that hide
// it behind a name, a redirect or another host. The same seed gives the same spellings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/target.h"

namespace outrider::net::testing {

// The same on every machine.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  [[nodiscard]] std::uint32_t roll(std::uint32_t bound) {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<std::uint32_t>(state_ >> 33) % bound;
  }
  template <class List>
  [[nodiscard]] const auto& pick(const List& list) {
    return list[roll(static_cast<std::uint32_t>(std::size(list)))];
  }

 private:
  std::uint64_t state_;
};

struct Spelling {
  std::string_view kind;  // static
  std::string url;        // any bytes
  core::Address means;    // what it is meant to lead to
};

class UrlSpellings {
 public:
  struct World {
    std::vector<core::Address> forbidden;  // of both families, where there are two
    std::string allowed_host;              // what may be connected to, for URLs that begin with it
    std::uint16_t port = 80;               // where the receivers listen
  };
  UrlSpellings(std::uint64_t seed, World world);

  // One kind after the other.
  [[nodiscard]] Spelling next();
  [[nodiscard]] static std::vector<std::string_view> kinds();

 private:
  [[nodiscard]] const core::Address& pick(bool v6);

  World world_;
  std::vector<core::Address> v4_;
  std::vector<core::Address> v6_;
  Dice dice_;
  std::size_t turn_ = 0;
};

// A name of the test's DNS that has this address, and the address of such a name. Also of
// "10.0.0.1.names.test".
[[nodiscard]] std::string name_with(const core::Address& address);
[[nodiscard]] std::optional<core::Address> address_in(std::string_view name);

}  // namespace outrider::net::testing
