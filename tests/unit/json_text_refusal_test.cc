// What json_text refuses: pointer and reason for each, the limits to the byte, and errors that give
// nothing away.
#include "core/json_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace outrider::core {
namespace {

using std::string_literals::operator""s;
using testing::HasSubstr;
using testing::Not;

std::string canonical(std::string_view text, BodyMode mode = BodyMode::kEcmascript,
                      const JsonLimits& limits = {}) {
  const Result<std::string> body = canonical_json(text, mode, limits);
  return body ? *body : "refused: " + body.error().to_string();
}

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

struct Refused {
  std::string text;
  std::string where;
  std::string reason;  // the message contains it
};

void expect_refused(const std::vector<Refused>& table, BodyMode mode) {
  for (const Refused& row : table) {
    SCOPED_TRACE(row.text);
    const Result<std::string> body = canonical_json(row.text, mode, {});
    if (body) {
      ADD_FAILURE() << "accepted as " << *body;
      continue;
    }
    EXPECT_EQ(body.error().code, ErrorCode::kInvalidPayload);
    EXPECT_EQ(body.error().where, row.where);
    EXPECT_THAT(body.error().message, HasSubstr(row.reason));
    EXPECT_FALSE(body.error().hint.empty());
  }
}

TEST(JsonText, refuses_in_every_mode_what_is_not_one_json_text) {
  const std::vector<Refused> table{
      {"", "", "empty at byte 0"},
      {" \n\t\r", "", "empty at byte 4"},
      {"{", "", "name is missing at byte 1"},
      {"}", "", "empty at byte 0"},
      {"[1", "", "a comma or ] is missing at byte 2"},
      {"[1 2]", "", "a comma or ] is missing at byte 3"},
      {"[1,]", "/1", "value is missing or malformed at byte 3"},
      {"[,1]", "/0", "value is missing or malformed at byte 1"},
      {R"({"a":1,})", "", "name is missing at byte 7"},
      {R"({"a" 1})", "/a", "colon is missing at byte 5"},
      {R"({"a":})", "/a", "value is missing or malformed at byte 5"},
      {R"({"a":1 "b":2})", "", "a comma or } is missing at byte 7"},
      {R"({a:1})", "", "name is missing at byte 1"},
      {R"({1:1})", "", "name is missing"},
      {R"({'a':1})", "", "name is missing"},
      {R"({"x":{"y":[true,{"z":nul}]}})", "/x/y/1/z", "malformed"},
      {"1 2", "", "something follows the value at byte 2"},
      {"{}x", "", "something follows the value"},
      {"{}\0x"s, "", "something follows the value at byte 2"},
      {"{}\0"s, "", "something follows the value at byte 2"},
      {"\0"s, "", "raw NUL at byte 0"},
      {"[1\0]"s, "", "raw NUL at byte 2"},
      {"[1,\0]"s, "/1", "raw NUL at byte 3"},
      {"\"a\0b\""s, "", "raw NUL at byte 2"},
      {"\"a", "", "string is not closed at byte 2"},
      {"\"a\\", "", "escape"},
      {R"("\x41")", "", "unknown escape"},
      {R"("\u12g4")", "", "\\u escape is malformed"},
      {R"("\u12)", "", "\\u escape is malformed"},
      {"\"a\nb\"", "", "raw control character in a string at byte 2"},
      {"\"\x1f\"", "", "raw control character"},
      {"True", "", "malformed"},
      {"nulll", "", "something follows"},
      {"NaN", "", "malformed"},
      {"Infinity", "", "malformed"},
      {"-Infinity", "", "malformed"},
      {"undefined", "", "malformed"},
      {"// c\n1", "", "malformed"},
      {"/* c */1", "", "malformed"},
      {"-", "", "malformed"},
      {"+1", "", "malformed"},
      {".5", "", "malformed"},
      {"5.", "", "digits behind the point"},
      {"5.e3", "", "digits behind the point"},
      {"1e", "", "digits in its exponent"},
      {"1e+", "", "digits in its exponent"},
      {"01", "", "something follows"},
      {"-01", "", "something follows"},
      {"00", "", "something follows"},
      {"0x10", "", "something follows"},
      {"1-2", "", "something follows"},
      {"1.5.2", "", "something follows"},
      {"1e5e3", "", "something follows"},
      {R"({"a":[1,01]})", "/a", "a comma or ] is missing at byte 9"},
      {"\f1", "", "malformed"},
      {"\xC2\xA0"
       "1",
       "", "malformed"},
  };
  for (const BodyMode mode : {BodyMode::kRaw, BodyMode::kCompact, BodyMode::kEcmascript}) {
    expect_refused(table, mode);
  }
}

TEST(JsonText, refuses_in_every_mode_what_receivers_read_differently) {
  const std::vector<Refused> table{
      {"\xEF\xBB\xBF{}", "", "byte order mark"},
      {R"({"a":1,"b":2,"a":3})", "/a", "duplicate key"},
      {R"({"a":1,"\u0061":3})", "/a", "duplicate key"},
      {R"({"":1,"":3})", "/", "duplicate key"},
      {R"({"a":[{"x":1},{"x":1,"x":2}]})", "/a/1/x", "duplicate key"},
      {R"({"a/b":{"m~n":0,"m~n":0}})", "/a~1b/m~0n", "duplicate key"},
      {R"({"a\nb":1,"a\nb":1})", "/a\\nb", "duplicate key"},
      {"{\"\\u0000\":1,\"\\u0000\":1}", "/\\u0000", "duplicate key"},
      // Escaped surrogates: alone, in the wrong order, with something else behind.
      {R"(["\ud800"])", "/0", "lone surrogate"},
      {R"(["\udbff"])", "/0", "lone surrogate"},
      {R"(["\udc00"])", "/0", "lone surrogate"},
      {R"(["\uDFFF"])", "/0", "lone surrogate"},
      {R"({"a":"x\udc00\ud800"})", "/a", "lone surrogate"},
      {R"({"a":"\ud800\u0041"})", "/a", "lone surrogate"},
      {R"({"a":"\ud800A"})", "/a", "lone surrogate"},
      {R"({"a":"\ud800\ud800\udc00"})", "/a", "lone surrogate"},
      {R"({"a":"\ud83d\ude00\ude00"})", "/a", "lone surrogate"},
      {R"({"a":{"\ud800":1}})", "/a", "lone surrogate"},
      {R"({"a":{"k":0,"\udc00":1}})", "/a", "lone surrogate"},
      // UTF-8: stray continuations, cut sequences, overlong forms, surrogates, beyond U+10FFFF.
      {"\"\x80\"", "", "invalid UTF-8 at byte 1"},
      {"\"ab\xBF\"", "", "invalid UTF-8 at byte 3"},
      {"\"\xC2\"", "", "invalid UTF-8 at byte 1"},
      {"\"\xC2", "", "invalid UTF-8 at byte 1"},
      {"\"\xE2\x82\"", "", "invalid UTF-8"},
      {"\"\xE2\x82", "", "invalid UTF-8"},
      {"\"\xE2", "", "invalid UTF-8"},
      {"\"\xF0\x9F\x98\"", "", "invalid UTF-8"},
      {"\"\xF0", "", "invalid UTF-8"},
      {"\"\xC0\x80\"", "", "invalid UTF-8"},
      {"\"\xC1\xBF\"", "", "invalid UTF-8"},
      {"\"\xE0\x80\x80\"", "", "invalid UTF-8"},
      {"\"\xE0\x9F\xBF\"", "", "invalid UTF-8"},
      {"\"\xF0\x80\x80\x80\"", "", "invalid UTF-8"},
      {"\"\xF0\x8F\xBF\xBF\"", "", "invalid UTF-8"},
      {"\"\xED\xA0\x80\"", "", "invalid UTF-8"},
      {"\"\xED\xBF\xBF\"", "", "invalid UTF-8"},
      {"\"\xF4\x90\x80\x80\"", "", "invalid UTF-8"},
      {"\"\xF5\x80\x80\x80\"", "", "invalid UTF-8"},
      {"\"\xF8\x88\x80\x80\x80\"", "", "invalid UTF-8"},
      {"\"\xFE\"", "", "invalid UTF-8"},
      {"\"\xFF\"", "", "invalid UTF-8"},
      {"\"\xE2\x28\xA1\"", "", "invalid UTF-8"},
      {"{\"a\":[0,\"\xFF\"]}", "/a/1", "invalid UTF-8"},
      {"{\"a\":{\"\xFF\":0}}", "/a", "invalid UTF-8"},
      {nested(65),
       [] {
         std::string pointer;
         for (int i = 0; i < 64; ++i) pointer += "/0";
         return pointer;
       }(),
       "nested too deep"},
  };
  for (const BodyMode mode : {BodyMode::kRaw, BodyMode::kCompact, BodyMode::kEcmascript}) {
    expect_refused(table, mode);
  }
}

TEST(JsonText, refuses_for_ecmascript_what_javascript_would_not_give_back) {
  const std::vector<Refused> table{
      {R"({"0":1})", "/0", "array index"},
      {R"({"a":{"b":1,"42":1}})", "/a/42", "array index"},
      {R"({"4294967294":1})", "/4294967294", "array index"},
      {R"({"\u0031":1})", "/1", "array index"},
      {R"({"__proto__":{}})", "/__proto__", "__proto__"},
      {R"([{"\u005f_proto__":{}}])", "/0/__proto__", "__proto__"},
      {"9007199254740993", "", "integer beyond 2^53"},
      {"-9007199254740993", "", "integer beyond 2^53"},
      {R"({"a":[1,9007199254740994]})", "/a/1", "integer beyond 2^53"},
      {"10000000000000000", "", "integer beyond 2^53"},
      {R"({"id":12345678901234567890})", "/id", "integer beyond 2^53"},
      {"1" + std::string(400, '0'), "", "integer beyond 2^53"},
      {"1e309", "", "overflows"},
      {"-1e309", "", "overflows"},
      {"1e999999999999999999999999", "", "overflows"},
      {"0." + std::string(400, '0') + "1e800", "", "overflows"},
      {"1" + std::string(400, '0') + ".0", "", "overflows"},
      // Halfway between the largest double and 2^1024 rounds up; one digit less does not (below).
      {"1.7976931348623158080e308", "", "overflows"},
      {R"({"a":{"b":[{"c":1e400}]}})", "/a/b/0/c", "overflows"},
  };
  expect_refused(table, BodyMode::kEcmascript);
  for (const Refused& row : table) {
    SCOPED_TRACE(row.text);
    EXPECT_EQ(canonical(row.text, BodyMode::kCompact), row.text);
    EXPECT_EQ(canonical(row.text, BodyMode::kRaw), row.text);
  }
}

TEST(JsonText, keeps_keys_that_only_look_like_array_indices_or_proto) {
  for (const char* text :
       {R"({"4294967295":1})", R"({"4294967300":1})", R"({"10000000000":1})", R"({"01":1})",
        R"({"-1":1})", R"({"1.5":1})", R"({"1e3":1})", R"({" 1":1})", R"({"":1})", R"({"-0":1})",
        R"({"__proto":1,"proto":2,"__PROTO__":3})", R"({"constructor":1,"toString":2})",
        R"([{"a":1},{"a":1}])", R"({"a":{"a":{"a":1}}})"}) {
    EXPECT_EQ(canonical(text), text);
  }
}

TEST(JsonText, errors_never_carry_a_value) {
  for (const char* text : {R"({"sin":"123456789","sin":"987654321"})",
                           R"({"sin":"123456789\ud800"})", R"({"sin":123456789123456789})",
                           R"({"sin":123456789x})", R"({"sin":"123456789)", R"(123456789 "x")"}) {
    const Result<std::string> body = canonical_json(text, BodyMode::kEcmascript, {});
    ASSERT_FALSE(body) << text;
    EXPECT_THAT(body.error().to_string(), Not(HasSubstr("123456789"))) << text;
  }
}

TEST(JsonText, errors_stay_on_one_bounded_line) {
  const std::string key(100'000, 'k');
  const Result<std::string> body = canonical_json(
      "{\"\\u001b[2J\\r\\n\\\"\":{\"" + key + "\":[1,]}}", BodyMode::kEcmascript, {});
  ASSERT_FALSE(body);
  EXPECT_TRUE(body.error().where.starts_with("/\\u001b[2J\\r\\n\\\"/kkk"));
  EXPECT_TRUE(body.error().where.ends_with("k\xE2\x80\xA6"));
  EXPECT_LE(body.error().where.size(), 515U);

  std::string wide;
  for (int i = 0; i < 400; ++i) wide += "\xE2\x82\xAC";
  const Result<std::string> cut =
      canonical_json("{\"" + wide + "\":01}", BodyMode::kEcmascript, {});
  ASSERT_FALSE(cut);
  EXPECT_EQ(canonical("\"" + cut.error().where + "\""), "\"" + cut.error().where + "\"");
}

TEST(JsonText, depth_counts_arrays_and_objects_open_at_once) {
  EXPECT_EQ(canonical(nested(64)), nested(64));
  EXPECT_THAT(canonical(nested(65)), HasSubstr("nested too deep"));
  const std::string wide = "[" + nested(63) + "," + nested(63) + "]";
  EXPECT_EQ(canonical(wide), wide);

  std::string objects;
  for (int i = 0; i < 64; ++i) objects += R"({"a":)";
  const std::string fits = objects + "1" + std::string(64, '}');
  EXPECT_EQ(canonical(fits), fits);
  EXPECT_THAT(canonical(objects + "{}" + std::string(64, '}')), HasSubstr("nested too deep"));

  EXPECT_EQ(canonical("1", BodyMode::kCompact, {.max_depth = 0}), "1");
  EXPECT_THAT(canonical("[]", BodyMode::kCompact, {.max_depth = 0}), HasSubstr("too deep"));
  EXPECT_EQ(canonical("[[]]", BodyMode::kCompact, {.max_depth = 2}), "[[]]");
}

TEST(JsonText, a_hundred_thousand_levels_are_refused_without_harm) {
  EXPECT_THAT(canonical(std::string(100'000, '[')), HasSubstr("nested too deep"));
  const std::string deep = nested(100'000);
  EXPECT_EQ(canonical(deep, BodyMode::kCompact, {.max_depth = 100'000}), deep);
}

TEST(JsonText, size_limit_holds_to_the_byte_for_what_is_given_and_what_is_written) {
  const JsonLimits limits{.max_bytes = 10};
  EXPECT_EQ(canonical(R"("12345678")", BodyMode::kRaw, limits), R"("12345678")");
  for (const BodyMode mode : {BodyMode::kRaw, BodyMode::kCompact, BodyMode::kEcmascript}) {
    EXPECT_THAT(canonical(R"("123456789")", mode, limits), HasSubstr("larger than 10 bytes"));
    EXPECT_THAT(canonical("\"12345678\" ", mode, limits), HasSubstr("larger than 10 bytes"));
  }
  EXPECT_EQ(canonical("1e9", BodyMode::kEcmascript, limits), "1000000000");
  EXPECT_THAT(canonical("1e10", BodyMode::kEcmascript, limits),
              HasSubstr("larger than 10 bytes once canonical"));
  EXPECT_EQ(canonical("1e10", BodyMode::kCompact, limits), "1e10");

  const std::string most = "\"" + std::string(256 * 1024 - 2, 'x') + "\"";
  EXPECT_EQ(canonical(most), most);
  EXPECT_THAT(canonical(most + " "), HasSubstr("larger than 262144 bytes"));
}

}  // namespace
}  // namespace outrider::core
