// The glue between c-ares and libuv: c-ares says which of its sockets wait for what, and when it
// next wants to look at its time limits; it is told what became ready.
//
// What must hold: one poll per socket, ended when c-ares says (0, 0), which it does before it
// closes the socket; the timer is set anew after everything that may have changed the questions
// under way.
//
// The hosts file is asked through a call of its own: ares_getaddrinfo() of c-ares 1.18 loses a copy
// of the name each time it looks there in vain, which a service that runs for months cannot afford.
#include "net/dns_channel.h"

#include <ares.h>
#include <netdb.h>
#include <netinet/in.h>
#include <uv.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "core/assert.h"
#include "net/resolver.h"
#include "net/uv_handle.h"

namespace outrider::net {
namespace {

constexpr int kTries = 2;
constexpr std::size_t kMaxAddresses = 16;  // per family; more are of no use to one request

struct ChannelFree {
  void operator()(ares_channeldata* channel) const noexcept { ares_destroy(channel); }
};
struct AddrinfoFree {
  void operator()(ares_addrinfo* info) const noexcept { ares_freeaddrinfo(info); }
};

struct HostentFree {
  void operator()(hostent* host) const noexcept { ares_free_hostent(host); }
};

struct Server {
  core::Address address;
  std::uint16_t port = 53;
};

[[nodiscard]] std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

[[nodiscard]] Result<Server> parse_server(const std::string& text) {
  std::string_view host = text;
  std::optional<std::uint16_t> port = std::uint16_t{53};
  const std::size_t colon = host.rfind(':');
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end != std::string_view::npos && end + 1 < host.size()) {
      port = host[end + 1] == ':' ? parse_port(host.substr(end + 2)) : std::nullopt;
    }
    host = host.substr(1, end == std::string_view::npos ? 0 : end - 1);
  } else if (colon != std::string_view::npos && host.find(':') == colon) {
    port = parse_port(host.substr(colon + 1));
    host = host.substr(0, colon);
  }
  const auto address = core::parse_address(host);
  if (!address || !port) {
    return fail(ErrorCode::kInvalidArgument, "not a DNS server's address", text,
                "write address, address:port or [address]:port");
  }
  return Server{*address, *port};
}

[[nodiscard]] Result<void> set_servers(ares_channel channel,
                                       const std::vector<std::string>& texts) {
  std::vector<ares_addr_port_node> nodes(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto server = parse_server(texts[i]);
    if (!server) return tl::unexpected(server.error());
    ares_addr_port_node& node = nodes[i];
    node.next = i + 1 < nodes.size() ? &nodes[i + 1] : nullptr;
    node.family = server->address.v6 ? AF_INET6 : AF_INET;
    std::memcpy(&node.addr, server->address.bytes.data(), server->address.v6 ? 16 : 4);
    node.udp_port = server->port;
    node.tcp_port = server->port;
  }
  if (const int failed = ares_set_servers_ports(channel, nodes.data()); failed != ARES_SUCCESS) {
    return fail(ErrorCode::kInternal,
                std::string("cannot set the DNS servers: ") + ares_strerror(failed));
  }
  return {};
}

[[nodiscard]] tl::unexpected<Error> failure(int status, const std::string& host) {
  switch (status) {
    case ARES_ENOTFOUND:
      return fail(ErrorCode::kNotFound, "the name does not exist", host);
    case ARES_ENODATA:
      return fail(ErrorCode::kNotFound, "the name has no address", host);
    case ARES_EBADNAME:
      return fail(ErrorCode::kNotFound, "this cannot be a name in DNS", host);
    case ARES_ETIMEOUT:
      return fail(ErrorCode::kIo, "no DNS server answered in time", host);
    // c-ares says this also when every server answered with SERVFAIL or REFUSED.
    case ARES_ECONNREFUSED:
    case ARES_ESERVFAIL:
    case ARES_EREFUSED:
      return fail(ErrorCode::kIo, "no DNS server gave a usable answer", host);
    default:
      return fail(ErrorCode::kIo, std::string("name resolution failed: ") + ares_strerror(status),
                  host);
  }
}

