// A receiver for developers: the HTTP server and the verifier on a thread of their own. Everything
// but start() and stop() happens on that thread; options and verifier do not change after start.
#include "outrider/receiver.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

#include "core/assert.h"
#include "crypto/tls_session.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "receiver_verifier.h"

namespace outrider {
namespace {

// What Standard Webhooks and Stripe receivers allow.
constexpr std::int64_t kToleranceSeconds = 300;
constexpr std::uint32_t kMaxDelayMs = 3'600'000;
constexpr std::size_t kMaxBodyBytes = 16 * 1024 * 1024;

tl::unexpected<Error> wrong_option(std::string what, std::string option, std::string hint) {
  return fail(ErrorCode::kInvalidArgument, std::move(what), std::move(option), std::move(hint));
}

Result<void> check_options(const ReceiverOptions& options) {
  if (options.status < 200 || options.status > 599) {
    return wrong_option("not a status that ends a request", "status", "200 to 599");
  }
  if (options.delay_ms > kMaxDelayMs) {
    return wrong_option("the delay is too long", "delay_ms", "at most 3600000");
  }
  if (options.tls_cert_file.empty() != options.tls_key_file.empty()) {
    return wrong_option("a certificate and its key go together", "tls_cert_file, tls_key_file",
                        "give both, or neither for a throw-away certificate");
  }
  if (!options.tls && (!options.tls_cert_file.empty() || !options.ca_out_file.empty())) {
    return wrong_option("certificate files without TLS", "tls", "switch TLS on");
  }
  if (!options.tls_cert_file.empty() && !options.ca_out_file.empty()) {
    return wrong_option("no throw-away authority is made when a certificate is given",
                        "ca_out_file", "give your own authority's certificate to the sender");
  }
  return {};
}

tl::unexpected<Error> file_failure(const char* what, const std::string& path) {
  return fail(errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo,
              std::string(what) + ": " + std::strerror(errno), path);
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  if (!file || !text) return file_failure("cannot read the file", path);
  return text.str();
}

Result<void> write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) return file_failure("cannot write the file", path);
  return {};
}

Result<crypto::TlsServerContext> tls_context(const ReceiverOptions& options, std::int64_t now_s) {
  if (!options.tls_cert_file.empty()) {
    const Result<std::string> certificate = read_file(options.tls_cert_file);
    if (!certificate) return tl::unexpected(certificate.error());
    Result<std::string> key = read_file(options.tls_key_file);
    if (!key) return tl::unexpected(key.error());
    Result<crypto::TlsServerContext> made = crypto::TlsServerContext::make(*certificate, *key);
    crypto::forget(*key);
    return made;
  }
  std::vector<std::string> names{"localhost", "127.0.0.1", "::1"};
  const bool any = options.bind == "0.0.0.0" || options.bind == "::";
  if (!any && options.bind != names[1] && options.bind != names[2]) names.push_back(options.bind);
  std::string authority;
  Result<crypto::TlsServerContext> made =
      crypto::TlsServerContext::make_throwaway(names, now_s, authority);
  if (made && !options.ca_out_file.empty()) {
    if (auto written = write_file(options.ca_out_file, authority); !written) {
      return tl::unexpected(written.error());
    }
  }
  return made;
}

Result<receiver::Verifier> verifier_for(const Providers& providers, std::string_view provider,
                                        const std::vector<std::string>& secrets) {
  const Result<ProviderView> found = providers.find(provider);
  if (!found) return tl::unexpected(found.error());
  return receiver::Verifier::make(found->definition, secrets);
}

}  // namespace

Result<void> verify(const Providers& providers, std::string_view provider,
                    const std::vector<std::string>& secrets, const ReceivedRequest& request,
                    std::int64_t now_s, std::int64_t tolerance_s) {
  const Result<receiver::Verifier> verifier = verifier_for(providers, provider, secrets);
  if (!verifier) return tl::unexpected(verifier.error());
  return verifier->check(request, now_s, tolerance_s);
}

class Receiver::Impl {
 public:
  Impl(ReceiverOptions options, receiver::Verifier verifier, OnReception on_reception)
      : options_(std::move(options)),
        verifier_(std::move(verifier)),
        on_reception_(std::move(on_reception)),
        failures_left_(options_.fail_first) {}

  ~Impl() {
    stop();
    server_.reset();
    waker_.reset();
  }

