// The "signature" and request parts of a definition. Templates and header names are checked here,
// at load, so that signing has no way to fail but a secret that does not fit.
#include <array>
#include <set>

#include "core/ascii.h"
#include "core/provider_sections.h"

namespace outrider::core {
namespace {

using Variable = Template::Variable;
using rapidjson::Value;

constexpr std::array<Choice<Algorithm>, 4> kAlgorithms = {{
    {"hmac-sha256", Algorithm::kHmacSha256},
    {"hmac-sha512", Algorithm::kHmacSha512},
    {"hmac-sha1", Algorithm::kHmacSha1},
    {"ed25519", Algorithm::kEd25519},
}};
constexpr std::array<Choice<KeyForm>, 3> kKeyForms = {{
    {"text", KeyForm::kText},
    {"base64", KeyForm::kBase64},
    {"hex", KeyForm::kHex},
}};
constexpr std::array<Choice<Encoding>, 2> kEncodings = {{
    {"hex", Encoding::kHex},
    {"base64", Encoding::kBase64},
}};
constexpr std::array<Choice<BodyMode>, 3> kBodies = {{
    {"ecmascript", BodyMode::kEcmascript},
    {"compact", BodyMode::kCompact},
    {"raw", BodyMode::kRaw},
}};

constexpr std::array kSignedVariables = {Variable::kBody,  Variable::kId,  Variable::kTimestamp,
                                         Variable::kType,  Variable::kUrl, Variable::kPayload,
                                         Variable::kHeader};
constexpr std::array kValueVariables = {Variable::kDigest};
constexpr std::array kHeaderVariables = {Variable::kId, Variable::kTimestamp, Variable::kType,
                                         Variable::kSignatures};

std::optional<Template> read_template(const ObjectReader& reader, std::string_view key,
                                      std::span<const Variable> allowed) {
  const auto text = reader.text(key);
  if (!text) return std::nullopt;
  auto parsed = Template::parse(*text, allowed);
  if (parsed) return std::move(*parsed);
  reader.fault(key, parsed.error().message, parsed.error().hint);
  return std::nullopt;
}

// What is sent in a header must be able to stand in one.
void check_literals(const ObjectReader& reader, std::string_view key, const Template& value) {
  for (const Template::Part& part : value.parts()) {
    if (part.variable != Variable::kLiteral) continue;
    for (const char c : part.text) {
      if (c >= 0x20 && c <= 0x7e) continue;
      reader.fault(key, "holds a character that no header value can carry", "printable ASCII only");
      return;
    }
  }
}

// A part that no request can ever have would make every signature fail.
void check_signed_headers(const ObjectReader& scheme, const Template& signed_text) {
  for (const Template::Part& part : signed_text.parts()) {
    if (part.variable == Variable::kHeader && is_engine_header(part.text)) {
      scheme.fault("signed", "{header:" + part.text + "} is a header that no endpoint can set",
                   "{header:} means one of the endpoint's own headers");
    }
  }
}

SignatureScheme read_scheme(const Value& value, const std::string& pointer, FaultList& faults) {
  const ObjectReader reader(value, pointer, faults,
                            {"algorithm", "key", "signed", "encoding", "value"});
  SignatureScheme scheme;
  reader.require("algorithm", "hmac-sha256, hmac-sha512, hmac-sha1 or ed25519");
  scheme.algorithm =
      reader.choice<Algorithm>("algorithm", kAlgorithms).value_or(Algorithm::kHmacSha256);
  if (const Value* key = reader.object("key")) {
    const ObjectReader key_reader(*key, reader.at("key"), faults, {"form", "prefix"});
    scheme.key_form = key_reader.choice<KeyForm>("form", kKeyForms).value_or(KeyForm::kText);
    const auto prefix = key_reader.text("prefix", 64);
    if (prefix && !is_header_value(*prefix)) {
      key_reader.fault("prefix", "must be printable ASCII without outer blanks");
    }
    scheme.key_prefix = prefix.value_or("");
  }
  if (scheme.algorithm == Algorithm::kEd25519 && scheme.key_form == KeyForm::kText) {
    faults.add(reader.at("key"), "an ed25519 key is 32 bytes, which text cannot be relied on to be",
               "say \"form\": \"base64\" or \"hex\"");
  }
  reader.require("signed", "usually {body}");
  if (auto text = read_template(reader, "signed", kSignedVariables)) {
    check_signed_headers(reader, *text);
    if (text->parts().empty()) reader.fault("signed", "signs nothing", "usually {body}");
    scheme.signed_text = std::move(*text);
  }
  scheme.encoding = reader.choice<Encoding>("encoding", kEncodings).value_or(Encoding::kHex);
  scheme.value = *Template::parse("{digest}", kValueVariables);
  if (auto text = read_template(reader, "value", kValueVariables)) {
    check_literals(reader, "value", *text);
    if (!text->uses(Variable::kDigest)) {
      reader.fault("value", "does not carry the signature", "write {digest} where it goes");
    }
    scheme.value = std::move(*text);
  }
  return scheme;
}

// A secret belongs to the first scheme whose prefix it has: each scheme must be reachable.
void check_prefixes(const std::vector<SignatureScheme>& schemes, FaultList& faults) {
  for (std::size_t later = 1; later < schemes.size(); ++later) {
    for (std::size_t earlier = 0; earlier < later; ++earlier) {
      if (!schemes[later].key_prefix.starts_with(schemes[earlier].key_prefix)) continue;
      faults.add(child_pointer("/signature/schemes", later),
                 "no secret can reach this scheme: scheme " + std::to_string(earlier) +
                     " takes every secret with its prefix",
                 "give each scheme a key prefix of its own, the longer one first");
      break;
    }
  }
}

// The name of a header that a definition sets; false when it cannot be.
bool check_header_name(const ObjectReader& headers, std::string_view name,
                       std::set<std::string>& seen) {
  if (!is_header_name(name)) {
    headers.fault(name, "is not a header name", "letters, digits and - (RFC 9110, section 5.1)");
    return false;
  }
  if (is_engine_header(name)) {
    headers.fault(
        name, "is a header that only the engine sets",
        equal_ignoring_case(name, "content-type") ? "write it as content_type" : "drop it");
    return false;
  }
  std::string folded(name);
  for (char& c : folded) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (!seen.insert(std::move(folded)).second) {
    headers.fault(name, "this header is set twice", "names differ in more than case");
    return false;
  }
  return true;
}

void read_signature_headers(const Value& value, const ObjectReader& signature,
                            std::set<std::string>& seen, SignatureRule& rule) {
  const ObjectReader headers(value, signature.at("headers"), signature.faults());
  bool carried = false;
  for (const auto& member : value.GetObject()) {
    const std::string_view name = as_view(member.name);
    auto text = read_template(headers, name, kHeaderVariables);
    if (text) {
      check_literals(headers, name, *text);
      carried = carried || text->uses(Variable::kSignatures);
    } else {
      carried = true;  // unknown; one fault is enough
    }
    if (!check_header_name(headers, name, seen) || !text) continue;
    rule.headers.push_back({std::string(name), std::move(*text)});
  }
  if (!carried) {
    signature.fault("headers", "no header carries the signature",
                    "write {signatures} where it goes");
  }
}

}  // namespace

void read_signature(const ObjectReader& root, Provider& provider) {
  root.require("signature", "every request is signed");
  std::set<std::string> header_names;
  if (const Value* value = root.object("signature")) {
    FaultList& faults = root.faults();
    const ObjectReader signature(*value, root.at("signature"), faults,
                                 {"schemes", "headers", "join"});
    signature.require("schemes");
    if (const Value* schemes = signature.array("schemes", 1, 8)) {
      const std::size_t faults_before = faults.size();
      for (rapidjson::SizeType i = 0; i < schemes->Size(); ++i) {
        const std::string pointer = child_pointer(signature.at("schemes"), std::size_t{i});
        if ((*schemes)[i].IsObject()) {
          provider.signature.schemes.push_back(read_scheme((*schemes)[i], pointer, faults));
        } else {
          faults.add(pointer, "must be an object, not " + std::string(kind_of((*schemes)[i])));
        }
      }
      if (faults.size() == faults_before) check_prefixes(provider.signature.schemes, faults);
    }
    signature.require("headers");
    if (const Value* headers = signature.object("headers")) {
      read_signature_headers(*headers, signature, header_names, provider.signature);
    }
    if (const auto join = signature.text("join", 8)) {
      provider.signature.joins = true;
      provider.signature.join = *join;
      for (const char c : *join) {
        if (c < 0x20 || c > 0x7e) signature.fault("join", "must be printable ASCII");
      }
      if (join->empty()) signature.fault("join", "is empty", "\" \" or \",\"; or drop it");
    }
  }
  const Value* fixed = root.object("headers");
  if (fixed == nullptr) return;
  const ObjectReader headers(*fixed, root.at("headers"), root.faults());
  for (const auto& member : fixed->GetObject()) {
    const std::string_view name = as_view(member.name);
    const auto text = headers.text(name);
    if (text && (text->empty() || !is_header_value(*text))) {
      headers.fault(name, "is not a header value", "printable ASCII without outer blanks");
    }
    if (check_header_name(headers, name, header_names) && text) {
      provider.headers.push_back({std::string(name), std::string(*text)});
    }
  }
}

void read_request(const ObjectReader& root, Provider& provider) {
  provider.body = root.choice<BodyMode>("body", kBodies).value_or(provider.body);
  const auto content_type = root.text("content_type", 255);
  if (!content_type) return;
  const std::size_t slash = content_type->find('/');
  const std::string_view major = content_type->substr(0, slash);
  const bool right = slash != std::string_view::npos && is_header_name(major) &&
                     slash + 1 < content_type->size() && (*content_type)[slash + 1] != ' ' &&
                     is_header_value(*content_type);
  if (!right) root.fault("content_type", "is not a media type", "such as application/json");
  provider.content_type = *content_type;
}

}  // namespace outrider::core