void add_address(bool v6, const void* bytes, std::vector<core::Address>& to) {
  core::Address address;
  address.v6 = v6;
  std::memcpy(address.bytes.data(), bytes, v6 ? 16 : 4);
  if (to.size() < kMaxAddresses && std::find(to.begin(), to.end(), address) == to.end()) {
    to.push_back(address);
  }
}

[[nodiscard]] DnsAnswer read_answer(const ares_addrinfo& info, const std::string& host) {
  std::vector<core::Address> addresses;
  int ttl_s = 1 << 30;
  for (const ares_addrinfo_node* node = info.nodes; node != nullptr; node = node->ai_next) {
    if (node->ai_family == AF_INET) {
      const auto* v4 = reinterpret_cast<const sockaddr_in*>(node->ai_addr);
      add_address(false, &v4->sin_addr, addresses);
    } else if (node->ai_family == AF_INET6) {
      const auto* v6 = reinterpret_cast<const sockaddr_in6*>(node->ai_addr);
      add_address(true, &v6->sin6_addr, addresses);
    }
    ttl_s = std::min(ttl_s, node->ai_ttl);
  }
  for (const ares_addrinfo_cname* name = info.cnames; name != nullptr; name = name->next) {
    ttl_s = std::min(ttl_s, name->ttl);
  }
  if (addresses.empty()) return {failure(ARES_ENODATA, host), core::Duration(0)};
  return {std::move(addresses), core::Duration(1000LL * std::max(0, ttl_s))};
}

class AresChannel final : public DnsChannel {
 public:
  explicit AresChannel(Loop& loop) : loop_(loop) {}
  ~AresChannel() override {
    ending_ = true;
    channel_.reset();  // calls answered() for every question, and ends every poll
    OUTRIDER_ASSERT(polls_.empty());
    loop_.cancel(timer_);
  }
  AresChannel(const AresChannel&) = delete;
  AresChannel& operator=(const AresChannel&) = delete;

  [[nodiscard]] Result<void> open(const ResolverOptions& options) {
    static std::once_flag once;
    std::call_once(once, [] { ares_library_init(ARES_LIB_INIT_ALL); });
    ares_options settings{};
    char from_dns[] = "b";
    settings.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
    settings.timeout = static_cast<int>(std::max<std::int64_t>(1, options.query_timeout.count()));
    settings.tries = kTries;
    settings.ndomains = 0;
    settings.lookups = from_dns;
    uses_hosts_file_ = options.servers.empty();
    settings.sock_state_cb = [](void* self, ares_socket_t fd, int readable, int writable) {
      static_cast<AresChannel*>(self)->watch(fd, readable != 0, writable != 0);
    };
    settings.sock_state_cb_data = this;
    ares_channel channel = nullptr;
    const int failed =
        ares_init_options(&channel, &settings,
                          ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_DOMAINS |
                              ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB);
    if (failed != ARES_SUCCESS) {
      return fail(ErrorCode::kInternal,
                  std::string("cannot start name resolution: ") + ares_strerror(failed));
    }
    channel_.reset(channel);
    return options.servers.empty() ? Result<void>() : set_servers(channel, options.servers);
  }

  void ask(const std::string& host, AddressFamily family, Done done) override {
    if (auto known = in_hosts_file(host, family); !known.empty()) {
      done({std::move(known), core::Duration(0)});
      return;
    }
    ares_addrinfo_hints hints{};
    hints.ai_flags = ARES_AI_NOSORT;
    hints.ai_family = family == AddressFamily::kV4 ? AF_INET : AF_INET6;
    hints.ai_socktype = SOCK_STREAM;
    auto question = std::make_unique<Question>(Question{this, host, std::move(done)});
    ares_getaddrinfo(channel_.get(), host.c_str(), nullptr, &hints, answered, question.release());
    set_timer();
  }

