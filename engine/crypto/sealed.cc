// The envelope over OpenSSL's EVP. A Sealer holds its prepared key as long as its owner holds the
// key; otherwise contexts are made per call, and nothing of a key outlives it.
#include "crypto/sealed.h"

#include <openssl/evp.h>

#include <array>

#include "core/assert.h"
#include "crypto/mac.h"
#include "crypto/openssl.h"
#include "crypto/random.h"

namespace outrider::crypto {
namespace {

constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kHeadBytes = 1 + 4 + kNonceBytes;

using Cipher = Handle<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;

// Looked up by its name once, not for each value; it is the process's, and goes with it.
const EVP_CIPHER* algorithm() {
  static const EVP_CIPHER* const found = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  return found;
}

void append_number(std::string& out, std::uint64_t number, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    out += static_cast<char>(number >> shift & 0xff);
  }
}

// Each text with its length, so that no two places read the same.
std::string associated_data(const SealedPlace& place, std::uint32_t key_id) {
  std::string data(1, kSealedVersion);
  for (const std::string_view text : {place.account, place.table, place.column}) {
    append_number(data, text.size(), 4);
    data += text;
  }
  append_number(data, static_cast<std::uint64_t>(place.row), 8);
  append_number(data, key_id, 4);
  return data;
}

bool add_associated(EVP_CIPHER_CTX* cipher, bool sealing, const std::string& data) {
  int size = 0;
  const auto length = static_cast<int>(data.size());
  return (sealing ? EVP_EncryptUpdate(cipher, nullptr, &size, bytes_of(data), length)
                  : EVP_DecryptUpdate(cipher, nullptr, &size, bytes_of(data), length)) == 1;
}

tl::unexpected<Error> changed() {
  return fail(ErrorCode::kCorrupt, "a sealed value was changed, moved or sealed with another key",
              {}, "restore the database and its key file from one backup");
}

}  // namespace

void Sealer::Free::operator()(evp_cipher_ctx_st* context) const noexcept {
  EVP_CIPHER_CTX_free(context);
}

Sealer::Sealer(std::string_view key) : context_(EVP_CIPHER_CTX_new()) {
  OUTRIDER_ASSERT(key.size() == kSealingKeyBytes);
  const bool ready =
      context_ && algorithm() != nullptr &&
      EVP_EncryptInit_ex(context_.get(), algorithm(), nullptr, bytes_of(key), nullptr) == 1;
  if (!ready) context_.reset();
}

Result<std::string> Sealer::seal(std::uint32_t key_id, const SealedPlace& place,
                                 std::string_view plain, std::string_view nonce) const {
  OUTRIDER_ASSERT(nonce.size() == kNonceBytes);
  OUTRIDER_ASSERT(plain.size() < std::size_t{1} << 30U);
  std::string sealed;
  sealed.reserve(plain.size() + kSealedOverhead);
  sealed += kSealedVersion;
  append_number(sealed, key_id, 4);
  sealed += nonce;
  sealed.resize(plain.size() + kSealedOverhead);

  EVP_CIPHER_CTX* const cipher = context_.get();
  int size = 0;
  int rest = 0;
  unsigned char* const text = bytes_of(sealed) + kHeadBytes;
  if (cipher == nullptr ||
      EVP_EncryptInit_ex(cipher, nullptr, nullptr, nullptr, bytes_of(nonce)) != 1 ||
      !add_associated(cipher, true, associated_data(place, key_id)) ||
      EVP_EncryptUpdate(cipher, text, &size, bytes_of(plain), static_cast<int>(plain.size())) !=
          1 ||
      EVP_EncryptFinal_ex(cipher, text + size, &rest) != 1 ||
      EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, static_cast<int>(kTagBytes),
                          text + plain.size()) != 1) {
    return openssl_failure(ErrorCode::kInternal, "a value could not be sealed");
  }
  return sealed;
}

Result<std::string> seal(std::string_view key, std::uint32_t key_id, const SealedPlace& place,
                         std::string_view plain) {
  auto nonce = random_bytes(kNonceBytes);
  if (!nonce) return nonce;
  return Sealer(key).seal(key_id, place, plain, *nonce);
}

void Nonces::drop() {
  drawn_.clear();
  used_ = 0;
}

Result<std::string_view> Nonces::next() {
  constexpr std::size_t kAtOnce = 32;
  if (used_ >= drawn_.size()) {
    auto drawn = random_bytes(kAtOnce * kNonceBytes);
    if (!drawn) return tl::unexpected(std::move(drawn.error()));
    drawn_ = std::move(*drawn);
    used_ = 0;
  }
  used_ += kNonceBytes;
  return std::string_view(drawn_).substr(used_ - kNonceBytes, kNonceBytes);
}

std::optional<std::uint32_t> sealing_key_of(std::string_view sealed) {
  if (sealed.size() < kSealedOverhead || sealed.front() != kSealedVersion) return std::nullopt;
  std::uint32_t id = 0;
  for (const char byte : sealed.substr(1, 4)) id = id << 8U | static_cast<unsigned char>(byte);
  return id;
}

Result<std::string> Sealer::open(const SealedPlace& place, std::string_view sealed) const {
  const auto key_id = sealing_key_of(sealed);
  if (!key_id) return changed();
  const std::string_view nonce = sealed.substr(1 + 4, kNonceBytes);
  const std::string_view text = sealed.substr(kHeadBytes, sealed.size() - kHeadBytes - kTagBytes);
  std::string tag(sealed.substr(sealed.size() - kTagBytes));

  EVP_CIPHER_CTX* const cipher = context_.get();
  std::string plain(text.size(), '\0');
  int size = 0;
  int rest = 0;
  if (cipher == nullptr ||
      EVP_DecryptInit_ex(cipher, nullptr, nullptr, nullptr, bytes_of(nonce)) != 1 ||
      !add_associated(cipher, false, associated_data(place, *key_id)) ||
      EVP_DecryptUpdate(cipher, bytes_of(plain), &size, bytes_of(text),
                        static_cast<int>(text.size())) != 1 ||
      EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(kTagBytes), tag.data()) !=
          1) {
    wipe(plain);
    return openssl_failure(ErrorCode::kInternal, "a sealed value could not be opened");
  }
  if (EVP_DecryptFinal_ex(cipher, bytes_of(plain) + size, &rest) != 1) {
    wipe(plain);
    return changed();
  }
  return plain;
}

Result<std::string> unseal(std::string_view key, const SealedPlace& place,
                           std::string_view sealed) {
  return Sealer(key).open(place, sealed);
}

}  // namespace outrider::crypto
