// Sealed values open where they belong, with their key, unchanged; and nowhere else.
#include "crypto/sealed.h"

#include <gtest/gtest.h>

#include <set>

namespace outrider::crypto {
namespace {

const std::string kKey(kSealingKeyBytes, 'k');
constexpr SealedPlace kPlace{
    .account = "acme", .table = "outrider_event", .row = 7, .column = "body"};

TEST(SealedTest, opens_to_what_was_sealed) {
  for (const std::size_t size : {0U, 1U, 15U, 16U, 17U, 4096U, 300'000U}) {
    const std::string plain(size, 'p');
    const auto sealed = seal(kKey, 3, kPlace, plain);
    ASSERT_TRUE(sealed) << size;
    EXPECT_EQ(sealed->size(), size + kSealedOverhead);
    EXPECT_EQ(sealed->front(), kSealedVersion);
    EXPECT_EQ(sealing_key_of(*sealed), 3U);
    EXPECT_EQ(unseal(kKey, kPlace, *sealed), plain) << size;
  }
}

TEST(SealedTest, opens_nowhere_but_in_its_place_and_with_its_key) {
  const auto sealed = seal(kKey, 3, kPlace, "plain").value();
  const SealedPlace elsewhere[] = {
      {.account = "acme2", .table = kPlace.table, .row = 7, .column = "body"},
      {.account = "", .table = "acmeoutrider_event", .row = 7, .column = "body"},
      {.account = "acme", .table = "outrider_attempt", .row = 7, .column = "body"},
      {.account = "acme", .table = kPlace.table, .row = 8, .column = "body"},
      {.account = "acme", .table = kPlace.table, .row = 7, .column = "headers"},
  };
  for (const SealedPlace& place : elsewhere) {
    EXPECT_EQ(unseal(kKey, place, sealed).error().code, ErrorCode::kCorrupt);
  }
  EXPECT_EQ(unseal(std::string(kSealingKeyBytes, 'l'), kPlace, sealed).error().code,
            ErrorCode::kCorrupt);
}

TEST(SealedTest, any_changed_bit_and_any_cut_is_noticed) {
  const auto sealed = seal(kKey, 3, kPlace, "a payload").value();
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    for (const int bit : {0, 3, 7}) {
      std::string changed = sealed;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      EXPECT_FALSE(unseal(kKey, kPlace, changed)) << at;
    }
    EXPECT_FALSE(unseal(kKey, kPlace, sealed.substr(0, at))) << at;
  }
  EXPECT_FALSE(unseal(kKey, kPlace, sealed + "x"));
}

TEST(SealedTest, a_prepared_key_seals_one_value_after_the_other_as_a_fresh_one_does) {
  const Sealer sealer(kKey);
  Nonces nonces;
  for (const std::size_t size : {5U, 0U, 4096U, 17U}) {
    const std::string plain(size, 'p');
    const auto sealed = sealer.seal(3, kPlace, plain, nonces.next().value());
    ASSERT_TRUE(sealed) << size;
    EXPECT_EQ(unseal(kKey, kPlace, *sealed), plain) << size;
    // In turns with sealing, and after one that does not open.
    EXPECT_EQ(sealer.open(kPlace, *sealed), plain) << size;
    std::string damaged = *sealed;
    damaged.back() ^= 1;
    EXPECT_EQ(sealer.open(kPlace, damaged).error().code, ErrorCode::kCorrupt) << size;
    EXPECT_EQ(sealer.open(kPlace, *sealed), plain) << size;
  }
}

TEST(SealedTest, nonces_do_not_repeat_nor_come_back_once_they_were_dropped) {
  Nonces nonces;
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string_view nonce = nonces.next().value();
    EXPECT_EQ(nonce.size(), kNonceBytes);
    seen.emplace(nonce);
    if (i % 100 == 50) nonces.drop();
  }
  EXPECT_EQ(seen.size(), 1000U);
}

TEST(SealedTest, no_two_look_alike) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(seal(kKey, 1, kPlace, "same").value());
  EXPECT_EQ(seen.size(), 1000U);
}

// Computed by two implementations that are not ours (Node's crypto, Python's cryptography), from
// the format as the header describes it.
TEST(SealedTest, is_aes_256_gcm_as_others_compute_it) {
  std::string sealed("\x01\x00\x00\x00\x03nnnnnnnnnnnn", 17);
  constexpr std::string_view kHex = "e85786d97f1bb3f21a0c5fbca917f63453787299df";
  for (std::size_t i = 0; i < kHex.size(); i += 2) {
    sealed += static_cast<char>(std::stoi(std::string(kHex.substr(i, 2)), nullptr, 16));
  }
  EXPECT_EQ(unseal(kKey, kPlace, sealed), "plain");
}

}  // namespace
}  // namespace outrider::crypto
