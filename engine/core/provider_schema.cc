// PayloadSchema: RapidJSON's draft-4 validator, fenced in.
//
// - What goes in was linted first (provider_schema_lint.h): everything it would misread or skip is
// refused at load.
// - A compiled pattern keeps its matching state inside itself, so a compiled schema serves one
// validation at a time.
//   A payload may be checked on any thread; each check therefore borrows a compiled copy from a
//   small stock, and one is compiled more only when more threads check at once than ever before.
// - Its reader calls numbers beyond a double an error; here they are the largest double, since
// whether they may be
//   sent is canonical_json's question. Its patterns end at a NUL; a NUL reaches them as U+0001,
//   which no pattern or enum inside the language can name.
// - It says which keyword failed but not what that asks for; describe() reads it from the schema.
// The payload is read
//   a second time only then, to name the property that is missing.
#include <rapidjson/document.h>
#include <rapidjson/schema.h>
#include <rapidjson/stringbuffer.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <set>

#include "core/assert.h"
#include "core/json_text_reader.h"
#include "core/provider.h"
#include "core/provider_schema_lint.h"

// 1.1.0 turns its own regular expressions off when this is defined from outside: it must not be.
static_assert(RAPIDJSON_SCHEMA_USE_INTERNALREGEX == 1);

namespace outrider::core {
namespace {

using rapidjson::SizeType;
using rapidjson::Value;
using Validator = rapidjson::SchemaValidator;

// Whatever limits the payload was accepted under, it was accepted; this only keeps a caller that
// did not ask canonical_json first from harm.
constexpr JsonLimits kAnyPayload{.max_bytes = std::numeric_limits<std::size_t>::max(),
                                 .max_depth = 512};

// From tokens to the validator's events: exact numbers, NUL, and how many members a container has.
class PayloadHandler {
 public:
  explicit PayloadHandler(Validator& validator) : validator_(validator) {}

  // False when the payload breaks a rule here.
  bool take(const JsonToken& token) {
    const auto length = static_cast<SizeType>(token.text.size());
    switch (token.kind) {
      case JsonKind::kObject:
        return open() && validator_.StartObject();
      case JsonKind::kEndObject:
        ++objects_ended_;
        return validator_.EndObject(close());
      case JsonKind::kArray:
        return open() && validator_.StartArray();
      case JsonKind::kEndArray:
        return validator_.EndArray(close());
      case JsonKind::kKey:
        return validator_.Key(token.text.data(), length, true);
      case JsonKind::kString:
        return count() && string(token.text);
      case JsonKind::kNumber:
        return count() && number(token.raw);
      case JsonKind::kLiteral:
        return count() &&
               (token.raw == "null" ? validator_.Null() : validator_.Bool(token.raw == "true"));
    }
    return false;
  }
  [[nodiscard]] std::size_t objects_ended() const { return objects_ended_; }

 private:
  bool count() {
    if (!sizes_.empty()) ++sizes_.back();
    return true;
  }
  bool open() {
    count();
    sizes_.push_back(0);
    return true;
  }
  SizeType close() {
    const SizeType size = sizes_.back();
    sizes_.pop_back();
    return size;
  }
  bool string(std::string_view text) {
    std::string visible(text);
    std::replace(visible.begin(), visible.end(), '\0', '\x01');
    return validator_.String(visible.c_str(), static_cast<SizeType>(visible.size()), true);
  }
  bool number(std::string_view token) {
    const char* const end = token.data() + token.size();
    if (token.find_first_of(".eE") == std::string_view::npos) {
      std::int64_t integer = 0;
      if (std::from_chars(token.data(), end, integer).ec == std::errc()) {
        return validator_.Int64(integer);
      }
      std::uint64_t large = 0;
      if (std::from_chars(token.data(), end, large).ec == std::errc()) {
        return validator_.Uint64(large);
      }
    }
    double value = 0;
    if (std::from_chars(token.data(), end, value).ec == std::errc::result_out_of_range) {
      const bool tiny = token.find("e-") != std::string_view::npos ||
                        token.find("E-") != std::string_view::npos ||
                        token.substr(token.front() == '-' ? 1 : 0).starts_with("0.");
      value = tiny ? 0 : std::numeric_limits<double>::max();
      if (token.front() == '-') value = -value;
    }
    return validator_.Double(value);
  }