 private:
  struct Question {
    AresChannel* channel;
    std::string host;
    Done done;
  };
  struct Poll {
    uv_poll_t uv{};
    AresChannel* channel = nullptr;
    ares_socket_t fd = ARES_SOCKET_BAD;
  };

  [[nodiscard]] std::vector<core::Address> in_hosts_file(const std::string& host,
                                                         AddressFamily family) const {
    std::vector<core::Address> addresses;
    hostent* found = nullptr;
    const int af = family == AddressFamily::kV4 ? AF_INET : AF_INET6;
    if (!uses_hosts_file_ ||
        ares_gethostbyname_file(channel_.get(), host.c_str(), af, &found) != ARES_SUCCESS) {
      return addresses;
    }
    const std::unique_ptr<hostent, HostentFree> entry(found);
    for (char** address = entry->h_addr_list; *address != nullptr; ++address) {
      add_address(entry->h_addrtype == AF_INET6, *address, addresses);
    }
    return addresses;
  }

  static void answered(void* argument, int status, int /*timeouts*/, ares_addrinfo* found) {
    const std::unique_ptr<Question> question(static_cast<Question*>(argument));
    const std::unique_ptr<ares_addrinfo, AddrinfoFree> info(found);
    if (question->channel->ending_) return;
    if (status == ARES_SUCCESS && info != nullptr) {
      question->done(read_answer(*info, question->host));
    } else {
      question->done({failure(status, question->host), core::Duration(0)});
    }
  }

  void watch(ares_socket_t fd, bool readable, bool writable) {
    if (!readable && !writable) {
      polls_.erase(fd);
      return;
    }
    auto& poll = polls_[fd];
    if (!poll) {
      auto fresh = std::make_unique<Poll>();
      fresh->channel = this;
      fresh->fd = fd;
      OUTRIDER_ASSERT(uv_poll_init(loop_.raw(), &fresh->uv, fd) == 0);
      poll = own_uv(std::move(fresh));
    }
    const int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
    OUTRIDER_ASSERT(uv_poll_start(&poll->uv, events, on_ready) == 0);
  }

  static void on_ready(uv_poll_t* uv, int status, int events) {
    const auto& poll = from_uv<Poll>(uv);
    AresChannel& self = *poll.channel;
    const ares_socket_t fd = poll.fd;
    const bool failed = status < 0;  // c-ares finds out how by reading and writing
    const bool readable = failed || (events & UV_READABLE) != 0;
    const bool writable = failed || (events & UV_WRITABLE) != 0;
    ares_process_fd(self.channel_.get(), readable ? fd : ARES_SOCKET_BAD,
                    writable ? fd : ARES_SOCKET_BAD);
    self.set_timer();
  }

  void set_timer() {
    loop_.cancel(timer_);
    timer_ = 0;
    timeval next{};
    if (ares_timeout(channel_.get(), nullptr, &next) == nullptr) return;
    const core::Duration wait(next.tv_sec * 1000LL + next.tv_usec / 1000 + 1);
    timer_ = loop_.start(wait, [this] {
      timer_ = 0;
      ares_process_fd(channel_.get(), ARES_SOCKET_BAD, ARES_SOCKET_BAD);
      set_timer();
    });
  }

  Loop& loop_;
  std::unique_ptr<ares_channeldata, ChannelFree> channel_;
  std::map<ares_socket_t, UvOwned<Poll>> polls_;
  Loop::Id timer_ = 0;
  bool uses_hosts_file_ = false;
  bool ending_ = false;
};

}  // namespace

Result<std::unique_ptr<DnsChannel>> DnsChannel::make(Loop& loop, const ResolverOptions& options) {
  auto channel = std::make_unique<AresChannel>(loop);
  if (auto opened = channel->open(options); !opened) return tl::unexpected(opened.error());
  return channel;
}

}  // namespace outrider::net
