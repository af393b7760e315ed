// The HTTP API of an engine: its listeners, its TLS, its service, from options to running. Nothing
// of requests is known here; that is api/.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/service.h"
#include "crypto/tls_session.h"
#include "log.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "outrider/outrider.h"

namespace outrider {

class EngineApi {
 public:
  // On the thread that will run `loop`, or before it runs. Errors: kInvalidArgument (an option,
  // named), kRefused (a place that is not safe without TLS and a token), kIo.
  [[nodiscard]] static Result<std::unique_ptr<EngineApi>> make(const ApiOptions& options,
                                                               net::Loop& loop, const Log& log,
                                                               api::Engine engine);

  // Loop thread. Requests under way are answered; `stopped` is called later, once.
  void stop(std::function<void()> stopped) {
    service_->stop_waiting();
    server_->stop(std::move(stopped));
  }
  // Loop thread. There may be new notices.
  void noted() { service_->noted(); }
  // After the loop has ended, before what the service was given goes.
  void end_threads() { service_->end_threads(); }

 private:
  EngineApi() = default;
  Result<void> listen(const std::string& place);
  Result<void> read_tls(const ApiOptions& options);

  std::optional<crypto::TlsServerContext> tls_;
  std::unique_ptr<api::Service> service_;
  std::unique_ptr<net::HttpServer> server_;  // goes first: its Responders then answer nobody
};

}  // namespace outrider
