// From a signature rule and an event to the headers of a signed request. Pure: the digests are
// computed by a function the caller passes in (crypto/mac.h), so this file is templates and nothing
// else.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "outrider/result.h"
#include "outrider/types.h"

namespace outrider::core {

enum class Algorithm : std::uint8_t { kHmacSha256, kHmacSha512, kHmacSha1, kEd25519 };
enum class KeyForm : std::uint8_t { kText, kBase64, kHex };
enum class Encoding : std::uint8_t { kHex, kBase64 };

// A template, parsed and checked once: literal text and variables. `{{` and `}}` are literal
// braces.
//   in what is signed:     {body} {id} {timestamp} {type} {url} {payload:/pointer} {header:name}
//   in a scheme's value:   {digest}
//   in a header's value:   {id} {timestamp} {type} {signatures}
class Template {
 public:
  enum class Variable : std::uint8_t {
    kLiteral,
    kBody,
    kId,
    kTimestamp,
    kType,
    kUrl,
    kPayload,
    kHeader,
    kDigest,
    kSignatures
  };
  struct Part {
    Variable variable = Variable::kLiteral;
    std::string text;  // the literal, the pointer or the header's name (lower case)
  };
  // `allowed` lists the variables that make sense here. Errors: kInvalidArgument naming the unknown
  // variable, the unclosed brace, the bad pointer or header name; the hint lists what is known.
  [[nodiscard]] static Result<Template> parse(std::string_view text,
                                              std::span<const Variable> allowed);
  [[nodiscard]] std::span<const Part> parts() const { return parts_; }
  [[nodiscard]] bool uses(Variable variable) const;

 private:
  std::vector<Part> parts_;
};

// One way of signing. A rule may have several (Standard Webhooks: v1 with HMAC, v1a with Ed25519);
// a secret belongs to the first scheme whose key prefix it has.
struct SignatureScheme {
  Algorithm algorithm = Algorithm::kHmacSha256;
  KeyForm key_form = KeyForm::kText;
  std::string key_prefix;  // "whsec_"; stripped before decoding; empty: none
  Template signed_text;
  Encoding encoding = Encoding::kHex;
  Template value;  // "{digest}", "v1,{digest}"
};

struct HeaderTemplate {
  std::string name;  // as sent
  Template value;
};

struct SignatureRule {
  std::vector<SignatureScheme> schemes;
  std::vector<HeaderTemplate> headers;
  // Set: signatures of all live secrets are joined with it, newest first. Unset: only the newest
  // secret signs.
  bool joins = false;
  std::string join;
};

// What is known of the request when it is signed. Views must outlive the call.
struct SigningContext {
  std::string_view body = {};
  std::string_view id = {};
  std::int64_t timestamp_s = 0;  // seconds since 1970
  std::string_view type = {};
  std::string_view url = {};
  std::span<const HeaderField> headers = {};  // the endpoint's own, for {header:name}
};

// Decoded key bytes and message in, digest bytes out (Ed25519: key is the 32-byte seed, with or
// without the public key behind it; the "digest" is the signature).
using DigestFunction = Result<std::string> (*)(Algorithm algorithm, std::string_view key,
                                               std::string_view message);

// A secret that is ready to sign with: what it makes of a message, under its scheme (index).
struct Signer {
  std::size_t scheme = 0;
  std::function<Result<std::string>(std::string_view message)> digest;
};

// The headers to send, in the rule's order. `signers`: of the live secrets, newest first; at least
// one. No value holds a control character, so none can begin a header of its own.
// Errors: kInvalidArgument (a signed header is absent; a control character in an id or type),
// kInvalidPayload (a {payload:} pointer is absent; where = pointer), and those of the signers.
[[nodiscard]] Result<std::vector<HeaderField>> sign(const SignatureRule& rule,
                                                    const SigningContext& context,
                                                    std::span<const Signer* const> signers);

// The same from the secrets' texts. `secrets`: the live ones, newest first; at least one.
// Errors: as above, and kInvalidArgument (a secret does not fit its scheme's key form, never its
// text).
[[nodiscard]] Result<std::vector<HeaderField>> sign(const SignatureRule& rule,
                                                    const SigningContext& context,
                                                    std::span<const std::string> secrets,
                                                    DigestFunction digest);

// Checks that a secret's text fits the rule, and which scheme it belongs to (index).
[[nodiscard]] Result<std::size_t> scheme_for(const SignatureRule& rule, std::string_view secret);
// The key bytes of a secret under a scheme.
[[nodiscard]] Result<std::string> decode_key(const SignatureScheme& scheme,
                                             std::string_view secret);

[[nodiscard]] std::string encode(Encoding encoding,
                                 std::string_view bytes);  // lower-case hex, or padded base64
[[nodiscard]] Result<std::string> decode_base64(
    std::string_view text);  // strict: padded, canonical
[[nodiscard]] Result<std::string> decode_hex(std::string_view text);

}  // namespace outrider::core
