// The sender: a request's way from its name to its outcome.
//
//     send() -> resolve the name -> vet the addresses -> a transfer on the multi -> outcome -> done
//
// One deadline runs over all of it. It is ours and not libcurl's, because it begins before libcurl
// has heard of the request. A `done` is never called inside send() and never inside a callback of
// libcurl, so it may send again.
//
// The addresses are pinned for the transfer, so that what connects is what was vetted: libcurl
// resolves nothing itself.
#include "net/curl_sender.h"

#include <curl/curl.h>
#include <uv.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include "core/assert.h"
#include "net/ca_bundle.h"
#include "net/curl_shards.h"
#include "net/curl_transfer.h"
#include "net/own_addresses.h"
#include "net/sigpipe.h"

namespace outrider::net {
namespace {

constexpr std::size_t kMaxIdleTransfers = 256;
constexpr std::ptrdiff_t kLooked = 8;  // of them

[[nodiscard]] core::Duration between(std::uint64_t begun_ns, std::uint64_t ended_ns) {
  return core::Duration(static_cast<std::int64_t>((ended_ns - begun_ns) / 1'000'000));
}

[[nodiscard]] long seconds_at_least_one(core::Duration duration) {
  return static_cast<long>(std::max<std::int64_t>(1, (duration.count() + 999) / 1000));
}

// A line break in a header would let its value write headers of its own.
[[nodiscard]] bool is_sendable(const HeaderField& field) {
  static constexpr auto kToken = [] {
    std::array<bool, 256> token{};
    for (std::size_t c = '!'; c < 0x7f; ++c) token[c] = true;
    for (const unsigned char c : std::string_view("\"(),/:;<=>?@[\\]{}")) token[c] = false;
    return token;
  }();
  const auto is_token = [](char c) { return kToken[static_cast<unsigned char>(c)]; };
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; };
  return !field.name.empty() && std::all_of(field.name.begin(), field.name.end(), is_token) &&
         std::ranges::none_of(field.value, [&](char c) { return is_control(c) && c != '\t'; });
}

[[nodiscard]] HttpOutcome failed(ErrorClass error, std::string detail) {
  HttpOutcome outcome;
  outcome.error = error;
  outcome.detail = std::move(detail);
  return outcome;
}

class CurlSender final : public HttpSender {
 public:
  CurlSender(Loop& loop, Resolver& resolver, TransferSettings settings, CaBundle trusted,
             std::uint32_t max_connections)
      : loop_(loop),
        resolver_(resolver),
        bundle_(std::move(trusted)),
        trusted_(bundle_.path),
        settings_(std::move(settings)),
        shards_(
            loop, max_connections, core::Duration(settings_.idle_connection_max_s * 1000),
            [this](CURL* easy, CURLcode result) { transferred(CurlTransfer::of(easy), result); }) {
    settings_.trusted = &trusted_;
  }

  ~CurlSender() override {
    const SigpipeBlock no_sigpipe;  // closing TLS connections writes to them
    for (auto& [id, exchange] : exchanges_) release(exchange);
    exchanges_.clear();
    idle_.clear();
  }
  CurlSender(const CurlSender&) = delete;
  CurlSender& operator=(const CurlSender&) = delete;

  void send(HttpRequest request, Done done) override {
    const std::uint64_t id = ++last_id_;
    Exchange& exchange = new_exchange(id);
    exchange.begun_ns = uv_hrtime();
    exchange.done = std::move(done);
    exchange.request = std::move(request);
    OUTRIDER_ASSERT(exchange.request.to != nullptr);
    if (!std::ranges::all_of(exchange.request.headers, is_sendable)) {
      refuse_headers(id);
      return;
    }
    exchange.deadline = loop_.start(exchange.request.timeout, [this, id] { out_of_time(id); });
    const core::Target& target = exchange.request.to->target;
    if (target.host_is_address) {
      const auto address = core::parse_address(target.host);
      OUTRIDER_ASSERT(address.has_value());
      connect(id, exchange, {*address});
    } else if (const auto* known = resolver_.cached(target.host)) {
      connect(id, exchange, *known);
    } else {
      exchange.question = resolver_.resolve(
          target.host,
          [this, id](Result<std::vector<core::Address>> found) { resolved(id, std::move(found)); });
    }
  }

  void abort_all() override {
    const SigpipeBlock no_sigpipe;   // may be called while the loop does not run
    std::vector<std::uint64_t> ids;  // those a `done` starts meanwhile are not meant
    ids.reserve(exchanges_.size());
    for (const auto& [id, exchange] : exchanges_) ids.push_back(id);
    std::ranges::sort(ids);
    for (const std::uint64_t id : ids) {
      if (exchanges_.contains(id)) {
        finish(id, failed(ErrorClass::kAborted, "given up: the sender is stopping"));
      }
    }
  }

  [[nodiscard]] std::uint32_t in_flight() const override {
    return static_cast<std::uint32_t>(exchanges_.size());
  }

