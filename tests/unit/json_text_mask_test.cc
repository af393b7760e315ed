// Values at pointers, and JSON for people: indented, masked, harmless to a terminal.
#include "core/json_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace outrider::core {
namespace {

using std::string_literals::operator""s;
using testing::HasSubstr;

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

struct Unfit {
  std::string pointer;
  std::string reason;  // the message contains it
};

TEST(JsonText, extracts_scalars_by_pointer) {
  const std::string json =
      R"({"payoffId":"p-1","a":{"b":[10,{"c":"x\u00e9\ud83d\ude00\n"}]},"t":true,"f":false,)"
      R"("m~n":1,"a/b":2,"":{"":3},"0":4,"n":1.50,"o":{},"e":[],"null":null,"dup":{"a":5}})";
  const std::vector<std::pair<std::string, std::string>> table{
      {"/payoffId", "p-1"}, {"/a/b/0", "10"}, {"/a/b/1/c", "x\xC3\xA9\xF0\x9F\x98\x80\n"},
      {"/t", "true"},       {"/f", "false"},  {"/m~0n", "1"},
      {"/a~1b", "2"},       {"//", "3"},      {"/0", "4"},
      {"/n", "1.50"},       {"/dup/a", "5"},
  };
  for (const auto& [pointer, expected] : table) {
    const Result<std::string> value = extract_scalar(json, pointer);
    ASSERT_TRUE(value) << pointer << ": " << value.error().to_string();
    EXPECT_EQ(*value, expected) << pointer;
  }
  EXPECT_EQ(extract_scalar(R"("root")", "").value_or("?"), "root");
  EXPECT_EQ(extract_scalar("[7]", "/0").value_or("?"), "7");
}

TEST(JsonText, extraction_of_what_is_no_scalar_names_the_pointer) {
  const std::string json = R"({"a":{"b":[10]},"n":null,"s":"x"})";
  const std::vector<Unfit> table{
      {"/x", "absent"},
      {"/a/b/1", "absent"},
      {"/a/b/-", "absent"},
      {"/a/b/00", "absent"},
      {"/s/x", "absent"},
      {"/A", "absent"},
      {"/n", "null"},
      {"/a", "an object or an array"},
      {"/a/b", "an object or an array"},
      {"", "an object or an array"},
      {"a", "not a JSON pointer"},
      {"/a~", "not a JSON pointer"},
  };
  for (const Unfit& row : table) {
    const Result<std::string> value = extract_scalar(json, row.pointer);
    ASSERT_FALSE(value) << row.pointer;
    EXPECT_EQ(value.error().code, ErrorCode::kInvalidPayload);
    EXPECT_EQ(value.error().where, row.pointer);
    EXPECT_THAT(value.error().message, HasSubstr(row.reason)) << row.pointer;
  }
  EXPECT_FALSE(extract_scalar("not json", "/a"));
}

TEST(JsonText, pointers_are_checked_to_the_letter) {
  for (const char* good : {"", "/", "//", "/a", "/a~1b/0", "/m~0n", "/~01", "/ ", "/\"", "/*"}) {
    EXPECT_TRUE(is_json_pointer(good)) << good;
  }
  for (const char* bad : {"a", "a/b", "#/a", "/~", "/~2", "/a~", "/~a", " /a"}) {
    EXPECT_FALSE(is_json_pointer(bad)) << bad;
  }
}

TEST(JsonText, pretty_json_indents_and_keeps_tokens) {
  EXPECT_EQ(pretty_json(R"({"a":[1.50,{"b":"\u0041\/"},[],{}],"c":null})"),
            "{\n  \"a\": [\n    1.50,\n    {\n      \"b\": \"\\u0041\\/\"\n    },\n    [],\n"
            "    {}\n  ],\n  \"c\": null\n}");
  EXPECT_EQ(pretty_json("  1 "), "1");
  EXPECT_EQ(pretty_json("[]"), "[]");
  EXPECT_EQ(pretty_json("no json"), "no json");
}

TEST(JsonText, pretty_json_cannot_drive_a_terminal) {
  EXPECT_EQ(
      pretty_json("[\"\xC2\x9B"
                  "2J\x7F\xE2\x80\xAE\xE2\x81\xA6\xE2\x80\xA8\xE2\x82\xAC\xC2\xA0\xC3\xA9\"]"),
      "[\n  \"\\u009b2J\\u007f\\u202e\\u2066\\u2028\xE2\x82\xAC\xC2\xA0\xC3\xA9\"\n]");
}

std::string masked_value(std::string_view value, SensitiveClass kind) {
  const std::string text = masked_json("{\"v\":" + std::string(value) + "}", {{"/v", kind}});
  constexpr std::string_view kHead = "{\n  \"v\": ";
  EXPECT_TRUE(text.starts_with(kHead)) << text;
  return text.substr(kHead.size(), text.size() - kHead.size() - 2);
}

TEST(JsonText, critical_values_show_their_last_characters) {
  const std::vector<std::pair<std::string, std::string>> table{
      {R"("")", R"("")"},
      {R"("1")", R"("*")"},
      {R"("1234")", R"("****")"},
      {R"("12345")", R"("**345")"},
      {R"("1234567")", R"("****567")"},
      {R"("12345678")", R"("****5678")"},
      {R"("123456789")", R"("*****6789")"},
      {R"("123-45-6789")", R"("*******6789")"},
      {R"("\u00e9\u00e9\u00e9\u00e9")", R"("****")"},
      {R"("aaaa\u00e9\u00e9\ud83d\ude00\"")", "\"****\xC3\xA9\xC3\xA9\xF0\x9F\x98\x80\\\"\""},
      {"123456789", R"("*****6789")"},
      {"-1234.50", R"("****4.50")"},
      {"12", R"("**")"},
      {"true", R"("****")"},
      {"false", R"("****")"},
      {"null", "null"},
  };
  for (const auto& [value, expected] : table) {
    EXPECT_EQ(masked_value(value, SensitiveClass::kCritical), expected) << value;
  }
}

