// The language of patterns: what is outside it, and that inside it RapidJSON's engine and
// std::regex never disagree.
#include <gmock/gmock.h>

#include <random>
#include <regex>

#include "core/provider.h"
#include "core/provider_pattern.h"

namespace outrider::core {
namespace {

using testing::HasSubstr;

std::string json_string(std::string_view text) { return ecmascript_string(text); }

std::shared_ptr<const PayloadSchema> schema_of(const std::string& pattern) {
  auto schema =
      PayloadSchema::compile(R"({"type":"string","pattern":)" + json_string(pattern) + "}");
  EXPECT_TRUE(schema.has_value()) << pattern << ": " << (schema ? "" : schema.error().to_string());
  return schema ? *schema : nullptr;
}

TEST(ProviderPattern, accepts_its_language) {
  for (const char* pattern : {"^a$",          "^[a-z]+$",
                              "^[^\\n]*$",    "^(a|b)$",
                              "^(ab|cd)+e?$", "^a{3}$",
                              "^a{0,3}$",     "^a{2,}$",
                              "^a{2,5}b$",    "^\\$\\^\\.\\\\$",
                              "^[-a]$",       "^[a-]$",
                              "^[+-]$",       "^[\\]\\[^.$]$",
                              "^[\\n-\\r]$",  "^((a|b)(c|d))*$",
                              "^(a?b?)c$",    "^(\\.[0-9]{1,9})?$",
                              "^a\\$$",       "^a\\\\$",
                              "^/-,:@$"}) {
    const auto fault = pattern_fault(pattern);
    EXPECT_FALSE(fault.has_value()) << pattern << " " << (fault ? fault->message : "");
  }
}

TEST(ProviderPattern, refuses_what_engines_read_differently) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "begin with ^"},
      {"^", "begin with ^"},
      {"a", "begin with ^"},
      {"^a", "end with $"},
      {"a$", "begin with ^"},
      {"^a\\$", "end with $"},
      {"^$", "empty part"},
      {"^\\d$", "escape"},
      {"^\\w$", "escape"},
      {"^\\/$", "escape"},
      {"^[\\-a]$", "escape"},
      {"^[\\b]$", "escape"},
      {"^\\u0041$", "escape"},
      {"^(?:a)$", "(?"},
      {"^(?=a)$", "(?"},
      {"^a**$", "two quantifiers"},
      {"^a+?$", "two quantifiers"},
      {"^a{2}{3}$", "two quantifiers"},
      {"^(a*)*$", "can be empty"},
      {"^(a?)+$", "can be empty"},
      {"^(a*b?){2,}$", "can be empty"},
      {"^(a{0,2})?$", "can be empty"},
      {"^a{0}$", "zero times"},
      {"^a{0,0}$", "zero times"},
      {"^a{3,2}$", "more to less"},
      {"^a{1,300}$", "repetition up to 256"},
      {"^a{99999999999}$", "repetition up to 256"},
      {"^a{,3}$", "repetition up to 256"},
      {"^a{x}$", "repetition up to 256"},
      {"^a{1$", "repetition up to 256"},
      {"^*a$", "nothing before it"},
      {"^{2}$", "nothing before it"},
      {"^(+)$", "nothing before it"},
      {"^a|b$", "outside a group"},
      {"^(a|)$", "empty part"},
      {"^(|a)$", "empty part"},
      {"^()$", "empty part"},
      {"^(a?|b)$", "alternative that can be empty"},
      {"^(a$", "( without its )"},
      {"^a)$", ") without its ("},
      {"^a^b$", "anchor inside"},
      {"^(a$)$", "anchor inside"},
      {"^a.b$", "line breaks"},
      {"^a]$", "unescaped"},
      {"^a}$", "unescaped"},
      {"^[]$", "empty class"},
      {"^[^]$", "empty class"},
      {"^[a$", "[ without its ]"},
      {"^[z-a]$", "high to low"},
      {"^[a-c-e]$", "middle of a class"},
      {"^[[]$", "unescaped ["},
      {"^caf\xc3\xa9$", "printable ASCII"},
      {"^a\nb$", "printable ASCII"},
      {"^((((((((((((((((((a))))))))))))))))))$", "too deeply"},
      {"^((a{100}){100}){100}$", "too large"},
      {"^(a{200}b{200}){20}$", "too large"},
  };
  for (const auto& [pattern, message] : cases) {
    const auto fault = pattern_fault(pattern);
    ASSERT_TRUE(fault.has_value()) << pattern;
    EXPECT_THAT(fault->message, HasSubstr(message)) << pattern;
    EXPECT_FALSE(fault->hint.empty()) << pattern;
  }
  EXPECT_TRUE(pattern_fault("^" + std::string(600, 'a') + "$"));
}

std::string random_text(std::mt19937& random, std::string_view alphabet, std::size_t max) {
  std::string text;
  for (std::size_t n = random() % (max + 1); n > 0; --n)
    text += alphabet[random() % alphabet.size()];
  return text;
}

void expect_agreement(const std::string& pattern, std::mt19937& random) {
  const auto schema = schema_of(pattern);
  ASSERT_TRUE(schema);
  const std::regex reference(pattern, std::regex::ECMAScript);
  for (int i = 0; i < 40; ++i) {
    const std::string text = random_text(random, "aabbc-^$.", 8);
    EXPECT_EQ(schema->validate(json_string(text)).has_value(), std::regex_search(text, reference))
        << pattern << " on " << text;
  }
}

// A random pattern inside the language, by construction.
std::string random_pattern(std::mt19937& random, int depth) {
  static const std::vector<std::string> kAtoms = {"a",    "b",    "c",      "\\$",   "\\.",
                                                  "[ab]", "[^a]", "[a-c-]", "[.$^]", "-"};
  static const std::vector<std::string> kQuantifiers = {"",  "",    "",      "?",     "*",
                                                        "+", "{2}", "{1,3}", "{0,2}", "{2,}"};
  std::string sequence;
  for (std::uint32_t n = 1 + random() % 3; n > 0; --n) {
    if (depth > 0 && random() % 3 == 0) {
      sequence +=
          "(" + random_pattern(random, depth - 1) + "|" + random_pattern(random, depth - 1) + ")";
    } else {
      sequence += kAtoms[random() % kAtoms.size()];
    }
    sequence += kQuantifiers[random() % kQuantifiers.size()];
  }
  return sequence;
}

TEST(ProviderPattern, agrees_with_another_engine_on_random_patterns) {
  std::mt19937 random(20240701);
  int inside = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string pattern = "^" + random_pattern(random, 2) + "$";
    if (pattern_fault(pattern)) continue;  // an alternative that can be empty, most of all
    ++inside;
    expect_agreement(pattern, random);
    if (HasFailure()) return;
  }
  EXPECT_GT(inside, 1000);
}

TEST(ProviderPattern, agrees_with_another_engine_on_random_characters) {
  std::mt19937 random(7);
  int inside = 0;
  for (int i = 0; i < 200'000; ++i) {
    const std::string pattern = "^" + random_text(random, "aab-[]^(){}|?*+,12\\.$n", 9) + "$";
    if (pattern_fault(pattern)) continue;
    ++inside;
    expect_agreement(pattern, random);
    if (HasFailure()) return;
  }
  EXPECT_GT(inside, 500);
}

}  // namespace
}  // namespace outrider::core
