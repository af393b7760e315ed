// PayloadSchema: what each keyword refuses and with which words, what a schema may not say, and
// that one schema may be used by many threads at once.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "provider_files.h"

namespace outrider::test {
namespace {

using core::PayloadSchema;
using testing::HasSubstr;

std::shared_ptr<const PayloadSchema> compiled(const std::string& schema) {
  auto result = PayloadSchema::compile(schema);
  EXPECT_TRUE(result.has_value()) << schema << ": " << (result ? "" : result.error().to_string());
  return result ? *result : nullptr;
}

struct Check {
  const char* schema;
  const char* payload;
  const char* message = nullptr;  // null: valid
  const char* where = "";
  const char* hint = "";
};

TEST(PayloadSchema, says_which_rule_is_broken_and_where) {
  const char* const bounds = R"({"properties":{"n":{"type":"number","minimum":1,"maximum":9.5}}})";
  const char* const open = R"({"type":"integer","minimum":1,"exclusiveMinimum":true,)"
                           R"("maximum":3,"exclusiveMaximum":true})";
  const char* const list = R"({"type":"array","minItems":1,"maxItems":2,)"
                           R"("items":{"type":"object","required":["b","a"]}})";
  const char* const closed = R"({"properties":{"a":{}},"additionalProperties":false})";
  const char* const rest = R"({"properties":{"a":{}},"additionalProperties":{"type":"string"}})";
  const char* const words = R"({"type":"string","minLength":2,"maxLength":3})";
  const char* const count = R"({"type":"object","minProperties":1,"maxProperties":2})";
  const char* const any = R"({"anyOf":[{"type":"string"},{"type":"integer"}]})";
  const char* const one = R"({"oneOf":[{"type":"number"},{"type":"integer"}]})";
  const char* const all = R"({"allOf":[{"required":["a"]},{"required":["b"]}]})";
  const Check checks[] = {
      {"{}", "null"},
      {"{}", R"({"a":[1,{"b":2}]})"},
      {R"({"type":"boolean"})", "1", "must be boolean"},
      {R"({"type":["string","null"]})", "false", "must be string or null"},
      {R"({"type":"integer"})", "5"},
      {R"({"type":"integer"})", "-9223372036854775808"},
      {R"({"type":"integer"})", "18446744073709551615"},
      {R"({"type":"integer"})", "1.5", "must be integer"},
      {R"({"type":"number"})", "5"},
      {R"({"type":"number"})", "1e999"},
      {R"({"type":"number","maximum":10})", "1e999", "must be at most 10"},
      {R"({"type":"number","minimum":-10})", "-1e999", "must be at least -10"},
      {R"({"type":"number","minimum":0})", "1e-999"},
      {R"({"type":"number"})", "\"5\"", "must be number"},
      {R"({"type":"string"})", "null", "must be string"},
      {R"({"type":"string","description":"a name"})", "1", "must be string", "",
       "expected: a name"},
      {R"({"type":"string","enum":["a","b c"]})", "\"c\"", "not one of the allowed values", "",
       "allowed: a, b c"},
      {R"({"type":["integer","null"],"enum":[1,-2,null]})", "-2"},
      {R"({"type":["integer","null"],"enum":[1,-2,null]})", "2", "not one of the allowed values",
       "", "allowed: 1, -2, null"},
      {R"({"type":"string","pattern":"^[a-z]{2}$"})", "\"ab\""},
      {R"({"type":"string","pattern":"^[a-z]{2}$"})", "\"abc\"", "does not have the required form",
       "", "pattern: ^[a-z]{2}$"},
      {R"({"type":"string","pattern":"^[a-z]{2}$","description":"a code"})", "\"a\"",
       "does not have the required form", "", "expected: a code"},
      {R"({"type":"string","pattern":"^[a-z]*$"})", R"("a\u0000")",
       "does not have the required form"},
      {R"({"type":"string","pattern":"^[^a-z]*$"})", R"("\u0000")"},
      {bounds, R"({"n":1})"},
      {bounds, R"({"n":9.5})"},
      {bounds, R"({"n":0.999})", "must be at least 1", "/n"},
      {bounds, R"({"n":10})", "must be at most 9.5", "/n"},
      {open, "2"},
      {open, "1", "must be over 1"},
      {open, "3", "must be under 3"},
      {R"({"type":"integer","multipleOf":5})", "-15"},
      {R"({"type":"integer","multipleOf":5})", "7", "must be a multiple of 5"},
      {list, R"([{"a":1,"b":1}])"},
      {list, "[]", "must have at least 1 elements"},
      {list, R"([{"a":1,"b":1},{"a":1,"b":1},{"a":1,"b":1}])", "must have at most 2 elements"},
      {list, R"([{"a":1,"b":1},{"a":1}])", "required property b is missing", "/1/b"},
      {list, R"([{"b":1}])", "required property a is missing", "/0/a"},
      {closed, R"({"a":1})"},
      {closed, R"({"a":1,"x/y~z":2})", "this property is not allowed here", "/x~1y~0z"},
      {rest, R"({"a":1,"b":"x"})"},
      {rest, R"({"a":1,"b":1})", "must be string", "/b"},
      {words, R"("é€")"},
      {words, "\"a\"", "must have at least 2 characters"},
      {words, "\"abcd\"", "must have at most 3 characters"},
      {count, "{}", "must have at least 1 properties"},
      {count, R"({"a":1,"b":1,"c":1})", "must have at most 2 properties"},
      {any, "1"},
      {any, "true", "has none of the allowed forms (anyOf)"},
      {one, "1.5"},
      {one, "1", "must have exactly one of the allowed forms (oneOf)"},
      {all, R"({"a":1,"b":1})"},
      {all, R"({"a":1})", "does not meet all of the rules it must meet (allOf)"},
      {R"({"not":{"type":"null"}})", "null", "has a form that is not allowed (not)"},
      {R"({"properties":{"a\nb":{"type":"null"}}})", R"({"a\nb":1})", "must be null", "/a\\nb"},
      {R"({"properties":{"$ref":{"type":"null"},"type":{"type":"string"},"enum":{"type":"string"},)"
       R"("required":{"type":"string"},"items":{"type":"string"},"not":{"type":"string"}}})",
       R"({"type":"x","enum":"x","required":"x","items":"x","not":"x","$ref":1})", "must be null",
       "/$ref"},
      {R"({"properties":{"a":{"$ref":"#/definitions/b"}},)"
       R"("definitions":{"b":{"$ref":"#/definitions/c"},"c":{"type":"null"}}})",
       R"({"a":1})", "must be null", "/a"},
  };
  for (const Check& check : checks) {
    SCOPED_TRACE(std::string(check.schema) + " " + check.payload);
    const auto schema = compiled(check.schema);
    ASSERT_TRUE(schema);
    const auto result = schema->validate(check.payload);
    ASSERT_EQ(result.has_value(), check.message == nullptr)
        << (result ? "valid" : result.error().to_string());
    if (check.message == nullptr) continue;
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidPayload);
    EXPECT_EQ(result.error().message, check.message);
    EXPECT_EQ(result.error().where, check.where);
    if (*check.hint != '\0') {
      EXPECT_EQ(result.error().hint, check.hint);
    }
  }
}

struct Refusal {
  const char* schema;
  const char* where;
  const char* message;
  const char* hint = "";
};

TEST(PayloadSchema, refuses_what_its_validator_would_not_check) {
  const Refusal refusals[] = {
      {"[]", "#", "must be an object"},
      {"true", "#", "must be an object"},
      {"{", "#", "not readable as JSON"},
      {R"({"const":1})", "#/const", "unsupported schema keyword", "enum with one value"},
      {R"({"format":"date"})", "#/format", "unsupported schema keyword", "pattern"},
      {R"({"if":{}})", "#/if", "unsupported schema keyword", "one of:"},
      {R"({"contains":{}})", "#/contains", "unsupported schema keyword"},
      {R"({"$defs":{}})", "#/$defs", "unsupported schema keyword", "definitions"},
      {R"({"id":"x"})", "#/id", "unsupported schema keyword"},
      {R"({"patternProperties":{}})", "#/patternProperties", "unsupported schema keyword"},
      {R"({"uniqueItems":true})", "#/uniqueItems", "unsupported schema keyword"},
      {R"({"default":1})", "#/default", "unsupported schema keyword"},
      {R"({"dependencies":{}})", "#/dependencies", "unsupported schema keyword"},
      {R"({"additionalItems":false})", "#/additionalItems", "unsupported schema keyword"},
      {R"({"requierd":["a"]})", "#/requierd", "unsupported schema keyword",
       "did you mean \"required\"?"},
      {R"({"properties":{"a":{"properties":{"b":{"Type":"string"}}}}})",
       "#/properties/a/properties/b/Type", "unsupported", "\"type\""},
      {R"({"properties":{"a":{"definitions":{}}}})", "#/properties/a/definitions", "unsupported"},
      {R"({"$schema":"http://json-schema.org/draft-07/schema#"})", "#/$schema", "not draft 4's"},
      {R"({"type":"text"})", "#/type", "is not a type", "one of: array"},
      {R"({"type":[]})", "#/type", "at least one type"},
      {R"({"type":["string",1]})", "#/type/1", "must be a type's name"},
      {R"({"type":7})", "#/type", "must be a type's name, not a number"},
      {R"({"type":"string","enum":[]})", "#/enum", "at least one value"},
      {R"({"type":"string","enum":"a"})", "#/enum", "must be an array"},
      {R"({"type":"object","enum":[{"a":1}]})", "#/enum/0", "must be a string"},
      {R"({"type":"string","enum":["a\u0001"]})", "#/enum/0", "without control characters"},
      {R"({"enum":["a"]})", "#/enum", "needs a type beside it"},
      {R"({"type":["string","number"],"enum":["a"]})", "#/enum", "needs a type beside it"},
      {R"({"type":"integer","enum":[1.5]})", "#/enum/0", "whole number"},
      {R"({"properties":[]})", "#/properties", "must be an object"},
      {R"({"properties":{"a":true}})", "#/properties/a", "must be a schema"},
      {R"({"required":"a"})", "#/required", "must be an array"},
      {R"({"required":[]})", "#/required", "at least one property"},
      {R"({"required":["a",1]})", "#/required/1", "must be a property's name"},
      {R"({"required":["a","a"]})", "#/required/1", "here twice"},
      {R"({"additionalProperties":"no"})", "#/additionalProperties", "must be a schema"},
      {R"({"items":[{}]})", "#/items", "must be a schema"},
      {R"({"minItems":-1})", "#/minItems", "out of range"},
      {R"({"minItems":1.0})", "#/minItems", "without fraction"},
      {R"({"maxLength":"7"})", "#/maxLength", "must be a whole number"},
      {R"({"minimum":"1"})", "#/minimum", "must be a number"},
      {R"({"minimum":1,"exclusiveMinimum":1})", "#/exclusiveMinimum", "must be true or false"},
      {R"({"exclusiveMaximum":true})", "#/exclusiveMaximum", "means nothing without maximum"},
      {R"({"multipleOf":0.01})", "#/multipleOf", "must be a whole number", "0.01"},
      {R"({"multipleOf":0})", "#/multipleOf", "out of range"},
      {R"({"allOf":{}})", "#/allOf", "must be an array"},
      {R"({"anyOf":[]})", "#/anyOf", "at least one schema"},
      {R"({"oneOf":[{},1]})", "#/oneOf/1", "must be a schema"},
      {R"({"not":[]})", "#/not", "must be a schema"},
      {R"({"title":1})", "#/title", "must be a string"},
      {R"({"pattern":1})", "#/pattern", "must be a string"},
      {R"({"pattern":"^\\d+$"})", "#/pattern", "escape that is not supported", "[0-9]"},
      {R"({"$ref":1})", "#/$ref", "must be a string"},
      {R"({"$ref":"#"})", "#/$ref", "not a reference into this schema's definitions"},
      {R"({"items":{"$ref":"other.json#/definitions/a"}})", "#/items/$ref", "not a reference"},
      {R"({"items":{"$ref":"#/definitions/a%20b"}})", "#/items/$ref", "not a reference"},
      {R"({"items":{"$ref":"#/properties/a"},"properties":{"a":{}}})", "#/items/$ref",
       "not a reference"},
      {R"({"items":{"$ref":"#/definitions/b"},"definitions":{"a":{}}})", "#/items/$ref",
       "no definition has this name"},
      {R"({"$ref":"#/definitions/a","definitions":{"a":{}}})", "#/definitions",
       "ignored beside $ref"},
      {R"({"items":{"$ref":"#/definitions/a","type":"string"},"definitions":{"a":{}}})",
       "#/items/type", "ignored beside $ref"},
      {R"({"definitions":{"a":{"$ref":"#/definitions/a"}}})", "#/definitions/a/$ref", "cycle"},
      {R"({"definitions":{"a":{"items":{"$ref":"#/definitions/b"}},)"
       R"("b":{"not":{"$ref":"#/definitions/a"}}}})",
       "#/definitions/b/not/$ref", "cycle"},
      {R"({"type":"string","type":"null"})", "#/type", "twice"},
  };
  for (const Refusal& refusal : refusals) {
    SCOPED_TRACE(refusal.schema);
    const auto result = PayloadSchema::compile(refusal.schema);
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, ErrorCode::kCorrupt);
    EXPECT_EQ(result.error().where, refusal.where);
    EXPECT_THAT(result.error().message, HasSubstr(refusal.message));
    EXPECT_THAT(result.error().hint, HasSubstr(refusal.hint));
  }
}

TEST(PayloadSchema, refuses_nesting_that_would_exhaust_a_stack) {
  std::string schema = "{}";
  for (int i = 0; i < 10'000; ++i) schema = R"({"not":)" + schema + "}";
  const auto result = PayloadSchema::compile(schema);
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().message, HasSubstr("nested too deeply"));

  std::string payload(200'000, '[');
  const auto deep = compiled("{}")->validate(payload + std::string(200'000, ']'));
  ASSERT_FALSE(deep.has_value());
  EXPECT_THAT(deep.error().message, HasSubstr("nested"));
}

// RapidJSON's compiled patterns carry their matching state: two threads in one would see each
// other's.
TEST(PayloadSchema, may_be_used_by_many_threads_at_once) {
  const auto schema =
      compiled(R"({"type":"array","items":{"type":"string","pattern":"^(a|b)+c{1,40}$"}})");
  ASSERT_TRUE(schema);
  const std::string right = R"(["ababababc","bbbbbbbbcccccccc","acccccccccccc","bc"])";
  const std::string wrong = R"(["ababababc","bbbbbbbbcccccccc","acccccccccccc","bd"])";
  std::atomic<int> mistakes = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 2000; ++i) {
          const bool expect_valid = (i + t) % 2 == 0;
          const auto result = schema->validate(expect_valid ? right : wrong);
          if (result.has_value() != expect_valid) ++mistakes;
          if (!result && result.error().where != "/3") ++mistakes;
        }
      });
    }
  }
  EXPECT_EQ(mistakes, 0);
}

}  // namespace
}  // namespace outrider::test
