// See provider_reader.h. Nesting is checked by a pass that builds nothing, before a document is
// made of the text: so that every later walk may recurse.
#include "core/provider_reader.h"

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

#include "core/json_text.h"

namespace outrider::core {
namespace {

constexpr unsigned kParseFlags = rapidjson::kParseIterativeFlag |
                                 rapidjson::kParseValidateEncodingFlag |
                                 rapidjson::kParseFullPrecisionFlag;

class DepthGauge : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, DepthGauge> {
 public:
  bool StartObject() { return ++depth_ <= kMaxDefinitionDepth; }
  bool StartArray() { return ++depth_ <= kMaxDefinitionDepth; }
  bool EndObject(rapidjson::SizeType) { return --depth_ >= 0; }
  bool EndArray(rapidjson::SizeType) { return --depth_ >= 0; }

 private:
  int depth_ = 0;
};

std::string line_and_column(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t start = before.rfind('\n');
  const std::size_t column = before.size() - (start == std::string_view::npos ? 0 : start + 1) + 1;
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

void report_duplicate_keys(const rapidjson::Value& value, const std::string& pointer,
                           FaultList& faults) {
  if (value.IsArray()) {
    for (rapidjson::SizeType i = 0; i < value.Size(); ++i) {
      report_duplicate_keys(value[i], child_pointer(pointer, std::size_t{i}), faults);
    }
    return;
  }
  if (!value.IsObject()) return;
  std::set<std::string_view> seen;
  for (const auto& member : value.GetObject()) {
    const std::string here = child_pointer(pointer, as_view(member.name));
    if (!seen.insert(as_view(member.name)).second) {
      faults.add(here, "this key is here twice", "remove one of the two");
    }
    report_duplicate_keys(member.value, here, faults);
  }
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({substituted, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

void FaultList::add(std::string_view pointer, std::string message, std::string hint) {
  faults_.push_back(Error{ErrorCode::kCorrupt, std::move(message),
                          file_ + "#" + shown_pointer(pointer), std::move(hint)});
}

bool parse_definition(std::string_view text, rapidjson::Document& document, FaultList& faults) {
  if (text.size() > kMaxDefinitionBytes) {
    faults.add("", "is over 1 MiB", "a definition is a few kilobytes");
    return false;
  }
  if (text.starts_with("\xEF\xBB\xBF")) {
    faults.add("", "begins with a byte order mark", "save it as UTF-8 without one");
    return false;
  }
  rapidjson::MemoryStream gauge_stream(text.data(), text.size());
  DepthGauge gauge;
  rapidjson::Reader reader;
  const rapidjson::ParseResult gauged = reader.Parse<kParseFlags>(gauge_stream, gauge);
  if (!gauged) {
    const bool too_deep = gauged.Code() == rapidjson::kParseErrorTermination;
    std::string reason =
        too_deep ? "nested too deeply" : rapidjson::GetParseError_En(gauged.Code());
    if (reason.ends_with('.')) reason.pop_back();
    faults.add("",
               "not readable as JSON at " + line_and_column(text, gauged.Offset()) + ": " + reason,
               too_deep ? "at most 32 levels" : "");
    return false;
  }
  rapidjson::MemoryStream stream(text.data(), text.size());
  document.ParseStream<kParseFlags>(stream);
  report_duplicate_keys(document, "", faults);
  if (document.IsObject()) return true;
  faults.add("", "must be an object, not " + std::string(kind_of(document)));
  return false;
}

std::string shown_pointer(std::string_view pointer) {
  constexpr std::size_t kMostBytes = 512;
  const std::string quoted = ecmascript_string(pointer);
  std::string shown = quoted.substr(1, quoted.size() - 2);
  if (shown.size() <= kMostBytes) return shown;
  std::size_t end = kMostBytes;
  while ((static_cast<unsigned char>(shown[end]) & 0xC0) == 0x80) --end;
  return shown.substr(0, end) + "\xE2\x80\xA6";
}

std::string_view as_view(const rapidjson::Value& string) {
  return {string.GetString(), string.GetStringLength()};
}

std::string_view kind_of(const rapidjson::Value& value) {
  switch (value.GetType()) {
    case rapidjson::kNullType:
      return "null";
    case rapidjson::kFalseType:
    case rapidjson::kTrueType:
      return "a boolean";
    case rapidjson::kObjectType:
      return "an object";
    case rapidjson::kArrayType:
      return "an array";
    case rapidjson::kStringType:
      return "a string";
    case rapidjson::kNumberType:
      return "a number";
  }
  return "something else";
}

std::string child_pointer(std::string_view pointer, std::string_view key) {
  std::string child(pointer);
  child += '/';
  for (const char c : key) {
    if (c == '~') {
      child += "~0";
    } else if (c == '/') {
      child += "~1";
    } else {
      child += c;
    }
  }
  return child;
}

std::string child_pointer(std::string_view pointer, std::size_t index) {
  return child_pointer(pointer, std::to_string(index));
}

std::string suggestion(std::string_view word, std::span<const std::string_view> known) {
  std::string_view nearest;
  std::size_t best = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string_view candidate : known) {
    const bool extends =
        word.size() >= 3 && (candidate.starts_with(word) || word.starts_with(candidate));
    const std::size_t distance = extends ? 2 : edit_distance(word, candidate);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  if (!nearest.empty()) return "did you mean \"" + std::string(nearest) + "\"?";
  std::string all;
  for (const std::string_view candidate : known) {
    all += (all.empty() ? "one of: " : ", ") + std::string(candidate);
  }
  return all;
}

ObjectReader::ObjectReader(const rapidjson::Value& object, std::string pointer, FaultList& faults)
    : object_(&object), pointer_(std::move(pointer)), faults_(&faults) {}

ObjectReader::ObjectReader(const rapidjson::Value& object, std::string pointer, FaultList& faults,
                           std::initializer_list<std::string_view> keys)
    : ObjectReader(object, std::move(pointer), faults) {
  for (const auto& member : object.GetObject()) {
    const std::string_view name = as_view(member.name);
    if (std::find(keys.begin(), keys.end(), name) != keys.end()) continue;
    fault(name, "unknown key", suggestion(name, {keys.begin(), keys.size()}));
  }
}

const rapidjson::Value* ObjectReader::find(std::string_view key) const {
  for (const auto& member : object_->GetObject()) {
    if (as_view(member.name) == key) return &member.value;
  }
  return nullptr;
}

void ObjectReader::require(std::string_view key, std::string hint) const {
  if (find(key) == nullptr) {
    faults_->add(pointer_, "\"" + std::string(key) + "\" is missing", std::move(hint));
  }
}

std::optional<std::string_view> ObjectReader::text(std::string_view key,
                                                   std::size_t max_bytes) const {
  const rapidjson::Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->IsString()) {
    fault(key, "must be a string, not " + std::string(kind_of(*value)));
    return std::nullopt;
  }
  if (value->GetStringLength() > max_bytes) {
    fault(key, "is longer than " + std::to_string(max_bytes) + " bytes");
    return std::nullopt;
  }
  return as_view(*value);
}

std::optional<std::int64_t> read_integer(const rapidjson::Value& value, std::string_view pointer,
                                         std::int64_t min, std::int64_t max, FaultList& faults) {
  const std::string range = std::to_string(min) + " to " + std::to_string(max);
  if (!value.IsNumber()) {
    faults.add(pointer, "must be a whole number, not " + std::string(kind_of(value)), range);
    return std::nullopt;
  }
  if (value.IsDouble()) {
    faults.add(pointer, "must be a whole number, without fraction or exponent", range);
    return std::nullopt;
  }
  if (!value.IsInt64() || value.GetInt64() < min || value.GetInt64() > max) {
    faults.add(pointer, "is out of range", range);
    return std::nullopt;
  }
  return value.GetInt64();
}

std::optional<std::int64_t> ObjectReader::integer(std::string_view key, std::int64_t min,
                                                  std::int64_t max) const {
  const rapidjson::Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  return read_integer(*value, at(key), min, max, *faults_);
}

std::optional<double> ObjectReader::number(std::string_view key, double min, double max) const {
  const rapidjson::Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->IsNumber()) {
    fault(key, "must be a number, not " + std::string(kind_of(*value)));
    return std::nullopt;
  }
  if (value->GetDouble() < min || value->GetDouble() > max) {
    fault(key, "is out of range",
          std::to_string(static_cast<std::int64_t>(min)) + " to " +
              std::to_string(static_cast<std::int64_t>(max)));
    return std::nullopt;
  }
  return value->GetDouble();
}

std::optional<bool> ObjectReader::boolean(std::string_view key) const {
  const rapidjson::Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->IsBool()) {
    fault(key, "must be true or false, not " + std::string(kind_of(*value)));
    return std::nullopt;
  }
  return value->GetBool();
}

const rapidjson::Value* ObjectReader::object(std::string_view key) const {
  const rapidjson::Value* value = find(key);
  if (value == nullptr) return nullptr;
  if (value->IsObject()) return value;
  fault(key, "must be an object, not " + std::string(kind_of(*value)));
  return nullptr;
}

const rapidjson::Value* ObjectReader::array(std::string_view key, std::size_t min,
                                            std::size_t max) const {
  const rapidjson::Value* value = find(key);
  if (value == nullptr) return nullptr;
  if (!value->IsArray()) {
    fault(key, "must be an array, not " + std::string(kind_of(*value)));
    return nullptr;
  }
  if (value->Size() < min || value->Size() > max) {
    fault(key, "must have " + std::to_string(min) + " to " + std::to_string(max) + " elements");
    return nullptr;
  }
  return value;
}

}  // namespace outrider::core
