// The resolver: a cache in front of c-ares, one lookup per name however many wait for it, and
// answers that always come in a later turn than the question.
//
// A lookup asks for both families at once. Some name servers never answer for one of them, and a
// request has three seconds in all; so addresses of one family are handed out when the other has
// not come within kSecondFamilyGrace, and the late answer, if it comes, only completes what is
// remembered.
//
// A burst of new names is spread out, kLookupsPerMs at a time: a UDP socket's buffer holds a few
// hundred small packets, and each one lost costs its name a second. How many lookups are out at
// once is not limited: names whose servers are silent must not hold up the others.
#include "net/resolver.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "core/assert.h"
#include "net/dns_cache.h"
#include "net/dns_channel.h"

namespace outrider::net {
namespace {

constexpr core::Duration kSecondFamilyGrace{50};
constexpr core::Duration kShortestPositiveTtl{1'000};
constexpr int kLookupsPerMs = 32;

using Addresses = Result<std::vector<core::Address>>;

// RFC 6761, 6.3: these names are the loopback everywhere. Nobody is asked, not even a hosts file
// that may be missing; whether anything may go there is the address rules' business.
[[nodiscard]] bool is_localhost(std::string_view host) {
  return host == "localhost" || host.ends_with(".localhost");
}

[[nodiscard]] std::vector<core::Address> loopback() {
  return {core::parse_address("127.0.0.1").value(), core::parse_address("::1").value()};
}

class CachingResolver final : public Resolver {
 public:
  CachingResolver(Loop& loop, const ResolverOptions& options)
      : loop_(loop),
        positive_ttl_max_(options.positive_ttl_max),
        negative_ttl_(options.negative_ttl),
        cache_(options.cache_entries) {}
  ~CachingResolver() override {
    loop_.cancel(flush_);
    loop_.cancel(pace_);
    for (auto& [host, lookup] : lookups_) loop_.cancel(lookup.grace);
  }
  CachingResolver(const CachingResolver&) = delete;
  CachingResolver& operator=(const CachingResolver&) = delete;

  [[nodiscard]] Result<void> open(const ResolverOptions& options) {
    auto channel = DnsChannel::make(loop_, options);
    if (!channel) return tl::unexpected(channel.error());
    channel_ = std::move(*channel);
    return {};
  }

  Id resolve(const std::string& host, Done done) override {
    const Id id = ++last_id_;
    waiting_.emplace(id, std::move(done));
    if (is_localhost(host)) {
      answer(id, loopback_);
      return id;
    }
    if (const Addresses* known = cache_.find(host, loop_.now())) {
      answer(id, *known);
      return id;
    }
    const auto [entry, is_new] = lookups_.try_emplace(host);
    Lookup& lookup = entry->second;
    if (lookup.answered) {  // only the slower family is still out
      answer(id, merged(lookup));
      return id;
    }
    lookup.waiters.push_back(id);
    if (is_new) {
      unasked_.push_back(host);
      if (pace_ == 0) ask_next();
    }
    return id;
  }

  void cancel(Id id) override { waiting_.erase(id); }

  const std::vector<core::Address>* cached(const std::string& host) override {
    if (is_localhost(host)) return &loopback_.value();
    const Addresses* known = cache_.find(host, loop_.now());
    return known != nullptr && known->has_value() ? &known->value() : nullptr;
  }

 private:
  struct Lookup {
    std::vector<Id> waiters;
    std::optional<DnsAnswer> v4;
    std::optional<DnsAnswer> v6;
    Loop::Id grace = 0;
    bool answered = false;  // the waiters have been told, though one family is still out
  };

  void ask_next() {
    for (int i = 0; i < kLookupsPerMs && !unasked_.empty(); ++i) {
      const std::string host = std::move(unasked_.front());
      unasked_.pop_front();
      ask(host);
    }
    pace_ = loop_.start(core::Duration(1), [this] {
      pace_ = 0;
      if (!unasked_.empty()) ask_next();
    });
  }

  void ask(const std::string& host) {
    for (const AddressFamily family : {AddressFamily::kV4, AddressFamily::kV6}) {
      channel_->ask(host, family, [this, host, family](DnsAnswer answer) {
        heard(host, family, std::move(answer));
      });
    }
  }

  void heard(const std::string& host, AddressFamily family, DnsAnswer answer) {
    const auto found = lookups_.find(host);
    OUTRIDER_ASSERT(found != lookups_.end());
    Lookup& lookup = found->second;
    const bool usable = answer.addresses.has_value();
    (family == AddressFamily::kV4 ? lookup.v4 : lookup.v6) = std::move(answer);
    if (lookup.v4 && lookup.v6) {
      tell(host, lookup);
      loop_.cancel(lookup.grace);
      lookups_.erase(found);
    } else if (usable) {
      lookup.grace = loop_.start(kSecondFamilyGrace, [this, host] {
        const auto waited = lookups_.find(host);
        OUTRIDER_ASSERT(waited != lookups_.end());
        tell(host, waited->second);
        waited->second.answered = true;
      });
    }
  }

  // What both families say together: addresses if either has some, else the more telling failure.
  [[nodiscard]] static Addresses merged(const Lookup& lookup) {
    std::vector<core::Address> all;
    for (const auto* answer : {&lookup.v4, &lookup.v6}) {
      if (!answer->has_value() || !(*answer)->addresses) continue;
      all.insert(all.end(), (*answer)->addresses->begin(), (*answer)->addresses->end());
    }
    if (!all.empty()) return all;
    OUTRIDER_ASSERT(lookup.v4 && lookup.v6);
    // "No usable answer" outweighs "no such address": the name may well have one.
    const bool v6_is_worse = lookup.v6->addresses.error().code == ErrorCode::kIo &&
                             lookup.v4->addresses.error().code != ErrorCode::kIo;
    return (v6_is_worse ? lookup.v6 : lookup.v4)->addresses;
  }

  [[nodiscard]] core::Duration time_to_live(const Lookup& lookup, bool usable) const {
    if (!usable) return negative_ttl_;
    core::Duration ttl = positive_ttl_max_;
    for (const auto* answer : {&lookup.v4, &lookup.v6}) {
      if (!answer->has_value() || !(*answer)->addresses) continue;
      ttl = std::min(ttl, std::max((*answer)->ttl, kShortestPositiveTtl));
    }
    return ttl;
  }

  void tell(const std::string& host, Lookup& lookup) {
    const Addresses addresses = merged(lookup);
    cache_.put(host, addresses, loop_.now() + time_to_live(lookup, addresses.has_value()));
    for (const Id id : lookup.waiters) answer(id, addresses);
    lookup.waiters.clear();
  }

  void answer(Id id, Addresses addresses) {
    answers_.emplace_back(id, std::move(addresses));
    if (flush_ == 0) {
      flush_ = loop_.start(core::Duration(0), [this] { flush(); });
    }
  }

  // A `done` may ask again or cancel others; what it adds waits for the next turn.
  void flush() {
    flush_ = 0;
    std::deque<std::pair<Id, Addresses>> batch;
    batch.swap(answers_);
    for (auto& [id, addresses] : batch) {
      const auto found = waiting_.find(id);
      if (found == waiting_.end()) continue;  // cancelled
      const Done done = std::move(found->second);
      waiting_.erase(found);
      done(std::move(addresses));
    }
  }

  Loop& loop_;
  core::Duration positive_ttl_max_;
  core::Duration negative_ttl_;
  DnsCache cache_;
  const Addresses loopback_ = loopback();
  std::unordered_map<std::string, Lookup> lookups_;
  std::unordered_map<Id, Done> waiting_;
  std::deque<std::pair<Id, Addresses>> answers_;
  std::deque<std::string> unasked_;  // their lookups exist, their questions wait for the pace
  Loop::Id pace_ = 0;                // set: questions went out within this millisecond
  Loop::Id flush_ = 0;
  Id last_id_ = 0;
  std::unique_ptr<DnsChannel> channel_;  // destroyed first: it may still hold questions
};

}  // namespace

Result<std::unique_ptr<Resolver>> Resolver::make(Loop& loop, const ResolverOptions& options) {
  auto resolver = std::make_unique<CachingResolver>(loop, options);
  if (auto opened = resolver->open(options); !opened) return tl::unexpected(opened.error());
  return resolver;
}

}  // namespace outrider::net
