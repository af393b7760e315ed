// Ownership of libuv handles. A handle's memory must live until its close callback, which comes a
// turn later; so a handle lives on the heap together with whatever its callbacks need, and is freed
// only there.
//
// `T` is a struct with a member `uv` (any uv handle type); its other members (a callback, a
// descriptor) live as long as the handle. A callback of libuv finds its T in `handle->data`, and
// may drop the owner of the T it runs in.
#pragma once

#include <uv.h>

#include <memory>

#include "core/assert.h"

namespace outrider::net {

struct UvClose {
  template <class T>
  void operator()(T* handle) const noexcept {
    uv_close(reinterpret_cast<uv_handle_t*>(&handle->uv),
             [](uv_handle_t* closed) { delete static_cast<T*>(closed->data); });
  }
};

// Resetting it ends the handle: no callback comes after that.
template <class T>
using UvOwned = std::unique_ptr<T, UvClose>;

// Takes over a handle whose uv_*_init has succeeded.
template <class T>
[[nodiscard]] UvOwned<T> own_uv(std::unique_ptr<T> initialised) {
  initialised->uv.data = initialised.get();
  return UvOwned<T>(initialised.release());
}

template <class T, class Uv>
[[nodiscard]] T& from_uv(Uv* handle) noexcept {
  OUTRIDER_ASSERT(handle->data != nullptr);
  return *static_cast<T*>(handle->data);
}

}  // namespace outrider::net
