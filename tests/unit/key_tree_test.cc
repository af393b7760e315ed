// Every account has its key, until it is struck out; nobody else's changes.
#include "crypto/key_tree.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace outrider::crypto {
namespace {

KeyTree tree_of(char byte) {
  std::vector<KeyTree::Node> root;
  root.push_back({.depth = 0, .prefix = 0, .secret = std::string(KeyTree::kNodeBytes, byte)});
  return KeyTree::make(std::move(root)).value();
}

TEST(KeyTreeTest, keys_are_the_same_each_time_and_differ_between_leaves_and_roots) {
  const KeyTree tree = tree_of('r');
  std::set<std::string> keys;
  for (const std::uint64_t leaf : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0},
                                   std::uint64_t{1} << 63U, leaf_of("acme", 0)}) {
    EXPECT_EQ(tree.key(leaf), tree.key(leaf));
    EXPECT_EQ(tree.key(leaf)->size(), 32U);
    keys.insert(*tree.key(leaf));
    keys.insert(*tree_of('s').key(leaf));
  }
  EXPECT_EQ(keys.size(), 10U);
}

TEST(KeyTreeTest, leaves_depend_on_the_account_and_on_how_often_it_was_struck_out) {
  EXPECT_EQ(leaf_of("acme", 0), leaf_of("acme", 0));
  EXPECT_NE(leaf_of("acme", 0), leaf_of("acme", 1));
  EXPECT_NE(leaf_of("acme", 0), leaf_of("acme2", 0));
  EXPECT_NE(leaf_of("1 acme", 1), leaf_of("acme", 11));
}

// The property: after any strikes, what was struck out is gone, all else is as it was.
TEST(KeyTreeTest, only_what_was_struck_out_is_gone) {
  std::mt19937_64 dice(20261122);  // NOLINT: the same each time, on purpose
  const KeyTree whole = tree_of('r');
  KeyTree tree = whole;
  std::set<std::uint64_t> struck;
  std::vector<std::uint64_t> leaves{0,
                                    1,
                                    2,
                                    3,
                                    ~std::uint64_t{0},
                                    ~std::uint64_t{0} - 1,
                                    std::uint64_t{1} << 63U,
                                    (std::uint64_t{1} << 63U) - 1};
  for (int i = 0; i < 60; ++i) leaves.push_back(dice());
  for (std::size_t i = 0; i < leaves.size(); i += 2) {
    tree.strike_out(leaves[i]);
    struck.insert(leaves[i]);
    tree.strike_out(leaves[i]);  // once more is nothing
  }
  for (const std::uint64_t leaf : leaves) {
    EXPECT_EQ(tree.key(leaf), struck.contains(leaf) ? std::nullopt : whole.key(leaf)) << leaf;
    for (const std::uint64_t near : {leaf ^ 1U, leaf ^ std::uint64_t{1} << 40U}) {
      EXPECT_EQ(tree.key(near), struck.contains(near) ? std::nullopt : whole.key(near)) << near;
    }
  }
  EXPECT_LE(tree.nodes().size(), struck.size() * 64);
  // As it is written to a file and read back.
  const KeyTree again = KeyTree::make(tree.nodes()).value();
  for (const std::uint64_t leaf : leaves) EXPECT_EQ(again.key(leaf), tree.key(leaf));
}

TEST(KeyTreeTest, one_strike_leaves_a_sibling_for_each_level) {
  KeyTree tree = tree_of('r');
  tree.strike_out(leaf_of("acme", 0));
  EXPECT_EQ(tree.nodes().size(), 64U);
  EXPECT_TRUE(tree.key(leaf_of("acme", 1)));
}

TEST(KeyTreeTest, nodes_that_form_no_tree_are_refused) {
  const std::string secret(32, 's');
  const std::vector<std::vector<KeyTree::Node>> wrong{
      {{.depth = 65, .prefix = 0, .secret = secret}},
      {{.depth = 1, .prefix = 1, .secret = secret}},
      {{.depth = 0, .prefix = 0, .secret = "short"}},
      {{.depth = 0, .prefix = 0, .secret = secret}, {.depth = 64, .prefix = 5, .secret = secret}},
      {{.depth = 64, .prefix = 5, .secret = secret}, {.depth = 64, .prefix = 5, .secret = secret}},
  };
  for (const auto& nodes : wrong) EXPECT_EQ(KeyTree::make(nodes).error().code, ErrorCode::kCorrupt);
  EXPECT_TRUE(KeyTree::make({})) << "everything struck out is a tree too";
}

}  // namespace
}  // namespace outrider::crypto
