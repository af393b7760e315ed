// What json_text writes, byte by byte: raw, compact, and the fixed point of JavaScript.
#include "core/json_text.h"

#include <gtest/gtest.h>

#include <cctype>
#include <cfloat>
#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace outrider::core {
namespace {

std::string canonical(std::string_view text, BodyMode mode = BodyMode::kEcmascript,
                      const JsonLimits& limits = {}) {
  const Result<std::string> body = canonical_json(text, mode, limits);
  return body ? *body : "refused: " + body.error().to_string();
}

TEST(JsonText, raw_keeps_every_byte) {
  const std::string text = "\t{ \"b\" : 1.50 , \"a\":\r\n[ \"\\/\\u0041\" ] } \n";
  EXPECT_EQ(canonical(text, BodyMode::kRaw), text);
}

TEST(JsonText, compact_removes_whitespace_and_nothing_else) {
  EXPECT_EQ(canonical("\t{ \"b\" : 1.50 , \"0\":\r\n[ \"\\/ \\u0041\\\" \" , -0, 1E+05 ], "
                      "\"\\u005f_proto__\" : { } , \"n\" : [ ] , \"t\":[ true , null ,false ]} \n",
                      BodyMode::kCompact),
            R"({"b":1.50,"0":["\/ \u0041\" ",-0,1E+05],"\u005f_proto__":{},"n":[],)"
            R"("t":[true,null,false]})");
  EXPECT_EQ(canonical(R"([ "\\" , 1e400 , "\\\"" , 1e400 ])", BodyMode::kCompact),
            R"(["\\",1e400,"\\\"",1e400])");
  for (const char* token : {"1e400", "-1E-999", "0e400", "0.10", "-0.0", "100000000000000000000000",
                            "1.7976931348623157e308"}) {
    EXPECT_EQ(canonical(std::string("[ ") + token + " ]", BodyMode::kCompact),
              std::string("[") + token + "]");
  }
}

TEST(JsonText, ecmascript_keeps_member_order_and_removes_whitespace) {
  EXPECT_EQ(canonical(" { \"z\" : [ 1 , { } , [ ] , \"\" ] , \"a\" : { \"y\" : null } } "),
            R"({"z":[1,{},[],""],"a":{"y":null}})");
  for (const char* scalar : {"null", "true", "false", "\"\"", "0", "{}", "[]"}) {
    EXPECT_EQ(canonical(std::string("\n ") + scalar + "\t"), scalar);
  }
}

