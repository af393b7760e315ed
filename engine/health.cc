#include "outrider/health.h"

#include "api_place.h"
#include "net/get_status.h"

namespace outrider {
namespace {

constexpr int kOk = 200;

// The address that stands for all of this machine's is one to listen at, not one to ask.
std::string asked_address(const std::string& address) {
  if (address == "0.0.0.0") return "127.0.0.1";
  if (address.find(':') == std::string::npos) return address;
  return address == "::" ? "[::1]" : "[" + address + "]";
}

Result<net::GetRequest> request_for(const HealthQuestion& question) {
  const std::string path = question.ready ? "/readyz" : "/healthz";
  net::GetRequest request{.timeout_ms = question.timeout_ms};
  if (question.place.starts_with(kUnixPlace)) {
    request.unix_socket = question.place.substr(kUnixPlace.size());
    request.url = "http://outrider" + path;
    return request;
  }
  const auto place = tcp_place(question.place);
  if (!place) return tl::unexpected(place.error());
  request.url = std::string(question.tls ? "https://" : "http://") + asked_address(place->address) +
                ":" + std::to_string(place->port) + path;
  return request;
}

}  // namespace

Result<void> ask_health(const HealthQuestion& question) {
  const auto request = request_for(question);
  if (!request) return tl::unexpected(request.error());
  const auto status = net::get_status(*request);
  if (!status) {
    return fail(status.error().code, "no answer: " + status.error().message, question.place);
  }
  if (*status == kOk) return {};
  return fail(ErrorCode::kInternal,
              std::string(question.ready ? "not ready" : "not well") + ": the answer is " +
                  std::to_string(*status),
              question.place, "the log of serve says why");
}

}  // namespace outrider
