// Names to addresses with c-ares on the loop: no thread per name, and every address is known before
// anything connects.
//
// Names are taken as complete: the search list of the system's settings is not tried, because a
// webhook's target must not become another name on another network. IPv4 and IPv6 are asked for
// side by side; when one has addresses and the other dawdles, the one is enough after a moment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/target.h"
#include "core/time.h"
#include "net/loop.h"
#include "outrider/result.h"

namespace outrider::net {

struct ResolverOptions {
  // "address", "address:port" or "[address]:port"; empty: the system's settings (hosts file
  // included; it is not looked at beside servers named here).
  std::vector<std::string> servers;
  core::Duration query_timeout{1000};  // of the first try; a second one follows, twice as long
  // Answers are kept for their TTL, at least a second, at most this long (which wins).
  core::Duration positive_ttl_max{60'000};
  core::Duration negative_ttl{1'000};  // how long a failure is kept; 0: not at all
  std::size_t cache_entries = 10'000;  // the least recently used goes first
};

// Destroyed before its loop. Everything on the loop's thread.
class Resolver {
 public:
  // Errors: kInvalidArgument (a server's spelling), kInternal.
  [[nodiscard]] static Result<std::unique_ptr<Resolver>> make(Loop& loop,
                                                              const ResolverOptions& options);
  virtual ~Resolver() = default;  // no `done` is called any more

  using Done = std::function<void(Result<std::vector<core::Address>>)>;
  using Id = std::uint64_t;
  // `localhost` and names below it are the loopback, without asking (RFC 6761).
  // `done` once, later; at least one address, IPv4 before IPv6. The error says in words why the
  // name does not resolve: kNotFound (no such name, no address), kIo (no usable answer).
  virtual Id resolve(const std::string& host, Done done) = 0;
  virtual void cancel(Id id) = 0;  // `done` is not called any more

  // The addresses, where they are known without asking; valid until the next call. Null: resolve().
  [[nodiscard]] virtual const std::vector<core::Address>* cached(const std::string& host) = 0;
};

}  // namespace outrider::net
