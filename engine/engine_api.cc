// What may be listened on is settled here, once, before anything listens: a Unix socket by its
// mode, loopback with tokens, anything else with tokens and TLS.
#include "engine_api.h"

#include <fstream>
#include <iterator>

#include "api_place.h"
#include "crypto/mac.h"
#include "net/wall_clock.h"

namespace outrider {
namespace {

constexpr unsigned kUnixMode = 0660;

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
  if (place.starts_with(kUnixPlace)) {
    return server_->listen_unix(place.substr(kUnixPlace.size()), kUnixMode);
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
