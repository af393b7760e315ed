// A table from libcurl's codes to ours, and the few codes that need a second look because libcurl
// uses them for several things. The words never quote what a peer sent, except what OpenSSL says of
// a certificate, made printable and short.
#include "net/curl_outcome.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "crypto/tls_client.h"

namespace outrider::net {
namespace {

constexpr std::size_t kMaxQuotedBytes = 200;

struct Meaning {
  CURLcode code;
  ErrorClass error;
  const char* words;
};

constexpr std::array kMeanings{
    Meaning{CURLE_COULDNT_RESOLVE_HOST, ErrorClass::kDns, "the name does not resolve"},
    Meaning{CURLE_COULDNT_CONNECT, ErrorClass::kConnect, "cannot connect"},
    Meaning{CURLE_INTERFACE_FAILED, ErrorClass::kConnect, "cannot connect"},
    Meaning{CURLE_WEIRD_SERVER_REPLY, ErrorClass::kProtocol, "the answer is not HTTP"},
    Meaning{CURLE_UNSUPPORTED_PROTOCOL, ErrorClass::kProtocol, "the answer is not HTTP/1"},
    Meaning{CURLE_HTTP2, ErrorClass::kProtocol, "the answer is not HTTP/1"},
    Meaning{CURLE_BAD_CONTENT_ENCODING, ErrorClass::kProtocol, "the answer cannot be decoded"},
    Meaning{CURLE_FILESIZE_EXCEEDED, ErrorClass::kTooLarge, "the answer is too large"},
    Meaning{CURLE_SSL_CONNECT_ERROR, ErrorClass::kTls, "TLS handshake failed"},
    Meaning{CURLE_PEER_FAILED_VERIFICATION, ErrorClass::kTls, "certificate refused"},
    Meaning{CURLE_SSL_ISSUER_ERROR, ErrorClass::kTls, "certificate refused"},
    Meaning{CURLE_SSL_INVALIDCERTSTATUS, ErrorClass::kTls, "certificate refused"},
    Meaning{CURLE_SSL_CERTPROBLEM, ErrorClass::kTls, "TLS failed"},
    Meaning{CURLE_SSL_CIPHER, ErrorClass::kTls, "TLS failed"},
    Meaning{CURLE_SSL_SHUTDOWN_FAILED, ErrorClass::kTls, "TLS failed"},
    Meaning{CURLE_SSL_ENGINE_INITFAILED, ErrorClass::kTls, "TLS failed"},
    Meaning{CURLE_SSL_CACERT_BADFILE, ErrorClass::kTls,
            "the bundle of trusted certificates cannot be read"},
};

[[nodiscard]] std::string printable(std::string_view text) {
  std::string out(text.substr(0, kMaxQuotedBytes));
  std::replace_if(out.begin(), out.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return out;
}

[[nodiscard]] bool mentions(std::string_view text, std::string_view word) {
  return text.find(word) != std::string_view::npos;
}

[[nodiscard]] Failure timed_out(const TransferFacts& facts) {
  const char* where = "not connected";
  if (facts.answer_begun) {
    where = "the answer was not complete";
  } else if (facts.ready) {
    where = facts.all_sent ? "no answer" : "the request was not taken";
  } else if (facts.connected && facts.tls) {
    where = "the TLS handshake was not finished";
  }
  return {ErrorClass::kTimeout,
          std::string(where) + " within " + std::to_string(facts.limit.count()) + " ms"};
}

[[nodiscard]] Failure connection_died(const TransferFacts& facts) {
  if (facts.answer_begun) {
    return {ErrorClass::kReset, "the connection died in the middle of the answer"};
  }
  if (!facts.all_sent) {
    return {ErrorClass::kReset, facts.any_sent
                                    ? "the connection died while the request was being sent"
                                    : "the connection died before the request was sent"};
  }
  return {ErrorClass::kReset,
          "the connection died without an answer; the request may have been processed"};
}

}  // namespace

Failure failure_of(const TransferFacts& facts) {
  const std::string_view words = facts.libcurl_words;
  switch (facts.result) {
    case CURLE_OPERATION_TIMEDOUT:
      return timed_out(facts);
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_ERROR:
      return connection_died(facts);
    case CURLE_RECV_ERROR:
      // Also how libcurl reports a chunk it cannot read, and a TLS alert that comes after the
      // handshake (a missing client certificate, in TLS 1.3), and a record that is none.
      if (mentions(words, "chunk")) {
        return {ErrorClass::kProtocol, "the answer's chunks cannot be read"};
      }
      if (facts.tls && mentions(words, "SSL routines") && !mentions(words, "unexpected eof")) {
        return {ErrorClass::kTls, "TLS failed: " + printable(words)};
      }
      return connection_died(facts);
    case CURLE_PEER_FAILED_VERIFICATION:
      // Where the peer has gone meanwhile, libcurl's words are of the alert that could not be sent.
      if (const char* reason = crypto::refusal_text(facts.verify_result)) {
        return {ErrorClass::kTls, std::string("certificate refused: ") + reason};
      }
      break;
    case CURLE_BAD_FUNCTION_ARGUMENT:
      // How libcurl's own header store refuses a field without a colon.
      if (facts.answer_begun) {
        return {ErrorClass::kProtocol, "a header line of the answer cannot be read"};
      }
      break;
    case CURLE_OUT_OF_MEMORY:
      // A header line over 100 KB. Real memory shortage would not stop at one answer.
      if (facts.all_sent) {
        return {ErrorClass::kTooLarge, "a header line of the answer is over 100 KB"};
      }
      return {ErrorClass::kAborted, "out of memory"};
    default:
      break;
  }
  for (const Meaning& meaning : kMeanings) {
    if (meaning.code != facts.result) continue;
    Failure failure{meaning.error, meaning.words};
    if (meaning.error == ErrorClass::kTls && !words.empty()) {
      failure.words += ": " + printable(words);
    } else if (meaning.error == ErrorClass::kConnect && facts.os_errno != 0) {
      failure.words += std::string(": ") + std::strerror(static_cast<int>(facts.os_errno));
    }
    return failure;
  }
  return {ErrorClass::kAborted, std::string("libcurl: ") + curl_easy_strerror(facts.result)};
}

}  // namespace outrider::net
