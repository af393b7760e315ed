// RapidJSON's SAX reader as the gate, and around it what version 1.1.0 lets through or gets wrong:
//  - A lone low surrogate (`\udc00`) passes and comes out as three bytes that are not UTF-8: found
//  here.
//  - A NUL byte behind the root ends the parse as if the text ended: the position after parsing is
//  compared.
//  - Numbers: it computes a double even when asked for the spelling, sloppily, and refuses `0e400`,
//  which is zero, and
//    `1e400`, which a compact body may carry. So it never sees one: each well-formed number is
//    replaced by a zero and blanks of the same length, which leaves the grammar and every byte
//    offset as they are.
//  - Duplicate keys pass, and nothing limits the depth (the parser itself is iterative, so it is
//  only memory).
// Its events do not say how a token was written. They come in order, though, and the stream stands
// behind the token when a scalar is reported and on it when a bracket is; only blanks, commas and
// colons lie between, so the spelling is found from where the last token ended.
#include "core/json_text_reader.h"

#include <rapidjson/error/error.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <set>
#include <type_traits>

#include "core/assert.h"

namespace outrider::core {
namespace {

constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag |
                            rapidjson::kParseNumbersAsStringsFlag;
// Of a text that is ASCII, as most payloads are: its encoding needs no check, and the check is most
// of what a long string costs.
constexpr unsigned kAsciiFlags =
    rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag;
// RapidJSON counts with 32 bits.
constexpr std::size_t kMostBytes = std::numeric_limits<std::int32_t>::max();
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

constexpr JsonRefusal kDuplicateKey{"duplicate key", "keep one of the members"};
constexpr JsonRefusal kLoneSurrogate{"lone surrogate",
                                     "escape a character beyond U+FFFF as a pair, or write it raw"};
constexpr JsonRefusal kTooDeep{"nested too deep", "nest fewer arrays and objects in each other"};

// The end of the string whose opening quote is before `at`: its closing quote, or the text's end.
std::size_t string_end(std::string_view text, std::size_t at) {
  for (std::size_t quote = text.find('"', at); quote != std::string_view::npos;
       quote = text.find('"', quote + 1)) {
    std::size_t backslashes = 0;
    while (text[quote - 1 - backslashes] == '\\') ++backslashes;  // the opening quote ends it
    if (backslashes % 2 == 0) return quote;
  }
  return text.size();
}

bool is_ascii(std::string_view text) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080U;
  std::uint64_t seen = 0, word = 0;
  for (; text.size() >= sizeof word; text.remove_prefix(sizeof word)) {
    std::memcpy(&word, text.data(), sizeof word);
    seen |= word;
  }
  return (seen & kHighBits) == 0 &&
         std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string numbers_blanked(std::string_view text) {
  std::string blanked(text);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      i = string_end(text, i + 1);
    } else if (text[i] == '-' || (text[i] >= '0' && text[i] <= '9')) {
      const std::size_t length = number_token(text, i).size();
      if (length == 0) break;  // RapidJSON will stop here and say why
      blanked[i] = '0';
      std::fill_n(blanked.begin() + static_cast<std::ptrdiff_t>(i) + 1, length - 1, ' ');
      i += length - 1;
    }
  }
  return blanked;
}

// The reader has checked the raw bytes, so what is not UTF-8 after unescaping came from an escape.
bool has_surrogate(std::string_view text) {
  for (std::size_t i = text.find('\xED'); i < text.size(); i = text.find('\xED', i + 1)) {
    if (i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) >= 0xA0) return true;
  }
  return false;
}

// Paths hold views of the keys: growing a vector of these must move them, not copy.
using KeySet = std::set<std::string, std::less<>>;
static_assert(std::is_nothrow_move_constructible_v<KeySet>);

// RapidJSON's handler. The names of its events are RapidJSON's.
class TokenEvents : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, TokenEvents> {
 public:
  TokenEvents(std::string_view text, const rapidjson::MemoryStream& stream, int max_depth,
              const JsonVisitor& visit)
      : text_(text), stream_(stream), max_depth_(max_depth), visit_(visit) {}

