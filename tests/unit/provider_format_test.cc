// provider.schema.json and the code that reads definitions are two descriptions of one format. Held
// together here: what the code accepts, the schema accepts; what is wrong in shape, both refuse.
#include <gmock/gmock.h>

#include <random>

#include "provider_files.h"
#include "tests/source_dir.h"

namespace outrider::test {
namespace {

using rapidjson::Document;
using rapidjson::Value;

std::shared_ptr<const core::PayloadSchema> format_schema() {
  static const auto compiled =
      core::PayloadSchema::compile(read_schemas_file("providers/provider.schema.json"));
  EXPECT_TRUE(compiled.has_value()) << (compiled ? "" : compiled.error().to_string());
  return compiled ? *compiled : nullptr;
}

std::string text_of(const Value& value) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  value.Accept(writer);
  return buffer.GetString();
}

void collect(Value& value, std::vector<Value*>& all) {
  all.push_back(&value);
  if (value.IsArray()) {
    for (Value& element : value.GetArray()) collect(element, all);
  }
  if (value.IsObject()) {
    for (auto& member : value.GetObject()) collect(member.value, all);
  }
}

TEST(ProviderFormat, every_definition_is_valid_under_the_schema) {
  for (const std::string& name : provider_names()) {
    const auto result = format_schema()->validate(read_schemas_file("providers/" + name + ".json"));
    EXPECT_TRUE(result.has_value()) << name << ": " << (result ? "" : result.error().to_string());
  }
}

TEST(ProviderFormat, a_file_is_named_after_its_provider) {
  for (const auto& entry :
       std::filesystem::directory_iterator(source_dir() + "/schemas/providers")) {
    const std::string file = entry.path().filename().string();
    if (!file.ends_with(".json") || file.ends_with(".schema.json")) continue;
    const std::string name = file.substr(0, file.size() - 5);
    EXPECT_THAT(provider_names(), testing::Contains(name));
    EXPECT_EQ(load(name).name, name);
  }
}

TEST(ProviderFormat, the_smallest_definition_of_the_documentation_is_right) {
  const std::string readme = read_schemas_file("providers/README.md");
  const std::size_t begin = readme.find("```json\n");
  ASSERT_NE(begin, std::string::npos);
  const std::string smallest = readme.substr(begin + 8, readme.find("```", begin + 8) - begin - 8);
  EXPECT_THAT(lint(smallest).faults, testing::IsEmpty()) << smallest;
  EXPECT_TRUE(format_schema()->validate(smallest).has_value());
}

// A field or keyword that is not explained is one that nobody finds.
TEST(ProviderFormat, the_documentation_names_every_field) {
  const std::string readme = read_schemas_file("providers/README.md");
  Document schema;
  schema.Parse(read_schemas_file("providers/provider.schema.json").c_str());
  const auto expect_named = [&](const Value& properties) {
    for (const auto& property : properties.GetObject()) {
      EXPECT_THAT(readme, testing::HasSubstr(property.name.GetString()));
    }
  };
  expect_named(schema["properties"]);
  for (const char* section : {"signature", "retry", "deactivate"}) {
    expect_named(schema["properties"][section]["properties"]);
  }
  for (const char* part : {"scheme", "event"}) {
    expect_named(schema["definitions"][part]["properties"]);
  }
}

// What both must refuse: a key nobody knows, a kind of value that is not the field's, a number out
// of range.
TEST(ProviderFormat, the_schema_and_the_code_refuse_the_same_shapes) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"/nmae", "1"},
      {"/name", ""},
      {"/name", "7"},
      {"/name", "\"Not A Name\""},
      {"/format", "2"},
      {"/format", ""},
      {"/signature", ""},
      {"/signature/schemes", "[]"},
      {"/signature/schemes/0/algorithm", ""},
      {"/signature/schemes/0/algorithm", "\"md5\""},
      {"/signature/schemes/0/signed", ""},
      {"/signature/schemes/0/signed", "\"\""},
      {"/signature/schemes/0/key/form", "\"utf8\""},
      {"/signature/schemes/0/key/x", "1"},
      {"/signature/schemes/0/x", "1"},
      {"/signature/headers", "{}"},
      {"/signature/headers", ""},
      {"/signature/join", "\"\""},
      {"/signature/x", "1"},
      {"/body", "\"json\""},
      {"/content_type", "\"json\""},
      {"/content_type", "\"text/ x\""},
      {"/headers", "{\"X\":1}"},
      {"/headers", "{\"X\":\"\"}"},
      {"/success", "[]"},
      {"/success", "[199]"},
      {"/success", "[\"1xx\"]"},
      {"/success", "[true]"},
      {"/timeout_ms", "99"},
      {"/timeout_ms", "60001"},
      {"/timeout_ms", "3000.0"},
      {"/retry", "{\"delays\":[1]}"},
      {"/retry", "{\"delays_s\":[]}"},
      {"/retry", "{\"delays_s\":[0]}"},
      {"/retry", "{\"delays_s\":[2592001]}"},
      {"/retry", "{\"max_attempts\":0}"},
      {"/retry", "{\"jitter\":1.5}"},
      {"/retry", "{\"retry_after\":1}"},
      {"/deactivate", "{\"consecutive\":-1}"},
      {"/deactivate", "{\"window\":{\"failures\":10}}"},
      {"/deactivate", "{\"window\":{\"failures\":10,\"seconds\":0}}"},
      {"/deactivate", "{\"scope\":\"all\"}"},
      {"/deactivate", "{\"pending\":\"drop\"}"},
      {"/deactivate", "{\"new_events\":\"drop\"}"},
      {"/gone", "[200]"},
      {"/endpoints_per_account", "0"},
      {"/no_endpoint", "\"drop\""},
      {"/events", ""},
      {"/events", "{}"},
      {"/events", "{\"a\":1}"},
      {"/events", "{\"a\":{\"schema\":\"\"}}"},
      {"/events", "{\"a\":{\"shema\":\"x\"}}"},
      {"/events", "{\"a\":{\"test\":{}}}"},
      {"/events", "{\"a\":{\"max_attempts\":0}}"},
      {"/sensitive", "{\"/a\":\"secret\"}"},
      {"/expires", "\"\""},
      {"/ordering", "1"},
  };
  const std::string base = read_schemas_file("providers/standard-webhooks.json");
  for (const auto& [pointer, value] : wrong) {
    const std::string definition = changed(base, pointer, value);
    EXPECT_FALSE(format_schema()->validate(definition).has_value()) << pointer << " = " << value;
    EXPECT_FALSE(lint(definition).faults.empty()) << pointer << " = " << value;
  }
}

