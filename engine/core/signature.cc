// Signing: which secret belongs to which scheme, what is signed, and what the headers say.
//
// Everything a header carries is checked here, last, on the finished text: no control character of
// any origin (an id, an event type, a payload's value) can end a header line and begin another.
//
// Keys are decoded as late as possible and overwritten as soon as they were used. Errors name a
// scheme's key form and prefix, never a character of a secret.
#include "core/signature.h"

#include <algorithm>
#include <optional>

#include "core/ascii.h"
#include "core/assert.h"
#include "core/json_text.h"

namespace outrider::core {
namespace {

constexpr std::size_t kEd25519SeedBytes = 32;
constexpr std::size_t kEd25519PairBytes = 64;  // seed and public key

bool is_control(unsigned char c) { return c < 0x20 || c == 0x7f; }

// A key's bytes for as long as they are needed. Volatile, or the compiler may drop writes to memory
// about to be freed.
class KeyBytes {
 public:
  explicit KeyBytes(std::string bytes) : bytes_(std::move(bytes)) {}
  ~KeyBytes() {
    volatile char* at = bytes_.data();
    for (std::size_t i = 0; i < bytes_.size(); ++i) at[i] = 0;
  }
  KeyBytes(const KeyBytes&) = delete;
  KeyBytes& operator=(const KeyBytes&) = delete;
  [[nodiscard]] std::string_view view() const { return bytes_; }

 private:
  std::string bytes_;
};

// What a template may refer to beside the request.
struct Products {
  std::string_view digest;
  std::string_view signatures;
};

// A field that occurs more than once counts as one whose values are listed (RFC 9110, 5.3).
Result<std::string> header_text(std::span<const HeaderField> headers, const std::string& name) {
  std::optional<std::string> text;
  for (const HeaderField& field : headers) {
    if (!equal_ignoring_case(field.name, name)) continue;
    text = text ? *text + ", " + field.value : field.value;
  }
  if (text) return std::move(*text);
  return fail(ErrorCode::kInvalidArgument, "the endpoint has no header of the name that is signed",
              name, "add the header to the endpoint");
}

Result<std::string> render(const Template& form, const SigningContext& context,
                           const Products& products) {
  using Variable = Template::Variable;
  std::string text;
  for (const Template::Part& part : form.parts()) {
    switch (part.variable) {
      case Variable::kLiteral:
        text += part.text;
        break;
      case Variable::kBody:
        text += context.body;
        break;
      case Variable::kId:
        text += context.id;
        break;
      case Variable::kTimestamp:
        text += std::to_string(context.timestamp_s);
        break;
      case Variable::kType:
        text += context.type;
        break;
      case Variable::kUrl:
        text += context.url;
        break;
      case Variable::kDigest:
        text += products.digest;
        break;
      case Variable::kSignatures:
        text += products.signatures;
        break;
      case Variable::kPayload:
      case Variable::kHeader: {
        auto value = part.variable == Variable::kPayload ? extract_scalar(context.body, part.text)
                                                         : header_text(context.headers, part.text);
        if (!value) return value;
        text += *value;
        break;
      }
    }
  }
  return text;
}

std::string known_prefixes(const SignatureRule& rule) {
  std::string list;
  for (const SignatureScheme& scheme : rule.schemes) {
    list += (list.empty() ? "" : ", ") + scheme.key_prefix;
  }
  return list;
}

// By prefix alone; whether the rest is a key is decode_key()'s question.
Result<std::size_t> scheme_with_prefix_of(const SignatureRule& rule, std::string_view secret) {
  for (std::size_t i = 0; i < rule.schemes.size(); ++i) {
    if (secret.starts_with(rule.schemes[i].key_prefix)) return i;
  }
  return fail(ErrorCode::kInvalidArgument, "the signing secret has none of the provider's prefixes",
              "secret", "it starts with one of: " + known_prefixes(rule));
}

// The signatures of the signers, each in its scheme's form.
class Signatures {
 public:
  Signatures(const SignatureRule& rule, const SigningContext& context)
      : rule_(rule), context_(context) {}

  Result<std::string> of(const Signer& signer) {
    const SignatureScheme& scheme = rule_.schemes[signer.scheme];
    const auto message = message_of(signer.scheme);
    if (!message) return tl::unexpected(message.error());
    auto bytes = signer.digest(*message);
    if (!bytes) return bytes;
    return render(scheme.value, context_,
                  {.digest = encode(scheme.encoding, *bytes), .signatures = {}});
  }

 private:
  // Rotation signs one text with several keys: it is put together once.
  Result<std::string_view> message_of(std::size_t scheme) {
    const Template& form = rule_.schemes[scheme].signed_text;
    if (form.parts().size() == 1 && form.uses(Template::Variable::kBody)) return context_.body;
    messages_.resize(rule_.schemes.size());
    std::optional<std::string>& message = messages_[scheme];
    if (!message) {
      auto rendered = render(form, context_, {});
      if (!rendered) return tl::unexpected(std::move(rendered.error()));
      message = std::move(*rendered);
    }
    return *message;
  }

