// Bytes as hex and base64 (RFC 4648, sections 4 and 8). Decoding is strict, so that a truncated or
// mangled secret is an error when it is added and not a mismatch at the receiver.
//
// What is decoded is mostly a key: a text is checked whole before the first byte is decoded, so no
// half of a key is left behind in memory by a failure, and no error repeats any of it.
#include <algorithm>
#include <array>
#include <cstdint>

#include "core/signature.h"

namespace outrider::core {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kBase64Digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNoDigit = 0xff;

using DigitValues = std::array<std::uint8_t, 256>;

constexpr DigitValues values_of(std::string_view digits) {
  DigitValues values{};
  values.fill(kNoDigit);
  for (std::size_t i = 0; i < digits.size(); ++i) {
    values[static_cast<unsigned char>(digits[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}

constexpr DigitValues hex_values() {
  DigitValues values = values_of(kHexDigits);
  for (char c = 'A'; c <= 'F'; ++c) {
    values[static_cast<unsigned char>(c)] = static_cast<std::uint8_t>(c - 'A' + 10);
  }
  return values;
}

constexpr DigitValues kHexValues = hex_values();
constexpr DigitValues kBase64Values = values_of(kBase64Digits);

std::uint32_t value_of(const DigitValues& values, char c) {
  return values[static_cast<unsigned char>(c)];
}

bool all_digits(const DigitValues& values, std::string_view text) {
  return std::ranges::all_of(text, [&](char c) { return value_of(values, c) != kNoDigit; });
}

std::string encode_hex(std::string_view bytes) {
  std::string text(bytes.size() * 2, '0');
  auto digit = text.begin();
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    *digit++ = kHexDigits[byte >> 4];
    *digit++ = kHexDigits[byte & 15];
  }
  return text;
}

std::string encode_base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (i < count ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      text += i <= count ? kBase64Digits[group >> (18 - 6 * i) & 63] : '=';
    }
  }
  return text;
}

}  // namespace

std::string encode(Encoding encoding, std::string_view bytes) {
  return encoding == Encoding::kHex ? encode_hex(bytes) : encode_base64(bytes);
}

Result<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) {
    return fail(ErrorCode::kInvalidArgument, "not base64: the length is not a multiple of four", {},
                "keep the = padding at its end");
  }
  std::string_view digits = text;
  while (text.size() - digits.size() < 2 && digits.ends_with('=')) digits.remove_suffix(1);
  if (!all_digits(kBase64Values, digits)) {
    return fail(ErrorCode::kInvalidArgument, "not base64: a character outside its alphabet", {},
                "use A-Z a-z 0-9 + / without spaces or line breaks");
  }
  const std::size_t padding = text.size() - digits.size();
  const std::uint32_t unused_bits = padding == 0 ? 0 : (1U << (2 * padding)) - 1;
  if (padding != 0 && (value_of(kBase64Values, digits.back()) & unused_bits) != 0) {
    return fail(ErrorCode::kInvalidArgument, "not base64: bits are set that no byte holds", {},
                "the text was probably cut or changed");
  }

  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t pending = 0;
  int pending_bits = 0;
  for (const char c : digits) {
    pending = pending << 6 | value_of(kBase64Values, c);
    pending_bits += 6;
    if (pending_bits >= 8) {
      pending_bits -= 8;
      bytes += static_cast<char>(pending >> pending_bits & 0xff);
    }
  }
  return bytes;
}

Result<std::string> decode_hex(std::string_view text) {
  if (text.size() % 2 != 0) {
    return fail(ErrorCode::kInvalidArgument, "not hex: an odd number of digits");
  }
  if (!all_digits(kHexValues, text)) {
    return fail(ErrorCode::kInvalidArgument, "not hex: a character outside 0-9 a-f", {},
                "write it without spaces, line breaks or 0x");
  }
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t at = 0; at < text.size(); at += 2) {
    bytes +=
        static_cast<char>(value_of(kHexValues, text[at]) << 4 | value_of(kHexValues, text[at + 1]));
  }
  return bytes;
}

}  // namespace outrider::core
