// The receiver's own JSON.parse and JSON.stringify: by table, and against the sender's writer,
// which shares no line with it.
#include "receiver_json.h"

#include <gtest/gtest.h>

#include <random>

#include "core/json_text.h"

namespace outrider::receiver {
namespace {

TEST(ReceiverJson, writes_what_javascript_writes) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {" { \"a\" : [ 1 , true , null ] } ", R"({"a":[1,true,null]})"},
      {"{}", "{}"},
      {"[ ]", "[]"},
      {"\"\"", "\"\""},
      {"1.0", "1"},
      {"-0", "0"},
      {"-0.0e5", "0"},
      {"100000000000000000000", "100000000000000000000"},
      {"1e21", "1e+21"},
      {"123e19", "1.23e+21"},
      {"123456789012345680000", "123456789012345680000"},
      {"0.000001", "0.000001"},
      {"0.0000001", "1e-7"},
      {"-1.5E-7", "-1.5e-7"},
      {"0.1", "0.1"},
      {"0.30000000000000004", "0.30000000000000004"},
      {"12345678901234567890", "12345678901234567000"},
      {"9007199254740993", "9007199254740992"},
      {"5e-324", "5e-324"},
      {"2e-324", "0"},
      {"0.00000e999999999999", "0"},
      {"1e-999999999999", "0"},
      {"1e999999999999", "null"},
      {"1.7976931348623157e308", "1.7976931348623157e+308"},
      {"1.7976931348623159e308", "null"},
      {"-1e400", "null"},
      {"0.0000000001e318", "1e+308"},
      {"22.50", "22.5"},
      {"1234.5678e2", "123456.78"},
      {R"("\u0041\/\u00e9\ud83d\ude00\b\u0008\u001F\u007f")",
       "\"A/\xc3\xa9\xf0\x9f\x98\x80\\b\\b\\u001f\x7f\""},
      {"\"\xe2\x80\xa8\"", "\"\xe2\x80\xa8\""},
      {R"("\ud800")", R"("\ud800")"},
      {R"("\uDC00\uD800\u0041")", R"("\udc00\ud800A")"},
      {R"("\ud800\ud83d\ude00")", "\"\\ud800\xf0\x9f\x98\x80\""},
      {R"({"b":1,"a":2,"10":3,"9":4,"01":5,"4294967294":6,"4294967295":7,"-1":8})",
       R"({"9":4,"10":3,"4294967294":6,"b":1,"a":2,"01":5,"4294967295":7,"-1":8})"},
      {R"({"a":1,"b":2,"a":3,"1":4,"1":5})", R"({"1":5,"a":3,"b":2})"},
      {R"({"__proto__":1})", R"({"__proto__":1})"},
  };
  for (const auto& [text, expected] : cases) {
    const std::optional<JsonValue> value = parse_json(text);
    ASSERT_TRUE(value.has_value()) << text;
    EXPECT_EQ(stringify(*value), expected) << text;
  }
}

TEST(ReceiverJson, refuses_what_is_not_json) {
  const std::string deep(600, '[');
  for (const std::string_view text : {"",
                                      " ",
                                      "{",
                                      "[1,]",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "'a'",
                                      "01",
                                      "1.",
                                      ".5",
                                      "+1",
                                      "1e",
                                      "--1",
                                      "nul",
                                      "true false",
                                      "\"\x01\"",
                                      "\"\\x41\"",
                                      "\"\\u12\"",
                                      "\"\\u+123\"",
                                      "\"a",
                                      "\"\\\"",
                                      "\xef\xbb\xbf{}",
                                      "\"\xc0\xaf\"",
                                      "\"\xed\xa0\x80\"",
                                      "\"\xf4\x90\x80\x80\"",
                                      "\"\xe2\x82\"",
                                      "NaN",
                                      "Infinity",
                                      "{\"a\" 1}",
                                      "[1 2]",
                                      "\v1"}) {
    EXPECT_FALSE(parse_json(text).has_value()) << text;
  }
  EXPECT_FALSE(parse_json(deep + std::string(600, ']')).has_value());
}

