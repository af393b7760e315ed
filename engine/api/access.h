// Who is there: by a token, or by the Unix socket they come through.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/call.h"
#include "net/http_server.h"
#include "outrider/types.h"

namespace outrider::api {

class Access {
 public:
  explicit Access(bool unix_needs_token) : unix_needs_token_(unix_needs_token) {}

  // The tokens that count from now on.
  void set_tokens(std::vector<TokenView> tokens);
  [[nodiscard]] bool has_tokens() const { return !tokens_.empty(); }

  // A token that is sent is checked, also where none is needed. Problems: kUnauthenticated.
  [[nodiscard]] Read<Principal> identify(const net::ServerRequest& request) const;

 private:
  bool unix_needs_token_;
  std::map<std::string, TokenView, std::less<>> tokens_;  // by id
};

}  // namespace outrider::api
