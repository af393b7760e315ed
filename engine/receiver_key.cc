// Secrets as they are handed out, and digests as headers carry them. Decoding is strict: what the
// encoder would not have written is not accepted, so there is one text for one value.
#include "receiver_key.h"

#include <algorithm>
#include <cstdint>

namespace outrider::receiver {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_digit(text[i]);
    const int low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string to_base64(std::string_view bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8 | (j < have ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      text += j <= have ? kBase64[group >> (18 - 6 * j) & 0x3f] : '=';
    }
  }
  return text;
}

// Only what to_base64 writes.
std::optional<std::string> from_base64(std::string_view text) {
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text.substr(0, text.find('='))) {
    const std::size_t value = kBase64.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6 | static_cast<std::uint32_t>(value)) & 0xffffff;
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>(bits >> count & 0xff);
    }
  }
  if (to_base64(bytes) != text) return std::nullopt;
  return bytes;
}

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += kHex[byte >> 4];
    text += kHex[byte & 0xf];
  }
  return text;
}

std::optional<std::string> decode(KeyEncoding encoding, std::string_view text) {
  if (text.empty()) return std::nullopt;
  switch (encoding) {
    case KeyEncoding::kText:
      return std::string(text);
    case KeyEncoding::kBase64:
      return from_base64(text);
    case KeyEncoding::kHex:
      return from_hex(text);
  }
  return std::nullopt;
}

// "whsk_" -> "whpk_": how the public half of a key with that prefix is written.
std::string public_prefix(std::string prefix) {
  if (prefix.ends_with("sk_")) prefix[prefix.size() - 3] = 'p';
  return prefix;
}

}  // namespace

std::optional<std::string> key_of(const Scheme& scheme, std::string_view secret) {
  if (!scheme.hash) {
    const std::string prefix = public_prefix(scheme.key_prefix);
    if (prefix != scheme.key_prefix && secret.starts_with(prefix)) {
      std::optional<std::string> key = decode(scheme.key_encoding, secret.substr(prefix.size()));
      return key && key->size() == 32 ? key : std::nullopt;
    }
  }
  if (!secret.starts_with(scheme.key_prefix)) return std::nullopt;
  std::optional<std::string> key =
      decode(scheme.key_encoding, secret.substr(scheme.key_prefix.size()));
  if (!key || scheme.hash) return key;
  // The seed, or the seed and the public key behind it.
  std::optional<std::string> made =
      crypto::ed25519_public_key(std::string_view(*key).substr(0, 32));
  const bool fits = made && (key->size() == 32 || std::string_view(*key).substr(32) == *made);
  crypto::forget(*key);
  return fits ? made : std::nullopt;
}

std::string encode_digest(const Scheme& scheme, std::string_view digest) {
  return scheme.base64 ? to_base64(digest) : to_hex(digest);
}

std::optional<std::string> decode_digest(const Scheme& scheme, std::string_view text) {
  std::optional<std::string> digest = scheme.base64 ? from_base64(text) : from_hex(text);
  return digest && encode_digest(scheme, *digest) == text ? digest : std::nullopt;
}

}  // namespace outrider::receiver
