// The fuzzer's properties, held against a corpus: texts that once looked dangerous, and dice.
#include <gtest/gtest.h>

#include <string>

#include "tests/conformance/json_text_corpus.h"
#include "tests/fuzz/json_text_properties.h"

namespace outrider::core {
namespace {

using std::string_literals::operator""s;

TEST(JsonTextProperties, hold_for_texts_that_look_dangerous) {
  for (const std::string& text : {
           ""s,
           "1e20"s,
           "[9007199254740994.0,1e20,1e21]"s,
           "{}\0{}"s,
           "\"\\u0000\0\""s,
           R"({"a":"\ud83d\ude00","b":[1,2,{"c":null}]})"s,
           R"({"":{"":{"":""}}})"s,
           "[\"\xC2\x80\xE2\x80\xAE\x7F\xE2\x81\xA6\"]"s,
           "\"\\\\\\\"\""s,
           R"({"a\\":1,"\\":"\\"})"s,
           "[\"\\\\\",1e400]"s,
           "\"\\"s,
           "\"\\\\"s,
           "\"\xF4\x8F\xBF\xBF\xEE\x80\x80\""s,
           std::string(70, '[') + std::string(70, ']'),
           "{\"" + std::string(2000, '/') + "\":x}",
           "-"s,
           "[1.,2]"s,
           "0e99999999999999999999999"s,
           std::string(400, '9'),
           "\xEF\xBB\xBF"s,
           "\xEF"s,
       }) {
    EXPECT_EQ(broken_json_property(text), "") << text;
  }
}

TEST(JsonTextProperties, hold_for_dice) {
  Dice dice(1);
  for (int i = 0; i < 2'000; ++i) {
    const std::string document = dice_document(dice);
    ASSERT_EQ(broken_json_property(document), "") << document;
    const std::string damaged = dice_damage(dice, document);
    ASSERT_EQ(broken_json_property(damaged), "") << damaged;
    const std::string number = dice_number(dice);
    ASSERT_EQ(broken_json_property(number), "") << number;
  }
}

}  // namespace
}  // namespace outrider::core
