// Ids: a bijection over rows, apart by kind and by database, with one spelling, and fixed for all
// time.
#include "crypto/public_id.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <set>
#include <vector>

namespace outrider::crypto {
namespace {

constexpr std::array kKinds = {IdKind::kEvent, IdKind::kDelivery, IdKind::kEndpoint};
constexpr std::string_view kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";

const PublicIds& ids() {
  static const PublicIds instance("0123456789abcdef0123456789abcdef");
  return instance;
}

// The first and last rows, those around every power of two, and a spread of others, always the
// same.
std::vector<std::int64_t> sample_rows() {
  std::vector<std::int64_t> rows;
  for (std::int64_t row = 1; row <= 3'000; ++row) rows.push_back(row);
  for (int bit = 12; bit <= 40; ++bit) {
    for (const std::int64_t near : {-1, 0, 1}) rows.push_back((std::int64_t{1} << bit) + near);
  }
  rows.pop_back();  // 2^40 + 1 is out of range
  std::uint64_t state = 1;
  for (int i = 0; i < 3'000; ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    rows.push_back(static_cast<std::int64_t>(state >> 24) + 1);
  }
  return rows;
}

TEST(PublicIds, come_back_to_their_row) {
  for (const std::int64_t row : sample_rows()) {
    for (const IdKind kind : kKinds) {
      ASSERT_EQ(ids().row(kind, ids().text(kind, row)), row);
    }
  }
}

TEST(PublicIds, no_two_rows_or_kinds_share_one) {
  const auto rows = sample_rows();
  const std::set<std::int64_t> distinct_rows(rows.begin(), rows.end());
  std::set<std::string> texts;  // without the prefix
  for (const std::int64_t row : distinct_rows) {
    for (const IdKind kind : kKinds) {
      const std::string text = ids().text(kind, row);
      texts.insert(text.substr(text.find('_') + 1));
    }
  }
  EXPECT_EQ(texts.size(), distinct_rows.size() * kKinds.size());
}

TEST(PublicIds, are_a_prefix_and_thirteen_unconfusing_characters) {
  const std::array<std::string_view, 3> prefixes = {"evt_", "dlv_", "ep_"};
  for (std::size_t kind = 0; kind < kKinds.size(); ++kind) {
    for (const std::int64_t row : {std::int64_t{1}, std::int64_t{77}, PublicIds::kMaxRow}) {
      const std::string text = ids().text(kKinds[kind], row);
      ASSERT_TRUE(text.starts_with(prefixes[kind]));
      const std::string_view digits = std::string_view(text).substr(prefixes[kind].size());
      EXPECT_EQ(digits.size(), 13U);
      EXPECT_EQ(digits.find_first_not_of(kAlphabet), std::string_view::npos) << text;
    }
  }
}

// These texts are in saved links and in receivers' logs: whatever makes this fail breaks them. The
// values were computed by tests/vectors/public_ids.py, which shares nothing with the engine.
TEST(PublicIds, never_change) {
  struct Case {
    IdKind kind;
    std::int64_t row;
    std::string_view text;
  };
  for (const Case& c : {
           Case{IdKind::kEvent, 1, "evt_fqw3erkrdr8nq"},
           Case{IdKind::kDelivery, 1, "dlv_6dafaavb44qk6"},
           Case{IdKind::kEndpoint, 1, "ep_6px6jrrer8aa7"},
           Case{IdKind::kEvent, 2, "evt_68ekmv8anvn7m"},
           Case{IdKind::kEvent, PublicIds::kMaxRow, "evt_4tp3dgk8ptbe8"},
       }) {
    EXPECT_EQ(ids().text(c.kind, c.row), c.text);
  }
}

TEST(PublicIds, of_another_kind_are_refused) {
  for (const std::int64_t row : sample_rows()) {
    for (const IdKind made : kKinds) {
      const std::string text = ids().text(made, row);
      const std::string digits = text.substr(text.find('_') + 1);
      for (const IdKind asked : kKinds) {
        if (asked == made) continue;
        ASSERT_FALSE(ids().row(asked, text).has_value());
        // Also with the prefix exchanged: the kind is part of the permutation.
        const std::string foreign = ids().text(asked, 1);
        ASSERT_FALSE(ids().row(asked, foreign.substr(0, foreign.find('_') + 1) + digits));
      }
    }
  }
}

TEST(PublicIds, of_another_database_are_refused) {
  const PublicIds other("fedcba9876543210fedcba9876543210");
  for (const std::int64_t row : sample_rows()) {
    ASSERT_FALSE(ids().row(IdKind::kEvent, other.text(IdKind::kEvent, row)).has_value());
  }
}

TEST(PublicIds, made_up_ones_are_refused) {
  // 20,000 guesses hit one of 2^40 rows in 2^64 with a probability of about one in a thousand;
  // these ones do not.
  std::uint64_t state = 7;
  for (int guess = 0; guess < 20'000; ++guess) {
    std::string text = "evt_";
    for (int i = 0; i < 13; ++i) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      text += kAlphabet[(state >> 33) % (i == 0 ? 16 : 32)];
    }
    ASSERT_FALSE(ids().row(IdKind::kEvent, text).has_value()) << text;
  }
}

TEST(PublicIds, have_one_spelling) {
  const std::string text = ids().text(IdKind::kEvent, 42);
  ASSERT_EQ(ids().row(IdKind::kEvent, text), 42);
  std::string upper = text;
  for (std::size_t i = 4; i < upper.size(); ++i) {
    if (upper[i] >= 'a') upper[i] = static_cast<char>(upper[i] - 'a' + 'A');
  }
  ASSERT_NE(upper, text);
  for (const std::string& wrong : {
           upper,
           text + "0",
           text.substr(0, text.size() - 1),
           " " + text,
           text + " ",
           text + "\n",
           std::string(),
           std::string("evt_"),
           std::string("evt"),
           text.substr(4),
           "EVT_" + text.substr(4),
           std::string("evt_zzzzzzzzzzzzz"),  // more than 64 bits
           std::string("evt_g000000000000"),  // 2^64
           std::string("evt_ooooooooooooo"),
           "evt_" + std::string(13, '\0'),
       }) {
    EXPECT_FALSE(ids().row(IdKind::kEvent, wrong).has_value()) << wrong;
  }
}

TEST(PublicIds, have_no_second_spelling_by_a_bit_too_many) {
  // Thirteen digits hold 65 bits: the first digit and the one sixteen later differ in the 65th.
  for (std::int64_t row = 1; row <= 100; ++row) {
    std::string text = ids().text(IdKind::kEvent, row);
    const std::size_t first = kAlphabet.find(text[4]);
    ASSERT_LT(first, 16U);
    text[4] = kAlphabet[first + 16];
    EXPECT_FALSE(ids().row(IdKind::kEvent, text).has_value()) << text;
  }
}

TEST(PublicIds, rows_out_of_range_have_no_way_back) {
  for (const std::int64_t row : {std::int64_t{0}, std::int64_t{-1}, PublicIds::kMaxRow + 1,
                                 std::int64_t{1} << 62, INT64_MAX, INT64_MIN}) {
    EXPECT_FALSE(ids().row(IdKind::kEvent, ids().text(IdKind::kEvent, row)).has_value()) << row;
  }
}

TEST(PublicIds, of_neighbouring_rows_have_nothing_in_common) {
  // Each digit of consecutive rows' ids is spread over its alphabet: no order and no count to be
  // read.
  constexpr int kRows = 3'200;
  std::array<std::array<int, 32>, 13> counts{};
  for (std::int64_t row = 1; row <= kRows; ++row) {
    const std::string text = ids().text(IdKind::kEvent, row);
    for (std::size_t i = 0; i < 13; ++i) ++counts[i][kAlphabet.find(text[4 + i])];
  }
  for (std::size_t i = 0; i < 13; ++i) {
    const int digits = i == 0 ? 16 : 32;
    const double expected = static_cast<double>(kRows) / digits;
    for (int digit = 0; digit < digits; ++digit) {
      // Six standard deviations.
      EXPECT_NEAR(counts[i][static_cast<std::size_t>(digit)], expected, 6 * std::sqrt(expected));
    }
  }
}

TEST(PublicIdsDeathTest, a_short_key_is_a_bug) {
  EXPECT_DEATH(PublicIds("0123456789abcde"), "bug");
}

}  // namespace
}  // namespace outrider::crypto
