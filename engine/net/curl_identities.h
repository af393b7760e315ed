// A curl multi handle for each TLS identity other than the default one.
//
// libcurl's connections belong to the multi that made them. When it looks for one to use again, it
// does not compare all that makes up an identity (not the client's key), so a connection made under
// one would serve another. With a multi of its own an identity cannot meet another's connections.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <memory>

#include "core/time.h"
#include "net/curl_multi.h"
#include "net/loop.h"
#include "outrider/types.h"

namespace outrider::net {

class CurlIdentities {
 public:
  // `all_connections` as of CurlMulti; where they are more than `max_connections`, all but the 64
  // multis that were used last go. One that has not been used for `idle_max`, or whose identity
  // nobody holds any more, goes with its connections.
  CurlIdentities(Loop& loop, core::Duration idle_max, std::size_t max_connections,
                 std::size_t& all_connections, CurlMulti::Finished finished);
  ~CurlIdentities();
  CurlIdentities(const CurlIdentities&) = delete;
  CurlIdentities& operator=(const CurlIdentities&) = delete;

  // The one for the next request under `identity`, which is not null. It stays at least until that
  // request has ended, if that is started before the loop's next turn.
  [[nodiscard]] CurlMulti& of(const std::shared_ptr<const TlsIdentity>& identity);
  [[nodiscard]] std::size_t size() const noexcept { return used_.size(); }

 private:
  using Key = std::weak_ptr<const TlsIdentity>;
  struct Entry {
    Key identity;
    std::unique_ptr<CurlMulti> multi;
    core::Instant used_at;
  };

  [[nodiscard]] bool is_crowded() const;
  void sweep_within(core::Duration wait);
  void sweep();

  Loop& loop_;
  core::Duration idle_max_;
  std::size_t max_connections_;
  std::size_t& all_connections_;
  CurlMulti::Finished finished_;
  std::list<Entry> used_;  // least recently used first
  // By the object itself and not its address: an address may be used again, an owner is not.
  std::map<Key, std::list<Entry>::iterator, std::owner_less<Key>> entries_;
  Loop::Id timer_ = 0;
  core::Instant sweeps_at_;
};

}  // namespace outrider::net
