// The other side, for developers of receivers: verify one saved request, or listen and verify what
// arrives. The check shares no code with the sender's signing (own template walk, own JSON walk,
// other OpenSSL calls), so that one confirms the other.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "outrider/provider.h"
#include "outrider/result.h"
#include "outrider/types.h"

namespace outrider {

struct ReceivedRequest {
  std::string method;
  std::string path;  // with the query
  std::vector<HeaderField> headers;
  std::string body;
};

// Checks the signature as the provider's receiver would. `secrets`: any of them may have signed;
// for Ed25519 the public key will do (Standard Webhooks: `whpk_…`). `tolerance_s`: how far a
// signed timestamp may lie from `now_s`; 0: not checked.
//
// Errors: kRefused says which part failed (header missing, given twice or malformed; timestamp;
// mismatch; a body that a re-stringifying receiver would read differently), with the header's name
// or "body" as `where`; kNotFound (provider), kInvalidArgument (a secret of no known form). Never
// prints or returns the expected signature.
[[nodiscard]] Result<void> verify(const Providers& providers, std::string_view provider,
                                  const std::vector<std::string>& secrets,
                                  const ReceivedRequest& request, std::int64_t now_s,
                                  std::int64_t tolerance_s);

struct ReceiverOptions {
  std::string provider;
  std::vector<std::string> secrets;
  std::string bind = "127.0.0.1";  // an address, no name
  std::uint16_t port = 0;          // 0: a free one
  int status = 200;                // 200-599, to what verifies; what does not gets 401
  std::uint32_t fail_first = 0;    // answer 500 to the first N that verify, then `status`
  std::uint32_t delay_ms = 0;      // before each answer, at most 3600000
  bool tls = false;
  // PEM; both empty with tls: a throw-away CA and certificate are made.
  std::string tls_cert_file;
  std::string tls_key_file;
  std::string ca_out_file;  // where that CA's certificate is written for the sender's --ca-file
};

struct Reception {
  ReceivedRequest request;
  Result<void> verdict;
  int answered = 0;
  std::int64_t received_at = 0;
};

// An HTTP(S) receiver on its own thread. Every POST is verified, with a tolerance of 300 s for
// signed timestamps; the answer to one that fails says why, in words. Other methods get 405 and are
// not reported.
class Receiver {
 public:
  // Called on the receiver's thread, before the answer goes out. Must not call stop().
  using OnReception = std::function<void(const Reception&)>;
  // Listening when this returns. Errors: kInvalidArgument (where = the option), kNotFound (the
  // provider), kIo (a file, or the address).
  [[nodiscard]] static Result<std::unique_ptr<Receiver>> start(ReceiverOptions options,
                                                               const Providers& providers,
                                                               OnReception on_reception);
  [[nodiscard]] std::string url() const;  // "https://127.0.0.1:41123/"
  // Answers what can be answered within half a second, then ends. Twice is the same as once.
  void stop();
  ~Receiver();
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

 private:
  class Impl;
  explicit Receiver(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrider
