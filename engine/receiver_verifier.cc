// The check, in the order a receiver makes it: the headers are found and read back by their
// templates, the timestamp is looked at, then every signature is compared with what every key gives
// over the bytes received. No comparison is cut short, and no error holds a key, a digest or a byte
// of the body.
//
// For bodies that receivers re-stringify there is a last step: JSON.stringify(JSON.parse(body))
// must give the body again, or a receiver that verifies over that would refuse what we have just
// accepted.
#include "receiver_verifier.h"

#include <algorithm>
#include <map>

#include "receiver_key.h"

namespace outrider::receiver {
namespace {

// More signatures than any rotation has are someone's attempt to make us work.
constexpr std::size_t kMaxSignatures = 64;

tl::unexpected<Error> refused(std::string what, std::string where, std::string hint = {}) {
  return fail(ErrorCode::kRefused, std::move(what), std::move(where), std::move(hint));
}

// Reads a text back by its template: each variable stands for as little as possible, the last one
// for the rest.
bool read_back(const Pieces& pieces, std::string_view text,
               std::map<std::string, std::string, std::less<>>& variables) {
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const Piece& piece = pieces[i];
    std::size_t length = piece.text.size();
    if (piece.variable) {
      const bool last = i + 1 == pieces.size();
      length = last ? text.size() : text.find(pieces[i + 1].text);
      if (length == std::string_view::npos || length == 0) return false;
      const auto [known, is_new] =
          variables.try_emplace(piece.text, std::string(text.substr(0, length)));
      if (!is_new && known->second != text.substr(0, length)) return false;
    } else if (!text.starts_with(piece.text)) {
      return false;
    }
    text.remove_prefix(length);
  }
  return text.empty();
}

bool uses(const Pieces& pieces, std::string_view variable) {
  return std::any_of(pieces.begin(), pieces.end(),
                     [&](const Piece& piece) { return piece.variable && piece.text == variable; });
}

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

std::vector<std::string_view> values_of(const ReceivedRequest& request, std::string_view name) {
  std::vector<std::string_view> values;
  for (const HeaderField& field : request.headers) {
    if (same_name(field.name, name)) values.emplace_back(field.value);
  }
  return values;
}

// As one field with a list, which is what repeated fields mean (RFC 9110, 5.3).
std::string joined(const std::vector<std::string_view>& values) {
  std::string all;
  for (std::size_t i = 0; i < values.size(); ++i) all.append(i == 0 ? "" : ", ").append(values[i]);
  return all;
}

std::vector<std::string_view> split(std::string_view text, std::string_view separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = separator.empty() ? std::string_view::npos : text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos || parts.size() > kMaxSignatures) return parts;
    text.remove_prefix(end + separator.size());
  }
}

// A count of seconds as a sender writes it; nothing for anything else.
std::optional<std::int64_t> seconds(std::string_view text) {
  if (text.empty() || text.size() > 12 || (text.size() > 1 && text.front() == '0')) return {};
  std::int64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

}  // namespace

struct Verifier::Claims {
  std::map<std::string, std::string, std::less<>> variables;  // id, timestamp, type
  std::vector<std::string> signatures;
  std::string signature_header;
  std::string timestamp_header;
};

// What a signature may be over. The body is the one received, or what JavaScript makes of it.
struct Verifier::Signed {
  const ReceivedRequest& request;
  const Claims& claims;
  std::string_view body;
  const JsonValue* json;  // null: not read, or not JSON
};

Verifier::~Verifier() {
  for (SigningKey& key : keys_) crypto::forget(key.bytes);
}