  Validator& validator_;
  std::vector<SizeType> sizes_;  // members so far of each open container
  std::size_t objects_ended_ = 0;
};

std::string text_of(const rapidjson::SchemaDocument::PointerType& pointer) {
  rapidjson::StringBuffer buffer;
  pointer.Stringify(buffer);
  return {buffer.GetString(), buffer.GetSize()};
}

std::string joined(const Value& names, std::string_view between) {
  std::string all;
  const auto append = [&](const Value& name) {
    if (!all.empty()) all += between;
    if (name.IsString()) {
      all += as_view(name);
    } else if (name.IsNull()) {
      all += "null";
    } else if (name.IsBool()) {
      all += name.GetBool() ? "true" : "false";
    } else if (name.IsInt64()) {
      all += std::to_string(name.GetInt64());
    }
  };
  if (!names.IsArray()) {
    append(names);
  } else {
    for (const Value& name : names.GetArray()) append(name);
  }
  return all;
}

std::string number_text(const Value& number) {
  if (number.IsInt64()) return std::to_string(number.GetInt64());
  if (number.IsUint64()) return std::to_string(number.GetUint64());
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, number.GetDouble());
  return error == std::errc() ? std::string(text, end) : "the bound";
}

bool is_true(const Value& schema, const char* keyword) {
  const auto member = schema.FindMember(keyword);
  return member != schema.MemberEnd() && member->value.IsBool() && member->value.GetBool();
}

// The first of `required` that the object has not whose end is the `ordinal`-th end of an object.
std::string missing_property(std::string_view json, std::size_t ordinal, const Value& required) {
  std::vector<std::set<std::string, std::less<>>> open;  // keys of each open object
  std::string missing;
  (void)read_json(json, kAnyPayload, [&](const JsonToken& token, JsonPath) {
    if (token.kind == JsonKind::kObject) open.emplace_back();
    if (token.kind == JsonKind::kKey) open.back().emplace(token.text);
    if (token.kind != JsonKind::kEndObject) return JsonRefusal{};
    if (--ordinal == 0) {
      for (const Value& name : required.GetArray()) {
        if (missing.empty() && !open.back().contains(as_view(name))) missing = as_view(name);
      }
      return JsonRefusal{.reason = "seen"};
    }
    open.pop_back();
    return JsonRefusal{};
  });
  return missing;
}

// What the failed keyword of `schema` asks for, in words. Never a value from the payload.
// `missing`: names the missing property, where that is the fault.
Error describe(const std::string& where, const Value& schema, std::string_view keyword,
               const std::function<std::string(const Value& required)>& missing) {
  const auto error = [&](std::string message, std::string hint = {}) {
    return Error{ErrorCode::kInvalidPayload, std::move(message), shown_pointer(where),
                 std::move(hint)};
  };
  const auto member = schema.FindMember(
      Value(rapidjson::StringRef(keyword.data(), static_cast<SizeType>(keyword.size()))));
  if (member == schema.MemberEnd()) {
    return error("breaks the rule \"" + std::string(keyword) + "\" of its schema");
  }
  const Value& rule = member->value;
  const auto description = schema.FindMember("description");
  const std::string expected = description != schema.MemberEnd()
                                   ? "expected: " + std::string(as_view(description->value))
                                   : std::string();
  if (keyword == "required") {
    const std::string name = missing(rule);
    return Error{ErrorCode::kInvalidPayload,
                 "required property " + name + " is missing",
                 shown_pointer(child_pointer(where, name)),
                 {}};
  }
  if (keyword == "type") return error("must be " + joined(rule, " or "), expected);
  if (keyword == "enum") {
    return error("not one of the allowed values", "allowed: " + joined(rule, ", "));
  }
  if (keyword == "pattern") {
    return error("does not have the required form",
                 expected.empty() ? "pattern: " + std::string(as_view(rule)) : expected);
  }
  if (keyword == "additionalProperties") return error("this property is not allowed here");
  if (keyword == "minimum" || keyword == "maximum") {
    const bool least = keyword == "minimum";
    const bool beyond = is_true(schema, least ? "exclusiveMinimum" : "exclusiveMaximum");
    const char* const words = least ? (beyond ? "must be over " : "must be at least ")
                                    : (beyond ? "must be under " : "must be at most ");
    return error(words + number_text(rule), expected);
  }
  if (keyword == "multipleOf") return error("must be a multiple of " + number_text(rule), expected);
  static const std::map<std::string_view, std::pair<const char*, const char*>> kCounts = {
      {"minLength", {"must have at least ", " characters"}},
      {"maxLength", {"must have at most ", " characters"}},
      {"minItems", {"must have at least ", " elements"}},
      {"maxItems", {"must have at most ", " elements"}},
      {"minProperties", {"must have at least ", " properties"}},
      {"maxProperties", {"must have at most ", " properties"}},
  };
  if (const auto count = kCounts.find(keyword); count != kCounts.end()) {
    return error(count->second.first + number_text(rule) + count->second.second, expected);
  }
  static const std::map<std::string_view, const char*> kCombined = {
      {"allOf", "does not meet all of the rules it must meet (allOf)"},
      {"anyOf", "has none of the allowed forms (anyOf)"},
      {"oneOf", "must have exactly one of the allowed forms (oneOf)"},
      {"not", "has a form that is not allowed (not)"},
  };
  const auto combined = kCombined.find(keyword);
  OUTRIDER_ASSERT(combined != kCombined.end());
  return error(combined->second, expected);
}

}  // namespace