TEST(ReceiverJson, finds_values_by_pointer) {
  const std::optional<JsonValue> json =
      parse_json(R"({"a":[1,{"b/c":{"d~e":"x"}}],"":{"":2},"r":1,"r":2})");
  ASSERT_TRUE(json.has_value());
  EXPECT_EQ(json->at("/a/1/b~1c/d~0e")->text, "x");
  EXPECT_EQ(json->at("//")->text, "2");
  EXPECT_EQ(json->at("/r")->text, "2");
  EXPECT_EQ(json->at(""), &*json);
  for (const std::string_view none : {"/a/2", "/a/01", "/a/-", "/b", "a", "/a/0/x", "/a/1/b"}) {
    EXPECT_EQ(json->at(none), nullptr) << none;
  }
}

// Random documents of every kind of value, in spellings that a writer must change.
class Documents {
 public:
  explicit Documents(unsigned seed) : random_(seed) {}
  std::string next() { return value(0); }

 private:
  unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }
  std::string blank() { return std::string(below(4) == 0 ? 1 : 0, " \t\n\r"[below(4)]); }

  std::string number() {
    std::string text = below(2) == 0 ? "-" : "";
    text += below(3) == 0 ? "0" : std::to_string(1 + below(99'999));
    if (below(2) == 0) text += "." + std::to_string(random_() % 10'000'000'000ULL);
    if (below(3) == 0) {
      text += below(2) == 0 ? "e" : "E";
      text += below(3) == 0 ? "" : below(2) == 0 ? "+" : "-";
      text += std::to_string(below(300));
    }
    return text;
  }

  std::string string() {
    static constexpr std::string_view kParts[] = {"a",
                                                  "Z9",
                                                  "\\n",
                                                  "\\u0041",
                                                  "\\u001b",
                                                  "\\/",
                                                  "\\\\",
                                                  "\\\"",
                                                  "\xc3\xa9",
                                                  "\xe2\x80\xa8",
                                                  "\\u2028",
                                                  "\\ud83d\\ude00",
                                                  "\xf0\x9f\x98\x80",
                                                  "\x7f",
                                                  " ",
                                                  "/"};
    std::string text = "\"";
    for (unsigned i = below(6); i > 0; --i) text += kParts[below(std::size(kParts))];
    return text + "\"";
  }

  std::string value(int depth) {
    switch (below(depth > 4 ? 4 : 6)) {
      case 0:
        return below(2) == 0 ? "true" : "false";
      case 1:
        return "null";
      case 2:
        return number();
      case 3:
        return string();
      case 4: {
        std::string text = "[" + blank();
        for (unsigned i = 0, n = below(5); i < n; ++i) {
          text += (i == 0 ? "" : ",") + blank() + value(depth + 1) + blank();
        }
        return text + "]";
      }
      default: {
        std::string text = "{" + blank();
        for (unsigned i = 0, n = below(5); i < n; ++i) {
          text += (i == 0 ? "" : ",") + blank() + "\"k" + std::to_string(i) + "\\t\"" + blank() +
                  ":" + blank() + value(depth + 1) + blank();
        }
        return text + "}";
      }
    }
  }

  std::mt19937_64 random_;
};

TEST(ReceiverJson, agrees_with_the_senders_writer_on_random_documents) {
  Documents documents(7);
  int compared = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = documents.next();
    const Result<std::string> sent =
        core::canonical_json(text, core::BodyMode::kEcmascript, core::JsonLimits{});
    if (!sent) continue;  // a number that JavaScript would change: the sender refuses it
    const std::optional<JsonValue> received = parse_json(text);
    ASSERT_TRUE(received.has_value()) << text;
    ASSERT_EQ(stringify(*received), *sent) << text;
    const std::optional<JsonValue> again = parse_json(*sent);
    ASSERT_TRUE(again.has_value()) << *sent;
    ASSERT_EQ(stringify(*again), *sent);
    ++compared;
  }
  EXPECT_GT(compared, 10'000);
}

}  // namespace
}  // namespace outrider::receiver