TEST(JsonText, identity_values_show_their_first_letter_and_not_their_length) {
  const std::vector<std::pair<std::string, std::string>> table{
      {R"("")", R"("")"},         {R"("J")", R"("J***")"},
      {R"("John")", R"("J***")"}, {R"("\u00c9lodie")", "\"\xC3\x89***\""},
      {R"("\n")", R"("\n***")"},  {"1980", R"("1***")"},
      {"true", R"("****")"},      {"false", R"("****")"},
      {"null", "null"},
  };
  for (const auto& [value, expected] : table) {
    EXPECT_EQ(masked_value(value, SensitiveClass::kIdentity), expected) << value;
  }
  EXPECT_EQ(masked_value("1234.5", SensitiveClass::kFinancial), "1234.5");
}

TEST(JsonText, masks_below_wildcards_and_containers) {
  EXPECT_EQ(masked_json(R"({"p":{"name":"John","sin":"123456789","age":7},)"
                        R"("list":[{"zip":"V5K 0A1","x":1},{"zip":"V6B","x":2}],)"
                        R"("secret":{"a":["abcdefgh",12345,null,{}],"b":{"c":true}},)"
                        R"("m":{"k1":{"v":"Anna"},"k2":{"v":"Ben"}},"a/b":"slashed"})",
                        {{"/p/name", SensitiveClass::kIdentity},
                         {"/p/sin", SensitiveClass::kCritical},
                         {"/list/*/zip", SensitiveClass::kIdentity},
                         {"/secret", SensitiveClass::kCritical},
                         {"/m/*/v", SensitiveClass::kIdentity},
                         {"/a~1b", SensitiveClass::kIdentity},
                         {"/absent/*/x", SensitiveClass::kCritical}}),
            R"({
  "p": {
    "name": "J***",
    "sin": "*****6789",
    "age": 7
  },
  "list": [
    {
      "zip": "V***",
      "x": 1
    },
    {
      "zip": "V***",
      "x": 2
    }
  ],
  "secret": {
    "a": [
      "****efgh",
      "**345",
      null,
      {}
    ],
    "b": {
      "c": "****"
    }
  },
  "m": {
    "k1": {
      "v": "A***"
    },
    "k2": {
      "v": "B***"
    }
  },
  "a/b": "s***"
})");
}

