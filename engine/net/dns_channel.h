// c-ares on the loop: one question (a name and a family) in, one answer out.
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

struct ResolverOptions;

struct DnsAnswer {
  Result<std::vector<core::Address>> addresses;  // at least one, without repetition
  core::Duration ttl{0};  // the shortest of the records; 0 from the hosts file
};

enum class AddressFamily : std::uint8_t { kV4, kV6 };

class DnsChannel {
 public:
  // Errors: kInvalidArgument (a server's spelling), kInternal.
  [[nodiscard]] static Result<std::unique_ptr<DnsChannel>> make(Loop& loop,
                                                                const ResolverOptions& options);
  virtual ~DnsChannel() = default;  // questions under way end without an answer

  using Done = std::function<void(DnsAnswer)>;
  // `done` is called once, possibly before this returns, and must not destroy the channel.
  virtual void ask(const std::string& host, AddressFamily family, Done done) = 0;
};

}  // namespace outrider::net
