// What must hold:
//
// 1. One multi for one identity, found by the identity's owner. An identity that was let go of and
//    made again is another one, with new connections.
// 2. A multi is destroyed by the timer alone. of() is called from within a multi's own work (the
//    end of one request starts the next), where that multi must not go.
// 3. A multi with a request under way stays.
#include "net/curl_identities.h"

#include <algorithm>
#include <utility>

#include "core/assert.h"

namespace outrider::net {
namespace {

// How many identities may keep a connection although there are too many connections in all.
constexpr std::size_t kKeptWhenCrowded = 64;
// An identity that is gone keeps its connections for so long at most.
constexpr core::Duration kSweepEvery{2000};
constexpr core::Duration kSweepAtLeast{20};

}  // namespace

CurlIdentities::CurlIdentities(Loop& loop, core::Duration idle_max, std::size_t max_connections,
                               std::size_t& all_connections, CurlMulti::Finished finished)
    : loop_(loop),
      idle_max_(idle_max),
      max_connections_(max_connections),
      all_connections_(all_connections),
      finished_(std::move(finished)) {}

CurlIdentities::~CurlIdentities() { loop_.cancel(timer_); }

CurlMulti& CurlIdentities::of(const std::shared_ptr<const TlsIdentity>& identity) {
  OUTRIDER_ASSERT(identity != nullptr);
  const auto [found, added] = entries_.try_emplace(identity);
  if (added) {
    used_.push_back(
        {identity, std::make_unique<CurlMulti>(loop_, finished_, all_connections_), loop_.now()});
    found->second = std::prev(used_.end());
  } else {
    used_.splice(used_.end(), used_, found->second);
    found->second->used_at = loop_.now();
  }
  sweep_within(is_crowded() ? core::Duration(0)
                            : std::clamp(idle_max_ / 4, kSweepAtLeast, kSweepEvery));
  return *found->second->multi;
}

bool CurlIdentities::is_crowded() const {
  return all_connections_ >= max_connections_ && used_.size() > kKeptWhenCrowded;
}

void CurlIdentities::sweep_within(core::Duration wait) {
  const core::Instant at = loop_.now() + wait;
  if (timer_ != 0 && sweeps_at_ <= at) return;
  loop_.cancel(timer_);
  sweeps_at_ = at;
  timer_ = loop_.start(wait, [this] { sweep(); });
}

void CurlIdentities::sweep() {
  timer_ = 0;
  const core::Instant now = loop_.now();
  for (auto it = used_.begin(); it != used_.end();) {
    const bool over = it->identity.expired() || it->used_at + idle_max_ <= now || is_crowded();
    if (over && it->multi->running() == 0) {
      entries_.erase(it->identity);
      it = used_.erase(it);
    } else {
      ++it;
    }
  }
  if (!used_.empty()) sweep_within(std::clamp(idle_max_ / 4, kSweepAtLeast, kSweepEvery));
}

}  // namespace outrider::net
