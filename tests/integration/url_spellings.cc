// Each kind is a function in a table at the end. Most are about IPv4, whose old textual forms are
// many; an IPv6 form that carries an IPv4 address is made from one.
#include "url_spellings.h"

#include <array>
#include <cstdio>
#include <iterator>

namespace outrider::net::testing {
namespace {

using core::Address;

struct Subject {
  const Address& address;
  const std::string& allowed;  // a host that may be reached
  std::string port;            // ":8080", or nothing for 80
};

template <class... Values>
std::string format(const char* pattern, Values... values) {
  std::array<char, 256> text{};
  std::snprintf(text.data(), text.size(), pattern, values...);
  return text.data();
}

unsigned part(const Address& a, std::size_t i) { return a.bytes[i]; }
unsigned long number(const Address& a) {
  return static_cast<unsigned long>(part(a, 0)) << 24 | part(a, 1) << 16 | part(a, 2) << 8 |
         part(a, 3);
}
std::string dotted(const Address& a) { return core::to_string(a); }
std::string with_host(const std::string& host, const Subject& s) {
  return "http://" + host + s.port + "/hook";
}

std::string percent(unsigned char byte, bool upper) {
  return format(upper ? "%%%02X" : "%%%02x", byte);
}
// Some of the characters percent-encoded, at least the first.
std::string percent_encoded(const std::string& text, Dice& dice) {
  std::string out;
  for (const char c : text) {
    const bool escape = out.empty() || dice.roll(3) == 0;
    out += escape ? percent(static_cast<unsigned char>(c), dice.roll(2) == 0) : std::string(1, c);
  }
  return out;
}

std::string one_part(unsigned value, Dice& dice) {
  static constexpr std::array kForms{"%u",   "%03o",   "0%o",   "0x%x",
                                     "0X%X", "0x%08x", "%010u", "00%o"};
  return format(dice.pick(kForms), value);
}

std::string plain(Dice&, const Subject& s) { return with_host(dotted(s.address), s); }

std::string fewer_parts(Dice& dice, const Subject& s) {
  const Address& a = s.address;
  if (dice.roll(2) == 0) {
    return with_host(format("%u.%lu", part(a, 0), number(a) & 0xffffff), s);
  }
  return with_host(format("%u.%u.%lu", part(a, 0), part(a, 1), number(a) & 0xffff), s);
}

std::string one_number(Dice& dice, const Subject& s) {
  static constexpr std::array kForms{"%lu", "0x%lx", "0X%08lX", "0%lo", "00000%lo", "0x0000%lx"};
  return with_host(format(dice.pick(kForms), number(s.address)), s);
}

std::string odd_parts(Dice& dice, const Subject& s) {
  std::string host;
  for (std::size_t i = 0; i < 4; ++i) host += (i ? "." : "") + one_part(part(s.address, i), dice);
  return with_host(host, s);
}

// 256 more in a part, or 2^32 more in all: the same after a careless cut.
std::string too_large_parts(Dice& dice, const Subject& s) {
  if (dice.roll(2) == 0) return with_host(format("%lu", number(s.address) + (1UL << 32)), s);
  const auto which = dice.roll(4);
  std::string host;
  for (std::size_t i = 0; i < 4; ++i) {
    host += (i ? "." : "") + std::to_string(part(s.address, i) + (i == which ? 256 : 0));
  }
  return with_host(host, s);
}

std::string percents(Dice& dice, const Subject& s) {
  std::string host = percent_encoded(dotted(s.address), dice);
  if (dice.roll(4) == 0) host = percent_encoded(host, dice);
  return with_host(host, s);
}

// Characters that Unicode's compatibility mapping turns into digits and dots.
std::string wide_digits(Dice& dice, const Subject& s) {
  static constexpr std::array kDots{".", "\xe3\x80\x82", "\xef\xbc\x8e", "\xef\xbd\xa1"};
  const auto form = dice.roll(3);
  std::string host;
  for (const char c : dotted(s.address)) {
    if (c == '.') {
      host += dice.pick(kDots);
    } else if (form == 0) {  // full width
      host += std::string("\xef\xbc") + static_cast<char>(0x90 + (c - '0'));
    } else if (form == 1 && c != '0') {  // circled
      host += std::string("\xe2\x91") + static_cast<char>(0xa0 + (c - '1'));
    } else {  // mathematical bold
      host += std::string("\xf0\x9d\x9f") + static_cast<char>(0x8e + (c - '0'));
    }
  }
  return with_host(host, s);
}

std::string stray_dots(Dice& dice, const Subject& s) {
  const std::string host = dotted(s.address);
  const std::array<std::string, 6> forms{host + ".",   host + "..",       "." + host,
                                         host + "%2e", "\xc2\xad" + host, host + ".\xe2\x80\x8b"};
  return with_host(dice.pick(forms), s);
}

std::string user_info(Dice& dice, const Subject& s) {
  const std::string host = dotted(s.address) + s.port;
  const std::array<std::string, 8> forms{
      s.allowed + "@" + host,   s.allowed + ":80@" + host,
      "user:secret@" + host,    "@" + host,
      s.allowed + "%40" + host, ":@" + host,
      s.allowed + "@@" + host,  host + "@" + s.allowed + "@" + host};
  return "http://" + dice.pick(forms) + "/hook";
}

std::string backslashes(Dice& dice, const Subject& s) {
  const std::string host = dotted(s.address) + s.port;
  const std::array<std::string, 6> forms{"http://" + s.allowed + "\\@" + host + "/",
                                         "http://" + host + "\\." + s.allowed + "/",
                                         "http:\\\\" + host + "\\hook",
                                         "http:/\\" + host + "/",
                                         "http://" + host + "\\hook",
                                         "\\\\" + host + "\\hook"};
  return dice.pick(forms);
}

std::string blanks(Dice& dice, const Subject& s) {
  static constexpr std::array kBlanks{" ",    "\t",   "\n",       "\r\n", "\r",  "\x0b",
                                      "\x1f", "\x7f", "\xc2\xa0", "%20",  "%0a", "%09"};
  std::string url = with_host(dotted(s.address), s);
  const std::string blank = dice.pick(kBlanks);
  url.insert(dice.roll(static_cast<std::uint32_t>(url.size()) + 1), blank);
  return url;
}

std::string nul_bytes(Dice& dice, const Subject& s) {
  const std::string nul = dice.roll(2) == 0 ? std::string(1, '\0') : "%00";
  const std::string host = dotted(s.address) + s.port;
  return dice.roll(2) == 0 ? "http://" + host + nul + "." + s.allowed + "/"
                           : "http://" + s.allowed + nul + "@" + host + "/";
}

std::string fragments(Dice& dice, const Subject& s) {
  const std::string host = dotted(s.address) + s.port;
  const std::array<std::string, 4> forms{s.allowed + "#@" + host + "/", host + "#" + s.allowed,
                                         host + "#@" + s.allowed + "/", s.allowed + "/#@" + host};
  return "http://" + dice.pick(forms);
}

std::string schemes(Dice& dice, const Subject& s) {
  static constexpr std::array kSchemes{"HTTP://",     "hTtP://",     "https://",     "ftp://",
                                       "gopher://",   "dict://",     "file://",      "ws://",
                                       "ldap://",     "tftp://",     "smb://",       "telnet://",
                                       "rtsp://",     "scp://",      "http+unix://", "jar:http://",
                                       "url:http://", "javascript:", "data:",        "HTTPS://"};
  return dice.pick(kSchemes) + dotted(s.address) + s.port + "/hook";
}

std::string slashes(Dice& dice, const Subject& s) {
  static constexpr std::array kStarts{"http:", "http:/",  "http:///",  "http:////", "//",
                                      "///",   "/",       "",          "http//",    "http:://",
                                      "://",   "http:./", "http://./", "http://\t/"};
  return dice.pick(kStarts) + dotted(s.address) + s.port + "//hook";
}

std::string ports(Dice& dice, const Subject& s) {
  const std::string real = s.port.empty() ? "80" : s.port.substr(1);
  const std::array<std::string, 12> forms{":0",
                                          ":" + std::string(4, '0') + real,
                                          ":" + std::to_string(65536 + std::stoi(real)),
                                          ":",
                                          ":+" + real,
                                          ":-" + real,
                                          ":" + real + ":" + real,
                                          ":\xef\xbc\x98\xef\xbc\x90",
                                          ":" + real + "@" + s.allowed,
                                          ":0x50",
                                          ":99999999999999999999",
                                          ":" + real + "%20"};
  return "http://" + dotted(s.address) + dice.pick(forms) + "/hook";
}

Address carried(const std::array<std::uint8_t, 12>& prefix, const Address& v4) {
  Address out;
  out.v6 = true;
  std::copy(prefix.begin(), prefix.end(), out.bytes.begin());
  std::copy_n(v4.bytes.begin(), 4, out.bytes.begin() + 12);
  return out;
}

// Mapped, compatible, translated, NAT64 (both prefixes).
constexpr std::array<std::array<std::uint8_t, 12>, 5> kCarriers{{
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff},
    {},
    {0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff},
    {0x00, 0x64, 0xff, 0x9b},
    {0x00, 0x64, 0xff, 0x9b, 0x00, 0x01},
}};

std::string v6_groups(const Address& a, const char* pattern) {
  std::string text;
  for (std::size_t i = 0; i < 16; i += 2) {
    text += (i ? ":" : "") + format(pattern, part(a, i) << 8 | part(a, i + 1));
  }
  return text;
}

std::string v4_in_v6(Dice& dice, const Subject& s) {
  const Address a = carried(dice.pick(kCarriers), s.address);
  static constexpr std::array kGroups{"%x", "%04x", "%X", "%04X"};
  const std::array<std::string, 3> forms{core::to_string(a), v6_groups(a, dice.pick(kGroups)),
                                         "::ffff:" + dotted(s.address)};
  return with_host("[" + dice.pick(forms) + "]", s);
}

std::string six_to_four(Dice& dice, const Subject& s) {
  Address a;
  a.v6 = true;
  a.bytes[0] = 0x20;
  a.bytes[1] = 0x02;
  std::copy_n(s.address.bytes.begin(), 4, a.bytes.begin() + 2);
  a.bytes[15] = static_cast<std::uint8_t>(dice.roll(256));
  return with_host("[" + core::to_string(a) + "]", s);
}

std::string teredo(Dice& dice, const Subject& s) {
  Address a;
  a.v6 = true;
  a.bytes[0] = 0x20;
  a.bytes[1] = 0x01;
  std::copy_n(s.address.bytes.begin(), 4, a.bytes.begin() + (dice.roll(2) == 0 ? 4 : 12));
  for (std::size_t i = 12; i < 16 && dice.roll(2) == 0; ++i) a.bytes[i] ^= 0xff;
  return with_host("[" + core::to_string(a) + "]", s);
}

std::string plain_v6(Dice& dice, const Subject& s) {
  static constexpr std::array kGroups{"%x", "%04x", "%X", "%04X"};
  return with_host("[" +
                       (dice.roll(2) == 0 ? core::to_string(s.address)
                                          : v6_groups(s.address, dice.pick(kGroups))) +
                       "]",
                   s);
}

std::string zones(Dice& dice, const Subject& s) {
  static constexpr std::array kZones{"%25lo",   "%lo", "%251", "%1",
                                     "%25eth0", "%",   "%25",  "%25inner0"};
  return with_host("[" + core::to_string(s.address) + dice.pick(kZones) + "]", s);
}

std::string brackets(Dice& dice, const Subject& s) {
  const std::string host = core::to_string(s.address);
  const std::array<std::string, 9> forms{"[" + host,
                                         host + "]",
                                         "[[" + host + "]]",
                                         "[" + host + "]x",
                                         host,
                                         "[" + host + "].",
                                         "[" + host + "]@" + s.allowed,
                                         "[v1." + host + "]",
                                         s.allowed + "@[" + host + "]"};
  return with_host(dice.pick(forms), s);
}

std::string bracketed_v4(Dice& dice, const Subject& s) {
  const std::string host = dotted(s.address);
  const std::array<std::string, 3> forms{"[" + host + "]", "[::" + host + "%25lo]",
                                         "{" + host + "}"};
  return with_host(dice.pick(forms), s);
}

std::string local_names(Dice& dice, const Subject& s) {
  static constexpr std::array kNames{"localhost",
                                     "LOCALHOST",
                                     "LocalHost.",
                                     "foo.localhost",
                                     "a.b.localhost",
                                     "localhost6",
                                     "localhost.localdomain",
                                     "ip6-localhost",
                                     "ip6-loopback",
                                     "%6cocalhost",
                                     "local\xc2\xadhost",
                                     "\xef\xbd\x8c"
                                     "ocalhost",
                                     "\xe2\x93\x9b"
                                     "ocalhost",
                                     "localhost%00",
                                     "loc\xc3\xa4lhost",
                                     "broadcasthost"};
  return with_host(dice.pick(kNames), s);
}

std::string names(Dice& dice, const Subject& s) {
  std::string host = name_with(s.address);
  const auto form = dice.roll(4);
  if (form == 0) host.insert(0, "xn--bcher-kva.");
  if (form == 1) host += ".";
  if (form == 2) {
    for (char& c : host)
      c = c >= 'a' && c <= 'z' && dice.roll(2) == 0 ? static_cast<char>(c - 32) : c;
  }
  if (form == 3) host.insert(0, format("n%u.", dice.roll(1'000'000)));
  return with_host(host, s);
}

std::string names_with_the_address(Dice& dice, const Subject& s) {
  return with_host(dotted(s.address) + (dice.roll(2) == 0 ? ".names.test" : "-a.names.test"), s);
}

std::string international_names(Dice& dice, const Subject& s) {
  const std::array<std::string, 5> forms{
      "b\xc3\xbc"
      "cher." +
          name_with(s.address),
      "xn--" + dotted(s.address) + ".names.test", "xn--80ak6aa92e." + name_with(s.address),
      "stra\xc3\x9f"
      "e." +
          name_with(s.address),
      "xn--\xc3\xbc." + name_with(s.address)};
  return with_host(dice.pick(forms), s);
}

std::string inside_a_good_url(Dice& dice, const Subject& s) {
  const std::string bad = dotted(s.address) + s.port;
  const std::array<std::string, 7> forms{"/?next=http://" + bad + "/",
                                         "//" + bad + "/",
                                         "/../@" + bad + "/",
                                         "?@" + bad + "/",
                                         "/\\" + bad,
                                         "/..;/@" + bad + "/",
                                         ";@" + bad + "/"};
  return "http://" + s.allowed + s.port + dice.pick(forms);
}

std::string mutations(Dice& dice, const Subject& s) {
  static constexpr std::string_view kBytes = "@:/\\#?[]%.0x1aF \t\n-_~\xff\xc3\xbc;,&=+*'\"<>{}|^`";
  std::string url = with_host(dotted(s.address), s);
  for (auto n = 1 + dice.roll(3); n > 0; --n) {
    const auto at = dice.roll(static_cast<std::uint32_t>(url.size()));
    const char byte = kBytes[dice.roll(static_cast<std::uint32_t>(kBytes.size()))];
    switch (dice.roll(4)) {
      case 0:
        url.erase(at, 1);
        break;
      case 1:
        url[at] = byte;
        break;
      case 2:
        url.insert(at, url.substr(at, 1 + dice.roll(4)));
        break;
      default:
        url.insert(at, 1, byte);
        break;
    }
    if (url.empty()) url = "http:";
  }
  return url;
}

struct Kind {
  std::string_view name;
  bool v6;  // wants an IPv6 address
  std::string (*spell)(Dice&, const Subject&);
};
constexpr std::array kKinds{
    Kind{"dotted IPv4", false, plain},
    Kind{"fewer parts (127.1)", false, fewer_parts},
    Kind{"one number", false, one_number},
    Kind{"octal and hex parts", false, odd_parts},
    Kind{"parts too large", false, too_large_parts},
    Kind{"percent-encoded", false, percents},
    Kind{"full-width digits", false, wide_digits},
    Kind{"stray dots", false, stray_dots},
    Kind{"user information", false, user_info},
    Kind{"backslashes", false, backslashes},
    Kind{"blanks and controls", false, blanks},
    Kind{"NUL bytes", false, nul_bytes},
    Kind{"fragments", false, fragments},
    Kind{"schemes", false, schemes},
    Kind{"slashes", false, slashes},
    Kind{"ports", false, ports},
    Kind{"IPv4 in IPv6", false, v4_in_v6},
    Kind{"6to4", false, six_to_four},
    Kind{"Teredo", false, teredo},
    Kind{"IPv6", true, plain_v6},
    Kind{"IPv6 zones", true, zones},
    Kind{"IPv6 brackets", true, brackets},
    Kind{"IPv4 brackets", false, bracketed_v4},
    Kind{"names of loopback", false, local_names},
    Kind{"names, A", false, names},
    Kind{"names, AAAA", true, names},
    Kind{"names with the address", false, names_with_the_address},
    Kind{"international names", false, international_names},
    Kind{"inside a good URL", false, inside_a_good_url},
    Kind{"mutations", false, mutations},
};

}  // namespace