TEST(JsonText, a_pointer_finds_its_member_however_either_of_them_is_escaped) {
  struct Row {
    std::string pointer, key;
  };
  const std::vector<Row> table{
      {"/m~0n", "m~n"},      {"/a~1b", "a/b"},         {"/~01", "~1"},
      {"/sin", "s\\u0069n"}, {"/s i", "s i"},          {"/", ""},
      {"/a\"b", "a\\\"b"},   {"/\xC3\xA9", "\\u00e9"}, {"/\xF0\x9F\x98\x80", "\\ud83d\\ude00"},
      {"/0", "0"},           {"/a.b[0]", "a.b[0]"},
  };
  for (const Row& row : table) {
    const std::string json = "{\"" + row.key + "\":[{\"deep\":\"123456789\"},918273645]}";
    const std::string text = masked_json(json, {{row.pointer, SensitiveClass::kCritical}});
    EXPECT_EQ(text.find("12345"), std::string::npos) << row.pointer << "\n" << text;
    EXPECT_EQ(text.find("91827"), std::string::npos) << row.pointer << "\n" << text;
    EXPECT_THAT(text, HasSubstr("*****6789")) << row.pointer;
    EXPECT_THAT(text, HasSubstr("*****3645")) << row.pointer;
  }
}

// However short or strange the value: never whole, and never more than four of its characters.
TEST(JsonText, a_critical_value_never_shows_more_than_four_characters_nor_all_of_them) {
  std::string value;
  for (std::size_t length = 1; length <= 40; ++length) {
    value += static_cast<char>('a' + length % 26);
    const std::string shown = masked_value("\"" + value + "\"", SensitiveClass::kCritical);
    const auto stars = static_cast<std::size_t>(std::count(shown.begin(), shown.end(), '*'));
    EXPECT_EQ(shown.size(), length + 2) << value;
    EXPECT_GE(stars, std::max<std::size_t>(
                         1, length < 8 ? length - std::min<std::size_t>(3, length) : length - 4))
        << value;
    EXPECT_EQ(shown.find(value), std::string::npos);
  }
  for (const char* number :
       {"123", "-1", "0", "1e5", "1.5E+30", "123456789012345678901234567890"}) {
    EXPECT_EQ(masked_value(number, SensitiveClass::kCritical).find(number), std::string::npos)
        << number;
  }
}

TEST(JsonText, a_pointer_to_one_element_or_member_masks_only_that) {
  EXPECT_EQ(masked_json(R"([["aa","bb"],["cc"]])", {{"/0/1", SensitiveClass::kIdentity}}),
            "[\n  [\n    \"aa\",\n    \"b***\"\n  ],\n  [\n    \"cc\"\n  ]\n]");
  EXPECT_EQ(masked_json(R"({"sinful":"abcdefgh"})", {{"/sin", SensitiveClass::kCritical}}),
            "{\n  \"sinful\": \"abcdefgh\"\n}");
}

TEST(JsonText, the_class_that_hides_most_wins_in_any_order) {
  const SensitivePointer critical{"/a", SensitiveClass::kCritical};
  const SensitivePointer identity{"/a/b", SensitiveClass::kIdentity};
  const SensitivePointer financial{"/a/b", SensitiveClass::kFinancial};
  const std::string expected = "{\n  \"a\": {\n    \"b\": \"****5678\"\n  }\n}";
  const std::string json = R"({"a":{"b":"12345678"}})";
  EXPECT_EQ(masked_json(json, {critical, identity, financial}), expected);
  EXPECT_EQ(masked_json(json, {financial, identity, critical}), expected);
  EXPECT_EQ(masked_json(json, {financial, identity}), "{\n  \"a\": {\n    \"b\": \"1***\"\n  }\n}");
}

TEST(JsonText, the_root_pointer_masks_everything) {
  EXPECT_EQ(masked_json(R"(["abcde",1])", {{"", SensitiveClass::kCritical}}),
            "[\n  \"**cde\",\n  \"*\"\n]");
}

TEST(JsonText, what_cannot_be_read_is_masked_whole) {
  const std::vector<SensitivePointer> sensitive{{"/sin", SensitiveClass::kCritical}};
  for (const std::string& text :
       {R"({"sin":"123456789",})"s, R"({"sin":"123456789","sin":"1"})"s, "sin=123456789"s,
        R"({"sin":"123456789\ud800"})"s, "\"sin \xFF\""s, nested(600), std::string(1 << 20, '[')}) {
    EXPECT_EQ(masked_json(text, sensitive), R"("********")");
  }
  EXPECT_EQ(masked_json(R"({"sin":"123456789"})", {{"sin", SensitiveClass::kCritical}}),
            R"("********")");
}

}  // namespace
}  // namespace outrider::core
