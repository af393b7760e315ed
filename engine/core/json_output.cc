// Two spaces a level, a key a line (or all on one): made for programs, bearable for people.
#include "core/json_output.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "core/code_point.h"

namespace outrider::core {
namespace {

std::string unicode_escape(char32_t value) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const auto unit = [&](char32_t code) {
    std::string text = "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) text += kDigits[(code >> shift) & 0xf];
    return text;
  };
  if (value <= 0xffff) return unit(value);
  value -= 0x10000;
  return unit(0xd800 + (value >> 10)) + unit(0xdc00 + (value & 0x3ff));
}

// A wrong sequence of calls is a bug of the caller.
void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

std::string json_string(std::string_view text) {
  std::string result = "\"";
  while (!text.empty()) {
    const CodePoint next = read_code_point(text);
    if (!next.valid) {
      result += "\\ufffd";
    } else if (next.value == '"' || next.value == '\\') {
      result += '\\';
      result += static_cast<char>(next.value);
    } else if (next.value == '\n') {
      result += "\\n";
    } else if (next.value == '\r') {
      result += "\\r";
    } else if (next.value == '\t') {
      result += "\\t";
    } else if (is_unprintable(next.value)) {
      result += unicode_escape(next.value);
    } else {
      result += text.substr(0, next.bytes);
    }
    text.remove_prefix(next.bytes);
  }
  return result + "\"";
}

void JsonOutput::line() {
  if (layout_ == Layout::kLines) out_.append("\n").append(has_values_.size() * 2, ' ');
}

void JsonOutput::before_value() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (has_values_.empty()) {
    require(out_.empty());  // one document
    return;
  }
  if (has_values_.back()) out_ += ',';
  has_values_.back() = true;
  line();
}

void JsonOutput::open(char bracket) {
  before_value();
  out_ += bracket;
  has_values_.push_back(false);
}

void JsonOutput::close(char bracket) {
  require(!has_values_.empty() && !after_key_);
  const bool had_values = has_values_.back();
  has_values_.pop_back();
  if (had_values) line();
  out_ += bracket;
}

JsonOutput& JsonOutput::begin_object() { return open('{'), *this; }
JsonOutput& JsonOutput::end_object() { return close('}'), *this; }
JsonOutput& JsonOutput::begin_array() { return open('['), *this; }
JsonOutput& JsonOutput::end_array() { return close(']'), *this; }

JsonOutput& JsonOutput::key(std::string_view name) {
  require(!after_key_ && !has_values_.empty());
  before_value();
  out_ += json_string(name) + ": ";
  after_key_ = true;
  return *this;
}

JsonOutput& JsonOutput::text(std::string_view value) {
  before_value();
  out_ += json_string(value);
  return *this;
}

JsonOutput& JsonOutput::number(std::int64_t value) {
  before_value();
  out_ += std::to_string(value);
  return *this;
}

JsonOutput& JsonOutput::number(double value) {
  if (!std::isfinite(value)) return null();
  before_value();
  std::array<char, 32> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out_.append(digits.data(), end);
  return *this;
}

JsonOutput& JsonOutput::boolean(bool value) {
  before_value();
  out_ += value ? "true" : "false";
  return *this;
}

JsonOutput& JsonOutput::null() {
  before_value();
  out_ += "null";
  return *this;
}

JsonOutput& JsonOutput::raw(std::string_view json) {
  before_value();
  out_ += json;
  return *this;
}

JsonOutput& JsonOutput::member(std::string_view name, std::string_view value) {
  return key(name).text(value);
}
JsonOutput& JsonOutput::member(std::string_view name, const char* value) {
  return key(name).text(value);
}
JsonOutput& JsonOutput::member(std::string_view name, std::int64_t value) {
  return key(name).number(value);
}
JsonOutput& JsonOutput::member(std::string_view name, std::uint64_t value) {
  return key(name).number(static_cast<std::int64_t>(value));
}
JsonOutput& JsonOutput::member(std::string_view name, std::uint32_t value) {
  return key(name).number(std::int64_t{value});
}
JsonOutput& JsonOutput::member(std::string_view name, int value) {
  return key(name).number(std::int64_t{value});
}
JsonOutput& JsonOutput::member(std::string_view name, double value) {
  return key(name).number(value);
}
JsonOutput& JsonOutput::member(std::string_view name, bool value) {
  return key(name).boolean(value);
}
JsonOutput& JsonOutput::member(std::string_view name, const std::vector<std::string>& values) {
  key(name).begin_array();
  for (const std::string& value : values) text(value);
  return end_array();
}

const std::string& JsonOutput::document() const {
  require(has_values_.empty() && !after_key_);
  return out_;
}

}  // namespace outrider::core
