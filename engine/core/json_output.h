// JSON for programs, written as it goes. Correct whatever the texts hold: bytes that are not UTF-8
// become U+FFFD, and characters that a terminal obeys are escaped, so that looking at the output is
// safe too.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace outrider::core {

class JsonOutput {
 public:
  enum class Layout { kLines, kOneLine };  // a key a line, or a document a line
  explicit JsonOutput(Layout layout = Layout::kLines) : layout_(layout) {}

  JsonOutput& begin_object();
  JsonOutput& end_object();
  JsonOutput& begin_array();
  JsonOutput& end_array();
  JsonOutput& key(std::string_view name);

  JsonOutput& text(std::string_view value);
  JsonOutput& number(std::int64_t value);
  JsonOutput& number(double value);  // not finite: null
  JsonOutput& boolean(bool value);
  JsonOutput& null();
  JsonOutput& raw(std::string_view json);  // a value written elsewhere, as it is

  // A member of the object that is open.
  JsonOutput& member(std::string_view name, std::string_view value);
  JsonOutput& member(std::string_view name, const char* value);
  JsonOutput& member(std::string_view name, std::int64_t value);
  JsonOutput& member(std::string_view name, std::uint64_t value);
  JsonOutput& member(std::string_view name, std::uint32_t value);
  JsonOutput& member(std::string_view name, int value);
  JsonOutput& member(std::string_view name, double value);
  JsonOutput& member(std::string_view name, bool value);
  template <class T>
  JsonOutput& member(std::string_view name, const std::optional<T>& value) {
    return value ? member(name, *value) : key(name).null();
  }
  JsonOutput& member(std::string_view name, const std::vector<std::string>& values);

  // Everything that was begun has been ended.
  [[nodiscard]] const std::string& document() const;

 private:
  void before_value();
  void open(char bracket);
  void close(char bracket);
  void line();

  Layout layout_;
  std::string out_;
  std::vector<bool> has_values_;  // one for each open object or array
  bool after_key_ = false;
};

[[nodiscard]] std::string json_string(std::string_view text);  // quotes included

}  // namespace outrider::core