// The schema cannot say everything (templates, header names, pointers), but must never refuse what
// the code takes.
TEST(ProviderFormat, the_schema_accepts_every_definition_that_the_code_accepts) {
  static const char* const kValues[] = {
      "0",          "1",          "3",        "300",        "-1",          "2.5",
      "true",       "null",       "\"\"",     "\"x\"",      "\"2xx\"",     "\"hex\"",
      "\"{body}\"", "[]",         "{}",       "[1]",        "[300]",       "\"/a\"",
      "\"text\"",   "{\"a\":{}}", "\"hold\"", "\"base64\"", "\"account\"", "\"critical\""};
  static const char* const kKeys[] = {
      "body",       "retry",     "gone",   "success", "headers", "deactivate",
      "join",       "prefix",    "jitter", "window",  "expires", "ordering",
      "timeout_ms", "sensitive", "value",  "schema",  "test",    "max_attempts",
      "x",          "events",    "scope",  "title"};
  std::mt19937 random(1);
  int accepted = 0;
  for (int i = 0; i < 4'000; ++i) {
    Document document;
    const auto& names = provider_names();
    document.Parse(
        read_schemas_file("providers/" + names[random() % names.size()] + ".json").c_str());
    for (std::uint32_t changes = 1 + random() % 2; changes > 0; --changes) {
      std::vector<Value*> all;
      collect(document, all);
      Value& target = *all[random() % all.size()];
      Document replacement(&document.GetAllocator());
      replacement.Parse(kValues[random() % std::size(kValues)]);
      const std::uint32_t what = random() % 4;
      if (what == 0) {
        target = replacement.Move();
      } else if (target.IsObject() && what == 1 && !target.ObjectEmpty()) {
        target.EraseMember(target.MemberBegin() + random() % target.MemberCount());
      } else if (target.IsObject()) {
        const char* key = kKeys[random() % std::size(kKeys)];
        target.RemoveMember(key);
        target.AddMember(Value(key, document.GetAllocator()), replacement.Move(),
                         document.GetAllocator());
      } else if (target.IsArray()) {
        target.PushBack(replacement.Move(), document.GetAllocator());
      }
    }
    const std::string definition = text_of(document);
    if (!lint(definition).faults.empty()) continue;
    ++accepted;
    const auto result = format_schema()->validate(definition);
    ASSERT_TRUE(result.has_value()) << result.error().to_string() << "\n" << definition;
  }
  EXPECT_GT(accepted, 100);
}

}  // namespace
}  // namespace outrider::test
