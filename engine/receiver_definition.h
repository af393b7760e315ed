// What a provider's definition says about its signatures, read from the file's text by the
// receiving side's own means.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crypto/receiver_mac.h"
#include "outrider/result.h"

namespace outrider::receiver {

// A template's text, taken apart: literals, and variables with what stands behind their colon.
struct Piece {
  bool variable = false;
  std::string text;      // the literal, or the variable's name
  std::string argument;  // a JSON pointer, a header's name
};
using Pieces = std::vector<Piece>;

enum class KeyEncoding : std::uint8_t { kText, kBase64, kHex };

struct Scheme {
  std::optional<crypto::ReceiverHash> hash;  // none: Ed25519
  KeyEncoding key_encoding = KeyEncoding::kText;
  std::string key_prefix;
  Pieces signed_text;
  bool base64 = false;  // the digest's encoding; else lower-case hex
  Pieces value;
};

struct SignatureDefinition {
  std::vector<Scheme> schemes;
  std::vector<std::pair<std::string, Pieces>> headers;
  std::string join;  // empty: a header carries one signature
  bool ecmascript = true;
};
// Errors: kCorrupt (where = what of the definition could not be used).
[[nodiscard]] Result<SignatureDefinition> read_signature_definition(std::string_view json);

}  // namespace outrider::receiver