  const SignatureRule& rule_;
  const SigningContext& context_;
  std::vector<std::optional<std::string>> messages_;  // by scheme, where they are put together
};

Result<HeaderField> header_field(const HeaderTemplate& header, const SigningContext& context,
                                 std::string_view signatures) {
  auto value = render(header.value, context, {.digest = {}, .signatures = signatures});
  if (!value) return tl::unexpected(std::move(value.error()));
  if (std::ranges::any_of(*value, is_control)) {
    const bool from_payload = header.value.uses(Template::Variable::kPayload);
    return fail(from_payload ? ErrorCode::kInvalidPayload : ErrorCode::kInvalidArgument,
                "a header's value would hold a control character", header.name,
                "ids, types and values that go into headers are one line of text");
  }
  return HeaderField{header.name, std::move(*value)};
}

Result<std::string> decoded_text(const SignatureScheme& scheme, std::string_view text) {
  switch (scheme.key_form) {
    case KeyForm::kBase64:
      return decode_base64(text);
    case KeyForm::kHex:
      return decode_hex(text);
    case KeyForm::kText:
      break;
  }
  if (std::ranges::any_of(text, is_control)) {
    return fail(ErrorCode::kInvalidArgument, "it holds a control character", {},
                "remove the line break or tab, often at its end");
  }
  return std::string(text);
}

}  // namespace

Result<std::string> decode_key(const SignatureScheme& scheme, std::string_view secret) {
  if (!secret.starts_with(scheme.key_prefix)) {
    return fail(ErrorCode::kInvalidArgument,
                "the signing secret does not start with " + scheme.key_prefix, "secret");
  }
  auto key = decoded_text(scheme, secret.substr(scheme.key_prefix.size()));
  if (!key) {
    return fail(ErrorCode::kInvalidArgument,
                "the signing secret cannot be read: " + key.error().message, "secret",
                key.error().hint);
  }
  if (key->empty()) {
    return fail(ErrorCode::kInvalidArgument, "the signing secret is empty", "secret");
  }
  if (scheme.algorithm == Algorithm::kEd25519 && key->size() != kEd25519SeedBytes &&
      key->size() != kEd25519PairBytes) {
    const KeyBytes discarded(std::move(*key));
    return fail(ErrorCode::kInvalidArgument, "the signing secret is not an Ed25519 key", "secret",
                "it is 32 bytes of seed, or these and the 32 bytes of the public key");
  }
  return key;
}

Result<std::size_t> scheme_for(const SignatureRule& rule, std::string_view secret) {
  auto index = scheme_with_prefix_of(rule, secret);
  if (!index) return index;
  auto decoded = decode_key(rule.schemes[*index], secret);
  if (!decoded) return tl::unexpected(std::move(decoded.error()));
  const KeyBytes discarded(std::move(*decoded));
  return index;
}

Result<std::vector<HeaderField>> sign(const SignatureRule& rule, const SigningContext& context,
                                      std::span<const Signer* const> signers) {
  OUTRIDER_ASSERT(!signers.empty());
  Signatures signatures(rule, context);
  std::string joined;
  for (const Signer* signer : rule.joins ? signers : signers.first(1)) {
    auto one = signatures.of(*signer);
    if (!one) return tl::unexpected(std::move(one.error()));
    if (!joined.empty()) joined += rule.join;
    joined += *one;
  }

  std::vector<HeaderField> fields;
  fields.reserve(rule.headers.size() + 3);  // and room for what is sent with them
  for (const HeaderTemplate& header : rule.headers) {
    auto field = header_field(header, context, joined);
    if (!field) return tl::unexpected(std::move(field.error()));
    fields.push_back(std::move(*field));
  }
  return fields;
}

Result<std::vector<HeaderField>> sign(const SignatureRule& rule, const SigningContext& context,
                                      std::span<const std::string> secrets, DigestFunction digest) {
  OUTRIDER_ASSERT(digest != nullptr);
  if (secrets.empty()) {
    return fail(ErrorCode::kInvalidArgument, "there is no live signing secret", "secret",
                "give the endpoint a secret: endpoint rotate-secret");
  }
  std::vector<Signer> signers;
  for (const std::string& secret : rule.joins ? secrets : secrets.first(1)) {
    const auto index = scheme_with_prefix_of(rule, secret);
    if (!index) return tl::unexpected(index.error());
    signers.push_back({.scheme = *index,
                       .digest = [&scheme = rule.schemes[*index], &secret,
                                  digest](std::string_view message) -> Result<std::string> {
                         auto decoded = decode_key(scheme, secret);
                         if (!decoded) return decoded;
                         const KeyBytes key(std::move(*decoded));
                         return digest(scheme.algorithm, key.view(), message);
                       }});
  }
  std::vector<const Signer*> named;
  named.reserve(signers.size());
  for (const Signer& signer : signers) named.push_back(&signer);
  return sign(rule, context, named);
}

}  // namespace outrider::core
