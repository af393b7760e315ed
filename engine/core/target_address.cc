// Addresses: read strictly, written canonically (RFC 5952), and judged.
//
// The judgement is two tables, first match wins, so that a narrow block with a telling name stands
// before the block around it. IPv4 is refused where a table names it; IPv6 is refused unless it is
// in 2000::/3 and no table names it. Sources: the IANA special-purpose registries (RFC 6890 and
// what followed) and the clouds' fixed metadata addresses.
//
// A few entries of the registries are marked globally reachable there (the anycast addresses of
// PCP, TURN, AMT and AS112, ORCHID, all of 2001::/23). They are refused too: they lead to whatever
// network is nearest, and no receiver of webhooks lives there.
#include <algorithm>
#include <cstddef>
#include <utility>

#include "core/target.h"

namespace outrider::core {
namespace {

struct Block {
  std::array<std::uint8_t, 16> base;
  int bits;
  std::string_view why;
};

// clang-format off
constexpr Block kBlocksV4[] = {
    {{169, 254, 169, 254}, 32, "cloud metadata"},
    {{168, 63, 129, 16}, 32, "cloud metadata"},
    {{255, 255, 255, 255}, 32, "broadcast"},
    {{0}, 8, "this network"},
    {{10}, 8, "private"},
    {{100, 64}, 10, "shared carrier space"},
    {{127}, 8, "loopback"},
    {{169, 254}, 16, "link-local"},
    {{172, 16}, 12, "private"},
    {{192, 0, 0}, 24, "protocol assignments"},
    {{192, 0, 2}, 24, "documentation"},
    {{192, 31, 196}, 24, "AS112 sink"},
    {{192, 52, 193}, 24, "multicast relay"},
    {{192, 88, 99}, 24, "6to4 relay"},
    {{192, 168}, 16, "private"},
    {{192, 175, 48}, 24, "AS112 sink"},
    {{198, 18}, 15, "benchmarking"},
    {{198, 51, 100}, 24, "documentation"},
    {{203, 0, 113}, 24, "documentation"},
    {{224}, 4, "multicast"},
    {{240}, 4, "reserved"},
};

constexpr Block kBlocksV6[] = {
    {{0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}, 128, "cloud metadata"},
    {{0xfd, 0x20, 0x00, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}, 128, "cloud metadata"},
    {{0}, 128, "unspecified"},
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, "loopback"},
    {{0}, 96, "IPv4-compatible"},
    {{0x00, 0x64, 0xff, 0x9b}, 96, "NAT64"},
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, "NAT64"},
    {{0x01, 0x00}, 64, "discard-only"},
    {{0xfc}, 7, "private"},
    {{0xfe, 0x80}, 10, "link-local"},
    {{0xfe, 0xc0}, 10, "site-local"},
    {{0xff}, 8, "multicast"},
    {{0x20, 0x01, 0x00, 0x00}, 32, "Teredo"},
    {{0x20, 0x01, 0x00}, 23, "protocol assignments"},
    {{0x20, 0x01, 0x0d, 0xb8}, 32, "documentation"},
    {{0x20, 0x02}, 16, "6to4"},
    {{0x26, 0x20, 0x00, 0x4f, 0x80, 0x00}, 48, "AS112 sink"},
    {{0x3f, 0xff, 0x00}, 20, "documentation"},
};
// clang-format on

constexpr std::array<std::uint8_t, 16> kGlobalUnicast{0x20};
constexpr int kGlobalUnicastBits = 3;
constexpr std::array<std::uint8_t, 16> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr int kMappedBits = 96;

bool has_prefix(const std::array<std::uint8_t, 16>& bytes, const std::array<std::uint8_t, 16>& base,
                int bits) {
  const auto whole = static_cast<std::size_t>(bits / 8);
  if (!std::equal(base.begin(), base.begin() + bits / 8, bytes.begin())) return false;
  if (bits % 8 == 0) return true;
  const int mask = 0xff << (8 - bits % 8);
  return ((bytes[whole] ^ base[whole]) & mask & 0xff) == 0;
}

