// The limit on connections is one for all shards, but libcurl only knows one for each. So a shard
// may keep as many as there are, until all of them together have too many; then the shard that is
// used next gives up one. Each may keep one in any case, so the limit is exceeded by a connection
// for each shard and for each of 64 identities at most; a small limit has fewer shards.
#include "net/curl_shards.h"

#include <algorithm>

namespace outrider::net {
namespace {

constexpr std::size_t kMostShards = 64;
constexpr std::size_t kConnectionsPerShard = 16;  // at least; so the limit is kept to a sixteenth

// FNV-1a: the same on every machine.
[[nodiscard]] std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  }
  return hash ^ (hash >> 32);
}

}  // namespace

CurlShards::CurlShards(Loop& loop, std::uint32_t max_connections, core::Duration identity_idle_max,
                       const CurlMulti::Finished& finished)
    : identities_(loop, identity_idle_max, max_connections, connections_, finished),
      max_connections_(max_connections) {
  const auto shards =
      std::clamp<std::size_t>(max_connections / kConnectionsPerShard, 1, kMostShards);
  for (std::size_t i = 0; i < shards; ++i) {
    shards_.push_back(std::make_unique<CurlMulti>(loop, finished, connections_));
  }
}

CurlMulti& CurlShards::of(std::string_view host,
                          const std::shared_ptr<const TlsIdentity>& identity) {
  CurlMulti& multi =
      identity != nullptr ? identities_.of(identity) : *shards_[hash_of(host) % shards_.size()];
  const std::size_t own = multi.connections();
  multi.limit_connections(connections_ < max_connections_
                              ? max_connections_
                              : std::max<std::size_t>(1, own - (own > 1)));
  return multi;
}

}  // namespace outrider::net
