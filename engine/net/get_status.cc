#include "net/get_status.h"

#include "net/curl_handle.h"

namespace outrider::net {
namespace {

constexpr std::size_t kMostBytes = 65536;  // more is no answer to this question

std::size_t drop(char* /*data*/, std::size_t size, std::size_t count, void* read) noexcept {
  auto& bytes = *static_cast<std::size_t*>(read);
  bytes += size * count;
  return bytes > kMostBytes ? 0 : size * count;
}

}  // namespace

Result<int> get_status(const GetRequest& request) {
  const CurlEasy easy(curl_easy_init());
  if (!easy) return fail(ErrorCode::kInternal, "libcurl has no handle to give");
  CURL* const curl = easy.get();
  std::size_t read = 0;
  set_option(curl, CURLOPT_URL, request.url.c_str());
  set_option(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  set_option(curl, CURLOPT_PROXY, "");
  set_option(curl, CURLOPT_NOPROXY, "*");
  set_option(curl, CURLOPT_NOSIGNAL, 1L);
  set_option(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout_ms));
  set_option(curl, CURLOPT_SSL_VERIFYPEER, 0L);
  set_option(curl, CURLOPT_SSL_VERIFYHOST, 0L);
  set_option(curl, CURLOPT_WRITEFUNCTION, &drop);
  set_option(curl, CURLOPT_WRITEDATA, static_cast<void*>(&read));
  if (!request.unix_socket.empty()) {
    set_option(curl, CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
  }
  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) return fail(ErrorCode::kStopped, curl_easy_strerror(code));
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  return static_cast<int>(status);
}

}  // namespace outrider::net