 private:
  struct Exchange {
    HttpRequest request;  // until the transfer has it
    Done done;
    std::uint64_t begun_ns = 0;
    Loop::Id deadline = 0;
    Loop::Id later = 0;                 // set: its outcome is known and waits for the next turn
    Resolver::Id question = 0;          // set: its name is being resolved, or the proxy's
    std::vector<core::Address> vetted;  // where a tunnel may lead
    std::unique_ptr<CurlTransfer> transfer;  // set: libcurl has it
  };

  using Exchanges = std::unordered_map<std::uint64_t, Exchange>;

  void resolved(std::uint64_t id, Result<std::vector<core::Address>> found) {
    Exchange& exchange = exchanges_.at(id);
    exchange.question = 0;
    if (!found) {
      finish(id, failed(ErrorClass::kDns, found.error().message));
      return;
    }
    connect(id, exchange, *found);
  }

  // Only addresses the rules allow are connected to; with none, nothing is.
  void connect(std::uint64_t id, Exchange& exchange, const std::vector<core::Address>& addresses) {
    refresh_own_addresses();
    std::vector<core::Address> allowed;
    std::string_view refusal;
    for (const core::Address& address : addresses) {
      if (const auto refused = settings_.rules.refuses(address)) {
        refusal = refused.value();
      } else {
        allowed.push_back(address);
      }
    }
    const bool by_name = !exchange.request.to->target.host_is_address;
    if (allowed.empty()) {
      finish_later(id, failed(ErrorClass::kBlocked,
                              std::string(by_name ? "the name resolves to a refused address: "
                                                  : "the target is a refused address: ") +
                                  std::string(refusal)));
      return;
    }
    if (settings_.proxy) {
      exchange.vetted = std::move(allowed);
      find_proxy(id, exchange);
      return;
    }
    if (!by_name) allowed.clear();
    transfer(id, exchange, allowed, std::nullopt);
  }

  // A destination's headers are looked at when a transfer turns to it, not for each request.
  void transfer(std::uint64_t id, Exchange& exchange, const std::vector<core::Address>& addresses,
                const std::optional<core::Address>& proxy) {
    const HttpDestination& to = *exchange.request.to;
    CurlMulti& multi = shards_.of(to.target.host, exchange.request.identity);
    auto transfer = take_transfer(multi, exchange.request);
    if (!transfer->was_for(multi, exchange.request) &&
        !std::ranges::all_of(to.headers, is_sendable)) {
      put_back(std::move(transfer));
      refuse_headers(id);
      return;
    }
    exchange.transfer = std::move(transfer);
    exchange.transfer->start(multi, id, std::move(exchange.request), addresses, proxy);
  }

  void refuse_headers(std::uint64_t id) {
    finish_later(id, failed(ErrorClass::kAborted, "a header field of the request is not HTTP"));
  }

  // Once a turn of the loop: no more than a millisecond of it is spent on the same addresses.
  void refresh_own_addresses() {
    const core::Instant now = loop_.now();
    if (own_addresses_read_ == now) return;
    own_addresses_read_ = now;
    if (auto own = own_addresses_.changed(now)) settings_.rules.set_own(std::move(*own));
  }

  // Its name is resolved like any other, but its addresses need no leave.
  void find_proxy(std::uint64_t id, Exchange& exchange) {
    const EgressProxy& proxy = settings_.proxy.value();
    if (proxy.host_is_address) {
      transfer(id, exchange, exchange.vetted, core::parse_address(proxy.host));
    } else if (const auto* known = resolver_.cached(proxy.host)) {
      transfer(id, exchange, exchange.vetted, known->front());
    } else {
      exchange.question =
          resolver_.resolve(proxy.host, [this, id](Result<std::vector<core::Address>> found) {
            Exchange& waiting = exchanges_.at(id);
            waiting.question = 0;
            if (found) {
              transfer(id, waiting, waiting.vetted, found->front());
            } else {
              finish(id, failed(ErrorClass::kConnect, "the proxy: " + found.error().message));
            }
          });
    }
  }

  void transferred(CurlTransfer& transfer, CURLcode result) {
    if (transfer.may_start_fresh()) {
      transfer.start_fresh();
      return;
    }
    auto& exchange = exchanges_.at(transfer.exchange());
    OUTRIDER_ASSERT(exchange.transfer.get() == &transfer);
    const std::uint64_t id = transfer.exchange();
    HttpOutcome outcome = transfer.outcome(result, loop_.wall());
    outcome.left_after = left_after(exchange);
    put_back(std::move(exchange.transfer));
    finish(id, std::move(outcome));
  }