struct PayloadSchema::Impl {
  using Compiled = std::unique_ptr<rapidjson::SchemaDocument>;
  rapidjson::Document schema;
  mutable std::mutex mutex;
  mutable std::vector<Compiled> idle;  // guarded by mutex

  [[nodiscard]] Compiled borrow() const {
    {
      const std::lock_guard lock(mutex);
      if (!idle.empty()) {
        Compiled compiled = std::move(idle.back());
        idle.pop_back();
        return compiled;
      }
    }
    return std::make_unique<rapidjson::SchemaDocument>(schema);
  }
  void give_back(Compiled compiled) const {
    const std::lock_guard lock(mutex);
    idle.push_back(std::move(compiled));
  }
};

PayloadSchema::PayloadSchema(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PayloadSchema::~PayloadSchema() = default;

Result<std::shared_ptr<const PayloadSchema>> PayloadSchema::compile(std::string_view text) {
  auto impl = std::make_unique<Impl>();
  FaultList faults("");
  if (parse_definition(text, impl->schema, faults)) lint_schema(impl->schema, faults);
  if (!faults.empty()) return tl::unexpected(faults.take().front());
  impl->give_back(impl->borrow());
  return std::shared_ptr<const PayloadSchema>(new PayloadSchema(std::move(impl)));
}

Result<void> PayloadSchema::validate(std::string_view json) const {
  Impl::Compiled compiled = impl_->borrow();
  Result<void> result;
  {
    Validator validator(*compiled);
    PayloadHandler handler(validator);
    result = read_json(json, kAnyPayload, [&](const JsonToken& token, JsonPath) {
      return handler.take(token) ? JsonRefusal{} : JsonRefusal{.reason = "invalid"};
    });
    if (!validator.IsValid()) {
      const Value* schema = validator.GetInvalidSchemaPointer().Get(impl_->schema);
      OUTRIDER_ASSERT(schema != nullptr);
      const auto missing = [&](const Value& required) {
        return missing_property(json, handler.objects_ended(), required);
      };
      result = tl::unexpected(describe(text_of(validator.GetInvalidDocumentPointer()), *schema,
                                       validator.GetInvalidSchemaKeyword(), missing));
    }
  }
  impl_->give_back(std::move(compiled));
  return result;
}

}  // namespace outrider::core