  Result<void> start() {
    if (options_.tls) {
      Result<crypto::TlsServerContext> tls =
          tls_context(options_, core::to_ms(loop_.wall()) / 1000);
      if (!tls) return tl::unexpected(tls.error());
      tls_.emplace(std::move(*tls));
    }
    net::HttpServerOptions limits;
    limits.max_body_bytes = kMaxBodyBytes;
    limits.stop_timeout = core::Duration(500);  // a delayed answer is not waited for
    server_ = std::make_unique<net::HttpServer>(
        loop_, limits, [this](net::ServerRequest request, net::Responder responder) {
          receive(std::move(request), std::move(responder));
        });
    Result<std::uint16_t> port =
        server_->listen_tcp(options_.bind, options_.port, tls_ ? &*tls_ : nullptr);
    if (!port) {
      if (port.error().where == "address") port.error().where = "bind";  // the option's name here
      return tl::unexpected(std::move(port.error()));
    }
    port_ = *port;
    waker_ = loop_.make_waker([this] { server_->stop([this] { loop_.stop(); }); });
    thread_ = std::thread([this] { loop_.run(); });
    return {};
  }

  // The address itself and not localhost: that name may mean ::1 first, and there are clients that
  // try only the first.
  [[nodiscard]] std::string url() const {
    std::string host = options_.bind;
    if (host == "0.0.0.0") host = "127.0.0.1";
    if (host == "::") host = "::1";
    if (host.find(':') != std::string::npos) host = "[" + host + "]";
    return (options_.tls ? "https://" : "http://") + host + ":" + std::to_string(port_) + "/";
  }

  void stop() {
    if (!thread_.joinable()) return;
    OUTRIDER_ASSERT(thread_.get_id() != std::this_thread::get_id());
    waker_->wake();
    thread_.join();
  }

 private:
  void receive(net::ServerRequest request, net::Responder responder) {
    if (request.method != "POST") {
      net::ServerResponse response;
      response.status = 405;
      response.headers.push_back({"Allow", "POST"});
      return responder.send(std::move(response));
    }
    Reception reception;
    reception.received_at = core::to_ms(loop_.wall());
    reception.request.method = std::move(request.method);
    reception.request.path = std::move(request.target);
    reception.request.headers = std::move(request.headers);
    reception.request.body = std::move(request.body);
    reception.verdict =
        verifier_.check(reception.request, reception.received_at / 1000, kToleranceSeconds);
    reception.answered = status_for(reception.verdict.has_value());
    net::ServerResponse response;
    response.status = reception.answered;
    if (!reception.verdict) {
      response.headers.push_back({"Content-Type", "text/plain; charset=utf-8"});
      response.body = reception.verdict.error().to_string() + "\n";
    }
    if (on_reception_) on_reception_(reception);
    answer(std::move(responder), std::move(response));
  }

  int status_for(bool verified) {
    if (!verified) return 401;
    if (failures_left_ == 0) return options_.status;
    --failures_left_;
    return 500;
  }

  void answer(net::Responder responder, net::ServerResponse response) {
    if (options_.delay_ms == 0) return responder.send(std::move(response));
    // Shared, because a timer's callback must be copyable; there is one owner at a time.
    auto later = std::make_shared<std::pair<net::Responder, net::ServerResponse>>(
        std::move(responder), std::move(response));
    loop_.start(core::Duration(options_.delay_ms),
                [later] { later->first.send(std::move(later->second)); });
  }

  ReceiverOptions options_;
  receiver::Verifier verifier_;
  OnReception on_reception_;
  std::uint32_t failures_left_;
  std::optional<crypto::TlsServerContext> tls_;
  net::Loop loop_;
  std::unique_ptr<net::HttpServer> server_;
  std::unique_ptr<net::Loop::Waker> waker_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

Receiver::Receiver(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Receiver::~Receiver() = default;

Result<std::unique_ptr<Receiver>> Receiver::start(ReceiverOptions options,
                                                  const Providers& providers,
                                                  OnReception on_reception) {
  if (auto checked = check_options(options); !checked) return tl::unexpected(checked.error());
  Result<receiver::Verifier> verifier = verifier_for(providers, options.provider, options.secrets);
  if (!verifier) return tl::unexpected(verifier.error());
  for (std::string& secret : options.secrets) crypto::forget(secret);
  auto impl =
      std::make_unique<Impl>(std::move(options), std::move(*verifier), std::move(on_reception));
  if (auto started = impl->start(); !started) return tl::unexpected(started.error());
  return std::unique_ptr<Receiver>(new Receiver(std::move(impl)));
}

std::string Receiver::url() const { return impl_->url(); }
void Receiver::stop() { impl_->stop(); }

}  // namespace outrider
