// A token is found by its id, which is no secret, and then compared by its digest in constant time.
// Whether the id exists shows in nothing but the answer, which is the same.
#include "api/access.h"

#include "core/ascii.h"
#include "crypto/mac.h"

namespace outrider::api {
namespace {

constexpr std::string_view kScheme = "bearer ";
constexpr std::string_view kPrefix = "orx_";
constexpr std::size_t kIdLength = 8;

tl::unexpected<Problem> unauthenticated(std::string detail) {
  auto problem = refuse(kUnauthenticated, std::move(detail), {},
                        "send a token of this database: Authorization: Bearer orx_…");
  problem.value().headers.push_back({"WWW-Authenticate", "Bearer"});
  return problem;
}

}  // namespace

void Access::set_tokens(std::vector<TokenView> tokens) {
  tokens_.clear();
  for (TokenView& token : tokens) {
    std::string id = token.id;
    tokens_.emplace(std::move(id), std::move(token));
  }
}

Read<Principal> Access::identify(const net::ServerRequest& request) const {
  const std::string* field = nullptr;
  for (const HeaderField& header : request.headers) {
    if (!core::equal_ignoring_case(header.name, "authorization")) continue;
    if (field != nullptr) return unauthenticated("two fields Authorization");
    field = &header.value;
  }
  if (field == nullptr) {
    if (request.peer_uid && !unix_needs_token_) {
      return Principal{.role = Role::kOperate,
                       .account = {},
                       .actor = "unix uid " + std::to_string(*request.peer_uid)};
    }
    return unauthenticated("no token was sent");
  }
  std::string_view text = *field;
  if (!core::equal_ignoring_case(text.substr(0, kScheme.size()), kScheme)) {
    return unauthenticated("not a bearer token");
  }
  text.remove_prefix(kScheme.size());
  const std::string_view id =
      text.starts_with(kPrefix) ? text.substr(kPrefix.size(), kIdLength) : std::string_view();
  const auto found = tokens_.find(id);
  const std::string digest = crypto::sha256(text);
  const std::string& wanted =
      found == tokens_.end() ? std::string(digest.size(), '\0') : found->second.sha256;
  if (!crypto::equal_constant_time(digest, wanted) || found == tokens_.end()) {
    return unauthenticated("the token is not known");
  }
  const TokenView& token = found->second;
  return Principal{.role = token.role, .account = token.account, .actor = "token " + token.name};
}

}  // namespace outrider::api
