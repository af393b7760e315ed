// libcurl's socket interface on libuv.
//
// A poll stays registered when libcurl loses interest in a socket between two requests: the next
// request on the same connection wants the same readability again, and two epoll_ctl calls a
// request are a sixth of what a request costs. Such a parked poll is ended as soon as it says
// anything (the peer closed, or speaks without being asked).
//
// What must hold:
//
// 1. A poll that waits for writability is never parked: the descriptor of a connection attempt that
//    failed may be closed and reused at once, and libuv aborts when it changes what it waits for on
//    a descriptor that epoll no longer knows.
// 2. The poll ends before its descriptor is closed (close_socket). The socket of an attempt that
//    has not connected yet is closed without that call; libcurl then says CURL_POLL_REMOVE, and
//    whatever is left is forgotten when the number comes back in opened().
// 3. No call into libcurl from its own callbacks: a zero time-out becomes a zero timer.
// 4. A socket that libuv reports as broken is read to its end: a reset does not take away what came
//    before it.
// 5. After every action finished transfers are asked for, whatever the action's result.
#include "net/curl_multi.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "core/assert.h"
#include "net/sigpipe.h"

namespace outrider::net {

struct CurlMulti::Poll {
  uv_poll_t uv{};
  CurlMulti* multi = nullptr;
  curl_socket_t fd = CURL_SOCKET_BAD;
  [[nodiscard]] bool is_on() const {
    return uv_is_active(reinterpret_cast<const uv_handle_t*>(&uv)) != 0;
  }
};

struct CurlMulti::Timer {
  uv_timer_t uv{};
  CurlMulti* multi = nullptr;
};

struct CurlMulti::Socket {
  UvOwned<Poll> poll;
  int events = 0;       // what the poll waits for
  bool parked = false;  // libcurl has lost interest
  std::string ends;     // key in connections_, once known
};

CurlMulti::CurlMulti(Loop& loop, Finished finished, std::size_t& all_connections)
    : loop_(loop),
      finished_(std::move(finished)),
      all_connections_(all_connections),
      multi_(curl_multi_init()) {
  OUTRIDER_ASSERT(multi_ != nullptr);
  auto timer = std::make_unique<Timer>();
  timer->multi = this;
  OUTRIDER_ASSERT(uv_timer_init(loop.raw(), &timer->uv) == 0);
  timer_ = own_uv(std::move(timer));
  set_option(multi_.get(), CURLMOPT_SOCKETFUNCTION, &CurlMulti::on_socket);
  set_option(multi_.get(), CURLMOPT_SOCKETDATA, this);
  set_option(multi_.get(), CURLMOPT_TIMERFUNCTION, &CurlMulti::on_timer);
  set_option(multi_.get(), CURLMOPT_TIMERDATA, this);
  set_option(multi_.get(), CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
}

CurlMulti::~CurlMulti() {
  const SigpipeBlock no_sigpipe;  // closing TLS connections writes to them
  multi_.reset();                 // closes the connections through close_socket()
  OUTRIDER_ASSERT(connections_.empty());
  OUTRIDER_ASSERT(std::none_of(sockets_.begin(), sockets_.end(),
                               [](const Socket& it) { return it.poll != nullptr; }));
}

void CurlMulti::add(CURL* easy) {
  const CURLMcode code = curl_multi_add_handle(multi_.get(), easy);
  OUTRIDER_ASSERT(code == CURLM_OK);
  ++running_;
}

void CurlMulti::remove(CURL* easy) {
  const CURLMcode code = curl_multi_remove_handle(multi_.get(), easy);
  OUTRIDER_ASSERT(code == CURLM_OK && running_ > 0);
  --running_;
}

void CurlMulti::limit_connections(std::size_t limit) {
  if (limit == connection_limit_) return;
  connection_limit_ = limit;
  set_option(multi_.get(), CURLMOPT_MAXCONNECTS, static_cast<long>(limit));
}

// A name's entry changes with its addresses and is never left out: names come from endpoints, and
// there are as many as an operator made.
bool CurlMulti::is_pinned(const std::string& host, std::uint16_t port,
                          std::span<const core::Address> addresses) {
  Pin& pin = pins_[host];
  if (pin.port == port && std::ranges::equal(pin.addresses, addresses)) return true;
  pin = {.port = port, .addresses = {addresses.begin(), addresses.end()}};
  return false;
}

CurlMulti::Socket& CurlMulti::socket(curl_socket_t fd) {
  OUTRIDER_ASSERT(fd >= 0);
  const auto index = static_cast<std::size_t>(fd);
  if (index >= sockets_.size()) sockets_.resize(index + 64);
  return sockets_[index];
}

void CurlMulti::opened(curl_socket_t fd) {
  Socket& it = socket(fd);
  OUTRIDER_ASSERT(it.ends.empty());  // a connection's end is always told
  it = Socket{};
}

int CurlMulti::close_socket(void* multi, curl_socket_t fd) noexcept {
  auto& self = *static_cast<CurlMulti*>(multi);
  Socket& it = self.socket(fd);
  if (!it.ends.empty()) self.all_connections_ -= self.connections_.erase(it.ends);
  it = Socket{};
  return ::close(fd);
}

void CurlMulti::name_connection(curl_socket_t fd, std::string ends) {
  Socket& it = socket(fd);
  OUTRIDER_ASSERT(it.ends.empty());
  const bool is_new = connections_.emplace(ends, fd).second;
  OUTRIDER_ASSERT(is_new);
  ++all_connections_;
  it.ends = std::move(ends);
}

std::optional<curl_socket_t> CurlMulti::connection(const std::string& ends) const {
  const auto found = connections_.find(ends);
  if (found == connections_.end()) return std::nullopt;
  return found->second;
}

int CurlMulti::on_socket(CURL* /*easy*/, curl_socket_t fd, int what, void* self,
                         void* /*slot*/) noexcept {
  static_cast<CurlMulti*>(self)->watch(fd, what);
  return 0;
}

void CurlMulti::watch(curl_socket_t fd, int what) {
  Socket& it = socket(fd);
  if (what == CURL_POLL_REMOVE) {
    if (it.events == UV_READABLE && it.poll && it.poll->is_on()) {
      it.parked = true;
    } else {
      it.poll.reset();
      it.events = 0;
    }
    return;
  }
  it.parked = false;
  const int events = ((what & CURL_POLL_IN) != 0 ? UV_READABLE : 0) |
                     ((what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0);
  if (it.poll && it.events == events && it.poll->is_on()) return;
  if (!it.poll) {
    auto poll = std::make_unique<Poll>();
    poll->multi = this;
    poll->fd = fd;
    OUTRIDER_ASSERT(uv_poll_init(loop_.raw(), &poll->uv, fd) == 0);
    it.poll = own_uv(std::move(poll));
  }
  it.events = events;
  start_poll(it);
}

void CurlMulti::start_poll(Socket& it) {
  const int failed =
      uv_poll_start(&it.poll->uv, it.events, [](uv_poll_t* uv, int status, int ready) {
        const auto& poll = from_uv<Poll>(uv);
        poll.multi->ready(poll.fd, status < 0, ready);
      });
  OUTRIDER_ASSERT(failed == 0);
}

void CurlMulti::ready(curl_socket_t fd, bool broken, int events) {
  Socket& it = socket(fd);
  if (it.parked) {
    it.poll.reset();
    it.events = 0;
    it.parked = false;
    return;
  }
  if (!broken) {
    act(fd, ((events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0) |
                ((events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0));
    return;
  }
  // libuv has stopped the poll. What came before the reset, a whole answer perhaps, can still be
  // read, and libcurl reads only when it is told to.
  act(fd, CURL_CSELECT_IN | CURL_CSELECT_ERR);
  Socket& after = socket(fd);
  if (after.poll && !after.poll->is_on()) start_poll(after);
}

int CurlMulti::on_timer(CURLM* /*multi*/, long timeout_ms, void* self) noexcept {
  Timer& timer = *static_cast<CurlMulti*>(self)->timer_;
  if (timeout_ms < 0) {
    uv_timer_stop(&timer.uv);
    return 0;
  }
  return uv_timer_start(
      &timer.uv, [](uv_timer_t* uv) { from_uv<Timer>(uv).multi->act(CURL_SOCKET_TIMEOUT, 0); },
      static_cast<std::uint64_t>(timeout_ms), 0);
}

void CurlMulti::act(curl_socket_t fd, int events) {
  int running = 0;
  curl_multi_socket_action(multi_.get(), fd, events, &running);
  drain();
}

// One at a time: what is done about one finished transfer may remove others that are about to be
// reported.
void CurlMulti::drain() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* const easy = message->easy_handle;
    const CURLcode result = message->data.result;
    remove(easy);  // invalidates `message`
    finished_(easy, result);
  }
}

}  // namespace outrider::net