Address unmapped(const Address& address) {
  if (!address.v6 || !has_prefix(address.bytes, kMapped, kMappedBits)) return address;
  Address v4;
  std::copy(address.bytes.begin() + 12, address.bytes.end(), v4.bytes.begin());
  return v4;
}

// A decimal number without sign or leading zero, at most `maximum`.
std::optional<int> parse_decimal(std::string_view text, int maximum) {
  if (text.empty() || text.size() > 3 || (text.size() > 1 && text.front() == '0')) {
    return std::nullopt;
  }
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  if (value > maximum) return std::nullopt;
  return value;
}

bool parse_v4(std::string_view text, std::uint8_t* out) {
  for (int i = 0; i < 4; ++i) {
    const std::size_t end = i < 3 ? text.find('.') : text.size();
    if (end == std::string_view::npos) return false;
    const auto number = parse_decimal(text.substr(0, end), 255);
    if (!number) return false;
    out[i] = static_cast<std::uint8_t>(*number);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return true;
}

std::optional<std::uint16_t> parse_group(std::string_view text) {
  if (text.empty() || text.size() > 4) return std::nullopt;
  int value = 0;
  for (const char c : text) {
    int digit = 0;
    if (c >= '0' && c <= '9') {
      digit = c - '0';
    } else if (c >= 'a' && c <= 'f') {
      digit = c - 'a' + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = c - 'A' + 10;
    } else {
      return std::nullopt;
    }
    value = value * 16 + digit;
  }
  return static_cast<std::uint16_t>(value);
}

// One side of "::", or the whole: groups between colons, the last of the address perhaps a dotted
// IPv4. Returns how many bytes it wrote, or nothing. `last`: this side ends the address.
std::optional<std::size_t> parse_groups(std::string_view text, bool last,
                                        std::array<std::uint8_t, 16>& out) {
  std::size_t length = 0;
  while (!text.empty()) {
    const std::size_t colon = text.find(':');
    const std::string_view group = text.substr(0, colon);
    const bool final_group = colon == std::string_view::npos;
    if (final_group && last && group.find('.') != std::string_view::npos) {
      if (length > 12 || !parse_v4(group, &out[length])) return std::nullopt;
      return length + 4;
    }
    const auto value = parse_group(group);
    if (!value || length > 14) return std::nullopt;
    out[length] = static_cast<std::uint8_t>(*value >> 8);
    out[length + 1] = static_cast<std::uint8_t>(*value & 0xff);
    length += 2;
    if (final_group) break;
    text.remove_prefix(colon + 1);
    if (text.empty()) return std::nullopt;  // ends with a single colon
  }
  return length;
}

std::optional<Address> parse_v6(std::string_view text) {
  Address address;
  address.v6 = true;
  const std::size_t gap = text.find("::");
  if (gap == std::string_view::npos) {
    const auto length = parse_groups(text, true, address.bytes);
    if (!length || *length != 16) return std::nullopt;
    return address;
  }
  std::array<std::uint8_t, 16> tail{};
  const std::string_view behind = text.substr(gap + 2);
  if (behind.find("::") != std::string_view::npos || behind.substr(0, 1) == ":") {
    return std::nullopt;
  }
  const auto front_length = parse_groups(text.substr(0, gap), false, address.bytes);
  const auto tail_length = parse_groups(behind, true, tail);
  // The gap stands for at least one group.
  if (!front_length || !tail_length || *front_length + *tail_length > 14) return std::nullopt;
  std::copy_n(tail.begin(), *tail_length,
              address.bytes.end() - static_cast<std::ptrdiff_t>(*tail_length));
  return address;
}

std::string v4_text(const std::uint8_t* bytes) {
  std::string text;
  for (int i = 0; i < 4; ++i) {
    if (i != 0) text += '.';
    text += std::to_string(bytes[i]);
  }
  return text;
}

std::string group_text(unsigned value) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (int shift = 12; shift >= 0; shift -= 4) {
    const unsigned digit = (value >> shift) & 0xf;
    if (digit != 0 || !text.empty() || shift == 0) text += kDigits[digit];
  }
  return text;
}

