// One table of keywords, one check per kind of value, and a walk over the definitions for cycles.
#include "core/provider_schema_lint.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/provider_pattern.h"

namespace outrider::core {
namespace {

using rapidjson::SizeType;
using rapidjson::Value;

constexpr std::string_view kDraft4 = "http://json-schema.org/draft-04/schema#";
constexpr std::string_view kDefinitions = "#/definitions/";
constexpr std::array<std::string_view, 7> kTypes = {"array",  "boolean", "integer", "null",
                                                    "number", "object",  "string"};

class SchemaLint {
 public:
  explicit SchemaLint(FaultList& faults) : faults_(faults) {}
  void schema(const Value& value, const std::string& pointer);
  void definitions(const Value& root);

 private:
  using Check = void (SchemaLint::*)(const Value& keyword, const std::string& pointer);
  struct Keyword {
    std::string_view name;
    Check check;
  };
  static std::span<const Keyword> keywords();

  void text(const Value& value, const std::string& pointer);
  void type(const Value& value, const std::string& pointer);
  void enumeration(const Value& value, const std::string& pointer);
  void schema_map(const Value& value, const std::string& pointer);
  void schema_list(const Value& value, const std::string& pointer);
  void names(const Value& value, const std::string& pointer);
  void schema_or_boolean(const Value& value, const std::string& pointer);
  void size(const Value& value, const std::string& pointer);
  void bound(const Value& value, const std::string& pointer);
  void flag(const Value& value, const std::string& pointer);
  void pattern(const Value& value, const std::string& pointer);
  void multiple(const Value& value, const std::string& pointer);
  void unsupported(std::string_view name, const std::string& pointer);
  void reference(const Value& holder, const Value& target, const std::string& pointer);
  void combinations(const Value& schema, const std::string& pointer);
  // Must be what `pointer` says it is, or a fault.
  bool expect(bool right, const Value& value, const std::string& pointer, const char* what);

