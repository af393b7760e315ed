// A key for every account out of one secret, of which single accounts can be struck out for good.
//
// The secret is the root of a binary tree of depth 64 (Goldreich, Goldwasser, Micali 1986): the
// children of a node are HMAC-SHA256(node, "0") and HMAC-SHA256(node, "1"), and an account's key is
// the leaf its digest leads to. Striking an account out replaces the one node above its leaf by the
// siblings along the way: every other leaf can still be reached from these, the struck one from
// nothing that is left. So the account's wrapped keys are worthless wherever copies of them lie,
// while nobody else's key has changed. It costs at most 64 nodes of 32 bytes.
//
// One thread at a time. Nodes are wiped when they go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "outrider/result.h"

namespace outrider::crypto {

// Where an account's leaf is. `time`: 0 at first; one more each time it was struck out, so that an
// account that comes back gets a key that is new.
[[nodiscard]] std::uint64_t leaf_of(std::string_view account, std::uint32_t time);

class KeyTree {
 public:
  static constexpr std::uint8_t kDepth = 64;
  static constexpr std::size_t kNodeBytes = 32;

  // The subtree of all leaves whose first `depth` bits are those of `prefix` (its other bits: 0).
  struct Node {
    std::uint8_t depth = 0;  // 0-64
    std::uint64_t prefix = 0;
    std::string secret;  // kNodeBytes
  };

  // From the root's secret (kNodeBytes), or from what nodes() gave. Errors: kCorrupt (not nodes of
  // one tree: overlapping, or a secret of the wrong length).
  [[nodiscard]] static Result<KeyTree> make(std::vector<Node> nodes);

  // Nothing: struck out. 32 bytes.
  [[nodiscard]] std::optional<std::string> key(std::uint64_t leaf) const;
  void strike_out(std::uint64_t leaf);  // what is struck out already stays so

  // Ordered by prefix.
  [[nodiscard]] const std::vector<Node>& nodes() const { return nodes_; }

  ~KeyTree();
  KeyTree(KeyTree&&) noexcept = default;
  KeyTree& operator=(KeyTree&&) noexcept = default;
  KeyTree(const KeyTree&) = default;
  KeyTree& operator=(const KeyTree&) = default;

 private:
  explicit KeyTree(std::vector<Node> nodes) : nodes_(std::move(nodes)) {}
  [[nodiscard]] std::size_t above(std::uint64_t leaf) const;  // nodes_.size(): none
  std::vector<Node> nodes_;
};

}  // namespace outrider::crypto