  void out_of_time(std::uint64_t id) {
    Exchange& exchange = exchanges_.at(id);
    exchange.deadline = 0;
    if (exchange.later != 0) return;  // it is over, and about to be told
    if (exchange.transfer) {
      exchange.transfer->stop();
      HttpOutcome outcome = exchange.transfer->outcome_at_deadline(loop_.wall());
      outcome.left_after = left_after(exchange);
      put_back(std::move(exchange.transfer));
      finish(id, std::move(outcome));
      return;
    }
    const bool names_proxy = !exchange.vetted.empty();
    finish(id, failed(ErrorClass::kTimeout, std::string(names_proxy ? "the proxy's" : "the") +
                                                " name was not resolved within " +
                                                std::to_string(exchange.request.timeout.count()) +
                                                " ms"));
  }

  void finish_later(std::uint64_t id, HttpOutcome outcome) {
    exchanges_.at(id).later = loop_.start(
        core::Duration(0),
        [this, id, told = std::move(outcome)]() mutable { finish(id, std::move(told)); });
  }

  void finish(std::uint64_t id, HttpOutcome outcome) {
    const auto found = exchanges_.find(id);
    OUTRIDER_ASSERT(found != exchanges_.end());
    release(found->second);
    outcome.duration = between(found->second.begun_ns, uv_hrtime());
    const Done done = std::move(found->second.done);
    end_exchange(found);
    done(std::move(outcome));
  }

  Exchange& new_exchange(std::uint64_t id) {
    if (spare_.empty()) return exchanges_[id];
    auto node = std::move(spare_.back());
    spare_.pop_back();
    node.key() = id;
    return exchanges_.insert(std::move(node)).position->second;
  }

  void end_exchange(Exchanges::iterator exchange) {
    auto node = exchanges_.extract(exchange);
    node.mapped() = Exchange();
    if (spare_.size() < kMaxIdleTransfers) spare_.push_back(std::move(node));
  }

  static std::optional<core::Duration> left_after(const Exchange& exchange) {
    const std::uint64_t left_at = exchange.transfer->left_at_ns();
    if (left_at == 0) return std::nullopt;
    return between(exchange.begun_ns, left_at);
  }

  // Ends whatever is under way for it.
  void release(Exchange& exchange) {
    loop_.cancel(exchange.deadline);
    loop_.cancel(exchange.later);
    if (exchange.question != 0) resolver_.cancel(exchange.question);
    if (exchange.transfer) {
      exchange.transfer->stop();
      put_back(std::move(exchange.transfer));
    }
  }

  // One of the last that ended, and among those one that knows the way.
  [[nodiscard]] std::unique_ptr<CurlTransfer> take_transfer(const CurlMulti& multi,
                                                            const HttpRequest& request) {
    if (idle_.empty()) return std::make_unique<CurlTransfer>(settings_);
    const auto end = idle_.rbegin() + std::min<std::ptrdiff_t>(std::ssize(idle_), kLooked);
    const auto found = std::find_if(idle_.rbegin(), end, [&](const auto& transfer) {
      return transfer->was_for(multi, request);
    });
    if (found != end) std::swap(*found, idle_.back());
    auto transfer = std::move(idle_.back());
    idle_.pop_back();
    return transfer;
  }

  void put_back(std::unique_ptr<CurlTransfer> transfer) {
    transfer->clear();
    if (idle_.size() < kMaxIdleTransfers) idle_.push_back(std::move(transfer));
  }

  Loop& loop_;
  Resolver& resolver_;
  CaBundle bundle_;
  TrustedBundle trusted_;
  OwnAddresses own_addresses_;
  std::optional<core::Instant> own_addresses_read_;
  TransferSettings settings_;
  CurlShards shards_;
  std::vector<std::unique_ptr<CurlTransfer>> idle_;
  Exchanges exchanges_;
  std::vector<Exchanges::node_type> spare_;
  std::uint64_t last_id_ = 0;
};

}  // namespace

Result<std::unique_ptr<HttpSender>> make_curl_sender(Loop& loop, Resolver& resolver,
                                                     core::AddressRules rules,
                                                     CurlSenderOptions options) {
  static std::once_flag once;
  static CURLcode global = CURLE_OK;
  std::call_once(once, [] { global = curl_global_init(CURL_GLOBAL_DEFAULT); });
  if (global != CURLE_OK) {
    return fail(ErrorCode::kInternal,
                std::string("cannot start libcurl: ") + curl_easy_strerror(global));
  }
  auto trusted = make_ca_bundle(options.ca_file);
  if (!trusted) return tl::unexpected(trusted.error());
  TransferSettings settings{
      .rules = std::move(rules),
      .proxy = std::move(options.proxy),
      .user_agent = std::move(options.user_agent),
      .trusted = nullptr,
      .connect_timeout = options.connect_timeout,
      .idle_connection_max_s = seconds_at_least_one(options.idle_connection_max),
      .connection_lifetime_max_s = seconds_at_least_one(options.connection_lifetime_max),
  };
  return std::make_unique<CurlSender>(loop, resolver, std::move(settings), std::move(*trusted),
                                      std::max(1U, options.max_idle_connections));
}

}  // namespace outrider::net
