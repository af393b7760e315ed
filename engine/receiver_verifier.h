// One provider's signature, checked as that provider's receivers check it, from the text of its
// definition alone. Nothing of the sender's signing is used: templates are walked here again, JSON
// is read by receiver_json, digests come from crypto/receiver_mac.
//
// Immutable; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "outrider/receiver.h"
#include "outrider/result.h"
#include "receiver_definition.h"
#include "receiver_json.h"

namespace outrider::receiver {

class Verifier {
 public:
  // `definition`: a provider file's text. `secrets`: any of them may have signed; for an Ed25519
  // scheme with the prefix `…sk_`, the public key with the prefix `…pk_` does as well. Errors:
  // kCorrupt (definition), kInvalidArgument (where = "secret" or "secret 2", never its text).
  [[nodiscard]] static Result<Verifier> make(std::string_view definition,
                                             const std::vector<std::string>& secrets);

  // Errors: all kRefused, and `where` tells what to look at: the header's name (missing, given
  // twice, malformed, timestamp out of tolerance, no signature that fits), or "body" (not JSON;
  // without a value that is signed; not what JavaScript would write).
  [[nodiscard]] Result<void> check(const ReceivedRequest& request, std::int64_t now_s,
                                   std::int64_t tolerance_s) const;

  Verifier(Verifier&&) noexcept = default;
  Verifier& operator=(Verifier&&) noexcept = default;
  ~Verifier();

 private:
  struct SigningKey {
    std::size_t scheme = 0;
    std::string bytes;  // Ed25519: the public key
  };
  struct Claims;  // what the request's headers say
  struct Signed;
  Verifier() = default;
  [[nodiscard]] Result<Claims> read_headers(const ReceivedRequest& request) const;
  [[nodiscard]] Result<void> check_time(const Claims& claims, std::int64_t now_s,
                                        std::int64_t tolerance_s) const;
  [[nodiscard]] Result<std::string> meaning_of(const Piece& piece, const Signed& what,
                                               std::string_view protocol) const;
  [[nodiscard]] Result<std::vector<std::string>> messages(const Scheme& scheme,
                                                          const Signed& what) const;
  // Does any signature fit any key?
  [[nodiscard]] Result<bool> fits(const Signed& what) const;

  SignatureDefinition definition_;
  std::vector<SigningKey> keys_;
};

}  // namespace outrider::receiver
