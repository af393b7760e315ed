// Owners of libcurl's handles, and options that cannot fail unless we ask for nonsense.
#pragma once

#include <curl/curl.h>

#include <memory>

#include "core/assert.h"

namespace outrider::net {

struct CurlEasyClose {
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
using CurlEasy = std::unique_ptr<CURL, CurlEasyClose>;

struct CurlUrlClose {
  void operator()(CURLU* url) const noexcept { curl_url_cleanup(url); }
};
using CurlUrl = std::unique_ptr<CURLU, CurlUrlClose>;

struct CurlMultiClose {
  void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
};

template <class T>
void set_option(CURL* easy, CURLoption option, T value) {
  const CURLcode code = curl_easy_setopt(easy, option, value);
  OUTRIDER_ASSERT(code == CURLE_OK);
}

template <class T>
void set_option(CURLM* multi, CURLMoption option, T value) {
  const CURLMcode code = curl_multi_setopt(multi, option, value);
  OUTRIDER_ASSERT(code == CURLM_OK);
}

}  // namespace outrider::net
