// The baseline: signed POSTs by curl-multi on libuv and nothing else, as well as that can be done.
// No database, no retries, no checks of addresses: what it does, the engine cannot do without.
//
//   bare_curl --port P --requests N [--in-flight M] [--hosts H] [--bytes B] [--ca FILE]
//   [--record FILE] [--processors LIST]
//
// With --record the events come from an SQLite file and their ends are committed to it
// (raw_record.h).
//
// What makes it fast, found by measuring: easy handles are used again, header nodes are static,
// polls stay registered and are changed only when libcurl wants another event, the HMAC's key is
// prepared once, the name cache is not pruned, URLs are parsed once, the User-Agent is a header
// like others, memory is mimalloc's.
#include <curl/curl.h>
#include <uv.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "crypto/hmac_sha256.h"
#include "measured.h"
#include "raw_record.h"

namespace outrider::bench {
namespace {

void write_hex(const crypto::HmacSha256::Digest& digest, char* out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (const unsigned char byte : digest) {
    *out++ = kDigits[byte >> 4U];
    *out++ = kDigits[byte & 15U];
  }
}

struct Poll {
  uv_poll_t handle{};
  int events = 0;
};

struct Transfer {
  CURL* easy = nullptr;
  char signature[96] = {};
  char id[40] = {};
  curl_slist nodes[5] = {};
  CURLU* url = curl_url();  // parsed once
  bool is_set = false;      // to the only host
  std::string body;
  std::int64_t begun_ns = 0;
  std::int64_t event = 0;  // on record
};

class Sender {
 public:
  explicit Sender(const Arguments& arguments);
  int run();

 private:
  static std::size_t drop(char* data, std::size_t size, std::size_t count, void* received);
  static int on_socket(CURL* easy, curl_socket_t fd, int what, void* self, void* unused);
  Poll& poll_of(curl_socket_t fd);
  static int on_timer(CURLM* multi, long ms, void* self);
  void begin(Transfer& transfer);
  bool load(Transfer& transfer);
  void recorded();
  void collect();

