// One place knows which mutations carry secrets. A mutation is moved on its way, never copied: the
// strings that are overwritten here are the ones the operator's side filled.
#include "wipe_secrets.h"

#include <variant>

#include "crypto/mac.h"

namespace outrider {
namespace {

void wipe_spec(EndpointSpec& spec) noexcept {
  crypto::wipe(spec.secret);
  crypto::wipe(spec.tls.key);
  for (HeaderField& header : spec.headers) crypto::wipe(header.value);
}

struct Wipe {
  void operator()(storage::AddEndpoint& add) const noexcept { wipe_spec(add.spec); }
  void operator()(storage::SetTls& set) const noexcept {
    if (set.change.key) crypto::wipe(*set.change.key);
  }
  void operator()(storage::UpdateEndpoint& update) const noexcept { wipe_spec(update.spec); }
  void operator()(storage::RotateSecret& rotation) const noexcept { crypto::wipe(rotation.secret); }
  template <class Other>
  void operator()(Other&) const noexcept {}
};

}  // namespace

void wipe_secrets(storage::Mutation& mutation) noexcept { std::visit(Wipe{}, mutation); }

void wipe_secrets(storage::EndpointRecord& record) noexcept {
  wipe_spec(record.spec);
  for (Secret& secret : record.secrets) crypto::wipe(secret.text);
}

}  // namespace outrider