TEST(JsonText, every_escape_becomes_its_ecmascript_form) {
  for (int code = 0; code < 0x20; ++code) {
    char escape[8];
    std::snprintf(escape, sizeof escape, "\\u%04X", code);
    std::string expected;
    switch (code) {
      case '\b':
        expected = "\\b";
        break;
      case '\f':
        expected = "\\f";
        break;
      case '\n':
        expected = "\\n";
        break;
      case '\r':
        expected = "\\r";
        break;
      case '\t':
        expected = "\\t";
        break;
      default:
        expected = escape;
        for (char& c : expected) c = static_cast<char>(std::tolower(c));
    }
    EXPECT_EQ(canonical("\"" + std::string(escape) + "\""), "\"" + expected + "\"");
    EXPECT_EQ(ecmascript_string(std::string(1, static_cast<char>(code))), "\"" + expected + "\"");
  }
  const std::vector<std::pair<std::string, std::string>> table{
      {R"("\"\\\/\b\f\n\r\t")", R"("\"\\/\b\f\n\r\t")"},
      {R"("\u0022\u005c\u005C\u002f")", R"("\"\\\\/")"},
      {R"("\u0008\u000c\u000a\u000d\u0009")", R"("\b\f\n\r\t")"},
      {R"("\u007f\u0080\u00ff")", "\"\x7F\xC2\x80\xC3\xBF\""},
      {R"("\u2028\u2029")", "\"\xE2\x80\xA8\xE2\x80\xA9\""},
      {"\"\xE2\x80\xA8\xE2\x80\xA9\"", "\"\xE2\x80\xA8\xE2\x80\xA9\""},
      {R"("\u003c\u003e\u0026\u0027")", R"("<>&'")"},
      {R"("\ud83d\ude00")", "\"\xF0\x9F\x98\x80\""},
      {R"("\uD83D\uDE00")", "\"\xF0\x9F\x98\x80\""},
      {"\"\xF0\x9F\x98\x80\"", "\"\xF0\x9F\x98\x80\""},
      {R"("\ud800\udc00\udbff\udfff")", "\"\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\""},
      {R"("\ufeff\ufffe\uffff\ud7ff\ue000")",
       "\"\xEF\xBB\xBF\xEF\xBF\xBE\xEF\xBF\xBF\xED\x9F\xBF\xEE\x80\x80\""},
      {"\"\xF4\x8F\xBF\xBF\"", "\"\xF4\x8F\xBF\xBF\""},
      // Composed and decomposed stay what they are.
      {R"("\u00e9e\u0301")",
       "\"\xC3\xA9"
       "e\xCC\x81\""},
      {R"({"\u0061\/":1})", R"({"a/":1})"},
  };
  for (const auto& [text, expected] : table) EXPECT_EQ(canonical(text), expected) << text;
}

TEST(JsonText, numbers_are_written_as_ecmascript_writes_them) {
  const std::vector<std::pair<std::string, std::string>> table{
      {"0", "0"},
      {"-0", "0"},
      {"-0.0", "0"},
      {"0e400", "0"},
      {"-0.000e+999999999999999999999", "0"},
      {"5.0", "5"},
      {"5e0", "5"},
      {"-5.50", "-5.5"},
      {"1E2", "100"},
      {"1e+2", "100"},
      {"123456789", "123456789"},
      {"9007199254740991", "9007199254740991"},
      {"9007199254740992", "9007199254740992"},
      {"-9007199254740992", "-9007199254740992"},
      {"9007199254740993.0", "9007199254740992"},
      {"0.1", "0.1"},
      {"0.30000000000000004", "0.30000000000000004"},
      {"0.3000000000000000444089209850062616169452667236328125", "0.30000000000000004"},
      {"0.000001", "0.000001"},
      {"0.0000001", "1e-7"},
      {"1e-6", "0.000001"},
      {"1e-7", "1e-7"},
      {"1.5e-7", "1.5e-7"},
      {"0.00000123", "0.00000123"},
      {"1e20", "100000000000000000000"},
      {"123456789012345680000.0", "123456789012345680000"},
      {"999999999999999900000.0", "999999999999999900000"},
      {"999999999999999999999.9", "1e+21"},
      {"1e21", "1e+21"},
      {"-1.25e+25", "-1.25e+25"},
      {"1e23", "1e+23"},
      {"100e-2", "1"},
      {"1" + std::string(400, '0') + "e-400", "1"},
      {"0." + std::string(400, '0') + "1e401", "1"},
      {"1.7976931348623157e308", "1.7976931348623157e+308"},
      {"179769313486231570" + std::string(291, '0') + ".0", "1.7976931348623157e+308"},
      {"1.7976931348623158079e308", "1.7976931348623157e+308"},
      {"2.2250738585072014e-308", "2.2250738585072014e-308"},
      {"2.2250738585072011e-308", "2.225073858507201e-308"},
      {"4.9406564584124654e-324", "5e-324"},
      {"5e-324", "5e-324"},
      {"3e-324", "5e-324"},
      {"2.4703282292062328e-324", "5e-324"},
      // 2^-1075 is halfway between 0 and 2^-1074: even wins; a digit more and it is 2^-1074.
      {"2.47032822920623272e-324", "0"},
      {"2e-324", "0"},
      {"-1e-400", "0"},
      {"1e-999999999999999999999", "0"},
      // Halfway between two doubles, to even; and just beyond it.
      {"9007199254740993e0", "9007199254740992"},
      {"9007199254740995e0", "9007199254740996"},
      {"9007199254740993.00000000000000000000000000000001", "9007199254740994"},
      {"1.00000000000000011102230246251565404236316680908203125", "1"},
      {"1.00000000000000011102230246251565404236316680908203124", "1"},
      {"1.00000000000000011102230246251565404236316680908203126", "1.0000000000000002"},
      {"1.00000000000000033306690738754696212708950042724609375", "1.0000000000000004"},
      {"5e-1", "0.5"},
      {"4.35", "4.35"},
      {"0.000035", "0.000035"},
      {"1.0000000000000000000000000000000000001", "1"},
      {"2.5e15", "2500000000000000"},
      {"1234.5678e4", "12345678"},
  };
  for (const auto& [token, expected] : table) {
    EXPECT_EQ(canonical(token), expected) << token;
    EXPECT_EQ(canonical("[" + token + ",1]"), "[" + expected + ",1]") << token;
  }
}

TEST(JsonText, doubles_are_written_as_ecmascript_writes_them) {
  const std::vector<std::pair<double, std::string>> table{
      {0.0, "0"},
      {-0.0, "0"},
      {1, "1"},
      {-1.5, "-1.5"},
      {0.1 + 0.2, "0.30000000000000004"},
      {std::ldexp(1.0, -1074), "5e-324"},
      {-std::ldexp(1.0, -1074), "-5e-324"},
      {DBL_MIN, "2.2250738585072014e-308"},
      {DBL_MAX, "1.7976931348623157e+308"},
      {DBL_EPSILON, "2.220446049250313e-16"},
      {1e21, "1e+21"},
      {std::nextafter(1e21, 0), "999999999999999900000"},
      {1e-6, "0.000001"},
      {std::nextafter(1e-6, 0), "9.999999999999997e-7"},
      {1e-7, "1e-7"},
      {std::ldexp(1.0, 53), "9007199254740992"},
      {std::ldexp(1.0, 64), "18446744073709552000"},
      {123.456, "123.456"},
      {1e100, "1e+100"},
  };
  for (const auto& [value, expected] : table) EXPECT_EQ(ecmascript_number(value), expected);
}

}  // namespace
}  // namespace outrider::core