  bool Null() { return scalar(JsonKind::kLiteral, {}); }
  bool Bool(bool) { return scalar(JsonKind::kLiteral, {}); }
  bool RawNumber(const char*, rapidjson::SizeType, bool) { return scalar(JsonKind::kNumber, {}); }
  bool String(const char* characters, rapidjson::SizeType length, bool) {
    return scalar(JsonKind::kString, {characters, length});
  }
  bool StartObject() { return open(JsonKind::kObject); }
  bool StartArray() { return open(JsonKind::kArray); }
  bool EndObject(rapidjson::SizeType) { return close(JsonKind::kEndObject); }
  bool EndArray(rapidjson::SizeType) { return close(JsonKind::kEndArray); }
  bool Default() { return false; }  // no other event exists under these flags

  bool Key(const char* characters, rapidjson::SizeType length, bool) {
    const std::string_view raw = spelling(JsonKind::kKey);
    const std::string_view key(characters, length);
    if (has_surrogate(key)) return refuse(kLoneSurrogate);
    const auto [entry, is_new] = keys_.back().emplace(key);
    path_.back().key = *entry;  // a set does not move what it holds
    path_.back().entered = true;
    if (!is_new) return refuse(kDuplicateKey);
    return visit({JsonKind::kKey, keys_.back().size() == 1, raw, key});
  }

  [[nodiscard]] const JsonRefusal& refusal() const { return refusal_; }
  [[nodiscard]] std::string pointer() const { return json_pointer(path_); }
  // Of the array or object that is open. Requires: there is one.
  [[nodiscard]] std::string container_pointer() const {
    return json_pointer(JsonPath(path_).first(path_.size() - 1));
  }

 private:
  bool visit(const JsonToken& token) {
    const JsonRefusal refusal = visit_(token, path_);
    return refusal.reason == nullptr || refuse(refusal);
  }
  bool refuse(const JsonRefusal& refusal) {
    refusal_ = refusal;
    return false;
  }

  std::string_view spelling(JsonKind kind) {
    const std::size_t begin = text_.find_first_not_of(" \t\r\n,:", token_end_);
    OUTRIDER_ASSERT(begin < text_.size());
    token_end_ = kind == JsonKind::kNumber ? begin + number_token(text_, begin).size()  // blanked
                                           : stream_.Tell();
    OUTRIDER_ASSERT(token_end_ > begin);
    return text_.substr(begin, token_end_ - begin);
  }
  std::string_view bracket() {
    const std::size_t begin = stream_.Tell();
    token_end_ = begin + 1;
    return text_.substr(begin, 1);
  }

  [[nodiscard]] bool starts_its_container() const {
    return path_.empty() || !path_.back().in_array || path_.back().index == 0;
  }

  bool scalar(JsonKind kind, std::string_view characters) {
    const std::string_view raw = spelling(kind);
    if (kind == JsonKind::kString && has_surrogate(characters)) return refuse(kLoneSurrogate);
    if (!visit({kind, starts_its_container(), raw, characters})) return false;
    leave_value();
    return true;
  }

  bool open(JsonKind kind) {
    const std::string_view raw = bracket();
    if (path_.size() >= static_cast<std::size_t>(max_depth_)) return refuse(kTooDeep);
    if (!visit({kind, starts_its_container(), raw, {}})) return false;
    const bool is_array = kind == JsonKind::kArray;
    path_.push_back({.in_array = is_array, .entered = is_array, .index = 0, .key = {}});
    if (!is_array) keys_.emplace_back();
    return true;
  }

  bool close(JsonKind kind) {
    const std::string_view raw = bracket();
    bool empty = path_.back().index == 0;
    if (kind == JsonKind::kEndObject) {
      empty = keys_.back().empty();
      keys_.pop_back();
    }
    path_.pop_back();
    if (!visit({kind, empty, raw, {}})) return false;
    leave_value();
    return true;
  }

  void leave_value() {
    if (path_.empty()) return;
    if (path_.back().in_array) {
      ++path_.back().index;
    } else {
      path_.back().entered = false;
    }
  }

  std::string_view text_;
  const rapidjson::MemoryStream& stream_;
  int max_depth_;
  const JsonVisitor& visit_;
  std::size_t token_end_ = 0;
  std::vector<JsonStep> path_;
  std::vector<KeySet> keys_;  // of the objects that are open
  JsonRefusal refusal_;
};

