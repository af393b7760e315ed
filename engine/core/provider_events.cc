// The "events", "sensitive", "expires" and "ordering" parts of a definition, and the schemas it
// refers to.
#include <array>
#include <filesystem>

#include "core/provider_schema_lint.h"
#include "core/provider_sections.h"

namespace outrider::core {
namespace {

using rapidjson::Value;

constexpr std::array<Choice<SensitiveClass>, 3> kClasses = {{
    {"critical", SensitiveClass::kCritical},
    {"identity", SensitiveClass::kIdentity},
    {"financial", SensitiveClass::kFinancial},
}};
constexpr std::size_t kMaxEvents = 1000;

// Schemas read so far, by path: event types may share one.
using Schemas = std::map<std::string, std::shared_ptr<const PayloadSchema>, std::less<>>;

// The schema file's name as people know it: beside the definition's.
std::string schema_file(std::string_view definition, std::string_view path) {
  return (std::filesystem::path(definition).parent_path() / path).lexically_normal().string();
}

std::shared_ptr<const PayloadSchema> load_schema(const ObjectReader& event, std::string_view path,
                                                 std::string_view file,
                                                 const SchemaReader& read_schema,
                                                 Schemas& schemas) {
  if (const auto known = schemas.find(path); known != schemas.end()) return known->second;
  auto& slot = schemas[std::string(path)];
  const auto text = read_schema(path);
  if (!text) {
    event.fault("schema", text.error().message, text.error().hint);
    return nullptr;
  }
  FaultList schema_faults(schema_file(file, path));
  rapidjson::Document document;
  if (parse_definition(*text, document, schema_faults)) lint_schema(document, schema_faults);
  if (schema_faults.empty()) {
    auto compiled = PayloadSchema::compile(*text);
    if (compiled) return slot = std::move(*compiled);
    schema_faults.add("", compiled.error().message, compiled.error().hint);
  }
  for (Error& fault : schema_faults.take()) event.faults().add(std::move(fault));
  return nullptr;
}

// The bytes of one value of the file, as JSON text.
std::string json_text(const Value& value);

void append_members(const Value& value, std::string& out) {
  const char* separator = "";
  if (value.IsArray()) {
    for (const Value& element : value.GetArray()) {
      out += separator + json_text(element);
      separator = ",";
    }
    return;
  }
  for (const auto& member : value.GetObject()) {
    out += separator + ecmascript_string(as_view(member.name)) + ":" + json_text(member.value);
    separator = ",";
  }
}

std::string json_text(const Value& value) {
  std::string out;
  switch (value.GetType()) {
    case rapidjson::kNullType:
      return "null";
    case rapidjson::kFalseType:
      return "false";
    case rapidjson::kTrueType:
      return "true";
    case rapidjson::kStringType:
      return ecmascript_string(as_view(value));
    case rapidjson::kNumberType:
      if (value.IsInt64()) return std::to_string(value.GetInt64());
      if (value.IsUint64()) return std::to_string(value.GetUint64());
      return ecmascript_number(value.GetDouble());
    case rapidjson::kArrayType:
      out = "[";
      append_members(value, out);
      return out + "]";
    case rapidjson::kObjectType:
      out = "{";
      append_members(value, out);
      return out + "}";
  }
  return out;
}

EventType read_event(const Value& value, std::string_view name, const std::string& pointer,
                     std::string_view file, const SchemaReader& read_schema, Schemas& schemas,
                     FaultList& faults) {
  const ObjectReader reader(value, pointer, faults,
                            {"schema", "description", "test", "max_attempts"});
  EventType event;
  event.name = name;
  (void)reader.text("description");
  if (const auto path = reader.text("schema", 255)) {
    event.schema = load_schema(reader, *path, file, read_schema, schemas);
  }
  if (const auto attempts = reader.integer("max_attempts", 1, 1000)) {
    event.max_attempts = static_cast<std::uint32_t>(*attempts);
  }
  if (const Value* test = reader.object("test")) {
    const ObjectReader test_reader(*test, reader.at("test"), faults, {"payload"});
    event.is_test = true;
    test_reader.require("payload", "what a test of an endpoint sends");
    if (const Value* payload = test_reader.find("payload"))
      event.test_payload = json_text(*payload);
    if (name == "*") reader.fault("test", "needs an event type of its own", "name it");
    if (event.max_attempts > 1) {
      reader.fault("max_attempts", "a test event is tried once", "drop it");
    }
    event.max_attempts = 1;
  }
  return event;
}

void read_pointer(const ObjectReader& root, std::string_view key, std::string& pointer) {
  const auto text = root.text(key, 512);
  if (!text) return;
  if (text->empty() || !is_json_pointer(*text)) {
    root.fault(key, "is not a JSON pointer to a value of the payload", "such as /data/id");
    return;
  }
  pointer = *text;
}

void read_sensitive(const ObjectReader& root, Provider& provider) {
  const Value* value = root.object("sensitive");
  if (value == nullptr) return;
  const ObjectReader reader(*value, root.at("sensitive"), root.faults());
  for (const auto& member : value->GetObject()) {
    const std::string_view pointer = as_view(member.name);
    if (!is_json_pointer(pointer)) {
      reader.fault(pointer, "is not a JSON pointer", "such as /applicant/name, or /people/*/name");
    }
    if (const auto kind = reader.choice<SensitiveClass>(pointer, kClasses)) {
      provider.sensitive.push_back({std::string(pointer), *kind});
    }
  }
}

}  // namespace

void read_events(const ObjectReader& root, std::string_view file, const SchemaReader& read_schema,
                 Provider& provider) {
  root.require("events", "at least one event type; \"*\" stands for all");
  if (const Value* events = root.object("events")) {
    if (events->ObjectEmpty() || events->MemberCount() > kMaxEvents) {
      root.fault("events", "must have 1 to 1000 event types", "\"*\": {} stands for all");
    }
    Schemas schemas;
    for (const auto& member : events->GetObject()) {
      const std::string_view name = as_view(member.name);
      const std::string pointer = child_pointer(root.at("events"), name);
      if (!event_type_fits(provider, name)) {
        root.faults().add(pointer, "this event type cannot be sent",
                          "1 to 255 printable characters; ASCII without blanks where a header "
                          "carries it");
      }
      if (!member.value.IsObject()) {
        root.faults().add(pointer, "must be an object, not " + std::string(kind_of(member.value)));
        continue;
      }
      provider.events.insert_or_assign(
          std::string(name),
          read_event(member.value, name, pointer, file, read_schema, schemas, root.faults()));
    }
  }
  read_sensitive(root, provider);
  read_pointer(root, "expires", provider.expires_pointer);
  read_pointer(root, "ordering", provider.ordering_pointer);
}

}  // namespace outrider::core
