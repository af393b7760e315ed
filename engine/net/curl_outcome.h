// What libcurl's result means, as an error class and words.
#pragma once

#include <curl/curl.h>

#include <string>
#include <string_view>

#include "core/time.h"
#include "outrider/types.h"

namespace outrider::net {

// What is known when a transfer ends without a complete answer.
struct TransferFacts {
  CURLcode result = CURLE_OK;
  std::string_view libcurl_words;  // its error buffer: the first that went wrong
  long verify_result = 0;          // CURLINFO_SSL_VERIFYRESULT
  bool tls = false;
  bool connected = false;     // TCP
  bool ready = false;         // TLS as well; the request was about to go
  bool any_sent = false;      // bytes of the request were given to the kernel
  bool all_sent = false;      // all of them
  bool answer_begun = false;  // bytes of an answer came
  long os_errno = 0;
  core::Duration limit{0};
};

struct Failure {
  ErrorClass error = ErrorClass::kNone;
  std::string words;
};

// Requires: result is not CURLE_OK.
[[nodiscard]] Failure failure_of(const TransferFacts& facts);

}  // namespace outrider::net
