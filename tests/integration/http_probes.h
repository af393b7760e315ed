// Requests that two HTTP implementations read differently, or that no client has reason to send.
// Each must be refused by the first reader, and nothing behind it may be taken for another request.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace outrider::tests {

struct HttpProbe {
  std::string_view name;
  std::string bytes;
  int status = 400;
};

// Behind each probe: a request that must never be handed over.
inline constexpr std::string_view kSmuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

inline std::string with_fields(std::string_view fields, std::string_view body = "") {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n" + std::string(body);
}

inline std::string chunked(std::string_view body) {
  return with_fields("Transfer-Encoding: chunked\r\n", body);
}

inline std::vector<HttpProbe> framing_probes() {
  using namespace std::string_literals;
  return {
      {"cl_and_te",
       with_fields("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")},
      {"te_and_cl",
       with_fields("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "0\r\n\r\n")},
      {"cl_twice_same", with_fields("Content-Length: 2\r\nContent-Length: 2\r\n", "ab")},
      {"cl_twice_other", with_fields("Content-Length: 2\r\nContent-Length: 3\r\n", "ab")},
      {"cl_comma", with_fields("Content-Length: 2, 2\r\n", "ab")},
      {"cl_plus", with_fields("Content-Length: +2\r\n", "ab")},
      {"cl_minus", with_fields("Content-Length: -2\r\n", "ab")},
      {"cl_hex", with_fields("Content-Length: 0x2\r\n", "ab")},
      {"cl_fraction", with_fields("Content-Length: 2.0\r\n", "ab")},
      {"cl_inner_space", with_fields("Content-Length: 1 0\r\n", "ab")},
      {"cl_empty", with_fields("Content-Length:\r\n")},
      {"cl_word", with_fields("Content-Length: two\r\n", "ab")},
      {"cl_overflow", with_fields("Content-Length: 18446744073709551618\r\n", "ab")},
      {"cl_vertical_tab", with_fields("Content-Length: \v2\r\n", "ab")},
      {"te_twice",
       with_fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")},
      {"te_list", with_fields("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")},
      {"te_chunked_twice", with_fields("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n")},
      {"te_not_last", with_fields("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n")},
      {"te_identity", with_fields("Transfer-Encoding: identity\r\n")},
      {"te_unknown", with_fields("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n")},
      {"te_parameter", with_fields("Transfer-Encoding: chunked;q=1\r\n", "0\r\n\r\n")},
      {"te_quoted", with_fields("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n")},
      {"te_empty", with_fields("Transfer-Encoding:\r\n")},
      {"te_vertical_tab", with_fields("Transfer-Encoding: \vchunked\r\n", "0\r\n\r\n")},
      {"te_name_with_space", with_fields("Transfer-Encoding : chunked\r\n", "0\r\n\r\n")},
      {"te_folded", with_fields("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n")},
      {"te_in_1_0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"chunk_size_not_hex", chunked("g\r\nab\r\n0\r\n\r\n")},
      {"chunk_size_prefixed", chunked("0x2\r\nab\r\n0\r\n\r\n")},
      {"chunk_size_signed", chunked("+2\r\nab\r\n0\r\n\r\n")},
      {"chunk_size_negative", chunked("-2\r\nab\r\n0\r\n\r\n")},
      {"chunk_size_missing", chunked("\r\nab\r\n0\r\n\r\n")},
      {"chunk_size_overflow", chunked("10000000000000002\r\nab\r\n0\r\n\r\n")},
      {"chunk_size_space", chunked("2 \r\nab\r\n0\r\n\r\n")},
      {"chunk_bare_lf", chunked("2\nab\n0\n\n")},
      {"chunk_data_without_crlf", chunked("2\r\nab0\r\n\r\n")},
      {"chunk_data_then_lf", chunked("2\r\nab\n0\r\n\r\n")},
      {"chunk_extension", chunked("2;a=b\r\nab\r\n0\r\n\r\n")},
      {"chunk_extension_bare_lf", chunked("2;a\nab\r\n0\r\n\r\n")},
      {"chunk_trailer", chunked("0\r\nContent-Length: 5\r\n\r\n")},
      {"chunk_end_without_crlf", chunked("0\r\nx")},
      {"chunk_endless_zeros", chunked(std::string(300'000, '0') + "2\r\nab\r\n0\r\n\r\n")},
  };
}

inline std::vector<HttpProbe> head_probes() {
  using namespace std::string_literals;
  return {
      {"bare_lf_everywhere", "GET / HTTP/1.1\nHost: a\n\n"},
      {"bare_lf_after_request_line", "GET / HTTP/1.1\nHost: a\r\n\r\n"},
      {"bare_lf_after_field", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"},
      {"bare_lf_ends_head", "GET / HTTP/1.1\r\nHost: a\r\n\n"},
      {"bare_cr_in_request_line", "GET /\rHTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"bare_cr_in_value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\rY: c\r\n\r\n"},
      {"bare_cr_ends_head", "GET / HTTP/1.1\r\nHost: a\r\n\rX"},
      {"nul_in_value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n"s},
      {"nul_in_name", "GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n"s},
      {"nul_in_target", "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"s},
      {"control_in_value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\x01\r\n\r\n"},
      {"del_in_value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\x7f\r\n\r\n"},
      {"obs_fold_space", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"},
      {"obs_fold_tab", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n"},
      {"fold_before_first_field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
      {"space_before_colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
      {"field_without_colon", "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"},
      {"field_without_name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"},
      {"field_name_not_token", "GET / HTTP/1.1\r\nHost: a\r\nX[1]: b\r\n\r\n"},
      {"host_missing", "GET / HTTP/1.1\r\nX: b\r\n\r\n"},
      {"host_twice", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"},
      {"host_twice_other_case", "GET / HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n"},
      {"host_twice_in_1_0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"},
      {"host_empty", "GET / HTTP/1.1\r\nHost:\r\n\r\n"},
      {"host_list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"},
      {"host_with_user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"},
      {"host_with_path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
      {"host_bad_port", "GET / HTTP/1.1\r\nHost: a:80b\r\n\r\n"},
      {"host_open_bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"},
      {"http_0_9", "GET /\r\n"},
      {"http_0_9_lf", "GET /\n"},
      {"version_0_9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n"},
      {"version_1_2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"},
      {"version_2", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
      {"version_lower_case", "GET / http/1.1\r\nHost: a\r\n\r\n"},
      {"version_long", "GET / HTTP/1.10\r\nHost: a\r\n\r\n"},
      {"version_spaced", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"},
      {"other_protocol", "GET / ICE/1.0\r\nHost: a\r\n\r\n"},
      {"http_2_preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
      {"two_spaces_before_target", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"two_spaces_before_version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"tab_in_request_line", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"leading_space", " GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"leading_lf", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"two_leading_lines", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"space_in_target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"fragment_in_target", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"high_byte_in_target", "GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"absolute_target", "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"relative_target", "GET a HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"star_of_get", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"connect", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"},
      {"unknown_method", "SMUGGLE / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"lower_case_method", "get / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"tls_hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s},
      {"expectation", with_fields("Expect: 200-ok\r\nContent-Length: 2\r\n", "ab"), 417},
      {"expectation_twice", with_fields("Expect: 100-continue\r\nExpect: 100-continue\r\n"), 417},
      {"giant_target", "GET /" + std::string(20'000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", 431},
      {"giant_field", "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(20'000, 'a') + "\r\n\r\n",
       431},
      {"endless_field_name", "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(20'000, 'a'), 431},
      {"giant_content_length", with_fields("Content-Length: 1048577\r\n"), 413},
      {"giant_chunk", chunked("100001\r\n" + std::string(0x100001, 'a')), 413},
  };
}

inline std::vector<HttpProbe> http_probes() {
  std::vector<HttpProbe> all = framing_probes();
  for (HttpProbe& probe : head_probes()) all.push_back(std::move(probe));
  std::string fields = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 64; ++i) fields += "X" + std::to_string(i) + ": b\r\n";
  all.push_back({"65_fields", fields + "\r\n", 431});
  return all;
}

}  // namespace outrider::tests