Result<Verifier> Verifier::make(std::string_view definition,
                                const std::vector<std::string>& secrets) {
  Verifier verifier;
  Result<SignatureDefinition> read = read_signature_definition(definition);
  if (!read) return tl::unexpected(read.error());
  verifier.definition_ = std::move(*read);
  if (secrets.empty()) {
    return fail(ErrorCode::kInvalidArgument, "no secret is given", "secret", "give one");
  }
  for (std::size_t i = 0; i < secrets.size(); ++i) {
    const std::size_t before = verifier.keys_.size();
    for (std::size_t s = 0; s < verifier.definition_.schemes.size(); ++s) {
      std::optional<std::string> key = key_of(verifier.definition_.schemes[s], secrets[i]);
      if (key) verifier.keys_.push_back({s, std::move(*key)});
    }
    if (verifier.keys_.size() == before) {
      return fail(ErrorCode::kInvalidArgument, "a secret that is none of this provider's forms",
                  i == 0 ? "secret" : "secret " + std::to_string(i + 1),
                  "give it as the provider shows it, with its prefix and without spaces");
    }
  }
  return verifier;
}

Result<Verifier::Claims> Verifier::read_headers(const ReceivedRequest& request) const {
  Claims claims;
  for (const auto& [name, pieces] : definition_.headers) {
    const bool carries_signatures = uses(pieces, "signatures");
    const bool is_signed = std::any_of(
        definition_.schemes.begin(), definition_.schemes.end(), [&](const Scheme& scheme) {
          return std::any_of(pieces.begin(), pieces.end(), [&](const Piece& piece) {
            return piece.variable && uses(scheme.signed_text, piece.text);
          });
        });
    const std::vector<std::string_view> values = values_of(request, name);
    if (!carries_signatures && !is_signed) continue;  // a receiver need not look at it
    if (values.empty()) return refused("the header is missing", name);
    if (values.size() > 1) {
      return refused("the header is there more than once", name, "send it once");
    }
    if (!read_back(pieces, values.front(), claims.variables)) {
      return refused("the header is malformed", name);
    }
    if (uses(pieces, "timestamp")) claims.timestamp_header = name;
    if (!carries_signatures) continue;
    claims.signature_header = name;
    for (const std::string_view one : split(claims.variables["signatures"], definition_.join)) {
      claims.signatures.emplace_back(one);
    }
    if (claims.signatures.size() > kMaxSignatures) {
      return refused("the header carries too many signatures", name);
    }
  }
  return claims;
}

Result<void> Verifier::check_time(const Claims& claims, std::int64_t now_s,
                                  std::int64_t tolerance_s) const {
  const auto claimed = claims.variables.find("timestamp");
  if (claimed == claims.variables.end()) return {};
  const std::optional<std::int64_t> at = seconds(claimed->second);
  if (!at) return refused("the timestamp is not a count of seconds", claims.timestamp_header);
  if (tolerance_s <= 0) return {};
  if (*at < now_s - tolerance_s) {
    return refused("the timestamp is too old", claims.timestamp_header,
                   "compare the clocks of both sides; a request held back too long, or replayed");
  }
  if (*at > now_s + tolerance_s) {
    return refused("the timestamp lies in the future", claims.timestamp_header,
                   "compare the clocks of both sides");
  }
  return {};
}

// What one variable of a signed text stands for.
Result<std::string> Verifier::meaning_of(const Piece& piece, const Signed& what,
                                         std::string_view protocol) const {
  if (piece.text == "body") return std::string(what.body);
  if (piece.text == "payload") {
    const JsonValue* value = what.json == nullptr ? nullptr : what.json->at(piece.argument);
    const std::optional<std::string> text = value == nullptr ? std::nullopt : scalar_text(*value);
    if (!text) return refused("the body lacks a value that is signed", "body", piece.argument);
    // Only JavaScript reads and writes a number anew.
    const bool verbatim = value->kind == JsonValue::Kind::kNumber && !definition_.ecmascript;
    return verbatim ? value->text : *text;
  }
  if (piece.text == "header") {
    const std::vector<std::string_view> values = values_of(what.request, piece.argument);
    if (values.empty()) return refused("a signed header is missing", piece.argument);
    return joined(values);
  }
  if (piece.text == "url") {
    const std::vector<std::string_view> hosts = values_of(what.request, "host");
    if (hosts.empty()) return refused("the header is missing", "Host");
    return std::string(protocol).append(hosts.front()).append(what.request.path);
  }
  const auto known = what.claims.variables.find(piece.text);
  if (known != what.claims.variables.end()) return known->second;
  return refused("no header carries a value that is signed", "{" + piece.text + "}");
}

