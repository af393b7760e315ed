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
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#include <rapidjson/schema.h>
#include <rapidjson/stringbuffer.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <mutex>

#include "core/assert.h"
#include "core/provider.h"
#include "core/provider_schema_lint.h"

// 1.1.0 turns its own regular expressions off when this is defined from outside: it must not be.
static_assert(RAPIDJSON_SCHEMA_USE_INTERNALREGEX == 1);

namespace outrider::core {
namespace {

using rapidjson::SizeType;
using rapidjson::Value;
using Validator = rapidjson::SchemaValidator;

constexpr unsigned kPayloadFlags = rapidjson::kParseIterativeFlag |
                                   rapidjson::kParseValidateEncodingFlag |
                                   rapidjson::kParseNumbersAsStringsFlag;
// canonical_json's limit is lower; this one only keeps a caller that skipped it from harm.
constexpr int kMaxPayloadDepth = 512;

// Between reader and validator: exact numbers, NUL, depth.
class PayloadHandler {
 public:
  explicit PayloadHandler(Validator& validator) : validator_(validator) {}
  bool Null() { return validator_.Null(); }
  bool Bool(bool value) { return validator_.Bool(value); }
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }
  bool RawNumber(const char* text, SizeType length, bool) { return number({text, length}); }
  bool String(const char* text, SizeType length, bool copy) {
    if (std::find(text, text + length, '\0') == text + length) {
      return validator_.String(text, length, copy);
    }
    std::string visible(text, length);
    std::replace(visible.begin(), visible.end(), '\0', '\x01');
    return validator_.String(visible.data(), length, true);
  }
  bool Key(const char* text, SizeType length, bool copy) {
    return validator_.Key(text, length, copy);
  }
  bool StartObject() { return ++depth_ <= kMaxPayloadDepth && validator_.StartObject(); }
  bool StartArray() { return ++depth_ <= kMaxPayloadDepth && validator_.StartArray(); }
  bool EndObject(SizeType members) { return --depth_, validator_.EndObject(members); }
  bool EndArray(SizeType elements) { return --depth_, validator_.EndArray(elements); }

 private:
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
      const bool tiny =
          token.find("e-") != std::string_view::npos || token.find("E-") != std::string_view::npos;
      value = tiny ? 0 : std::numeric_limits<double>::max();
      if (token.front() == '-') value = -value;
    }
    return validator_.Double(value);
  }

  Validator& validator_;
  int depth_ = 0;
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

// The first of `required` that the object at `where` of the payload has not.
std::string missing_property(std::string_view json, const std::string& where,
                             const Value& required) {
  rapidjson::Document payload;
  rapidjson::MemoryStream stream(json.data(), json.size());
  payload.ParseStream<kPayloadFlags>(stream);
  const Value* object = rapidjson::Pointer(where.data(), where.size()).Get(payload);
  OUTRIDER_ASSERT(object != nullptr && object->IsObject() && required.IsArray());
  for (const Value& name : required.GetArray()) {
    if (!object->HasMember(name)) return std::string(as_view(name));
  }
  OUTRIDER_ASSERT(false);
  return {};
}

// What the failed keyword of `schema` asks for, in words. Never a value from the payload.
Error describe(std::string_view json, const std::string& where, const Value& schema,
               std::string_view keyword) {
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
    const std::string name = missing_property(json, where, rule);
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
    rapidjson::MemoryStream stream(json.data(), json.size());
    rapidjson::Reader reader;
    const bool read = !reader.Parse<kPayloadFlags>(stream, handler).IsError();
    if (!validator.IsValid()) {
      const Value* schema = validator.GetInvalidSchemaPointer().Get(impl_->schema);
      OUTRIDER_ASSERT(schema != nullptr);
      result = tl::unexpected(describe(json, text_of(validator.GetInvalidDocumentPointer()),
                                       *schema, validator.GetInvalidSchemaKeyword()));
    } else if (!read) {
      result = fail(ErrorCode::kInvalidPayload, "is not JSON, or nested too deeply");
    }
  }
  impl_->give_back(std::move(compiled));
  return result;
}

}  // namespace outrider::core
