// Reads the `signature` and `body` of a provider's definition. The definition was linted when it
// was loaded; what is checked here is what this reader itself needs.
#include "receiver_definition.h"

#include <algorithm>

#include "receiver_json.h"

namespace outrider::receiver {
namespace {

tl::unexpected<Error> unusable(std::string what, std::string where) {
  return fail(ErrorCode::kCorrupt, std::move(what), std::move(where),
              "see: outrider provider check");
}

std::string text_of(const JsonValue& object, std::string_view name, std::string_view otherwise) {
  const JsonValue* value = object.member(name);
  return value != nullptr && value->kind == JsonValue::Kind::kString ? value->text
                                                                     : std::string(otherwise);
}

// "v1,{digest}" -> literal "v1,", variable "digest". Doubled braces are literal ones.
std::optional<Pieces> take_apart(std::string_view text) {
  Pieces pieces;
  const auto literal = [&](char c) {
    if (pieces.empty() || pieces.back().variable) pieces.push_back({});
    pieces.back().text += c;
  };
  while (!text.empty()) {
    if (text.starts_with("{{") || text.starts_with("}}")) {
      literal(text.front());
      text.remove_prefix(2);
    } else if (text.front() == '{') {
      const std::size_t end = text.find('}');
      if (end == std::string_view::npos) return std::nullopt;
      const std::string_view inside = text.substr(1, end - 1);
      const std::size_t colon = std::min(inside.find(':'), inside.size());
      Piece piece{true, std::string(inside.substr(0, colon)), {}};
      if (colon < inside.size()) piece.argument = inside.substr(colon + 1);
      pieces.push_back(std::move(piece));
      text.remove_prefix(end + 1);
    } else if (text.front() == '}') {
      return std::nullopt;
    } else {
      literal(text.front());
      text.remove_prefix(1);
    }
  }
  return pieces;
}

// A header can be read back only when a literal stands between two variables.
bool can_be_read_back(const Pieces& pieces) {
  return std::adjacent_find(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) {
           return a.variable && b.variable;
         }) == pieces.end();
}

Result<Scheme> read_scheme(const JsonValue& json, const std::string& where) {
  Scheme scheme;
  const std::string algorithm = text_of(json, "algorithm", "");
  if (algorithm == "hmac-sha256") {
    scheme.hash = crypto::ReceiverHash::kSha256;
  } else if (algorithm == "hmac-sha512") {
    scheme.hash = crypto::ReceiverHash::kSha512;
  } else if (algorithm == "hmac-sha1") {
    scheme.hash = crypto::ReceiverHash::kSha1;
  } else if (algorithm != "ed25519") {
    return unusable("an algorithm that is not known", where + "/algorithm");
  }
  if (const JsonValue* key = json.member("key")) {
    const std::string form = text_of(*key, "form", "text");
    scheme.key_encoding = form == "base64" ? KeyEncoding::kBase64
                          : form == "hex"  ? KeyEncoding::kHex
                                           : KeyEncoding::kText;
    scheme.key_prefix = text_of(*key, "prefix", "");
  }
  scheme.base64 = text_of(json, "encoding", "hex") == "base64";
  const std::optional<Pieces> signed_text = take_apart(text_of(json, "signed", ""));
  if (!signed_text || signed_text->empty()) {
    return unusable("what is signed cannot be read", where + "/signed");
  }
  scheme.signed_text = *signed_text;
  const std::optional<Pieces> value = take_apart(text_of(json, "value", "{digest}"));
  if (!value || !can_be_read_back(*value)) {
    return unusable("a signature of this form cannot be read back", where + "/value");
  }
  scheme.value = *value;
  return scheme;
}

}  // namespace

Result<SignatureDefinition> read_signature_definition(std::string_view text) {
  const std::optional<JsonValue> json = parse_json(text);
  if (!json) return unusable("the definition is not JSON", "");
  const JsonValue* signature = json->at("/signature");
  const JsonValue* schemes = json->at("/signature/schemes");
  const JsonValue* headers = json->at("/signature/headers");
  if (signature == nullptr || schemes == nullptr || schemes->items.empty() || headers == nullptr ||
      headers->members.empty()) {
    return unusable("no signature schemes or headers", "/signature");
  }
  SignatureDefinition definition;
  for (std::size_t i = 0; i < schemes->items.size(); ++i) {
    Result<Scheme> scheme =
        read_scheme(schemes->items[i], "/signature/schemes/" + std::to_string(i));
    if (!scheme) return tl::unexpected(scheme.error());
    definition.schemes.push_back(std::move(*scheme));
  }
  for (const auto& [name, value] : headers->members) {
    std::optional<Pieces> pieces = take_apart(value.text);
    if (!pieces || !can_be_read_back(*pieces)) {
      return unusable("a header of this form cannot be read back", "/signature/headers/" + name);
    }
    definition.headers.emplace_back(name, std::move(*pieces));
  }
  definition.join = text_of(*signature, "join", "");
  definition.ecmascript = text_of(*json, "body", "ecmascript") == "ecmascript";
  return definition;
}

}  // namespace outrider::receiver
