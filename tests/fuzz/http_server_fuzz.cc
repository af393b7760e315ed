// Any bytes as a connection's input to the request parser. What must hold, besides memory: however
// the bytes are cut, the same requests come out, or a fault at the same one; after a fault nothing
// does; no request is over its limits, and each was framed in one way only.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/assert.h"
#include "net/http_server_parser.h"

namespace outrider::net {
namespace {

HttpServerOptions small_limits() {
  HttpServerOptions options;
  options.max_head_bytes = 512;
  options.max_fields = 8;
  options.max_body_bytes = 256;
  return options;
}

struct Reading {
  int fault = 0;
  std::size_t taken = 0;  // bytes up to the fault
  std::vector<ServerRequest> requests;
};

Reading read(std::string_view bytes, std::size_t piece) {
  static const HttpServerOptions options = small_limits();
  HttpRequestParser parser(options);
  Reading reading;
  while (reading.taken < bytes.size()) {
    const std::size_t took = parser.consume(bytes.substr(reading.taken, piece));
    OUTRIDER_ASSERT(took > 0 && took <= piece);
    reading.taken += took;
    reading.fault = parser.fault().status;
    if (reading.fault != 0) {
      OUTRIDER_ASSERT(parser.consume("GET / HTTP/1.1\r\nHost: a\r\n\r\n") == 0);
      break;
    }
    if (parser.phase() == HttpRequestParser::Phase::kComplete) {
      reading.requests.push_back(std::move(parser.request()));
      parser.next();
    }
  }
  return reading;
}

void check(const ServerRequest& request) {
  OUTRIDER_ASSERT(request.headers.size() <= 8 && request.body.size() <= 256);
  OUTRIDER_ASSERT(!request.method.empty() && !request.target.empty());
  int framings = 0;
  for (const HeaderField& field : request.headers) {
    OUTRIDER_ASSERT(field.name.find_first_of(" \t\r\n:") == std::string::npos);
    OUTRIDER_ASSERT(field.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
  }
  framings += request.header("content-length") != nullptr ? 1 : 0;
  framings += request.header("transfer-encoding") != nullptr ? 1 : 0;
  OUTRIDER_ASSERT(framings == 1 || (framings == 0 && request.body.empty()));
}

}  // namespace
}  // namespace outrider::net

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace outrider::net;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Reading whole = read(bytes, std::string_view::npos);
  for (const ServerRequest& request : whole.requests) check(request);
  for (const std::size_t piece : {1U, 2U, 7U}) {
    const Reading cut = read(bytes, piece);
    OUTRIDER_ASSERT((cut.fault == 0) == (whole.fault == 0));
    OUTRIDER_ASSERT(cut.requests.size() == whole.requests.size());
    for (std::size_t i = 0; i < cut.requests.size(); ++i) {
      OUTRIDER_ASSERT(cut.requests[i].target == whole.requests[i].target);
      OUTRIDER_ASSERT(cut.requests[i].headers == whole.requests[i].headers);
      OUTRIDER_ASSERT(cut.requests[i].body == whole.requests[i].body);
    }
  }
  return 0;
}
