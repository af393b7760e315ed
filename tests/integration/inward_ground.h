// Where the tests about inward requests take place: receivers on addresses that must not be
// connected to and on some that may, a DNS that answers as the test says, and witnesses of every
// connect. In two networks of its own where the system allows it, else on the loopback.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "connect_watch.h"
#include "core/target.h"
#include "counting_web.h"
#include "net/curl_sender.h"
#include "two_networks.h"
#include "unit/dns_test_server.h"

namespace outrider::net::testing {

inline constexpr std::string_view kAllowedName = "allowed.test";

class InwardGround {
 public:
  enum class Where { kNetworksIfPossible, kLoopback };
  explicit InwardGround(Where where);
  ~InwardGround();
  InwardGround(const InwardGround&) = delete;
  InwardGround& operator=(const InwardGround&) = delete;

  [[nodiscard]] bool has_networks() const { return networks_ != nullptr; }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] const std::vector<core::Address>& forbidden() const { return forbidden_; }
  [[nodiscard]] const core::Address& allowed() const { return allowed_.front(); }
  [[nodiscard]] const std::vector<core::Address>& all_allowed() const { return allowed_; }
  // The exceptions a sender on this ground needs to reach what is allowed.
  [[nodiscard]] const std::vector<std::string>& allow_nets() const { return allow_nets_; }

  // The DNS: names that carry an address have it, `name` has what was last said of it, all others
  // have the allowed address.
  void say(const std::string& name, Reply v4, Reply v6);
  [[nodiscard]] std::string dns() const { return dns_->address(); }

  // Before the first request.
  void start_receivers(const std::vector<std::string>& redirects) { start(redirects); }
  // What was connected to although it must not be, "address port: n times (who saw it)". All that
  // was sent before is known.
  [[nodiscard]] std::vector<std::string> forbidden_connects();
  // All connects the witnesses know of, by address.
  [[nodiscard]] std::map<std::string, int> connects();
  [[nodiscard]] int requests();  // that arrived anywhere
  // A proxy at an allowed address, and what it was asked for although it must not be connected to.
  [[nodiscard]] EgressProxy proxy() const;
  [[nodiscard]] std::vector<std::string> forbidden_tunnels();
  [[nodiscard]] int tunnels();

 private:
  void start(const std::vector<std::string>& redirects);
  [[nodiscard]] bool is_forbidden(const core::Address& address) const;

  std::unique_ptr<TwoNetworks> networks_;
  std::unique_ptr<ConnectWatch> watch_;
  CountingWeb inside_;
  CountingWeb outside_;
  std::unique_ptr<DnsServer> dns_;
  std::mutex mutex_;
  std::map<std::string, std::pair<Reply, Reply>> said_;
  std::uint16_t port_ = 80;
  std::vector<core::Address> forbidden_;
  std::vector<core::Address> allowed_;
  std::vector<std::string> allow_nets_;
};

}  // namespace outrider::net::testing