std::string v6_text(const std::array<std::uint8_t, 16>& bytes) {
  const auto group = [&](std::size_t i) { return unsigned{bytes[2 * i]} << 8 | bytes[2 * i + 1]; };
  // The longest run of at least two zero groups, the first of equals, becomes "::".
  std::size_t gap = 8, gap_length = 1;
  for (std::size_t i = 0; i < 8;) {
    std::size_t end = i;
    while (end < 8 && group(end) == 0) ++end;
    if (end - i > gap_length) gap = i, gap_length = end - i;
    i = std::max(end, i + 1);
  }
  std::string text;
  for (std::size_t i = 0; i < 8;) {
    if (i == gap) {
      text += "::";
      i += gap_length;
      continue;
    }
    if (!text.empty() && text.back() != ':') text += ':';
    text += group_text(group(i));
    ++i;
  }
  return text;
}

}  // namespace

std::optional<Address> parse_address(std::string_view text) {
  if (text.find(':') != std::string_view::npos) return parse_v6(text);
  Address address;
  if (!parse_v4(text, address.bytes.data())) return std::nullopt;
  return address;
}

std::string to_string(const Address& address) {
  if (!address.v6) return v4_text(address.bytes.data());
  if (has_prefix(address.bytes, kMapped, kMappedBits)) {
    return "::ffff:" + v4_text(&address.bytes[12]);
  }
  return v6_text(address.bytes);
}

Result<AddressRules> AddressRules::make(const std::vector<std::string>& allow_nets,
                                        std::vector<Address> own) {
  AddressRules rules;
  for (const std::string& text : allow_nets) {
    const std::string_view cidr = text;
    const std::size_t slash = cidr.find('/');
    const auto base = parse_address(cidr.substr(0, slash));
    const int most = base && base->v6 ? 128 : 32;
    const auto bits = slash == std::string_view::npos ? std::optional<int>(most)
                                                      : parse_decimal(cidr.substr(slash + 1), most);
    if (!base || !bits) {
      return fail(ErrorCode::kInvalidArgument, "not a network: \"" + text + "\"", "allow-net",
                  "write it as 10.1.0.0/16 or fd00:1::/32");
    }
    Net net{*base, *bits};
    if (base->v6 && *bits >= kMappedBits && has_prefix(base->bytes, kMapped, kMappedBits)) {
      net = {unmapped(*base), *bits - kMappedBits};
    }
    Address first = net.base;
    for (int bit = net.bits; bit < (net.base.v6 ? 128 : 32); ++bit) {
      first.bytes[static_cast<std::size_t>(bit / 8)] &=
          static_cast<std::uint8_t>(~(0x80 >> (bit % 8)));
    }
    if (first != net.base) {
      return fail(ErrorCode::kInvalidArgument,
                  "the network \"" + text + "\" has bits beyond its prefix", "allow-net",
                  "write " + to_string(first) + "/" + std::to_string(net.bits));
    }
    rules.allow_.push_back(net);
  }
  rules.set_own(std::move(own));
  return rules;
}

void AddressRules::set_own(std::vector<Address> own) {
  own_ = std::move(own);
  std::transform(own_.begin(), own_.end(), own_.begin(), unmapped);
}

std::optional<std::string_view> AddressRules::refuses(const Address& given, bool is_own) const {
  const Address address = unmapped(given);
  const auto allows = [&](const Net& net) {
    return net.base.v6 == address.v6 && has_prefix(address.bytes, net.base.bytes, net.bits);
  };
  if (std::any_of(allow_.begin(), allow_.end(), allows)) return std::nullopt;
  const auto named = [&](const Block& block) {
    return has_prefix(address.bytes, block.base, block.bits);
  };
  const Block* const first = address.v6 ? std::begin(kBlocksV6) : std::begin(kBlocksV4);
  const Block* const last = address.v6 ? std::end(kBlocksV6) : std::end(kBlocksV4);
  if (const auto* found = std::find_if(first, last, named); found != last) return found->why;
  if (address.v6 && !has_prefix(address.bytes, kGlobalUnicast, kGlobalUnicastBits)) {
    return "not global unicast";
  }
  if (is_own || std::find(own_.begin(), own_.end(), address) != own_.end()) {
    return "an address of this host";
  }
  return std::nullopt;
}

}  // namespace outrider::core