struct SyntaxFault {
  rapidjson::ParseErrorCode code;
  std::string_view words;
};
constexpr std::array kSyntaxFaults{
    SyntaxFault{rapidjson::kParseErrorDocumentEmpty, "the text is empty"},
    SyntaxFault{rapidjson::kParseErrorDocumentRootNotSingular, "something follows the value"},
    SyntaxFault{rapidjson::kParseErrorValueInvalid, "a value is missing or malformed"},
    SyntaxFault{rapidjson::kParseErrorObjectMissName, "a member's name is missing"},
    SyntaxFault{rapidjson::kParseErrorObjectMissColon, "a colon is missing"},
    SyntaxFault{rapidjson::kParseErrorObjectMissCommaOrCurlyBracket, "a comma or } is missing"},
    SyntaxFault{rapidjson::kParseErrorArrayMissCommaOrSquareBracket, "a comma or ] is missing"},
    SyntaxFault{rapidjson::kParseErrorStringUnicodeEscapeInvalidHex, "a \\u escape is malformed"},
    SyntaxFault{rapidjson::kParseErrorStringEscapeInvalid,
                "an unknown escape or a raw control character in a string"},
    SyntaxFault{rapidjson::kParseErrorStringMissQuotationMark, "a string is not closed"},
    SyntaxFault{rapidjson::kParseErrorNumberMissFraction, "a number lacks digits behind the point"},
    SyntaxFault{rapidjson::kParseErrorNumberMissExponent, "a number lacks digits in its exponent"},
};

std::string syntax_fault(rapidjson::ParseErrorCode code) {
  const auto* fault = std::ranges::find(kSyntaxFaults, code, &SyntaxFault::code);
  return std::string(fault == kSyntaxFaults.end() ? "malformed" : fault->words);
}

tl::unexpected<Error> refuse_payload(std::string message, std::string where, std::string hint) {
  return fail(ErrorCode::kInvalidPayload, std::move(message), std::move(where), std::move(hint));
}

tl::unexpected<Error> explain(const rapidjson::ParseResult& outcome, const TokenEvents& events,
                              std::string_view text) {
  const std::string at = " at byte " + std::to_string(outcome.Offset());
  switch (outcome.Code()) {
    case rapidjson::kParseErrorTermination:
      OUTRIDER_ASSERT(events.refusal().reason != nullptr);
      return refuse_payload(events.refusal().reason, events.pointer(), events.refusal().hint);
    case rapidjson::kParseErrorStringUnicodeSurrogateInvalid:
      return refuse_payload(kLoneSurrogate.reason, events.pointer(), kLoneSurrogate.hint);
    case rapidjson::kParseErrorStringInvalidEncoding:
      return refuse_payload("invalid UTF-8" + at, events.pointer(), "encode the text as UTF-8");
    default:
      break;
  }
  const bool between_elements =
      outcome.Code() == rapidjson::kParseErrorArrayMissCommaOrSquareBracket;
  const bool raw_nul = outcome.Offset() < text.size() && text[outcome.Offset()] == '\0';
  return refuse_payload("not JSON: " + (raw_nul ? "a raw NUL" : syntax_fault(outcome.Code())) + at,
                        between_elements ? events.container_pointer() : events.pointer(),
                        "send one JSON text");
}

}  // namespace

Result<void> read_json(std::string_view text, const JsonLimits& limits, const JsonVisitor& visit) {
  OUTRIDER_ASSERT(limits.max_depth >= 0);
  const std::size_t most = std::min(limits.max_bytes, kMostBytes);
  if (text.size() > most) {
    return refuse_payload("larger than " + std::to_string(most) + " bytes", {},
                          "send less, or raise the payload limit");
  }
  if (text.starts_with(kByteOrderMark)) {
    return refuse_payload("byte order mark", {}, "send the text without it");
  }
  const std::string blanked = numbers_blanked(text);
  rapidjson::MemoryStream stream(blanked.data(), blanked.size());
  TokenEvents events(text, stream, limits.max_depth, visit);
  rapidjson::Reader reader;
  const rapidjson::ParseResult outcome = is_ascii(text) ? reader.Parse<kAsciiFlags>(stream, events)
                                                        : reader.Parse<kFlags>(stream, events);
  if (outcome.IsError()) return explain(outcome, events, text);
  if (stream.Tell() != text.size()) {
    return refuse_payload(
        "not JSON: something follows the value at byte " + std::to_string(stream.Tell()), {},
        "send one JSON text");
  }
  return {};
}

}  // namespace outrider::core
