// What the command line writes: tables, times, JSON, and texts of strangers made harmless.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "tools/outrider/json_output.h"
#include "tools/outrider/table.h"
#include "tools/outrider/terminal_text.h"
#include "tools/outrider/time_text.h"

namespace outrider::cli {
namespace {

using testing::HasSubstr;

// ---- printable text

struct Text {
  std::string given;
  std::string shown;
};

TEST(Printable, leaves_what_people_read_and_escapes_what_terminals_obey) {
  const std::vector<Text> cases{
      {"", ""},
      {"plain text, 100 %", "plain text, 100 %"},
      {"Zoë 漢字 🚀", "Zoë 漢字 🚀"},
      {"a\nb\tc\rd", "a\\nb\\tc\\rd"},
      {std::string("\0", 1), "\\x00"},
      {"\x1b[2J\x1b]0;owned\x07", "\\x1b[2J\\x1b]0;owned\\x07"},
      {"\x7f", "\\x7f"},
      {"\xc2\x9b"
       "31m",
       "\\u009b31m"},  // C1: a CSI in one character
      {"\xe2\x80\xae"
       "gnp.exe",
       "\\u202egnp.exe"},                                // right-to-left override
      {"\xe2\x81\xa6x\xe2\x81\xa9", "\\u2066x\\u2069"},  // isolates
      {"a\xe2\x80\x8b"
       "b",
       "a\\u200bb"},                                 // zero width
      {"\xef\xbb\xbf{}", "\\ufeff{}"},               // byte order mark
      {"\xe2\x80\xa8", "\\u2028"},                   // line separator
      {"\xf3\xa0\x81\x81", "\\U000e0041"},           // a tag character
      {"\xff\xfe", "\\xff\\xfe"},                    // not UTF-8
      {"\xc0\xaf", "\\xc0\\xaf"},                    // overlong
      {"\xe0\x80\xaf", "\\xe0\\x80\\xaf"},           //
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},           // a surrogate
      {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},  // beyond Unicode
      {"\xe6\xbc", "\\xe6\\xbc"},                    // cut off
      {"x\xe6\xbcy", "x\\xe6\\xbcy"},                //
  };
  for (const auto& c : cases) EXPECT_EQ(printable(c.given), c.shown);
}

TEST(Printable, keeps_line_feeds_and_nothing_else_in_text_of_many_lines) {
  EXPECT_EQ(printable("a\n\tb\r\n\x1b[1m", Lines::kMany), "a\n    b\\r\n\\x1b[1m");
}

TEST(Printable, no_byte_of_any_text_reaches_the_terminal_as_a_control) {
  std::uint64_t state = 3;
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (int n = 0; n < 12; ++n) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      text += static_cast<char>(state >> 56);
    }
    std::string_view rest;
    const std::string shown = printable(text);
    for (rest = shown; !rest.empty(); rest.remove_prefix(read_code_point(rest).bytes)) {
      ASSERT_TRUE(read_code_point(rest).valid);
      ASSERT_FALSE(is_unprintable(read_code_point(rest).value));
    }
  }
}

TEST(Columns, counts_what_the_terminal_shows) {
  EXPECT_EQ(columns("abc"), 3U);
  EXPECT_EQ(columns("Zoë"), 3U);
  EXPECT_EQ(columns("e\xcc\x81"), 1U);  // combining accent
  EXPECT_EQ(columns("漢字"), 4U);
  EXPECT_EQ(columns("🚀"), 2U);
}

// ---- tables

TEST(Table, aligns_columns_under_their_titles_and_ends_lines_without_blanks) {
  using enum Column::Align;
  Table table({{"NAME"}, {"COUNT", kRight}, {"NOTE"}});
  table.add({"a", "1", "first"});
  table.add({"longer", "12345", ""});
  EXPECT_EQ(table.text(),
            "NAME    COUNT  NOTE\n"
            "a           1  first\n"
            "longer  12345  -\n");
}

TEST(Table, is_not_pushed_aside_by_wide_or_accented_letters) {
  Table table({{"A"}, {"B"}});
  table.add({"漢字", "x"});
  table.add({"Zoë", "x"});
  EXPECT_EQ(table.text(), "A     B\n漢字  x\nZoë   x\n");
}

TEST(Table, keeps_every_cell_on_its_line_and_cuts_what_is_too_long) {
  Table table({{"A", Column::Align::kLeft, 8}});
  table.add({"one\ntwo"});
  table.add({"exactly8"});
  table.add({"a little longer"});
  table.add({"漢字漢字漢字"});
  EXPECT_EQ(table.text(), "A\none\\ntwo\nexactly8\na littl…\n漢字漢…\n");
}

