// A recursive-descent reader with a depth limit. Strings are taken as UTF-8 and refused where they
// are not: JavaScript would see other characters than were sent.
#include "receiver_json.h"

#include <algorithm>
#include <charconv>

namespace outrider::receiver {
namespace {

constexpr int kMaxDepth = 512;

// ---- UTF-8

// The length of the well-formed sequence that `text` starts with; 0: none (RFC 3629's table).
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xc0U) == 0x80U; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return tail(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const bool second = (lead != 0xe0 || byte(1) >= 0xa0) && (lead != 0xed || byte(1) <= 0x9f);
    return second && tail(1) && tail(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const bool second = (lead != 0xf0 || byte(1) >= 0x90) && (lead != 0xf4 || byte(1) <= 0x8f);
    return second && tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

// Surrogates too, each as three bytes.
void append_code_point(std::string& out, unsigned code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 0x3f));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

// ---- reading

class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  std::optional<JsonValue> document() {
    JsonValue value;
    if (!read_value(value, 0)) return std::nullopt;
    skip_blanks();
    if (!rest_.empty()) return std::nullopt;
    return value;
  }

 private:
  void skip_blanks() {
    const std::size_t next = rest_.find_first_not_of(" \t\n\r");
    rest_.remove_prefix(std::min(next, rest_.size()));
  }
  bool take(std::string_view expected) {
    if (!rest_.starts_with(expected)) return false;
    rest_.remove_prefix(expected.size());
    return true;
  }

  bool read_value(JsonValue& value, int depth) {
    skip_blanks();
    if (rest_.empty() || depth > kMaxDepth) return false;
    switch (rest_.front()) {
      case '{':
        return read_object(value, depth);
      case '[':
        return read_array(value, depth);
      case '"':
        value.kind = JsonValue::Kind::kString;
        return read_string(value.text);
      case 'n':
        return take("null");
      case 't':
        value.kind = JsonValue::Kind::kTrue;
        return take("true");
      case 'f':
        value.kind = JsonValue::Kind::kFalse;
        return take("false");
      default:
        value.kind = JsonValue::Kind::kNumber;
        return read_number(value.text);
    }
  }

  bool read_object(JsonValue& value, int depth) {
    value.kind = JsonValue::Kind::kObject;
    rest_.remove_prefix(1);
    skip_blanks();
    if (take("}")) return true;
    for (;;) {
      skip_blanks();
      JsonMember member;
      if (!read_string(member.name)) return false;
      skip_blanks();
      if (!take(":") || !read_value(member.value, depth + 1)) return false;
      value.members.push_back(std::move(member));
      skip_blanks();
      if (take("}")) return true;
      if (!take(",")) return false;
    }
  }

  bool read_array(JsonValue& value, int depth) {
    value.kind = JsonValue::Kind::kArray;
    rest_.remove_prefix(1);
    skip_blanks();
    if (take("]")) return true;
    for (;;) {
      if (!read_value(value.items.emplace_back(), depth + 1)) return false;
      skip_blanks();
      if (take("]")) return true;
      if (!take(",")) return false;
    }
  }

  bool read_string(std::string& out) {
    if (!take("\"")) return false;
    while (!rest_.empty()) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      if (byte == '"') {
        rest_.remove_prefix(1);
        return true;
      }
      if (byte == '\\') {
        if (!read_escape(out)) return false;
        continue;
      }
      const std::size_t length = byte < 0x20 ? 0 : sequence_length(rest_);
      if (length == 0) return false;
      out.append(rest_.substr(0, length));
      rest_.remove_prefix(length);
    }
    return false;
  }

  bool read_escape(std::string& out) {
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (rest_.size() < 2) return false;
    const std::size_t which = kLetters.find(rest_[1]);
    if (which != std::string_view::npos) {
      out += kMeanings[which];
      rest_.remove_prefix(2);
      return true;
    }
    unsigned code = 0;
    if (!read_unit(code)) return false;
    unsigned low = 0;
    const std::string_view after = rest_;
    if (code >= 0xd800 && code <= 0xdbff && read_unit(low)) {
      if (low >= 0xdc00 && low <= 0xdfff) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
      } else {
        rest_ = after;  // the first stands alone; the second is read for itself
      }
    } else {
      rest_ = after;
    }
    append_code_point(out, code);
    return true;
  }

  // \uXXXX
  bool read_unit(unsigned& code) {
    if (rest_.size() < 6 || !rest_.starts_with("\\u")) return false;
    const std::string_view digits = rest_.substr(2, 4);
    const auto read = std::from_chars(digits.begin(), digits.end(), code, 16);
    if (read.ec != std::errc() || read.ptr != digits.end()) return false;
    rest_.remove_prefix(6);
    return true;
  }

  std::size_t digits_at(std::size_t at) const {
    const std::size_t end = rest_.find_first_not_of("0123456789", at);
    return std::min(end, rest_.size()) - std::min(at, rest_.size());
  }

  bool read_number(std::string& out) {
    std::size_t at = rest_.starts_with('-') ? 1 : 0;
    const std::size_t whole = digits_at(at);
    if (whole == 0 || (whole > 1 && rest_[at] == '0')) return false;
    at += whole;
    if (at < rest_.size() && rest_[at] == '.') {
      const std::size_t fraction = digits_at(at + 1);
      if (fraction == 0) return false;
      at += 1 + fraction;
    }
    if (at < rest_.size() && (rest_[at] == 'e' || rest_[at] == 'E')) {
      ++at;
      if (at < rest_.size() && (rest_[at] == '+' || rest_[at] == '-')) ++at;
      const std::size_t exponent = digits_at(at);
      if (exponent == 0) return false;
      at += exponent;
    }
    out.assign(rest_.substr(0, at));
    rest_.remove_prefix(at);
    return true;
  }

  std::string_view rest_;
};

}  // namespace

std::optional<std::uint64_t> array_index(std::string_view name) {
  if (name.empty() || name.size() > 10 || (name.size() > 1 && name[0] == '0')) return std::nullopt;
  std::uint64_t index = 0;
  const auto read = std::from_chars(name.data(), name.data() + name.size(), index);
  if (read.ec != std::errc() || read.ptr != name.data() + name.size() || index > 4294967294U) {
    return std::nullopt;
  }
  return index;
}

const JsonValue* JsonValue::member(std::string_view name) const {
  const JsonValue* found = nullptr;
  for (const auto& [known, value] : members) {
    if (known == name) found = &value;
  }
  return found;
}

const JsonValue* JsonValue::at(std::string_view pointer) const {
  const JsonValue* here = this;
  while (here != nullptr && !pointer.empty()) {
    if (pointer.front() != '/') return nullptr;
    pointer.remove_prefix(1);
    const std::string_view raw = pointer.substr(0, pointer.find('/'));
    pointer.remove_prefix(raw.size());
    std::string name;
    for (std::size_t i = 0; i < raw.size(); ++i) {
      const bool escaped = raw[i] == '~' && i + 1 < raw.size();
      name += escaped ? (raw[++i] == '1' ? '/' : '~') : raw[i];
    }
    if (here->kind == Kind::kArray) {
      const std::optional<std::uint64_t> index = array_index(name);
      here = index && *index < here->items.size() ? &here->items[*index] : nullptr;
    } else {
      here = here->member(name);
    }
  }
  return here;
}

std::optional<JsonValue> parse_json(std::string_view text) { return Reader(text).document(); }

}  // namespace outrider::receiver
