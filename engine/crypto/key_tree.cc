// Leaves are 64-bit numbers, and bit 63 chooses the root's child. Two accounts that share a leaf
// would be forgotten together; among a million accounts the odds of one such pair are 1 in 37
// million.
#include "crypto/key_tree.h"

#include <algorithm>
#include <utility>

#include "core/assert.h"
#include "crypto/mac.h"

namespace outrider::crypto {
namespace {

// All ones where a prefix of this depth has its bits.
std::uint64_t mask_of(std::uint8_t depth) {
  return depth == 0 ? 0 : ~std::uint64_t{0} << (KeyTree::kDepth - depth);
}

bool lies_in(std::uint64_t leaf, const KeyTree::Node& node) {
  return (leaf & mask_of(node.depth)) == node.prefix;
}

bool bit_below(std::uint64_t leaf, std::uint8_t depth) {
  return (leaf >> (KeyTree::kDepth - 1 - depth) & 1) != 0;
}

std::string child_of(const std::string& secret, bool right) {
  auto child = digest(core::Algorithm::kHmacSha256, secret, right ? "1" : "0");
  OUTRIDER_ASSERT(child.has_value());
  return std::move(*child);
}

}  // namespace

std::uint64_t leaf_of(std::string_view account, std::uint32_t time) {
  std::string text = "outrider account key " + std::to_string(time) + " ";
  text += account;
  const std::string digest = sha256(text);
  std::uint64_t leaf = 0;
  for (const char byte : digest.substr(0, 8)) leaf = leaf << 8 | static_cast<unsigned char>(byte);
  return leaf;
}

Result<KeyTree> KeyTree::make(std::vector<Node> nodes) {
  std::ranges::sort(nodes, {}, &Node::prefix);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const Node& node = nodes[i];
    const bool sound = node.depth <= kDepth && node.secret.size() == kNodeBytes &&
                       (node.prefix & ~mask_of(node.depth)) == 0;
    const bool apart = i == 0 || !lies_in(node.prefix, nodes[i - 1]);
    if (!sound || !apart) {
      return fail(ErrorCode::kCorrupt, "the keys do not form one tree", {},
                  "restore the key file from its backup");
    }
  }
  return KeyTree(std::move(nodes));
}

KeyTree::~KeyTree() {
  for (Node& node : nodes_) wipe(node.secret);
}

std::size_t KeyTree::above(std::uint64_t leaf) const {
  const auto after = std::ranges::upper_bound(nodes_, leaf, {}, &Node::prefix);
  if (after == nodes_.begin() || !lies_in(leaf, *std::prev(after))) return nodes_.size();
  return static_cast<std::size_t>(std::prev(after) - nodes_.begin());
}

std::optional<std::string> KeyTree::key(std::uint64_t leaf) const {
  const std::size_t at = above(leaf);
  if (at == nodes_.size()) return std::nullopt;
  std::string secret = nodes_[at].secret;
  for (std::uint8_t depth = nodes_[at].depth; depth < kDepth; ++depth) {
    std::string child = child_of(secret, bit_below(leaf, depth));
    wipe(secret);
    secret = std::move(child);
  }
  return secret;
}

void KeyTree::strike_out(std::uint64_t leaf) {
  const std::size_t at = above(leaf);
  if (at == nodes_.size()) return;
  Node node = std::move(nodes_[at]);
  nodes_.erase(nodes_.begin() + static_cast<std::ptrdiff_t>(at));
  for (std::uint8_t depth = node.depth; depth < kDepth; ++depth) {
    const bool right = bit_below(leaf, depth);
    const std::uint64_t flipped = leaf ^ std::uint64_t{1} << (kDepth - 1 - depth);
    nodes_.push_back({.depth = static_cast<std::uint8_t>(depth + 1),
                      .prefix = flipped & mask_of(static_cast<std::uint8_t>(depth + 1)),
                      .secret = child_of(node.secret, !right)});
    std::string down = child_of(node.secret, right);
    wipe(node.secret);
    node.secret = std::move(down);
  }
  wipe(node.secret);
  std::ranges::sort(nodes_, {}, &Node::prefix);
}

}  // namespace outrider::crypto