TEST(Table, of_nothing_is_its_titles) {
  const Table table({{"A"}, {"B"}});
  EXPECT_TRUE(table.empty());
  EXPECT_EQ(table.text(), "A  B\n");
}

TEST(FieldList, leaves_out_what_is_empty_and_escapes_the_rest) {
  FieldList fields;
  fields.add("Name", "x\x1b");
  fields.add("Nothing", "");
  fields.add_always("Longer name", "");
  EXPECT_EQ(fields.text(), "Name         x\\x1b\nLonger name  -\n");
  EXPECT_EQ(fields.text(2), "  Name         x\\x1b\n  Longer name  -\n");
}

// ---- times

TEST(TimeText, writes_rfc_3339_in_utc) {
  EXPECT_EQ(rfc3339(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(rfc3339(1'714'555'800'999), "2024-05-01T09:30:00Z");
  EXPECT_EQ(rfc3339(951'782'400'000), "2000-02-29T00:00:00Z");
  EXPECT_EQ(rfc3339(-1), "1969-12-31T23:59:59Z");
  EXPECT_EQ(rfc3339(253'402'300'799'999), "9999-12-31T23:59:59Z");
  EXPECT_EQ(rfc3339(253'402'300'800'000), "253402300800000 ms");
  EXPECT_EQ(rfc3339(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808 ms");
}

TEST(TimeText, writes_durations_in_the_two_largest_units_that_say_something) {
  struct Case {
    std::int64_t ms;
    const char* text;
  };
  const std::vector<Case> cases{
      {0, "0 ms"},
      {1, "1 ms"},
      {999, "999 ms"},
      {1000, "1 s"},
      {59'999, "59 s"},
      {60'000, "1 min"},
      {61'000, "1 min 1 s"},
      {3'600'000, "1 h"},
      {7'500'000, "2 h 5 min"},
      {86'400'000, "1 d"},
      {100'000'000, "1 d 3 h"},
      {-5000, "-5 s"},
  };
  for (const auto& c : cases) EXPECT_EQ(duration_text(c.ms), c.text) << c.ms;
  EXPECT_THAT(duration_text(std::numeric_limits<std::int64_t>::min()), HasSubstr(" d"));
}

TEST(TimeText, writes_ages_from_now) {
  constexpr std::int64_t kNow = 1'714'555'800'000;
  EXPECT_EQ(ago(kNow, kNow), "now");
  EXPECT_EQ(ago(kNow - 5000, kNow), "5 s ago");
  EXPECT_EQ(ago(kNow + 90'000, kNow), "in 1 min 30 s");
  EXPECT_EQ(when(kNow - 5000, kNow), "5 s ago (2024-05-01T09:29:55Z)");
  EXPECT_EQ(when(std::nullopt, kNow), "-");
}

TEST(TimeText, reads_durations) {
  struct Case {
    const char* text;
    std::int64_t ms;
  };
  const std::vector<Case> cases{
      {"0s", 0},           {"500ms", 500},      {"30s", 30'000},      {"15m", 900'000},
      {"24h", 86'400'000}, {"7d", 604'800'000}, {"1h30m", 5'400'000}, {"1d2h3m4s5ms", 93'784'005}};
  for (const auto& c : cases) {
    const auto read = parse_duration(c.text);
    ASSERT_TRUE(read) << c.text;
    EXPECT_EQ(*read, c.ms) << c.text;
  }
  for (const char* text :
       {"", "5", "s", "-5s", "+5s", "5 s", " 5s", "5s ", "1.5h", "5sec", "5S", "5s5", "1h-1m",
        "99999999999999999999d", "36501d", "36500d1ms", "0x5s"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(TimeText, reads_instants) {
  constexpr std::int64_t kNow = 1'000'000;
  struct Case {
    const char* text;
    std::int64_t ms;
  };
  const std::vector<Case> cases{
      {"1970-01-01T00:00:00Z", 0},
      {"2024-05-01T09:30:00Z", 1'714'555'800'000},
      {"2024-05-01t09:30:00z", 1'714'555'800'000},
      {"2024-05-01 09:30:00Z", 1'714'555'800'000},
      {"2024-05-01T11:30:00+02:00", 1'714'555'800'000},
      {"2024-05-01T04:00:00-05:30", 1'714'555'800'000},
      {"2024-05-01T09:30:00.5Z", 1'714'555'800'500},
      {"2024-05-01T09:30:00.123456Z", 1'714'555'800'123},
      {"2016-12-31T23:59:60Z", 1'483'228'800'000},  // a leap second
      {"2024-02-29T00:00:00Z", 1'709'164'800'000},
      {"+30m", kNow + 1'800'000},
      {"+0s", kNow},
  };
  for (const auto& c : cases) {
    const auto read = parse_instant(c.text, kNow);
    ASSERT_TRUE(read) << c.text;
    EXPECT_EQ(*read, c.ms) << c.text;
  }
  for (const char* text : {"",
                           "now",
                           "+",
                           "+30",
                           "30m",
                           "-30m",
                           "2024-05-01",
                           "2024-05-01T09:30Z",
                           "2024-05-01T09:30:00",
                           "2023-02-29T00:00:00Z",
                           "2024-13-01T00:00:00Z",
                           "2024-00-01T00:00:00Z",
                           "2024-05-32T00:00:00Z",
                           "2024-05-01T24:00:00Z",
                           "2024-05-01T09:60:00Z",
                           "2024-05-01T09:30:61Z",
                           "2024-5-1T09:30:00Z",
                           "2024-05-01T09:30:00.Z",
                           "2024-05-01T09:30:00+2:00",
                           "2024-05-01T09:30:00+24:00",
                           "2024-05-01T09:30:00Zx",
                           " 2024-05-01T09:30:00Z",
                           "1714555800",
                           "+2024-05-01T09:30:00Z"}) {
    EXPECT_FALSE(parse_instant(text, kNow)) << text;
  }
}

TEST(TimeText, reads_what_it_writes) {
  for (std::int64_t ms = -2'000'000'000'000; ms < 4'000'000'000'000; ms += 86'399'999'000) {
    EXPECT_EQ(parse_instant(rfc3339(ms), 0).value_or(-1), ms) << ms;
  }
}

// ---- JSON

TEST(JsonOutput, writes_one_document_a_key_a_line) {
  JsonOutput json;
  json.begin_object()
      .member("text", "x")
      .member("number", std::int64_t{-5})
      .member("large", std::numeric_limits<std::int64_t>::max())
      .member("fraction", 0.25)
      .member("whole", 3.0)
      .member("yes", true)
      .member("nothing", std::optional<std::string>())
      .member("something", std::optional<std::int64_t>(7))
      .member("list", std::vector<std::string>{"a", "b"})
      .key("empty")
      .begin_array()
      .end_array()
      .key("inner")
      .begin_object()
      .end_object()
      .end_object();
  EXPECT_EQ(json.document(), R"({
  "text": "x",
  "number": -5,
  "large": 9223372036854775807,
  "fraction": 0.25,
  "whole": 3,
  "yes": true,
  "nothing": null,
  "something": 7,
  "list": [
    "a",
    "b"
  ],
  "empty": [],
  "inner": {}
})");
}

TEST(JsonOutput, writes_a_document_on_one_line_where_lines_are_what_is_read) {
  JsonOutput json(JsonOutput::Layout::kOneLine);
  json.begin_array().begin_object().member("a", 1).member("b", "x\ny").end_object().null();
  json.end_array();
  EXPECT_EQ(json.document(), R"([{"a": 1,"b": "x\ny"},null])");
}

TEST(JsonOutput, escapes_every_text_into_valid_and_harmless_json) {
  const std::vector<Text> cases{
      {"", R"("")"},
      {"a\"b\\c/d", R"("a\"b\\c/d")"},
      {"\n\r\t", R"("\n\r\t")"},
      {std::string("\0\x01\x1f", 3), R"("\u0000\u0001\u001f")"},
      {"\x7f\xc2\x9b", R"("\u007f\u009b")"},
      {"\xe2\x80\xae", R"("\u202e")"},
      {"\xf3\xa0\x81\x81", R"("\udb40\udc41")"},
      {"Zoë 漢字 🚀", R"("Zoë 漢字 🚀")"},
      {"a\xff"
       "b\xe6\xbc",
       R"("a\ufffdb\ufffd\ufffd")"},
      {"\xed\xa0\x80", R"("\ufffd\ufffd\ufffd")"},
  };
  for (const auto& c : cases) EXPECT_EQ(json_string(c.given), c.shown);
}

TEST(JsonOutput, has_no_number_for_what_is_none) {
  JsonOutput json(JsonOutput::Layout::kOneLine);
  json.begin_array()
      .number(std::numeric_limits<double>::infinity())
      .number(std::numeric_limits<double>::quiet_NaN())
      .number(1e300)
      .number(0.1)
      .end_array();
  EXPECT_EQ(json.document(), "[null,null,1e+300,0.1]");
}

TEST(JsonOutputDeathTest, a_wrong_sequence_of_calls_is_a_bug) {
  EXPECT_DEATH(JsonOutput().end_object(), "");
  EXPECT_DEATH((void)JsonOutput().begin_object().document(), "");
  EXPECT_DEATH(JsonOutput().key("a"), "");
  EXPECT_DEATH(JsonOutput().number(std::int64_t{1}).number(std::int64_t{2}), "");
}

}  // namespace
}  // namespace outrider::cli
