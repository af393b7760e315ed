// outrider endpoint: what an operator does with one endpoint, by its id. Adding one and changing
// its secret are in endpoint_add.cc and endpoint_secret.cc.
#include "endpoint.h"

#include <string>

#include "command.h"
#include "endpoint_text.h"
#include "endpoint_tls.h"
#include "outcome.h"
#include "time_text.h"
#include "views_json.h"
#include "wiped.h"

namespace outrider::cli {
namespace {

class List final : public Command {
 public:
  explicit List(CLI::App& app) : Command(app) {
    app.add_option("--account", account_, "Only this account's");
    app.add_option("--provider", provider_, "Only this provider's");
  }

  Result<int> run(const Globals& globals) override {
    auto database = open_database(globals);
    if (!database) return tl::unexpected(database.error());
    const auto endpoints = (*database)->endpoints(account_, provider_);
    if (!endpoints) return tl::unexpected(endpoints.error());
    if (!globals.json) return done_with(endpoint_table(*endpoints, wall_now_ms()));
    JsonOutput json;
    json.begin_object().key("endpoints").begin_array();
    for (const EndpointView& endpoint : *endpoints) write_json(json, endpoint);
    json.end_array().end_object();
    return done_with(json.document() + "\n");
  }

 private:
  std::string account_;
  std::string provider_;
};

// A command on one endpoint that shows what became of it.
class OnEndpoint : public Command {
 public:
  Result<int> run(const Globals& globals) final {
    auto database = open_database(globals);
    if (!database) return tl::unexpected(database.error());
    const auto endpoint = act(**database, id_);
    if (!endpoint) return tl::unexpected(endpoint.error());
    return done_with(globals.json ? json_document(*endpoint)
                                  : endpoint_text(*endpoint, wall_now_ms()));
  }

 protected:
  explicit OnEndpoint(CLI::App& app) : Command(app) { endpoint_id(app, id_); }
  virtual Result<EndpointView> act(Database& database, const std::string& id) = 0;

 private:
  std::string id_;
};

class Show final : public OnEndpoint {
 public:
  explicit Show(CLI::App& app) : OnEndpoint(app) {}

 private:
  Result<EndpointView> act(Database& database, const std::string& id) override {
    return database.endpoint(id);
  }
};

class Pause final : public OnEndpoint {
 public:
  explicit Pause(CLI::App& app) : OnEndpoint(app) {
    app.add_option("--reason", reason_, "Why, for the record")->capture_default_str();
  }

 private:
  Result<EndpointView> act(Database& database, const std::string& id) override {
    return database.pause_endpoint(id, reason_);
  }
  std::string reason_ = "paused by an operator";
};

class SetTls final : public Command {
 public:
  explicit SetTls(CLI::App& app) : Command(app) {
    endpoint_id(app, id_);
    tls_.add_to(app);
    app.add_flag("--no-tls-ca", no_ca_, "Trust what all the others trust")->excludes("--tls-ca");
    app.add_flag("--no-tls-cert", no_certificate_, "Present no certificate")
        ->excludes("--tls-cert");
    app.footer(
        "What is not given stays as it is; a certificate for the same key needs no --tls-key.\n"
        "Examples:\n"
        "  outrider endpoint set-tls ep_… --tls-cert new.pem --tls-key new.key\n"
        "  outrider endpoint set-tls ep_… --no-tls-ca --tls-min 1.3\n");
  }

  Result<int> run(const Globals& globals) override {
    if (!tls_.given() && !no_ca_ && !no_certificate_) {
      return fail(ErrorCode::kInvalidArgument, "nothing is to be changed", "endpoint set-tls",
                  "see: outrider endpoint set-tls --help");
    }
    auto change = tls_.read_change();
    if (!change) return tl::unexpected(change.error());
    std::string no_key;
    const WipedAtEnd wiped(change->key ? *change->key : no_key);
    if (no_ca_) change->ca = "";
    if (no_certificate_) change->certificate = "";
    auto database = open_database(globals);
    if (!database) return tl::unexpected(database.error());
    const auto endpoint = (*database)->set_tls(id_, *change);
    if (!endpoint) return tl::unexpected(tls_.told(endpoint.error()));
    return done_with(globals.json ? json_document(*endpoint)
                                  : endpoint_text(*endpoint, wall_now_ms()));
  }

 private:
  std::string id_;
  TlsSource tls_;
  bool no_ca_ = false;
  bool no_certificate_ = false;
};

class Activate final : public OnEndpoint {
 public:
  explicit Activate(CLI::App& app) : OnEndpoint(app) {}

 private:
  Result<EndpointView> act(Database& database, const std::string& id) override {
    return database.activate_endpoint(id);
  }
};

class Test final : public Command {
 public:
  explicit Test(CLI::App& app) : Command(app) { endpoint_id(app, id_); }

  Result<int> run(const Globals& globals) override {
    auto database = open_database(globals);
    if (!database) return tl::unexpected(database.error());
    const auto receipt = (*database)->test_endpoint(id_);
    if (!receipt) return tl::unexpected(receipt.error());
    if (globals.json) return done_with(json_document(*receipt));
    return done_with(receipt->id + ": test event accepted; see: outrider event show " +
                     receipt->id + "\n");
  }

 private:
  std::string id_;
};

class Remove final : public Command {
 public:
  explicit Remove(CLI::App& app) : Command(app) { endpoint_id(app, id_); }

  Result<int> run(const Globals& globals) override {
    auto database = open_database(globals);
    if (!database) return tl::unexpected(database.error());
    const auto removed = (*database)->remove_endpoint(id_);
    if (!removed) return tl::unexpected(removed.error());
    if (!globals.json) return done_with(id_ + ": removed\n");
    JsonOutput json;
    json.begin_object().member("id", id_).member("removed", true).end_object();
    return done_with(json.document() + "\n");
  }

 private:
  std::string id_;
};

}  // namespace

void endpoint_id(CLI::App& app, std::string& id) {
  app.add_option("id", id, "The endpoint, ep_…")->required()->type_name("ID");
}

void add_endpoint(CLI::App& app, Commands& commands) {
  auto* endpoint = app.add_subcommand("endpoint", "Add, look at, pause, activate, test endpoints");
  endpoint->require_subcommand(0, 1);
  endpoint->footer(
      "Examples:\n"
      "  outrider endpoint list --account acme\n"
      "  outrider endpoint pause ep_… --reason 'they asked us to wait'\n"
      "  outrider endpoint activate ep_…\n"
      "  outrider endpoint test ep_…\n");
  const auto add = [&]<class Chosen>(const std::string& name, const std::string& description) {
    commands.push_back(std::make_unique<Chosen>(*endpoint->add_subcommand(name, description)));
  };
  add_endpoint_add(*endpoint, commands);
  add.operator()<List>("list", "Endpoints, in a table");
  add.operator()<Show>("show", "One endpoint, all of it");
  add_endpoint_stats(*endpoint, commands);
  add.operator()<Pause>("pause",
                        "Send nothing to it until it is activated; what it misses is held");
  add.operator()<Activate>("activate",
                           "End a pause or a deactivation: counts start anew, what was held goes");
  add.operator()<Test>("test", "Send the provider's test event to this endpoint alone, once");
  add_endpoint_replay(*endpoint, commands);
  add_endpoint_rotate_secret(*endpoint, commands);
  add.operator()<SetTls>("set-tls", "Change its client certificate, authorities or oldest TLS");
  add.operator()<Remove>("remove",
                         "Cancel what waits for it and erase its secrets; its history stays");
}

}  // namespace outrider::cli
