#include "net/wall_clock.h"

#include <chrono>

namespace outrider::net {

core::WallTime wall_now() noexcept {
  return core::WallTime(std::chrono::duration_cast<core::Duration>(
      std::chrono::system_clock::now().time_since_epoch()));
}

}  // namespace outrider::net
