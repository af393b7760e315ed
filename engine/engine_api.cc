// What may be listened on is settled here, once, before anything listens: a Unix socket by its
// mode, loopback with tokens, anything else with tokens and TLS.
#include "engine_api.h"

#include <charconv>
#include <fstream>
#include <iterator>

#include "crypto/mac.h"
#include "net/wall_clock.h"

namespace outrider {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr unsigned kUnixMode = 0660;

struct TcpPlace {
  std::string address;
  std::uint16_t port = 0;
};

tl::unexpected<Error> bad_place(const std::string& place) {
  return fail(ErrorCode::kInvalidArgument, "not a place to listen at: " + place, "listen",
              "write unix:/run/outrider/api.sock, 127.0.0.1:8480 or [::1]:8480");
}

Result<TcpPlace> tcp_place(const std::string& place) {
  const std::size_t colon = place.rfind(':');
  if (colon == std::string::npos || colon == 0) return bad_place(place);
  TcpPlace found{.address = place.substr(0, colon), .port = 0};
  if (found.address.starts_with('[') && found.address.ends_with(']')) {
    found.address = found.address.substr(1, found.address.size() - 2);
  } else if (found.address.find(':') != std::string::npos) {
    return bad_place(place);
  }
  if (found.address.find_first_not_of("0123456789abcdefABCDEF.:") != std::string::npos) {
    return bad_place(place);  // a name
  }
  const char* const end = place.data() + place.size();
  const auto [rest, error] = std::from_chars(place.data() + colon + 1, end, found.port);
  if (error != std::errc() || rest != end) return bad_place(place);
  return found;
}

// By its spelling; another spelling of loopback merely has to meet the stricter rule.
bool is_loopback(const std::string& address) {
  return address.starts_with("127.") || address == "::1";
}

Result<std::string> read_file(const std::string& path, const char* option) {
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file || text.empty()) {
    return fail(ErrorCode::kInvalidArgument, "the file cannot be read: " + path, option);
  }
  return text;
}

}  // namespace

Result<void> EngineApi::read_tls(const ApiOptions& options) {
  if (options.tls_certificate.empty() && options.tls_key.empty()) return {};
  if (options.tls_certificate.empty() || options.tls_key.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "a certificate needs its key, and a key its certificate",
                options.tls_key.empty() ? "tls-key" : "tls-cert");
  }
  auto certificate = read_file(options.tls_certificate, "tls-cert");
  if (!certificate) return tl::unexpected(std::move(certificate.error()));
  auto key = read_file(options.tls_key, "tls-key");
  if (!key) return tl::unexpected(std::move(key.error()));
  auto context = crypto::TlsServerContext::make(*certificate, *key);
  crypto::wipe(*key);
  if (!context) {
    Error error = std::move(context.error());
    error.where = error.where == "key" ? "tls-key" : "tls-cert";
    return tl::unexpected(std::move(error));
  }
  tls_.emplace(std::move(*context));
  return {};
}

Result<void> EngineApi::listen(const std::string& place) {
  if (place.starts_with(kUnix)) {
    return server_->listen_unix(place.substr(kUnix.size()), kUnixMode);
  }
  auto tcp = tcp_place(place);
  if (!tcp) return tl::unexpected(std::move(tcp.error()));
  if (!is_loopback(tcp->address)) {
    if (!tls_) {
      return fail(ErrorCode::kRefused, "beyond loopback the API needs TLS: " + place, "listen",
                  "give --tls-cert and --tls-key, or listen on 127.0.0.1 or a Unix socket");
    }
    if (!service_->has_tokens()) {
      return fail(ErrorCode::kRefused, "beyond loopback the API needs a token: " + place, "listen",
                  "first: outrider token add");
    }
  }
  auto port = server_->listen_tcp(tcp->address, tcp->port, tls_ ? &*tls_ : nullptr);
  if (!port) return tl::unexpected(std::move(port.error()));
  return {};
}

Result<std::unique_ptr<EngineApi>> EngineApi::make(const ApiOptions& options, net::Loop& loop,
                                                   const Log& log, api::Engine engine) {
  std::unique_ptr<EngineApi> made(new EngineApi);
  if (auto read = made->read_tls(options); !read) return tl::unexpected(std::move(read.error()));
  auto service = api::Service::make(std::move(engine));
  if (!service) return tl::unexpected(std::move(service.error()));
  made->service_ = std::move(*service);
  api::Service& asked = *made->service_;
  net::HttpServerOptions server{.max_body_bytes = api::kMaxBodyBytes};
  server.body_rule = [&asked](const net::ServerRequest& head) { return asked.body_rule(head); };
  server.stream_handler = [&asked](net::ServerRequest head, net::Responder responder) {
    return asked.stream(std::move(head), std::move(responder));
  };
  server.fault_answer = [&asked](int status, std::string_view reason) {
    return asked.fault_answer(status, reason);
  };
  made->server_ = std::make_unique<net::HttpServer>(
      loop, std::move(server), [&asked](net::ServerRequest request, net::Responder responder) {
        asked.handle(std::move(request), std::move(responder));
      });
  for (const std::string& place : options.listen) {
    if (auto listening = made->listen(place); !listening) {
      return tl::unexpected(std::move(listening.error()));
    }
    log.line(net::wall_now(), "api_listening", {{LogField::kDetail, place}});
  }
  return made;
}

}  // namespace outrider