// More than one where the URL is signed: a request does not say which scheme it came by.
Result<std::vector<std::string>> Verifier::messages(const Scheme& scheme,
                                                    const Signed& what) const {
  std::vector<std::string> all;
  for (const std::string_view protocol : {"https://", "http://"}) {
    if (!all.empty() && !uses(scheme.signed_text, "url")) break;
    std::string& message = all.emplace_back();
    for (const Piece& piece : scheme.signed_text) {
      if (!piece.variable) {
        message += piece.text;
        continue;
      }
      const Result<std::string> meaning = meaning_of(piece, what, protocol);
      if (!meaning) return tl::unexpected(meaning.error());
      message += *meaning;
    }
  }
  return all;
}

Result<bool> Verifier::fits(const Signed& what) const {
  bool any = false;
  for (const SigningKey& key : keys_) {
    const Scheme& scheme = definition_.schemes[key.scheme];
    const Result<std::vector<std::string>> possible = messages(scheme, what);
    if (!possible) return tl::unexpected(possible.error());
    for (const std::string& message : *possible) {
      std::string expected;
      if (scheme.hash) {
        expected = encode_digest(scheme, crypto::receiver_hmac(*scheme.hash, key.bytes, message));
      }
      for (const std::string& signature : what.claims.signatures) {
        std::map<std::string, std::string, std::less<>> parts;
        if (!read_back(scheme.value, signature, parts)) continue;
        const std::string& given = parts["digest"];
        if (scheme.hash) {
          any = crypto::same_text(expected, given) || any;
        } else {
          const std::optional<std::string> bytes = decode_digest(scheme, given);
          any = (bytes && crypto::ed25519_verifies(key.bytes, message, *bytes)) || any;
        }
      }
    }
  }
  return any;
}

Result<void> Verifier::check(const ReceivedRequest& request, std::int64_t now_s,
                             std::int64_t tolerance_s) const {
  const Result<Claims> claims = read_headers(request);
  if (!claims) return tl::unexpected(claims.error());
  if (auto in_time = check_time(*claims, now_s, tolerance_s); !in_time) return in_time;

  const bool reads_body =
      definition_.ecmascript ||
      std::any_of(definition_.schemes.begin(), definition_.schemes.end(),
                  [](const Scheme& scheme) { return uses(scheme.signed_text, "payload"); });
  std::optional<JsonValue> json;
  if (reads_body) json = parse_json(request.body);
  if (reads_body && !json) return refused("the body is not JSON", "body");
  const JsonValue* const value = json ? &*json : nullptr;

  const Result<bool> signature_fits = fits({request, *claims, request.body, value});
  if (!signature_fits) return tl::unexpected(signature_fits.error());
  if (!definition_.ecmascript) {
    if (*signature_fits) return {};
    return refused("no signature fits the secret and the body", claims->signature_header,
                   "compare the secret, and verify over the bytes received");
  }
  const std::string rewritten = stringify(*value);
  const bool same = rewritten == request.body;
  if (*signature_fits && same) return {};
  if (*signature_fits) {
    return refused("the signature fits, but JSON.stringify(JSON.parse(body)) gives other bytes",
                   "body", "a receiver that verifies over those refuses this request");
  }
  const Result<bool> rewritten_fits =
      same ? Result<bool>(false) : fits({request, *claims, rewritten, value});
  if (rewritten_fits && *rewritten_fits) {
    return refused("the signature fits JSON.stringify(JSON.parse(body)), not the bytes received",
                   "body", "something between the two sides has reformatted the body");
  }
  return refused("no signature fits the secret and the body", claims->signature_header,
                 "compare the secret, and verify over the bytes received");
}

}  // namespace outrider::receiver
