// Equal contents are one object only as long as somebody holds it: a certificate that was replaced
// and put back is a new identity, with new connections.
#include "dispatcher_identities.h"

#include <algorithm>
#include <utility>

#include "crypto/mac.h"

namespace outrider {
namespace {

// Each text after its length, so that no two identities have the same.
std::string digest_of(const TlsIdentity& identity) {
  std::string all = std::to_string(static_cast<int>(identity.at_least));
  for (const std::string* text : {&identity.ca, &identity.certificate, &identity.key}) {
    all += '/' + std::to_string(text->size()) + ':';
    all += crypto::sha256(*text);
  }
  return crypto::sha256(all);
}

}  // namespace

std::shared_ptr<const TlsIdentity> HeldIdentities::hold(TlsIdentity& identity) {
  if (identity == TlsIdentity{}) return nullptr;
  auto& held = held_[digest_of(identity)];
  auto found = held.lock();
  if (found == nullptr) {
    found = std::shared_ptr<TlsIdentity>(new TlsIdentity(identity), [](TlsIdentity* gone) {
      crypto::wipe(gone->key);
      delete gone;
    });
    held = found;
  }
  crypto::wipe(identity.key);
  identity.key.clear();
  if (held_.size() >= look_at_) {
    std::erase_if(held_, [](const auto& it) { return it.second.expired(); });
    look_at_ = std::max<std::size_t>(64, 2 * held_.size());
  }
  return found;
}

}  // namespace outrider