  FaultList& faults_;
  bool at_root_ = true;
};

std::span<const SchemaLint::Keyword> SchemaLint::keywords() {
  static constexpr std::array<Keyword, 24> kKeywords = {{
      {"additionalProperties", &SchemaLint::schema_or_boolean},
      {"allOf", &SchemaLint::schema_list},
      {"anyOf", &SchemaLint::schema_list},
      {"description", &SchemaLint::text},
      {"enum", &SchemaLint::enumeration},
      {"exclusiveMaximum", &SchemaLint::flag},
      {"exclusiveMinimum", &SchemaLint::flag},
      {"items", &SchemaLint::schema},
      {"maxItems", &SchemaLint::size},
      {"maxLength", &SchemaLint::size},
      {"maxProperties", &SchemaLint::size},
      {"maximum", &SchemaLint::bound},
      {"minItems", &SchemaLint::size},
      {"minLength", &SchemaLint::size},
      {"minProperties", &SchemaLint::size},
      {"minimum", &SchemaLint::bound},
      {"multipleOf", &SchemaLint::multiple},
      {"not", &SchemaLint::schema},
      {"oneOf", &SchemaLint::schema_list},
      {"pattern", &SchemaLint::pattern},
      {"properties", &SchemaLint::schema_map},
      {"required", &SchemaLint::names},
      {"title", &SchemaLint::text},
      {"type", &SchemaLint::type},
  }};
  return kKeywords;
}

bool SchemaLint::expect(bool right, const Value& value, const std::string& pointer,
                        const char* what) {
  if (right) return true;
  faults_.add(pointer, std::string("must be ") + what + ", not " + std::string(kind_of(value)));
  return false;
}

void SchemaLint::unsupported(std::string_view name, const std::string& pointer) {
  static const std::map<std::string_view, std::string_view> kInstead = {
      {"const", "write an enum with one value"},
      {"format", "write a pattern"},
      {"$defs", "write definitions"},
      {"patternProperties", "write additionalProperties with a schema"},
      {"uniqueItems", "leave it to the receiver"},
      {"default", "the payload is sent as it is; nothing is filled in"},
      {"examples", "keep examples beside the schema"},
  };
  const auto instead = kInstead.find(name);
  if (instead != kInstead.end()) {
    faults_.add(pointer, "unsupported schema keyword", std::string(instead->second));
    return;
  }
  std::vector<std::string_view> known;
  for (const Keyword& keyword : keywords()) known.push_back(keyword.name);
  faults_.add(pointer, "unsupported schema keyword", suggestion(name, known));
}

void SchemaLint::schema(const Value& value, const std::string& pointer) {
  if (!expect(value.IsObject(), value, pointer, "a schema (an object)")) return;
  const bool root = std::exchange(at_root_, false);
  if (const auto ref = value.FindMember("$ref"); ref != value.MemberEnd()) {
    reference(value, ref->value, pointer);
    return;
  }
  for (const auto& member : value.GetObject()) {
    const std::string_view name = as_view(member.name);
    const std::string here = child_pointer(pointer, name);
    if (root && name == "$schema") {
      if (!member.value.IsString() || as_view(member.value) != kDraft4) {
        faults_.add(here, "is not draft 4's", "write \"" + std::string(kDraft4) + "\" or drop it");
      }
      continue;
    }
    if (root && name == "definitions") {
      schema_map(member.value, here);
      continue;
    }
    const auto known = std::find_if(keywords().begin(), keywords().end(),
                                    [&](const Keyword& keyword) { return keyword.name == name; });
    if (known == keywords().end()) {
      unsupported(name, here);
    } else {
      (this->*known->check)(member.value, here);
    }
  }
  combinations(value, pointer);
}

// Keywords that mean nothing, or something RapidJSON does not, without another one.
void SchemaLint::combinations(const Value& schema, const std::string& pointer) {
  static constexpr std::array<std::array<std::string_view, 2>, 2> kNeeds = {
      {{"exclusiveMinimum", "minimum"}, {"exclusiveMaximum", "maximum"}}};
  const auto has = [&](std::string_view name) {
    return schema.HasMember(
        Value(rapidjson::StringRef(name.data(), static_cast<SizeType>(name.size()))));
  };
  for (const auto& [name, needed] : kNeeds) {
    if (has(name) && !has(needed)) {
      faults_.add(child_pointer(pointer, name), "means nothing without " + std::string(needed));
    }
  }
  if (!has("enum")) return;
  const auto type = schema.FindMember("type");
  const auto is_number = [](const Value& name) {
    return name.IsString() && as_view(name) == "number";
  };
  const bool bounded =
      type != schema.MemberEnd() && !is_number(type->value) &&
      !(type->value.IsArray() && std::any_of(type->value.Begin(), type->value.End(), is_number));
  if (!bounded) {
    faults_.add(child_pointer(pointer, "enum"), "needs a type beside it, and not number",
                "write \"type\": \"string\" (or \"integer\", or [\"string\", \"null\"])");
  }
}

void SchemaLint::reference(const Value& holder, const Value& target, const std::string& pointer) {
  const std::string here = child_pointer(pointer, "$ref");
  if (!expect(target.IsString(), target, here, "a string")) return;
  const std::string_view name = as_view(target);
  const bool local = name.starts_with(kDefinitions) && name.size() > kDefinitions.size() &&
                     std::all_of(name.begin() + kDefinitions.size(), name.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '_' || c == '-';
                     });
  if (!local) {
    faults_.add(here, "is not a reference into this schema's definitions",
                "write #/definitions/NAME, NAME of letters, digits, _ and -");
  }
  for (const auto& member : holder.GetObject()) {
    const std::string_view beside = as_view(member.name);
    if (beside == "$ref" || beside == "title" || beside == "description") continue;
    faults_.add(child_pointer(pointer, beside), "is ignored beside $ref",
                "put it into the definition, or drop it");
  }
}

void SchemaLint::text(const Value& value, const std::string& pointer) {
  expect(value.IsString(), value, pointer, "a string");
}

void SchemaLint::flag(const Value& value, const std::string& pointer) {
  expect(value.IsBool(), value, pointer, "true or false");
}

void SchemaLint::bound(const Value& value, const std::string& pointer) {
  expect(value.IsNumber(), value, pointer, "a number");
}

void SchemaLint::size(const Value& value, const std::string& pointer) {
  (void)read_integer(value, pointer, 0, 1'000'000'000, faults_);
}

void SchemaLint::multiple(const Value& value, const std::string& pointer) {
  if (value.IsDouble()) {
    faults_.add(pointer, "must be a whole number",
                "fractions have no exact binary form: 0.01 would refuse right amounts");
    return;
  }
  (void)read_integer(value, pointer, 1, 1'000'000'000, faults_);
}

void SchemaLint::type(const Value& value, const std::string& pointer) {
  const auto one = [&](const Value& name, const std::string& where) {
    if (!expect(name.IsString(), name, where, "a type's name")) return;
    if (std::find(kTypes.begin(), kTypes.end(), as_view(name)) == kTypes.end()) {
      faults_.add(where, "is not a type", suggestion(as_view(name), kTypes));
    }
  };
  if (!value.IsArray()) return one(value, pointer);
  if (value.Empty()) faults_.add(pointer, "must name at least one type");
  for (SizeType i = 0; i < value.Size(); ++i) one(value[i], child_pointer(pointer, std::size_t{i}));
}

void SchemaLint::enumeration(const Value& value, const std::string& pointer) {
  if (!expect(value.IsArray(), value, pointer, "an array")) return;
  if (value.Empty()) faults_.add(pointer, "must have at least one value");
  for (SizeType i = 0; i < value.Size(); ++i) {
    const Value& entry = value[i];
    const bool plain =
        entry.IsNull() || entry.IsBool() || entry.IsInt64() ||
        (entry.IsString() && std::none_of(as_view(entry).begin(), as_view(entry).end(),
                                          [](unsigned char c) { return c < 0x20; }));
    if (plain) continue;
    faults_.add(child_pointer(pointer, std::size_t{i}),
                "must be a string without control characters, a whole number, a boolean or null");
  }
}

void SchemaLint::schema_map(const Value& value, const std::string& pointer) {
  if (!expect(value.IsObject(), value, pointer, "an object")) return;
  for (const auto& member : value.GetObject()) {
    schema(member.value, child_pointer(pointer, as_view(member.name)));
  }
}

void SchemaLint::schema_list(const Value& value, const std::string& pointer) {
  if (!expect(value.IsArray(), value, pointer, "an array")) return;
  if (value.Empty()) faults_.add(pointer, "must have at least one schema");
  for (SizeType i = 0; i < value.Size(); ++i) {
    schema(value[i], child_pointer(pointer, std::size_t{i}));
  }
}

void SchemaLint::names(const Value& value, const std::string& pointer) {
  if (!expect(value.IsArray(), value, pointer, "an array")) return;
  if (value.Empty()) faults_.add(pointer, "must name at least one property", "drop it");
  std::set<std::string_view> seen;
  for (SizeType i = 0; i < value.Size(); ++i) {
    const std::string here = child_pointer(pointer, std::size_t{i});
    if (!expect(value[i].IsString(), value[i], here, "a property's name")) continue;
    if (!seen.insert(as_view(value[i])).second) faults_.add(here, "is here twice");
  }
}

void SchemaLint::schema_or_boolean(const Value& value, const std::string& pointer) {
  if (!value.IsBool()) schema(value, pointer);
}

void SchemaLint::pattern(const Value& value, const std::string& pointer) {
  if (!expect(value.IsString(), value, pointer, "a string")) return;
  if (auto fault = pattern_fault(as_view(value))) {
    faults_.add(pointer, "the pattern " + fault->message, fault->hint);
  }
}

// Every reference below `value`, as definition name and the reference's pointer.
void collect_references(const Value& value, const std::string& pointer,
                        std::map<std::string, std::string>& found) {
  if (value.IsArray()) {
    for (SizeType i = 0; i < value.Size(); ++i) {
      collect_references(value[i], child_pointer(pointer, std::size_t{i}), found);
    }
  }
  if (!value.IsObject()) return;
  for (const auto& member : value.GetObject()) {
    const std::string here = child_pointer(pointer, as_view(member.name));
    if (as_view(member.name) == "$ref" && member.value.IsString() &&
        as_view(member.value).starts_with(kDefinitions)) {
      found.emplace(as_view(member.value).substr(kDefinitions.size()), here);
    } else {
      collect_references(member.value, here, found);
    }
  }
}

// Every reference has its definition, and no definition reaches itself.
void SchemaLint::definitions(const Value& root) {
  using References = std::map<std::string, std::string>;
  std::map<std::string, References> graph;
  if (const auto all = root.FindMember("definitions");
      all != root.MemberEnd() && all->value.IsObject()) {
    for (const auto& member : all->value.GetObject()) {
      collect_references(member.value, child_pointer("/definitions", as_view(member.name)),
                         graph[std::string(as_view(member.name))]);
    }
  }
  References everywhere;
  collect_references(root, "", everywhere);
  for (const auto& [name, where] : everywhere) {
    if (!graph.contains(name)) faults_.add(where, "no definition has this name");
  }

  enum class Mark { kNew, kOpen, kDone };
  std::map<std::string, Mark> marks;
  const std::function<void(const std::string&, int)> visit = [&](const std::string& name,
                                                                 int depth) {
    marks[name] = Mark::kOpen;
    for (const auto& [next, where] : graph[name]) {
      if (marks[next] == Mark::kOpen || depth >= kMaxDefinitionDepth) {
        faults_.add(where,
                    marks[next] == Mark::kOpen ? "is a cycle of references"
                                               : "is a chain of too many references",
                    "write the inner level out, or leave it open");
      } else if (marks[next] == Mark::kNew) {
        visit(next, depth + 1);
      }
    }
    marks[name] = Mark::kDone;
  };
  for (const auto& [name, references] : std::map(graph)) {
    if (marks[name] == Mark::kNew) visit(name, 0);
  }
}

}  // namespace

void lint_schema(const rapidjson::Value& root, FaultList& faults) {
  SchemaLint lint(faults);
  lint.schema(root, "");
  if (root.IsObject()) lint.definitions(root);
}

}  // namespace outrider::core