UrlSpellings::UrlSpellings(std::uint64_t seed, World world)
    : world_(std::move(world)), dice_(seed) {
  for (const Address& address : world_.forbidden) (address.v6 ? v6_ : v4_).push_back(address);
}

const Address& UrlSpellings::pick(bool v6) { return dice_.pick(v6 ? v6_ : v4_); }

Spelling UrlSpellings::next() {
  const Kind& kind = kKinds[turn_++ % kKinds.size()];
  const Address& address = pick(kind.v6);
  const std::string port = world_.port == 80 ? "" : ":" + std::to_string(world_.port);
  return {kind.name, kind.spell(dice_, {address, world_.allowed_host, port}), address};
}

std::vector<std::string_view> UrlSpellings::kinds() {
  std::vector<std::string_view> all;
  for (const Kind& kind : kKinds) all.push_back(kind.name);
  return all;
}

std::string name_with(const Address& address) {
  std::string hex;
  for (std::size_t i = 0; i < (address.v6 ? 16 : 4); ++i) hex += format("%02x", part(address, i));
  return "a" + hex + ".names.test";
}

std::optional<Address> address_in(std::string_view name) {
  constexpr std::string_view kZone = ".names.test";
  std::string lower;
  for (const char c : name) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  if (lower.size() <= kZone.size() || !std::string_view(lower).ends_with(kZone))
    return std::nullopt;
  lower.resize(lower.size() - kZone.size());
  if (const auto dotted = core::parse_address(lower)) return dotted;
  const std::string label = lower.substr(lower.rfind('.') + 1);
  Address address;
  address.v6 = label.size() == 33;
  if ((label.size() != 9 && !address.v6) || label.front() != 'a') return std::nullopt;
  for (std::size_t i = 0; i < (address.v6 ? 16 : 4); ++i) {
    const std::string digits = label.substr(1 + 2 * i, 2);
    if (digits.find_first_not_of("0123456789abcdef") != std::string::npos) return std::nullopt;
    address.bytes[i] = static_cast<std::uint8_t>(std::stoi(digits, nullptr, 16));
  }
  return address;
}

}  // namespace outrider::net::testing