  std::uint64_t requests_, hosts_, begun_ = 0, ended_ = 0;
  std::size_t bytes_;
  std::string port_, scheme_;
  uv_loop_t loop_{};
  uv_timer_t timer_{};
  CURLM* multi_ = curl_multi_init();
  std::vector<Transfer> transfers_;
  std::vector<curl_slist*> resolves_;
  std::vector<std::unique_ptr<Poll>> polls_;  // by descriptor
  std::unique_ptr<RawRecord> record_;
  uv_async_t record_changed_{};
  std::vector<Transfer*> waiting_;  // for events to be read
  crypto::HmacSha256 signer_{"0123456789abcdef0123456789abcdef"};
  Latencies latencies_;
};

Sender::Sender(const Arguments& arguments)
    : requests_(arguments.number("requests", 1000)),
      hosts_(arguments.number("hosts", 1)),
      bytes_(arguments.number("bytes", 600)),
      port_(arguments.text("port")),
      scheme_(arguments.text("ca").empty() ? "http" : "https"),
      transfers_(arguments.number("in-flight", 64)) {
  uv_loop_init(&loop_);
  uv_timer_init(&loop_, &timer_);
  timer_.data = this;
  if (const std::string file = arguments.text("record"); !file.empty()) {
    uv_async_init(&loop_, &record_changed_, [](uv_async_t* changed) {
      static_cast<Sender*>(changed->loop->data)->recorded();
    });
    record_ = std::make_unique<RawRecord>(file, requests_, bytes_,
                                          [this] { uv_async_send(&record_changed_); });
  }
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(hosts_ + transfers_.size()));
  curl_multi_setopt(multi_, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
  for (std::uint64_t host = 0; host < hosts_; ++host) {
    const auto number = static_cast<unsigned>(host + 1);
    const std::string entry = "h" + std::to_string(host) + ".bench.test:" + port_ + ":127.1." +
                              std::to_string(number >> 8U) + "." + std::to_string(number & 255U);
    resolves_.push_back(curl_slist_append(nullptr, entry.c_str()));
  }
  for (Transfer& transfer : transfers_) {
    CURL* const easy = transfer.easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 30'000L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, -1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfer);
    if (scheme_ == "https") {
      curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
      curl_easy_setopt(easy, CURLOPT_CAINFO, arguments.text("ca").c_str());
    }
    std::snprintf(transfer.signature, sizeof transfer.signature, "X-Signature: %064d", 0);
    static char type[] = "Content-Type: application/json";
    // As many bytes of headers as the engine sends.
    static char agent[] = "User-Agent: outrider/0.1.0";
    static char no_accept[] = "Accept:";
    transfer.nodes[0] = {transfer.signature, &transfer.nodes[1]};
    transfer.nodes[1] = {transfer.id, &transfer.nodes[2]};
    transfer.nodes[2] = {type, &transfer.nodes[3]};
    transfer.nodes[3] = {agent, &transfer.nodes[4]};
    transfer.nodes[4] = {no_accept, nullptr};
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, &transfer.nodes[0]);
  }
}

std::size_t Sender::drop(char* /*data*/, std::size_t size, std::size_t count, void* /*received*/) {
  return size * count;
}

Poll& Sender::poll_of(curl_socket_t fd) {
  const auto index = static_cast<std::size_t>(fd);
  if (index >= polls_.size()) polls_.resize(index + 64);
  if (!polls_[index]) {
    polls_[index] = std::make_unique<Poll>();
    uv_poll_init_socket(&loop_, &polls_[index]->handle, fd);
  }
  return *polls_[index];
}

// Between two requests on a connection libcurl loses interest in its socket and finds it again: the
// poll stays as it is. No connection of this program ends before it does.
int Sender::on_socket(CURL* /*easy*/, curl_socket_t fd, int what, void* self, void* /*unused*/) {
  auto& sender = *static_cast<Sender*>(self);
  if (what == CURL_POLL_REMOVE) return 0;
  Poll* const poll = &sender.poll_of(fd);
  const int events = ((what & CURL_POLL_IN) != 0 ? UV_READABLE : 0) |
                     ((what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0);
  if (events == poll->events) return 0;
  poll->events = events;
  uv_poll_start(&poll->handle, events, [](uv_poll_t* handle, int status, int seen) {
    auto& owner = *static_cast<Sender*>(handle->loop->data);
    const int flags = status < 0 ? CURL_CSELECT_ERR
                                 : ((seen & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0) |
                                       ((seen & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0);
    uv_os_fd_t socket = -1;
    uv_fileno(reinterpret_cast<uv_handle_t*>(handle), &socket);
    int running = 0;
    curl_multi_socket_action(owner.multi_, socket, flags, &running);
    owner.collect();
  });
  return 0;
}

int Sender::on_timer(CURLM* /*multi*/, long ms, void* self) {
  auto& sender = *static_cast<Sender*>(self);
  if (ms < 0) {
    uv_timer_stop(&sender.timer_);
    return 0;
  }
  uv_timer_start(
      &sender.timer_,
      [](uv_timer_t* timer) {
        auto& owner = *static_cast<Sender*>(timer->data);
        int running = 0;
        curl_multi_socket_action(owner.multi_, CURL_SOCKET_TIMEOUT, 0, &running);
        owner.collect();
      },
      static_cast<std::uint64_t>(ms), 0);
  return 0;
}

bool Sender::load(Transfer& transfer) {
  transfer.begun_ns = now_ns();
  if (!record_) {
    transfer.body = payload(begun_, transfer.begun_ns, bytes_);
    return true;
  }
  auto event = record_->next();
  if (!event) {
    waiting_.push_back(&transfer);
    return false;
  }
  transfer.event = event->id;
  transfer.body = std::move(event->body);
  return true;
}

void Sender::recorded() {
  for (Transfer* transfer : std::exchange(waiting_, {})) {
    if (begun_ < requests_) begin(*transfer);
  }
  if (record_->all_recorded()) uv_stop(&loop_);
}

void Sender::begin(Transfer& transfer) {
  if (!load(transfer)) return;
  const std::uint64_t host = begun_ % hosts_;
  ++begun_;
  write_hex(signer_.of(transfer.body), std::strchr(transfer.signature, ' ') + 1);
  std::snprintf(transfer.id, sizeof transfer.id, "webhook-id: evt_%014llu",
                static_cast<unsigned long long>(begun_));
  if (hosts_ > 1 || !transfer.is_set) {
    transfer.is_set = true;
    const std::string url =
        scheme_ + "://h" + std::to_string(host) + ".bench.test:" + port_ + "/hook/0";
    curl_url_set(transfer.url, CURLUPART_URL, url.c_str(), 0);
    curl_easy_setopt(transfer.easy, CURLOPT_URL, url.c_str());
    curl_easy_setopt(transfer.easy, CURLOPT_CURLU, transfer.url);
    curl_easy_setopt(transfer.easy, CURLOPT_RESOLVE, resolves_[host]);
  }
  curl_easy_setopt(transfer.easy, CURLOPT_POSTFIELDSIZE_LARGE,
                   static_cast<curl_off_t>(transfer.body.size()));
  curl_easy_setopt(transfer.easy, CURLOPT_POSTFIELDS, transfer.body.data());
  curl_multi_add_handle(multi_, transfer.easy);
}

void Sender::collect() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    CURL* const easy = message->easy_handle;
    const CURLcode result = message->data.result;
    Transfer* transfer = nullptr;
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (result != CURLE_OK || status != 200)
      give_up(std::string("a request failed: ") + curl_easy_strerror(result));
    latencies_.add_ns(now_ns() - transfer->begun_ns);
    curl_multi_remove_handle(multi_, easy);
    ++ended_;
    if (record_) record_->ended(transfer->event);
    if (begun_ < requests_) begin(*transfer);
  }
  if (ended_ == requests_ && !record_) uv_stop(&loop_);
}

int Sender::run() {
  loop_.data = this;
  const double before = processor_time().all;
  const std::int64_t begun = now_ns();
  for (Transfer& transfer : transfers_) {
    if (begun_ < requests_) begin(transfer);
  }
  uv_run(&loop_, UV_RUN_DEFAULT);
  const double seconds = static_cast<double>(now_ns() - begun) * 1e-9;
  const auto count = static_cast<double>(requests_);
  Report()
      .number("per_s", count / seconds)
      .number("seconds", seconds)
      .number("cpu_us", 1e6 * (processor_time().all - before) / count)
      .latencies("exchange", latencies_)
      .number("resident", static_cast<double>(resident_bytes()))
      .print();
  // The process ends here: the kernel takes down what is left faster than we would.
  return 0;
}

}  // namespace
}  // namespace outrider::bench

int main(int argc, char** argv) {
  using namespace outrider::bench;
  const Arguments arguments(
      argc, argv,
      {"port", "requests", "in-flight", "hosts", "bytes", "ca", "record", "processors"});
  pin(arguments.text("processors"));
  curl_global_init(CURL_GLOBAL_ALL);
  static Sender sender(arguments);
  return sender.run();
}
