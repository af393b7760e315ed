// Reading a JSON file that people write, so that every fault in it is told at once.
//
// A reader that stops at the first fault makes its user run it again and again; one that reads
// leniently makes a misspelt key a silent default. So: a field that is wrong becomes a fault and is
// left at its default, and the reading goes on. Internal to provider*.cc, which are, with
// json_text*, the only users of RapidJSON.
#pragma once

#include <rapidjson/document.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "outrider/result.h"

namespace outrider::core {

// Deeper than any definition or schema needs; bounds every recursion over one.
inline constexpr int kMaxDefinitionDepth = 32;
inline constexpr std::size_t kMaxDefinitionBytes = 1024 * 1024;

// The faults of one file, in the order they were met.
class FaultList {
 public:
  explicit FaultList(std::string_view file) : file_(file) {}
  // where becomes "file#pointer".
  void add(std::string_view pointer, std::string message, std::string hint = {});
  // A fault that already says where it is (in another file).
  void add(Error fault) { faults_.push_back(std::move(fault)); }
  [[nodiscard]] bool empty() const noexcept { return faults_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return faults_.size(); }
  [[nodiscard]] std::vector<Error> take() { return std::move(faults_); }

 private:
  std::string file_;
  std::vector<Error> faults_;
};

// Strict JSON into `document`; false when there is nothing to go on with. Faults: the line and
// column of a syntax error, every duplicate key, nesting over the limit.
[[nodiscard]] bool parse_definition(std::string_view text, rapidjson::Document& document,
                                    FaultList& faults);

// A pointer as one printable line of at most 512 bytes, whatever keys it is made of.
[[nodiscard]] std::string shown_pointer(std::string_view pointer);
[[nodiscard]] std::string_view as_view(const rapidjson::Value& string);
// "a string", "an array", for "must be …, not …".
[[nodiscard]] std::string_view kind_of(const rapidjson::Value& value);
// RFC 6901: `pointer` with one more reference token.
[[nodiscard]] std::string child_pointer(std::string_view pointer, std::string_view key);
[[nodiscard]] std::string child_pointer(std::string_view pointer, std::size_t index);
// "did you mean …?" when one of `known` is near, else all of them.
[[nodiscard]] std::string suggestion(std::string_view word,
                                     std::span<const std::string_view> known);

// One of a table's names, as a value: for fields with a closed list of words.
template <class E>
struct Choice {
  std::string_view name;
  E value;
};

// One object of the file. Getters answer nothing when the field is absent or wrong (then the fault
// is recorded).
class ObjectReader {
 public:
  // Reports every member that is not in `keys`.
  ObjectReader(const rapidjson::Value& object, std::string pointer, FaultList& faults,
               std::initializer_list<std::string_view> keys);
  // An object whose members' names are free (a map): nothing is unknown.
  ObjectReader(const rapidjson::Value& object, std::string pointer, FaultList& faults);

  [[nodiscard]] const rapidjson::Value* find(std::string_view key) const;
  [[nodiscard]] std::string at(std::string_view key) const { return child_pointer(pointer_, key); }
  [[nodiscard]] const std::string& pointer() const noexcept { return pointer_; }
  [[nodiscard]] FaultList& faults() const noexcept { return *faults_; }
  void fault(std::string_view key, std::string message, std::string hint = {}) const {
    faults_->add(at(key), std::move(message), std::move(hint));
  }
  void require(std::string_view key, std::string hint = {}) const;

  [[nodiscard]] std::optional<std::string_view> text(std::string_view key,
                                                     std::size_t max_bytes = 1024) const;
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key, std::int64_t min,
                                                    std::int64_t max) const;
  [[nodiscard]] std::optional<double> number(std::string_view key, double min, double max) const;
  [[nodiscard]] std::optional<bool> boolean(std::string_view key) const;
  [[nodiscard]] const rapidjson::Value* object(std::string_view key) const;
  [[nodiscard]] const rapidjson::Value* array(std::string_view key, std::size_t min,
                                              std::size_t max) const;
  template <class E>
  [[nodiscard]] std::optional<E> choice(std::string_view key,
                                        std::span<const Choice<E>> table) const {
    const auto word = text(key);
    if (!word) return std::nullopt;
    std::vector<std::string_view> names;
    for (const Choice<E>& entry : table) {
      if (entry.name == *word) return entry.value;
      names.push_back(entry.name);
    }
    fault(key, "is not one of the known words", suggestion(*word, names));
    return std::nullopt;
  }

 private:
  const rapidjson::Value* object_;
  std::string pointer_;
  FaultList* faults_;
};

// A whole number in [min, max], or a fault at `pointer`.
[[nodiscard]] std::optional<std::int64_t> read_integer(const rapidjson::Value& value,
                                                       std::string_view pointer, std::int64_t min,
                                                       std::int64_t max, FaultList& faults);

}  // namespace outrider::core
