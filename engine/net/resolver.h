// Names to addresses with c-ares on the loop: no thread per name, and every address is known before
// anything connects.
#pragma once

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
  std::vector<std::string>
      servers;  // "address[:port]"; empty: the system's settings (hosts file included)
  core::Duration query_timeout{1000};
  core::Duration positive_ttl_max{60'000};  // answers are kept for their TTL, at most this long
  core::Duration negative_ttl{1'000};
  std::size_t cache_entries = 10'000;
};

class Resolver {
 public:
  // Errors: kInvalidArgument (a server's spelling), kInternal.
  [[nodiscard]] static Result<std::unique_ptr<Resolver>> make(Loop& loop, ResolverOptions options);
  virtual ~Resolver() = default;

  using Done = std::function<void(Result<std::vector<core::Address>>)>;
  using Id = std::uint64_t;
  // `done` once, later, on the loop's thread; the error says in words why the name does not
  // resolve. IPv4 and IPv6 both.
  virtual Id resolve(const std::string& host, Done done) = 0;
  virtual void cancel(Id id) = 0;  // `done` is not called any more
};

}  // namespace outrider::net
