// Requests that must be refused by the first reader, with nothing behind them taken for another
// request. They lie in http_probes.txt, which says how it is read.
#pragma once

#include <charconv>
#include <cstddef>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/source_dir.h"

namespace outrider::tests {

struct HttpProbe {
  std::string name;
  std::string bytes;
  int status = 400;
};

inline std::string with_fields(std::string_view fields, std::string_view body = "") {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n" + std::string(body);
}

inline std::string chunked(std::string_view body) {
  return with_fields("Transfer-Encoding: chunked\r\n", body);
}

// Behind each probe: a request that must never be handed over.
inline constexpr std::string_view kSmuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

inline std::string probe_bytes(std::string_view text) {
  std::string bytes;
  const auto starts = [&text](std::string_view word) {
    if (!text.starts_with(word)) return false;
    text.remove_prefix(word.size());
    return true;
  };
  while (!text.empty()) {
    if (starts("$POST")) {
      bytes += "POST / HTTP/1.1\r\nHost: a\r\n";
    } else if (starts("$PATH")) {
      bytes += '/';
    } else if (starts("\\r")) {
      bytes += '\r';
    } else if (starts("\\n")) {
      bytes += '\n';
    } else if (starts("\\t")) {
      bytes += '\t';
    } else if (starts("\\\\")) {
      bytes += '\\';
    } else if (starts("\\x")) {
      unsigned value = 0;
      std::from_chars(text.data(), text.data() + 2, value, 16);
      bytes += static_cast<char>(value);
      text.remove_prefix(2);
    } else if (starts("<")) {
      std::size_t times = 0;
      const std::size_t star = text.find('*');
      const std::size_t end = text.find('>');
      std::from_chars(text.data(), text.data() + star, times);
      const std::string piece = probe_bytes(text.substr(star + 1, end - star - 1));
      while (times-- > 0) bytes += piece;
      text.remove_prefix(end + 1);
    } else {
      bytes += text.front();
      text.remove_prefix(1);
    }
  }
  return bytes;
}

inline std::vector<HttpProbe> http_probes() {
  std::vector<HttpProbe> all;
  std::ifstream file(source_dir() + "/tests/integration/http_probes.txt");
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.front() == '#') continue;
    HttpProbe probe;
    std::istringstream words(line);
    words >> probe.name >> probe.status;
    const std::size_t rest = line.find(' ', line.find(' ') + 1) + 1;
    probe.bytes = probe_bytes(std::string_view(line).substr(rest));
    all.push_back(std::move(probe));
  }
  return all;
}

}  // namespace outrider::tests
